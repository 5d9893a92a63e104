"""The local user's token: a private file that programs of the same user read, as notebooks have it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rollbook.errors import InvalidInput, StoreError
from rollbook.settings import data_dir

_NAME: Final = "server-token"
_LEAST: Final = 16  #: characters of a token that somebody chose


def local_token(env: Mapping[str, str] | None = None) -> str:
    """``ROLLBOOK_TOKEN``, or what the file holds, which is made if it is not there. Raises StoreError."""
    env = os.environ if env is None else env
    if given := env.get("ROLLBOOK_TOKEN", "").strip():
        if len(given) < _LEAST:
            raise InvalidInput(f"ROLLBOOK_TOKEN is what lets people in: it must have at least {_LEAST} characters")
        return given
    path = data_dir(env) / _NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _made(path)
        found = path.stat()
        if hasattr(os, "getuid") and found.st_uid != os.getuid():
            raise StoreError(f"{path} is another user's, who knows what it holds; remove it, or set ROLLBOOK_TOKEN")
        if found.st_mode & 0o077:
            raise StoreError(f"others on this machine may read {path}; run: chmod 600 {path}")
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"the token of the local user cannot be kept in {path}: {error}") from error
    if not token:
        raise StoreError(f"{path} is empty; remove it, and a new token is made")
    return token


def _made(path: Path) -> None:
    """Make the file where it is not there. It has its contents when it gets its name, whoever comes by at the time."""
    if path.exists():
        return
    new = path.with_name(f"{_NAME}.{os.getpid()}.{secrets.token_hex(4)}")
    opened = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(opened, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        try:
            os.link(new, path)
        except FileExistsError:
            return
    finally:
        new.unlink()
