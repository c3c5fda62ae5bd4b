"""Ed25519 signatures of records: who judged them, checked against the public keys in leaderboards/keys."""

from __future__ import annotations

import os
import re
from pathlib import Path

from .errors import PdebenchError, RecordError
from .task import Record, Signature

_CONTEXT = b"pdebench record 1\n"  # what is signed is this and the record's digest: no other message can be mistaken


def make_key(name: str, secret: Path, public: Path) -> None:
    """Write a new pair: `secret` readable by its owner alone, and `public`, which belongs into leaderboards/keys.

    Both hold 64 hexadecimal digits. Neither file may exist.
    """
    _need()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    _named(name)
    for path in (secret, public):
        if path.exists():
            raise PdebenchError(f"{path} exists: a key is never overwritten, choose another name")
    key = Ed25519PrivateKey.generate()
    raw, plain = serialization.Encoding.Raw, serialization.NoEncryption()
    own = key.private_bytes(raw, serialization.PrivateFormat.Raw, plain)
    shown = key.public_key().public_bytes(raw, serialization.PublicFormat.Raw)
    public.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(own.hex() + "\n")
    public.write_text(shown.hex() + "\n")


def signed(record: Record, name: str, secret: Path) -> Record:
    """The record, sealed and signed with the key in `secret`, which the board knows as `name`."""
    _need()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    _named(name)
    sealed = record.sealed()
    value = Ed25519PrivateKey.from_private_bytes(_hex(secret)).sign(_CONTEXT + sealed.digest.encode())
    return sealed.model_copy(update={"signature": Signature(key=name, value=value.hex())})


def check_key(secret: Path) -> None:
    """Raises `PdebenchError` unless the file holds a secret key."""
    _need()
    _hex(secret)


def check_signature(record: Record, keys: Path) -> None:
    """Raises `RecordError` unless the record carries a verdict and the signature of a key in the folder `keys`."""
    _need()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    said = record.signature
    if said is None:
        raise RecordError(f"{record.label} says that it was judged, but nobody signed it: only `pdebench judge` can")
    path = keys / f"{_named(said.key)}.pub"
    if not path.is_file():
        raise RecordError(f"{record.label} is signed by {said.key!r}, but there is no {path}")
    try:
        Ed25519PublicKey.from_public_bytes(_hex(path)).verify(
            bytes.fromhex(said.value), _CONTEXT + record.fingerprint().encode()
        )
    except (InvalidSignature, ValueError) as error:
        raise RecordError(
            f"the signature of {record.label} is not {said.key}'s: the record was changed or forged"
        ) from error


def _named(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
        raise RecordError(f"a key's name has small letters, digits, _ and -: not {name!r}")
    return name


def _hex(path: Path) -> bytes:
    try:
        found = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise PdebenchError(f"{path} is no key: expected 64 hexadecimal digits") from error
    if len(found) != 32:
        raise PdebenchError(f"{path} is no key: expected 64 hexadecimal digits")
    return found


def _need() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise PdebenchError("signatures need cryptography: pip install 'pdebench-foundry[judge]'") from error
