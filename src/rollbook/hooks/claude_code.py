"""Claude Code's hooks: what one event says of a session's life.

``docs/how-to/hooks.md`` has each event with what becomes of it. What was said and done is in the transcripts and in
telemetry; of that nothing is taken from a hook, and nothing is opened that one names. Events of newer versions that are
not known here are signs of life.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from rollbook.errors import InvalidInput
from rollbook.journal.steps import Append, New, Step
from rollbook.ledger.ops import Beat, End, Facts, Jot, Leave, Op, Reopen, Touch
from rollbook.model import Kind, Status
from rollbook.rules import checks
from rollbook.rules.liveness import Known
from rollbook.rules.texts import TRACE
from rollbook.settings import USER_NAMESPACE
from rollbook.telemetry.names import sub_agent

AGENT: Final = "claude-code"
DECIDED_BY: Final = "hook"

#: What SessionEnd says that is no completion: the user was thrown out.
_CANCELLED: Final = ("bypass_permissions_disabled",)
_UNKNOWN_ERROR: Final = "unknown"
_ERROR_CHARS: Final = 200  #: of what is a word, mostly


class Said(Struct, frozen=True):
    """An event, and whose it is."""

    event: Mapping[str, Any]
    name: str  #: of the event
    session_id: str
    child: str | None  #: the session of the sub-agent in which it happened
    at: int
    user_id: str
    user_name: str | None
    process: Known | None

    @property
    def instance(self) -> str | None:
        """The agent's process as a book knows it: another one for each user, so that nobody speaks for another's."""
        if self.process is None:
            return None
        known = self.process
        words = (self.user_id, known.host, known.boot_id, known.pid_namespace, str(known.pid), known.started)
        return str(uuid5(UUID(USER_NAMESPACE), "\0".join(("process", *words))))

    def text(self, name: str) -> str | None:
        """A text of the event; None where there is none."""
        value = self.event.get(name)
        return value if isinstance(value, str) and value and not value.isspace() else None


def ops(
    event: Mapping[str, Any],
    *,
    at: int,
    user_id: str,
    user_name: str | None = None,
    process: Known | None = None,
) -> list[Op]:
    """What an event says, as operations for ``ingest``. The same event again, of the same time, changes nothing.

    ``at`` is when it happened (microseconds UTC), ``user_id`` whose it is, ``process`` the agent's own where that is
    known. Raises InvalidInput for what is no event: one has a ``session_id`` and a ``hook_event_name``.
    """
    if not isinstance(event, Mapping):
        raise InvalidInput(f"an event must be a JSON object, not {type(event).__name__}")
    name, session_id, agent_id = (event.get(key) for key in ("hook_event_name", "session_id", "agent_id"))
    if not isinstance(session_id, str) or not session_id:
        raise InvalidInput("an event needs a session_id")
    if not isinstance(name, str) or not name:
        raise InvalidInput("an event needs a hook_event_name")
    child = sub_agent(session_id, agent_id) if isinstance(agent_id, str) and agent_id else None
    said = Said(event, name, session_id, child, at, user_id, user_name, process)
    return _MEANS.get(name, _lives)(said)


def _touch(said: Said, *, runs: bool = False) -> list[Op]:
    """A sign of life, of a sub-agent and of its parent; ``runs``: by the agent's process."""
    project = _project(said.text("cwd"))
    whose: dict[str, Any] = {"user_id": said.user_id, "user_name": said.user_name, "at": said.at}
    instance = said.instance if runs else None
    facts = Facts(agent=AGENT, project=project)
    items: list[Op] = [Touch(session_id=said.session_id, facts=facts, instance=instance, **whose)]
    if instance is not None and said.process is not None:
        items.append(Beat(instance_id=instance, known=said.process._replace(lease_us=0)))
    if said.child is not None:
        facts = Facts(agent=AGENT, project=project, parent_id=said.session_id, kind=Kind.AUTONOMOUS)
        items.append(Touch(session_id=said.child, facts=facts, **whose))
    return items


def _project(folder: str | None) -> str | None:
    """A folder as the importers take it; one that no project can be called by is none."""
    try:
        return checks.name(folder, "a project", checks.MAX_ID_BYTES)
    except InvalidInput:
        return None


def _lives(said: Said) -> list[Op]:
    return _touch(said)


def _prompted(said: Said) -> list[Op]:
    return _touch(said, runs=True)


def _begins(said: Said) -> list[Op]:
    """A session begins, or goes on after an end. After a compaction it merely goes on."""
    items = _touch(said, runs=True)
    if said.event.get("source") != "compact":
        items.append(_reopen(said, said.session_id))
    return items


def _ends(said: Said) -> list[Op]:
    """A session ends, and its process lets go of it."""
    reason = said.text("reason")
    status = Status.CANCELLED if reason in _CANCELLED else Status.COMPLETED
    items = [*_touch(said), _end(said, said.session_id, status, reason, said.instance)]
    if said.instance is not None:
        items.append(Leave(instance_id=said.instance))
    return items


def _child_begins(said: Said) -> list[Op]:
    items = _touch(said)
    return items if said.child is None else [*items, _reopen(said, said.child)]


def _child_ends(said: Said) -> list[Op]:
    """A sub-agent is done; its parent is not. Older versions do not say which one it was."""
    items = _touch(said)
    return items if said.child is None else [*items, _end(said, said.child, Status.COMPLETED, None, None)]


def _fails(said: Said) -> list[Op]:
    """A turn ended with an error of the provider: a failed step of the session's trace. The session goes on."""
    error = (said.text("error") or _UNKNOWN_ERROR)[:_ERROR_CHARS]
    whose = said.child or said.session_id
    body = msgspec.json.encode(
        {
            "origin_function": "api_request",
            "status": "error",
            "memory_query": "",
            "memory_context": "",
            "method_params": {},
            "method_return_value": None,
            "error_message": "",
            "session_feedback": "",
            "started_at": None,
            "duration_s": None,
            "tool_name": None,
            "span_id": None,
            "error": error,
        }
    )
    digest = blake2b(f"{whose}\0{said.name}\0{error}".encode(errors="replace"), digest_size=6).hexdigest()
    new = New(f"{AGENT}:hook:{said.at}:{digest}", body, said.at, failed=True)
    step = Step(said.user_id, whose, said.at, (Append(TRACE, (new,)),))
    jot = Jot(user_id=said.user_id, session_id=whose, at=said.at, step=step, user_name=said.user_name)
    return [*_touch(said), jot]


def _reopen(said: Said, session_id: str) -> Reopen:
    return Reopen(user_id=said.user_id, session_id=session_id, at=said.at, user_name=said.user_name)


def _end(said: Said, session_id: str, status: str, reason: str | None, instance: str | None) -> End:
    return End(
        user_id=said.user_id,
        session_id=session_id,
        status=str(status),
        at=said.at,
        reason=reason,
        decided_by=DECIDED_BY,
        user_name=said.user_name,
        instance=instance,
    )


#: What an event means; every other one is a sign of life.
_MEANS: Final[dict[str, Callable[[Said], list[Op]]]] = {
    "SessionStart": _begins,
    "SessionEnd": _ends,
    "UserPromptSubmit": _prompted,
    "SubagentStart": _child_begins,
    "SubagentStop": _child_ends,
    "StopFailure": _fails,
}
