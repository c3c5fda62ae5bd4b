"""What every page of the site has around its content."""

from __future__ import annotations

from html import escape

from ..board.page import framed

# On a disk, where a page has no origin, `file:` stands for what `'self'` is on a server.
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; img-src 'self' file: data:; "
    "style-src 'self' file: 'unsafe-inline'; script-src 'self' file:"
)


def styles(up: str) -> str:
    """Links to the style sheets, seen from a page for which `up` leads to the site's root."""
    return "\n".join(f'<link rel="stylesheet" href="{up}assets/{name}.css">' for name in ("page", "site"))


def scripts(up: str, *, charts: bool = False) -> str:
    names = ["chart", "page", "site"] if charts else ["page", "site"]
    return "\n".join(f'<script src="{up}assets/{name}.js"></script>' for name in names)


def page(title: str, content: str, up: str = "") -> str:
    """A page of the site. `content` is HTML; `title` is text."""
    return framed(title, content, policy=POLICY, styles=styles(up), scripts=scripts(up))


def home(up: str, here: str) -> str:
    """The way back, and where one is."""
    return f'<a href="{up}index.html">pdebench</a> › {escape(here)}'
