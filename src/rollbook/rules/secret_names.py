"""Whether a name tells of a secret, and whether what stands under it is one, or a word, a variable, a placeholder."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_PASSPHRASE: Final = re.compile(r"pass[_-]?phrase$")
_PASSWORD: Final = re.compile(r"(?:pass(?:word|wd|code)|pwd)$")
_SECRET: Final = re.compile(r"secret(?:[_-]?(?:key|token|value))?$")
_TOKEN: Final = re.compile(r"token$")
#: Tokens that say how far one has read: an agent that goes on from its own conversation needs them.
_PLACE: Final = re.compile(
    r"(?:page|next|prev|previous|continuation|continue|sync|start|end|last|resume|cursor|change|watch)[_-]?token$"
)
_PLACE_MOST: Final = 24
_CREDENTIAL: Final = re.compile(r"credentials?$")
_KEY: Final = re.compile(r"(?:api|access|private|signing|encryption|auth|account|subscription|master)[_-]?key$")
_KINDS: Final = (
    ("password", _PASSWORD), ("passphrase", _PASSPHRASE), ("secret", _SECRET), ("token", _TOKEN), ("key", _KEY),
    ("credential", _CREDENTIAL),
)  # fmt: skip
_HEADERS: Final = {
    "authorization": "authorization",
    "proxy-authorization": "authorization",
    "cookie": "cookie",
    "set-cookie": "cookie",
}
_ENDINGS: Final = ("word", "wd", "rase", "code", "key", "ret", "ken", "lue", "ial", "als", "ion", "kie")
_NAME_MOST: Final = 128

_DONE: Final = re.compile(r".{0,16}\[redacted:[a-z-]{1,32}\]")
_MASK: Final = re.compile(r"[*xX.•#_?-]+")
_NUMBER: Final = re.compile(r"[\d.,:_+-]+[A-Za-z%]{0,3}")
_VARIABLE: Final = re.compile(r"[A-Za-z_$@][\w$]*(?:(?:\.|->|::|\?\.)[A-Za-z_$][\w$]*)*")
_PLACEHOLDERS: Final = ("$", "{", "<", "%", "[", "(", "…", "...")
_WORDS: Final = frozenset({
    "string", "str", "text", "none", "null", "nil", "true", "false", "undefined", "required", "optional", "bool",
    "boolean", "int", "integer", "number", "object", "any", "bytes", "password", "passwd", "pass", "pwd", "secret",
    "token", "key", "value", "redacted", "hidden", "empty", "unset", "default", "here", "example", "yes", "no",
})  # fmt: skip
#: Parts of the names of variables that passwords are handed on in.
_PARTS: Final = ("pass", "pwd", "secret", "token", "key", "value", "hash", "self", "arg", "env", "conf", "input", "get")
_RANDOM_LEAST: Final = 8
_PROSE_SPACES: Final = 2


def is_secret_name(name: str) -> str | None:
    """The kind of secret that a name ends with; None for any other name."""
    return _kind_of(name[-_NAME_MOST:])


@lru_cache(maxsize=4096)  # fields of what is said have but a few names
def _kind_of(name: str) -> str | None:
    small = name.lower().rstrip("0123456789")
    if not small.endswith(_ENDINGS):
        return None
    if small in _HEADERS:
        return _HEADERS[small]
    if says_place(small):
        return None
    return next((kind for kind, pattern in _KINDS if pattern.search(small)), None)


def says_place(small: str) -> bool:
    """Whether a name, or a text that ends with one, is that of a token that says how far one has read."""
    return _PLACE.search(small[-_PLACE_MOST:]) is not None


def looks_random(value: str) -> bool:
    """Whether a text is not made of words: it has a digit, or changes between small letters and capitals."""
    if any(char.isdigit() for char in value):
        return True
    inner = value[1:]
    return inner != inner.lower() and value != value.upper()


def spared(kind: str, value: str, *, bare: bool, colon: bool = False) -> bool:
    """Whether what stands under a name that tells of a secret is none.

    ``bare``: it stands there without quotes, so it may be a variable or a word of a sentence; ``colon``: and behind a
    colon, where sentences go on.
    """
    if _obvious(value):
        return True
    if kind in ("token", "key", "credential"):
        return len(value) < _RANDOM_LEAST or not looks_random(value) or _weak(value, bare=bare)
    if kind in ("authorization", "cookie"):
        return len(value) < _RANDOM_LEAST
    if not bare:
        return value.count(" ") >= _PROSE_SPACES and kind != "passphrase"
    return _is_word(value, colon=colon)


def _obvious(value: str) -> bool:
    """Whether it was taken out already, or stands for something."""
    return (
        len(value) < 3  # noqa: PLR2004 - no secret is that short
        or value.startswith(_PLACEHOLDERS)
        or value.lower() in _WORDS
        or _MASK.fullmatch(value) is not None
        or _DONE.fullmatch(value) is not None
    )


def _weak(value: str, *, bare: bool) -> bool:
    """Whether it is a number, a sentence, or a variable without a digit."""
    if " " in value or _NUMBER.fullmatch(value):
        return True
    return bare and _VARIABLE.fullmatch(value) is not None and not any(char.isdigit() for char in value)


def _is_word(value: str, *, colon: bool) -> bool:
    if _VARIABLE.fullmatch(value) is None or any(char.isdigit() for char in value):
        return False
    return colon or "." in value or "->" in value or "::" in value or any(part in value.lower() for part in _PARTS)
