"""Keys as they are shown: ``rb_ID_SECRET``, where the id is no secret and finds the key in the book.

A secret has 256 random bits, so a plain SHA-256 of it is enough to keep: there is nothing to guess that a slow hash
would make dear.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final, NamedTuple

_FORM: Final = re.compile(r"rb_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32


class Shown(NamedTuple):
    """A key as somebody shows it."""

    key_id: str
    secret: str

    @property
    def text(self) -> str:
        """The whole key."""
        return f"rb_{self.key_id}_{self.secret}"


def made() -> Shown:
    """A new key."""
    return Shown(secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES))


def parsed(text: str) -> Shown | None:
    """A key from its text; None where it cannot be one."""
    found = _FORM.fullmatch(text)
    return None if found is None else Shown(found[1], found[2])


def hashed(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def fits(secret: str, kept: bytes) -> bool:
    """Whether a secret is the one that a hash was made of; takes as long whatever it is."""
    return hmac.compare_digest(hashed(secret), bytes(kept))
