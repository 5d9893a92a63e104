"""What a journal takes: names of streams, ids and bodies of entries, feedback scores, keys and values of state."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, Final

import msgspec
import uuid_utils

from rollbook.errors import InvalidInput, StoreError
from rollbook.rules import checks
from rollbook.rules.texts import MESSAGES, QAS, TRACE

MAX_NAME_BYTES: Final = 256  #: of a stream, a head, a key of state
MOST_SECONDS: Final = 10**9  #: of one step
#: Levels of lists and objects within each other: what is stored can be read wherever the reader's own stack stands.
MAX_DEPTH: Final = 500

#: Streams whose entries have a form, and what writes them.
_WRITERS: Final = {
    QAS: "add_qa, update_qa, add_feedback and delete_feedback write",
    TRACE: "add_trace_step writes",
    MESSAGES: "add_message writes",
}
_encoder: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_any_encoder: Final = json.JSONEncoder(ensure_ascii=False)
_surrogate: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_in_quotes: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKETS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  #: as signed bytes: one level more, one less
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def encoded(value: Any, what: str, most: int) -> bytes:
    """A value as JSON, without a loss: integers of any size, floats exact. Raises InvalidInput for what JSON is not."""
    try:
        text = _encoder.encode(value)
        body = text.encode()
    except (TypeError, ValueError, RecursionError) as error:  # a lone surrogate is a ValueError too
        raise InvalidInput(f"{what} cannot be said in JSON: {error}") from None
    _shallow(body, what)
    if len(body) > most:
        raise large(len(body), what, most)
    return body


def large(size: int, what: str, most: int) -> InvalidInput:
    """The refusal of a body that is too large."""
    return InvalidInput(f"{what} is {size} bytes as JSON; at most {most} are allowed (ROLLBOOK_ENTRY_BYTES)")


def given(body: bytes, what: str, most: int) -> bytes:
    """A body that is JSON already, which is kept byte for byte: numbers of any size, but none that are not numbers."""
    if len(body) > most:
        raise large(len(body), what, most)
    try:
        # As text: bytes would be taken in other encodings, and with a mark before them, too.
        value = json.loads(body.decode(), parse_constant=_no_number)
        if _surrogate.search(body):
            _any_encoder.encode(value).encode()  # half of a pair is no text, and nothing else could write it again
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{what} is not JSON: {error}") from None
    _shallow(body, what)
    return body


def _no_number(said: str) -> Any:
    raise ValueError(f"{said} is no number")


def _shallow(body: bytes, what: str) -> None:
    """Raise InvalidInput for JSON that is nested too deeply."""
    if len(body) <= MAX_DEPTH or body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return
    levels = _in_quotes.sub(b"", body).translate(_BRACKETS, _NO_BRACKETS)
    if max(accumulate(memoryview(levels).cast("b")), default=0) > MAX_DEPTH:
        raise deep(what)


def deep(what: str) -> InvalidInput:
    """The refusal of a body that is nested too deeply."""
    return InvalidInput(f"{what} is nested more than {MAX_DEPTH} levels deep")


def decoded(body: bytes, what: str = "what is stored") -> Any:
    """The values of a body that is stored. Raises StoreError where it is damaged; ``what`` names it."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        pass
    try:
        # What only the larger numbers of the standard library can say.
        return json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise damaged(what, error) from None


def damaged(what: str, error: Exception) -> StoreError:
    """What is said of a stored body that cannot be read."""
    return StoreError(f"{what} is damaged ({error}); 'rollbook verify' names all that is; remove it or write it anew")


def plain(body: bytes) -> Any:
    """The values of a body of which nobody knows yet that it is JSON. Raises InvalidInput."""
    value = _plain(body)
    _shallow(body, "an entry")
    return value


def _plain(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        pass
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"an entry is not JSON: {error}") from None
    encoded(value, "an entry", len(body) * 6)  # what only the larger numbers of the standard library can say
    return value


def entry_id(value: str | None, what: str = "an entry id") -> tuple[str, bool]:
    """An entry's id, and whether it was made here."""
    if value is None:
        return str(uuid_utils.uuid7()), True
    return checks.text(value, what, checks.MAX_ID_BYTES), False


def stream(value: str) -> str:
    return checks.text(value, "a stream", MAX_NAME_BYTES)


def free_stream(value: str) -> str:
    """A stream whose entries may say whatever they like."""
    name = stream(value)
    if name in _WRITERS:
        raise InvalidInput(f"{_WRITERS[name]} the stream {name!r}, whose entries have a form; use another stream")
    return name


def field(value: Any) -> str:
    """The name of a field of an entry."""
    name = words(value, "the name of a field")
    try:
        name.encode()
    except UnicodeError as error:
        raise InvalidInput(f"the name of a field cannot be said in JSON: {error}") from None
    return name


def head(value: str) -> str:
    return checks.text(value, "a head", MAX_NAME_BYTES)


def key(value: str) -> str:
    return checks.text(value, "a key of state", MAX_NAME_BYTES)


def last_n(value: int | None) -> int | None:
    """How many of the newest are wanted; none: all."""
    return None if value is None else checks.count(value, "last_n", checks.MAX_COUNT)


def revision(value: int | None) -> int | None:
    return None if value is None else checks.count(value, "an expected revision", 2**62)


def score(value: Any) -> int | None:
    """A feedback score: a whole number from 1 to 5, or none (R10)."""
    if value is None:
        return None
    if type(value) is not int or not 1 <= value <= 5:  # noqa: PLR2004 - the rule's own numbers
        raise InvalidInput(f"a feedback score is a whole number from 1 to 5, not {checks.said(value)}")
    return value


def words(value: Any, what: str) -> str:
    """A text that has to be there, of any length; it may be empty."""
    if not isinstance(value, str):
        raise InvalidInput(f"{what} must be text, not {type(value).__name__}")
    return value


def words_or_none(value: Any, what: str) -> str | None:
    return None if value is None else words(value, what)


def graph_ids(value: Any) -> dict[str, list[str]] | None:
    """Ids of graph elements that an answer used, by ``node_ids`` and ``edge_ids``; an empty mapping is none."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or not value.keys() <= {"node_ids", "edge_ids"}:
        raise InvalidInput("used_graph_element_ids must be a mapping with node_ids and edge_ids")
    found: dict[str, list[str]] = {}
    for name, ids in value.items():
        if not isinstance(ids, list | tuple) or not all(isinstance(one, str) for one in ids):
            raise InvalidInput(f"used_graph_element_ids.{name} must be a list of texts")
        found[name] = list(ids)
    return found or None


def flags(value: Any) -> dict[str, bool] | None:
    """Names of flags with true or false; an empty mapping is none."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or not all(
        isinstance(name, str) and isinstance(flag, bool) for name, flag in value.items()
    ):
        raise InvalidInput("memify_metadata must be a mapping of names to true or false")
    return dict(value) or None


def seconds(value: Any, what: str) -> float | None:
    """A duration: a finite number of seconds from 0, or none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_SECONDS:
        raise InvalidInput(f"{what} must be a number of seconds from 0, not {checks.said(value)}")
    return float(value)
