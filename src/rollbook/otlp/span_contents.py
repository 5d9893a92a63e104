"""What spans say that was said and done: tools' calls as steps of the trace, and the newest messages of models' calls.

A model's call repeats the whole conversation in its input. Only a message of the user that is its last one is new: it
is known by its words and its place among the user's, so that a span around another does not say it twice. The output
is kept once for each call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from rollbook.model import MICROS
from rollbook.otlp import entries as written
from rollbook.otlp import words
from rollbook.otlp.emitters import CONVENTIONS
from rollbook.otlp.emitters.shape import CALL, TOOL, Said
from rollbook.otlp.entries import ASSISTANT, USER, Entry, Ran
from rollbook.otlp.reading import Numbered, SaidIn
from rollbook.otlp.records import SpanRecord
from rollbook.otlp.span_calls import Seen
from rollbook.telemetry import names

_MOST_MESSAGES: Final = 4_096
_UNIQUE: Final = ("toolu_", "srvtoolu_", "call_", "fc_")  #: how ids of tools' calls begin that are given once
_TEXTS: Final = frozenset({"text", "input_text", "output_text"})
_USERS: Final = frozenset({USER, "human"})
_ASSISTANTS: Final = frozenset({ASSISTANT, "ai", "model"})
_DETAILS: Final = "gen_ai.client.inference.operation.details"
_EVENTS: Final = {"gen_ai.user.message": USER, "gen_ai.assistant.message": ASSISTANT, "gen_ai.tool.message": "tool"}
_CHOICE: Final = "gen_ai.choice"

_SAYS: Final = (dict, str)

Message = tuple[str, Any]  #: role and content, of which little is looked at: a call repeats what was said before


def entries(seen: Seen) -> Iterator[Entry]:
    """The entries that a span has for its session's journal."""
    if seen.kind == TOOL:
        yield _step(seen)
    elif seen.kind == CALL:
        yield from _messages(seen)


# Tools


def _step(seen: Seen) -> Entry:
    record, emitter, among, attributes = seen.record, seen.emitter, seen.reading, seen.attributes
    call_id = words.text(words.first(among.tool_call, attributes))
    entry_id = record.span_id
    if emitter.agent and call_id and call_id.startswith(_UNIQUE):
        entry_id = names.step(emitter.agent, call_id)  # as its transcripts and logs call it
    error = ""
    if seen.failed:
        said = words.text(words.first(among.error, attributes))
        error = said or record.message or _raised(record, "exception.message") or ""
    params = words.parsed(words.first(among.arguments, attributes))
    return written.step(
        entry_id,
        Ran(
            name=words.label(words.first(among.tool, attributes)) or words.label(record.name) or "tool",
            ended=seen.until,
            spent=max(0, seen.until - (record.start_us or seen.until)) / MICROS,
            params=None if params is None else words.plain(params),
            value=words.plain(words.parsed(words.first(among.result, attributes))),
            failed=seen.failed,
            error=error,
            kind=words.label(attributes.get("error.type")) or _raised(record, "exception.type"),
            span_id=record.span_id,
        ),
    )


def _raised(record: SpanRecord, name: str) -> str | None:
    """What an exception said that a span tells of."""
    return next((words.text(event.attributes.get(name)) for event in record.events if event.name == "exception"), None)


# Messages


def _messages(seen: Seen) -> Iterator[Entry]:
    """The user's newest message, and the model's answer."""
    record, among = seen.record, seen.reading
    asked = _said_in(among.asked, seen, USER)
    if asked and asked[-1][0] in _USERS and _is_said(said := _text(asked[-1][1])):
        place = sum(role in _USERS for role, _ in asked)
        mark = _digest(record.trace_id, str(place), said)
        yield written.said(f"asked:{mark}", USER, said, record.start_us or seen.until)
    answered = _said_in(among.answered, seen, ASSISTANT)
    texts = (_text(content) for role, content in answered if role in _ASSISTANTS)
    if text := "\n\n".join(filter(_is_said, texts)):
        yield written.said(f"answered:{seen.response or record.span_id}", ASSISTANT, text, seen.until)


def _is_said(text: str) -> bool:
    return bool(text.strip()) and not words.is_hidden(text.strip())


def _digest(*texts: str) -> str:
    return blake2b("\0".join(texts).encode(errors="replace"), digest_size=12).hexdigest()


def _said_in(places: Sequence[SaidIn], seen: Seen, role: str) -> list[Message]:
    """The messages that went in or came out, wherever a span tells them."""
    attributes = seen.attributes
    for said in places:
        found = messages(words.first(said.whole, attributes), role) if said.whole else []
        if found := found or _numbered(said.numbered, attributes, role):
            return found
    return _in_events(seen.record, CONVENTIONS.asked if role == USER else CONVENTIONS.answered, role)


def _in_events(record: SpanRecord, said: Said, role: str) -> list[Message]:
    """Older conventions tell messages in events."""
    found: list[Message] = []
    for event in record.events:
        if event.name == _DETAILS:
            found += messages(words.find(said.whole, event.attributes), role)
        elif role == USER and event.name in _EVENTS:
            found.append((_EVENTS[event.name], _text(words.parsed(event.attributes.get("content")))))
        elif role == ASSISTANT and event.name == _CHOICE:
            content = words.find(("message/content", "message.content", "content"), event.attributes)
            found.append((ASSISTANT, _text(words.parsed(content))))
    return found


def _numbered(said: Numbered, attributes: Mapping[str, Any], default: str) -> list[Message]:
    """Messages that stand in an attribute each, under numbers."""
    found: list[Message] = []
    for start in said.starts:
        role = words.text(attributes.get(start + said.role)) or default
        content = words.parsed(attributes.get(start + said.content))
        found.append((role.lower(), _text(content) or _parts(attributes, start + said.content + "s.")))
    return found


def _parts(attributes: Mapping[str, Any], prefix: str) -> str:
    """A message whose parts stand in an attribute each."""
    texts = (value for key, value in attributes.items() if key.startswith(prefix) and key.endswith(".text"))
    return "\n\n".join(text for text in texts if isinstance(text, str))


def messages(value: Any, default: str) -> list[Message]:
    """Messages in whichever form: a list of them, one, an object that holds a list, or a plain text."""
    value = words.parsed(value)
    if isinstance(value, str):
        return [(default, value)] if value else []
    if isinstance(value, dict):
        inner = next((value[key] for key in ("messages", "input", "choices", "output") if value.get(key)), None)
        if inner is not None and "role" not in value:
            return messages(inner, default)
        value = [value]
    if not isinstance(value, list):
        return []
    return [_message(one, default) for one in value[-_MOST_MESSAGES:] if isinstance(one, _SAYS)]


def _message(value: dict[str, Any] | str, default: str) -> Message:
    if isinstance(value, str):
        return default, value
    inner = value.get("message")
    if isinstance(inner, dict) and "role" not in value:
        value = inner
    role = words.text(value.get("role")) or words.text(value.get("type")) or default
    return role.lower(), value.get("parts", value.get("content"))


def _text(value: Any) -> str:
    """The text of a message's content; what is no text is left out."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return _part(value)
    if not isinstance(value, list):
        return ""
    return "\n\n".join(filter(None, map(_part, value)))


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type", "text") not in _TEXTS:
        return ""
    found = part.get("text", part.get("content"))
    return found if isinstance(found, str) else ""
