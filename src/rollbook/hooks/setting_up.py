"""What belongs into Claude Code's settings so that it tells of its sessions, and writing it there."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from rollbook.errors import InvalidInput, StoreError

#: The events that tell something of a session's life. Tools are told of when they are done, and not before as well:
#: that keeps a long turn from looking abandoned, and an agent waits for each of its hooks.
EVENTS: Final = (
    "SessionStart", "UserPromptSubmit", "PostToolUse", "Notification", "SubagentStart", "SubagentStop", "PreCompact",
    "Stop", "StopFailure", "SessionEnd",
)  # fmt: skip
_WORDS: Final = ("hook", "claude-code")
_TIMEOUT_S: Final = 5


class Installed(NamedTuple):
    """What became of an agent's settings."""

    place: Path
    added: list[str]  #: events
    backup: Path | None


def program() -> str:
    """The command that a hook runs: by its name where the agent finds it, else by its whole path."""
    found = shutil.which("rollbook")
    words = ["rollbook"] if found else [sys.executable, "-P", "-m", "rollbook"]
    return shlex.join([*words, *_WORDS])


def hooks(command: str) -> dict[str, Any]:
    """The part of the settings that is ours."""
    return {event: [_entry(command)] for event in EVENTS}


def _entry(command: str) -> dict[str, Any]:
    return {"hooks": [{"type": "command", "command": command, "timeout": _TIMEOUT_S}]}


def usual(env: Mapping[str, str]) -> Path:
    """Where Claude Code keeps its user's settings."""
    given = env.get("CLAUDE_CONFIG_DIR", "").split(",")[0].strip()
    home = Path(env.get("HOME") or Path.home())
    return (Path(given).expanduser() if given else home / ".claude") / "settings.json"


def install(place: Path, command: str) -> Installed:
    """Add our hooks to settings; those that are there already, of ours or anybody's, stay as they are.

    What was there is kept beside it first. Raises InvalidInput for settings that are not understood, and leaves them.
    """
    real = Path(os.path.realpath(place))  # settings are often links to where somebody keeps them all
    try:
        text = real.read_bytes()
    except FileNotFoundError:
        text = None
    except OSError as error:
        raise InvalidInput(f"{place} cannot be read: {error.strerror}") from None
    settings = _settings(place, text)
    added = _merge(place, settings, command)
    if not added:
        return Installed(place, [], None)
    try:
        backup = None if text is None else _keep(real, text)
        _replace(real, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise StoreError(f"{place} cannot be written: {error.strerror}") from error
    return Installed(place, added, backup)


def _settings(place: Path, text: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(text) if text is not None and text.strip() else {}
    except (ValueError, RecursionError):
        raise InvalidInput(f"{place} is not JSON; add what --print shows by hand") from None
    if not isinstance(found, dict) or not isinstance(found.get("hooks", {}), dict):
        raise InvalidInput(f"{place} is not as Claude Code's settings are; add what --print shows by hand")
    return found


def _merge(place: Path, settings: dict[str, Any], command: str) -> list[str]:
    """Add what is missing; the events to which something was added."""
    there = settings.setdefault("hooks", {})
    added = []
    for event in EVENTS:
        entries = there.setdefault(event, [])
        if not isinstance(entries, list):
            raise InvalidInput(f"{place} says of {event} what Claude Code does not; add what --print shows by hand")
        if not any(map(_is_ours, entries)):
            entries.append(_entry(command))
            added.append(event)
    return added


def _is_ours(entry: Any) -> bool:
    found = entry.get("hooks") if isinstance(entry, dict) else None
    commands = [one.get("command") for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    ours = " ".join(_WORDS)
    return any(isinstance(one, str) and "rollbook" in one and ours in one for one in commands)


def _keep(real: Path, text: bytes) -> Path:
    """A copy beside it, under a name that no other copy has."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for number in range(100):
        backup = real.with_name(f"{real.name}.before-rollbook-{stamp}{f'-{number}' if number else ''}")
        try:
            with backup.open("xb") as file:
                file.write(text)
                os.fsync(file.fileno())
        except FileExistsError:
            continue
        backup.chmod(real.stat().st_mode & 0o777)
        return backup
    raise StoreError(f"there are too many copies beside {real}")


def _replace(real: Path, text: str) -> None:
    """All of the new settings or all of the old ones, whatever happens."""
    real.parent.mkdir(parents=True, exist_ok=True)
    mode = real.stat().st_mode & 0o777 if real.exists() else 0o600
    descriptor, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}-")
    made = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        made.chmod(mode)
        made.replace(real)
    except BaseException:
        made.unlink(missing_ok=True)
        raise
