"""This machine's time zone, by name where it says one."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timezone, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_LOCALTIME: Final = Path("/etc/localtime")
_BASE: Final = "zoneinfo/"


def local() -> tzinfo:
    """The zone in which this machine's days begin."""
    named = os.environ.get("TZ", "").lstrip(":")
    for name in (named, _linked()):
        if name and (zone := _zone(name)) is not None:
            return zone
    if not named and _LOCALTIME.is_file():
        with _LOCALTIME.open("rb") as file:
            return ZoneInfo.from_file(file, key="localtime")
    offset = datetime.now(UTC).astimezone().utcoffset()
    return UTC if not offset else timezone(offset)


def _linked() -> str:
    """The name under which the system's zone is filed, if /etc/localtime leads there."""
    if os.environ.get("TZ"):
        return ""
    try:
        return os.path.realpath(_LOCALTIME).rpartition(_BASE)[2]
    except OSError:
        return ""


def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
