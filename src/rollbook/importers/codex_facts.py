"""What the first line of one of Codex's transcripts says of a session, in a book's words."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any, Final

from rollbook.errors import InvalidInput
from rollbook.importers import codex_lines as lines
from rollbook.importers.codex_lineage import is_sub_agent, spawned
from rollbook.importers.codex_lines import Meta
from rollbook.importers.lines import one_line
from rollbook.model import Kind
from rollbook.rules import checks
from rollbook.telemetry import doors

ID_BYTES: Final = 256  #: of a session's or a turn's id: names of calls are made from it
_IDENTITY: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  #: in the name of a file


def checked(identity: str) -> str:
    if len(identity.encode(errors="replace")) > ID_BYTES:
        raise InvalidInput(f"an id is longer than {ID_BYTES} bytes")
    return checks.session_id(identity)


def named(path: str) -> str:
    """The session that a file's name stands for."""
    stem = PurePath(path).name.removesuffix(".zst").removesuffix(".jsonl")
    found = _IDENTITY.search(stem)
    if found is not None:
        return found[0]
    return "".join(char if char.isprintable() else "?" for char in stem)[: ID_BYTES // 4] or "unnamed"


def metadata(meta: Meta) -> dict[str, Any]:
    """What else a session says of itself."""
    spawn = spawned(meta)
    found = {
        "forked_from": None if is_sub_agent(meta) or meta.parent_thread_id else meta.forked_from_id,
        "git_branch": None if meta.git is None else meta.git.branch,
        "git_commit": None if meta.git is None else meta.git.commit_hash,
        "agent_nickname": meta.agent_nickname or (None if spawn is None else spawn.agent_nickname),
        "agent_role": meta.agent_role or (None if spawn is None else spawn.agent_role),
    }
    return {name: one_line(value) for name, value in found.items() if value}


def door(meta: Meta) -> tuple[str, Kind]:
    """Through which channel a session came, and whether anybody sits in front of it."""
    driver = lines.source(meta.source)
    channel, kind = doors.codex(meta.originator, driver if isinstance(driver, str) else "")
    return channel, Kind.AUTONOMOUS if is_sub_agent(meta) or meta.parent_thread_id else kind
