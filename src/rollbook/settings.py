"""Where a book is kept and what its limits are: the environment, read once, as one small struct.

A status line reads this many times a minute, so it is loaded with nothing but the standard library.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from rollbook.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

#: The namespace in which names (e-mails, telemetry user ids) become user UUIDs. Fixed for ever.
USER_NAMESPACE: Final = "6f1d6ad0-5a4f-5d0e-9c8e-2b1f0a7c3d11"
#: The one local user: whoever runs agents on this machine without saying a name.
LOCAL_USER: Final = "00000000-0000-5000-8000-000000000001"

DEFAULT_ABANDON_AFTER_S: Final = 1800


class Settings(NamedTuple):
    """What may be tuned, with the defaults that suit nearly everybody."""

    abandon_after_s: int = DEFAULT_ABANDON_AFTER_S  #: silence after which a running session counts as abandoned
    queue_size: int = 20_000  #: writes that may wait before the book answers Overloaded
    queue_wait_s: float = 5.0  #: how long a writer waits for a place in a full queue
    busy_timeout_s: float = 30.0  #: how long a write waits for another process
    batch_items: int = 512  #: writes that share one commit at the most
    readers: int = 8  #: read connections at the most
    writers: int = 2  #: transactions that write at once, where the database can
    prices: str | None = None  #: a price file of the user's own, before the shipped tables
    journal: str | None = None  #: where journals are kept, if not in the book's own database
    entry_bytes: int = 1 << 20  #: how large an entry of a journal may be
    beat_s: int = 15  #: how often a process that runs sessions says that it lives
    lease_s: int = 60  #: silence after which others presume it dead, if they cannot see its process
    reconcile_s: int = 60  #: how often a process that runs sessions looks for dead ones on its machine; 0: never
    redact: bool = True  #: whether keys and tokens are taken out of what is said before it is stored


def load(env: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment.

    ``ROLLBOOK_ABANDON_AFTER`` and ``ROLLBOOK_BUSY_TIMEOUT`` (seconds), ``ROLLBOOK_PRICES`` (a price file),
    ``ROLLBOOK_JOURNAL`` (a URL), ``ROLLBOOK_ENTRY_BYTES``, ``ROLLBOOK_WRITERS``, ``ROLLBOOK_REDACT`` (``off`` stores
    everything as given), ``ROLLBOOK_BEAT``, ``ROLLBOOK_LEASE`` and ``ROLLBOOK_RECONCILE`` (seconds).
    """
    env = os.environ if env is None else env
    beat_s, lease_s = _whole(env, "ROLLBOOK_BEAT", 15), _whole(env, "ROLLBOOK_LEASE", 60)
    if not 0 < 3 * beat_s <= lease_s:
        raise InvalidInput(f"ROLLBOOK_LEASE ({lease_s} s) must be at least three times ROLLBOOK_BEAT ({beat_s} s)")
    return Settings(
        abandon_after_s=_whole(env, "ROLLBOOK_ABANDON_AFTER", DEFAULT_ABANDON_AFTER_S),
        busy_timeout_s=float(_whole(env, "ROLLBOOK_BUSY_TIMEOUT", 30)),
        prices=env.get("ROLLBOOK_PRICES", "").strip() or None,
        journal=env.get("ROLLBOOK_JOURNAL", "").strip() or None,
        entry_bytes=_whole(env, "ROLLBOOK_ENTRY_BYTES", 1 << 20, "bytes"),
        beat_s=beat_s,
        lease_s=lease_s,
        reconcile_s=_whole(env, "ROLLBOOK_RECONCILE", 60),
        writers=max(1, _whole(env, "ROLLBOOK_WRITERS", 2, "connections")),
        redact=env.get("ROLLBOOK_REDACT", "").strip().lower() not in ("off", "0", "no", "false"),
    )


def _whole(env: Mapping[str, str], name: str, default: int, unit: str = "seconds") -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit():
        raise InvalidInput(f"{name} must be a whole number of {unit}, not {text!r}")
    return int(text)


def data_dir(env: Mapping[str, str] | None = None) -> Path:
    """The user's data folder for Rollbook, by the platform's own convention."""
    from pathlib import Path  # noqa: PLC0415 - an agent's hook does without

    return Path(data_folder(env))


def data_folder(env: Mapping[str, str] | None = None) -> str:
    """The same as text."""
    env = os.environ if env is None else env
    join = os.path.join
    home = env.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - see above
    if sys.platform == "darwin":
        return join(home, "Library", "Application Support", "rollbook")
    if sys.platform == "win32":
        return join(env.get("LOCALAPPDATA") or join(home, "AppData", "Local"), "rollbook")
    return join(env.get("XDG_DATA_HOME") or join(home, ".local", "share"), "rollbook")


def default_url(env: Mapping[str, str] | None = None) -> str:
    """``ROLLBOOK_DB``, or a SQLite file in the user's data folder."""
    env = os.environ if env is None else env
    return env.get("ROLLBOOK_DB") or f"sqlite:///{data_dir(env) / 'rollbook.db'}"


def url_of(url: str | os.PathLike[str]) -> str:
    """A database's URL; a path is a SQLite file's."""
    if isinstance(url, os.PathLike):
        return f"sqlite:///{os.fspath(url)}"
    if not isinstance(url, str):
        raise InvalidInput(f"a database is named by a URL or a path, not by {type(url).__name__}")
    return url
