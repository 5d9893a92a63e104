"""Entries of other systems' journals as a book keeps them, and what an entry may gain at a later move."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from rollbook.errors import InvalidInput
from rollbook.journal.steps import Append, Appended, Entry, New, Patch
from rollbook.ledger.ops import Jot
from rollbook.rules import bodies, checks
from rollbook.rules.texts import QAS

FAILED: Final = frozenset({"error", "failed", "failure"})
CONTEXT: Final = "context"

#: Of a question and its answer: what may be missing, and come later.
_LATER: Final = ("feedback_text", "feedback_score", "used_graph_element_ids", "memify_metadata")


def qa(entry_id: str, said: Mapping[str, Any], at: int) -> tuple[New, list[str]]:
    """A question and its answer, and what of them was left out because it is not what it should be.

    Raises InvalidInput where there is no question and answer.
    """
    left: list[str] = []

    def or_none(name: str, check: Any) -> Any:
        try:
            return check(said.get(name))
        except InvalidInput as error:
            left.append(f"{name}: {error}")
            return None

    body = {
        "question": bodies.words(said.get("question"), "question"),
        "answer": bodies.words(said.get("answer"), "answer"),
        "context": or_none("context", lambda value: bodies.words_or_none(value, "context")),
        "feedback_text": or_none("feedback_text", lambda value: bodies.words_or_none(value, "feedback_text")),
        "feedback_score": or_none("feedback_score", bodies.score),
        "used_graph_element_ids": or_none("used_graph_element_ids", _graph_ids),
        "memify_metadata": or_none("memify_metadata", bodies.flags),
    }
    return New(entry_id, _encoded(body), at), left


def step(entry_id: str, said: Mapping[str, Any], at: int) -> New:
    """A step of a trace. Raises InvalidInput where it does not say what ran and how it went."""
    status = checks.text(said.get("status", ""), "status", checks.MAX_MODEL_BYTES)
    params = said.get("method_params")
    body = {
        "origin_function": checks.text(said.get("origin_function", ""), "origin_function", checks.MAX_TITLE_BYTES),
        "status": status,
        **{name: bodies.words(said.get(name) or "", name) for name in ("memory_query", "memory_context")},
        "method_params": {} if params is None else params,
        "method_return_value": said.get("method_return_value"),
        **{name: bodies.words(said.get(name) or "", name) for name in ("error_message", "session_feedback")},
        **dict.fromkeys(("started_at", "duration_s", "tool_name", "span_id", "error")),
    }
    return New(entry_id, _encoded(body), at, failed=status.lower() in FAILED)


def plain(entry_id: str, said: Mapping[str, Any], at: int) -> New:
    """An entry of a stream that has no form of its own."""
    return New(entry_id, _encoded(dict(said)), at)


def _graph_ids(value: Any) -> dict[str, list[str]] | None:
    """Without the kinds of which nothing is said."""
    if isinstance(value, dict):
        value = {name: ids for name, ids in value.items() if ids is not None}
    return bodies.graph_ids(value)


def _encoded(body: dict[str, Any]) -> bytes:
    return bodies.encoded(body, "an entry", math.inf)  # type: ignore[arg-type]  # what is too large is refused later


def completing(item: Jot, change: Append, done: Appended) -> Iterator[Jot]:
    """What the source says by now of entries that the book has already, where the book says nothing: feedback, mostly.

    What the book says stays, whatever the source says: it may have been changed here, and the source not asked again.
    """
    if change.stream != QAS:
        return
    given = {new.entry_id: new for new in change.entries}
    patches = [_patch(stored, given[stored.entry_id]) for stored in done.duplicates if stored.entry_id in given]
    changes = tuple(patch for patch in patches if patch is not None)
    if changes:
        yield msgspec.structs.replace(item, step=msgspec.structs.replace(item.step, changes=changes))


def _patch(stored: Entry, new: New) -> Patch | None:
    if stored.body == new.body:
        return None
    held, said = (bodies.plain(body) for body in (stored.body, new.body))
    if not isinstance(held, dict):
        return None
    fields = {name: said[name] for name in _LATER if held.get(name) is None and said[name] is not None}
    if not fields:
        return None
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()}
    return Patch(QAS, stored.entry_id, raw)
