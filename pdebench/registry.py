"""Names for what a user may plug in: problems, solvers, models, metrics."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from hashlib import sha256
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from .errors import PdebenchError

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of names, filled by decorator or by the entry-point group `pdebench.<kind>s`.

    `my.module:thing` and `path/to/file.py:thing` need no registration. A name is taken once.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._table: dict[str, T] = {}

    def __call__(self, name: str) -> Callable[[T], T]:
        def add(thing: T) -> T:
            if name in self._table:
                raise ValueError(f"{self.kind} {name!r} is already registered")
            self._table[name] = thing
            return thing

        return add

    def __getitem__(self, name: str) -> T:
        if name in self._table:
            return self._table[name]
        if ":" in name:
            return self._import(name)
        for entry in entry_points(group=f"pdebench.{self.kind}s", name=name):
            found: T = entry.load()
            return self._table.setdefault(name, found)
        raise PdebenchError(f"no {self.kind} named {name!r}{suggest(name, self)}")

    def __iter__(self) -> Iterator[str]:
        outside = {entry.name for entry in entry_points(group=f"pdebench.{self.kind}s")}
        return iter(sorted(outside | self._table.keys()))

    def _import(self, name: str) -> T:
        place, _, attribute = name.rpartition(":")
        try:
            module = _load_file(Path(place)) if place.endswith(".py") else import_module(place)
            found: T = getattr(module, attribute)
        except (ImportError, AttributeError, OSError, SyntaxError) as error:
            raise PdebenchError(f"{self.kind} {name!r} cannot be imported: {error}") from error
        return found


def suggest(name: str, known: Any) -> str:
    """The end of an error message about an unknown name: the nearest known one, or all of them."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(names) or 'none'}"


def _load_file(path: Path) -> ModuleType:
    """The file as a module under a name of its own, so that two `model.py` do not collide."""
    unique = f"_pdebench_{sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    if unique in sys.modules:
        return sys.modules[unique]
    spec = spec_from_file_location(unique, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = sys.modules[unique] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[unique]
        raise
    return module
