"""What the folder of journals is called, and what stands in it under which name."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote

from rollbook.errors import InvalidInput

MARKER: Final = "rollbook-journal.json"  #: says whose folder it is
USER_LOG: Final = "user.jsonl"  #: the state of a user

_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_.")
_LONGEST: Final = 128  #: characters of an id in a name; some file systems take no more than 143 in all
_USER: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SESSION: Final = r"(?:(?:[a-z0-9_.-]|%[0-9a-f]{2})*|@[0-9a-f]{64})"
_LOG: Final = re.compile(rf"(?:s-{_SESSION}|user)\.jsonl")
_FORK: Final = re.compile(rf"f-{_SESSION}\.jsonl")


def parse(url: str) -> tuple[Path, bool]:
    """The folder that a URL names, and whether steps wait for the disk.

    Raises InvalidInput for what is no ``file:///full/path``, or has an option other than ``fsync=always|never``.
    """
    rest, _, query = url.removeprefix("file://").partition("?")
    path = unquote(rest.removeprefix("localhost"))
    if not path.startswith("/") or "\0" in path:
        raise InvalidInput(f"{url!r} names no folder; write file:///full/path/to/folder")
    options = dict(parse_qsl(query, keep_blank_values=True))
    fsync = options.pop("fsync", "always")
    if options or fsync not in ("always", "never"):
        raise InvalidInput(f"unknown option in {url!r}; the one option is fsync=always or fsync=never")
    return Path(path), fsync == "always"


def log_name(session_id: str) -> str:
    """The name of a session's log. Raises InvalidInput for what UTF-8 cannot hold."""
    return f"s-{encoded(session_id)}.jsonl"


def fork_name(session_id: str) -> str:
    """The name of the line that says in whose log a fork's journal is."""
    return f"f-{encoded(session_id)}.jsonl"


@lru_cache(maxsize=4096)
def encoded(session_id: str) -> str:
    """A session id as a part of a name.

    No two ids share a name, not even where a file system takes upper case for lower or changes accents. An id that is
    too long for a name goes by its hash, and stands in the first line of the file.
    """
    try:
        raw = session_id.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"a session id must be text that UTF-8 can hold: {error.reason}") from None
    name = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in raw)
    return f"@{sha256(raw).hexdigest()}" if len(name) > _LONGEST else name


def user_name(user_id: str) -> str:
    """The name of a user's folder. Raises InvalidInput for what is no UUID."""
    if _USER.fullmatch(user_id) is None:
        raise InvalidInput(f"a user id must be a dashed lower-case UUID, not {user_id!r}")
    return user_id


def is_user(name: str) -> bool:
    return _USER.fullmatch(name) is not None


def is_log(name: str) -> bool:
    return _LOG.fullmatch(name) is not None


def is_fork(name: str) -> bool:
    return _FORK.fullmatch(name) is not None
