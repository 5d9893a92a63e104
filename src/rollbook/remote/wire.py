"""What is pushed to a server, as JSON: operations, each with its kind and its fields by their names, and progress.

Whose it all is, is not said: everything is of the user whose key it comes with. Fields that another version does not
know are passed over, and those that it does not send have their defaults. Each item is understood alone, so that one
that is not costs none of the others.

Of progress in files a server is told no path but its hash, under a name of the source that has the machine in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec
from msgspec import NODEFAULT, Raw, Struct, structs

from rollbook import errors
from rollbook.errors import InvalidInput, RollbookError, TooLarge
from rollbook.journal.steps import Append, Appended, Done, New, Step
from rollbook.ledger.ops import Beat, Call, End, Facts, Jot, Leave, Mark, Op, Reopen, SourceFile, Touch
from rollbook.model import Evidence, Outcome, Tokens
from rollbook.pricing import Prices
from rollbook.settings import USER_NAMESPACE

VERSION: Final = 1
ITEMS_MOST: Final = 10_000  #: in one request
FILES_MOST: Final = 4_000
STATE_MOST: Final = 1 << 20  #: bytes that a parser carries from one reading to the next
MACHINE_SIGN: Final = "@"  #: between a source's name and the machine's

_SOURCE_MOST, _PATH_MOST, _HASH_MOST = 128, 4_096, 128
_INT_MOST, _STORED_MOST = 2**62, 2**63
#: Words of a door's own, which a book takes as they are.
_SHORT: Final = ("source", "decided_by", "price_version", "cost_source", "billing", "tier", "status", "alike")
_SHORT_MOST: Final = 512
#: Whose it is, and what only a book may say of its own.
_NOT_TOLD: Final = ("user_id", "user_name", "fresh")
_COMPUTED: Final = ("computed", "unpriced")


def _named(kind: type[Struct], inside: Mapping[Any, Any]) -> Any:
    """The same struct with its fields by their names, for another version to read."""
    fields: list[Any] = []
    for field in structs.fields(kind):
        if field.name in _NOT_TOLD:
            continue
        of = inside.get(field.name, field.type)
        if field.name in inside and field.default is not NODEFAULT:
            fields.append((field.name, of, of()))
        elif field.default is not NODEFAULT:
            fields.append((field.name, of, field.default))
        elif field.default_factory is not NODEFAULT:
            fields.append((field.name, of, msgspec.field(default_factory=field.default_factory)))
        else:
            fields.append((field.name, of))
    return msgspec.defstruct(kind.__name__, fields, kw_only=True, omit_defaults=True, frozen=True)


_Facts: Final = _named(Facts, {})
_Tokens: Final = _named(Tokens, {})


class _Entry(Struct, omit_defaults=True):
    """An entry of a journal. What a search finds it by is not told."""

    id: str
    body: str  #: JSON, as a text: however deep it is, that is its own affair
    at: int
    failed: bool = False


class _Entries(Struct, omit_defaults=True):
    """What is appended to a session's journal."""

    session_id: str
    at: int
    streams: list[tuple[str, list[_Entry]]]
    flagged: bool = False


#: By the words that stand for them: what is told, and the form in which that is done.
_KINDS: Final[dict[str, tuple[type[Any], Any]]] = {
    "touch": (Touch, _named(Touch, {"facts": _Facts})),
    "call": (Call, _named(Call, {"tokens": _Tokens})),
    "end": (End, _named(End, {})),
    "reopen": (Reopen, _named(Reopen, {})),
    "mark": (Mark, _named(Mark, {})),
    "beat": (Beat, _named(Beat, {})),
    "leave": (Leave, _named(Leave, {})),
    "entries": (Jot, _Entries),
}
_WORDS: Final = {kind: word for word, (kind, _) in _KINDS.items()}
_FIELDS: Final = {word: form.__struct_fields__ for word, (_, form) in _KINDS.items()}
_read: Final = {word: msgspec.json.Decoder(form) for word, (_, form) in _KINDS.items()}
_INSIDE: Final = {"facts": (Facts, _Facts), "tokens": (Tokens, _Tokens)}


class _Body(Struct):
    """A request."""

    version: int
    items: list[Raw] = []
    files: list[Raw] = []


class _File(Struct, omit_defaults=True):
    """How far a file has been read."""

    source: str
    path: str
    device: int
    inode: int
    size: int
    offset: int
    head_hash: str
    mtime_ns: int
    state: bytes = b""


class _Wanted(Struct):
    """Of which files it is asked how far they have been read: hash of the path, device, inode."""

    source: str
    files: list[tuple[str, int, int]]


class _Files(Struct):
    files: list[_File]


class _Answer(Struct, omit_defaults=True):
    """What became of an item: of a call, its outcome; of entries, how many were added; or why it was refused."""

    outcome: Outcome | None = None
    added: int | None = None
    error: str | None = None
    message: str | None = None


class _Answers(Struct):
    answers: list[_Answer]


_encoder: Final = msgspec.json.Encoder()
_body: Final = msgspec.json.Decoder(_Body)
_pair: Final = msgspec.json.Decoder(tuple[str, Raw])
_file: Final = msgspec.json.Decoder(_File)
_files: Final = msgspec.json.Decoder(_Files)
_wanted: Final = msgspec.json.Decoder(_Wanted)
_answers: Final = msgspec.json.Decoder(_Answers)


class Pushed(Struct):
    """A request as it was understood."""

    items: list[Op | RollbookError]  #: in order; an error where there was none that is understood
    files: list[SourceFile]

    @property
    def taken(self) -> list[Any]:
        """What is for the book's ``ingest``."""
        return [item for item in self.items if not isinstance(item, RollbookError)]


# What a machine sends


def item(op: Any) -> bytes:
    """One operation. Raises InvalidInput for a kind that is not pushed."""
    word = _WORDS.get(type(op))
    if word is None:
        raise InvalidInput(f"{type(op).__name__} is nothing that is pushed")
    return _encoder.encode((word, _entries(op) if isinstance(op, Jot) else _form(word, op)))


def _form(word: str, op: Any) -> Any:
    values = {name: getattr(op, name) for name in _FIELDS[word]}
    for name, (_, form) in _INSIDE.items():
        if name in values:
            inner = values[name]
            values[name] = form(**{field: getattr(inner, field) for field in form.__struct_fields__})
    return _KINDS[word][1](**values)


def _entries(op: Jot) -> _Entries:
    streams = []
    for change in op.step.changes:
        if not isinstance(change, Append):
            raise InvalidInput(f"{type(change).__name__} is no change that is pushed")
        found = [_Entry(new.entry_id, new.body.decode(), new.created_at, new.failed) for new in change.entries]
        streams.append((change.stream, found))
    return _Entries(op.session_id, op.at, streams, op.flagged)


def body(items: Sequence[bytes], files: Sequence[SourceFile] = ()) -> bytes:
    """A request of items that are encoded already."""
    told = [_File(*(getattr(file, name) for name in _File.__struct_fields__)) for file in files]
    return _encoder.encode(_Body(VERSION, [Raw(each) for each in items], [Raw(_encoder.encode(file)) for file in told]))


def wanted(source: str, files: Sequence[tuple[str, int, int]]) -> bytes:
    """The question how far files have been read."""
    return _encoder.encode(_Wanted(source, list(files)))


def files_told(text: bytes) -> list[SourceFile]:
    """The answer to that. Raises InvalidInput."""
    return [_source_file(file) for file in _understood(_files, text).files]


def answers_told(text: bytes) -> list[Outcome | Done | RollbookError | None]:
    """What became of the items that were pushed. Raises InvalidInput."""
    return [_answer_told(answer) for answer in _understood(_answers, text).answers]


def _answer_told(answer: _Answer) -> Outcome | Done | RollbookError | None:
    if answer.error is not None:
        kind = getattr(errors, answer.error, None)
        if isinstance(kind, type) and issubclass(kind, RollbookError):
            return kind(answer.message)
        return RollbookError(answer.message)
    if answer.added is not None:
        return Done((Appended(added=answer.added, duplicates=(), length=0, failed=0),), {})
    return answer.outcome


# What a server takes


def decode(text: bytes, *, user_id: str, user_name: str | None = None, prices: Prices | None = None) -> Pushed:
    """A request, as operations of the user whose key it came with.

    With ``prices`` calls whose cost their source did not say are priced anew, so that one table is in force for all who
    push. Raises InvalidInput for what is no request, TooLarge for too many items.
    """
    found = _understood(_body, text)
    if found.version != VERSION:
        raise InvalidInput(f"version {found.version} of pushing is not spoken here; this server speaks {VERSION}")
    if len(found.items) > ITEMS_MOST or len(found.files) > FILES_MOST:
        raise TooLarge(f"at most {ITEMS_MOST:,} items and {FILES_MOST:,} files are pushed at once")
    files = [_checked_file(file) for file in found.files]
    owner = (user_id, user_name)
    return Pushed([_op(each, owner, prices) for each in found.items], files)


def _op(text: Raw, owner: tuple[str, str | None], prices: Prices | None) -> Op | RollbookError:
    try:
        word, raw = _pair.decode(text)
        if word not in _KINDS:
            return InvalidInput(f"{word[:40]!r} is nothing that is pushed; it is one of {', '.join(_KINDS)}")
        told = _read[word].decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        return InvalidInput(f"an item is not understood ({error})")
    if not _is_bounded(told):
        return InvalidInput("an item has a number or a name that is too large")
    if word == "entries":
        return _jot(told, *owner)
    op: Op = _made(word, told, owner)
    return _priced(op, prices) if prices is not None and isinstance(op, Call) else op


def _is_bounded(told: Any) -> bool:
    """Whether numbers are such as a database holds, and names that a book does not look at are short.

    All else is checked by the book, as of every door.
    """
    if isinstance(told, _Entries):
        return abs(told.at) < _INT_MOST and all(abs(one.at) < _INT_MOST for _, found in told.streams for one in found)
    for name in told.__struct_fields__:
        value = getattr(told, name)
        if type(value) is int and abs(value) >= _INT_MOST:
            return False
        if name in _SHORT and value is not None and not (len(value) <= _SHORT_MOST and value.isprintable()):
            return False
    return 0 <= getattr(told, "evidence", 0) <= max(Evidence) and abs(getattr(told, "weight", 0)) < _INT_MOST


def _made(word: str, told: Any, owner: tuple[str, str | None]) -> Any:
    kind = _KINDS[word][0]
    user_id, user_name = owner
    values = {name: getattr(told, name) for name in _FIELDS[word]}
    for name, (inner, form) in _INSIDE.items():
        if name in values:
            values[name] = inner(**{field: getattr(values[name], field) for field in form.__struct_fields__})
    for name in ("instance", "instance_id"):  # nobody speaks for another user's processes
        if values.get(name) is not None:
            values[name] = str(uuid5(UUID(USER_NAMESPACE), f"pushed\0{user_id}\0{values[name]}"))
    if word not in ("beat", "leave"):
        values["user_id"] = user_id
        if "user_name" in kind.__struct_fields__:
            values["user_name"] = user_name
    return kind(**values)


def _jot(told: _Entries, user_id: str, user_name: str | None) -> Jot:
    changes = tuple(
        Append(stream, tuple(New(one.id, one.body.encode(), one.at, failed=one.failed) for one in found))
        for stream, found in told.streams
    )
    step = Step(user_id, told.session_id, told.at, changes)
    return Jot(
        user_id=user_id, session_id=told.session_id, at=told.at, step=step, flagged=told.flagged, user_name=user_name
    )  # fmt: skip


def _priced(call: Call, prices: Prices) -> Call:
    if call.cost_source not in _COMPUTED:
        return call
    found = prices(call.model, call.provider, call.tokens, call.occurred_at, tier=call.tier)
    cost, version = (None, None) if found is None else (found.cost_nano, found.version)
    how = "unpriced" if cost is None else "computed"
    return structs.replace(call, cost_nano=cost, price_version=version, cost_source=how)


def _checked_file(text: Raw) -> SourceFile:
    file = _understood(_file, text)
    numbers = (file.device, file.inode, file.size, file.offset, file.mtime_ns)
    texts = ((file.source, _SOURCE_MOST), (file.path, _PATH_MOST), (file.head_hash, _HASH_MOST))
    sizes = all(len(value.encode()) <= most and value.isprintable() for value, most in texts)
    if not sizes or MACHINE_SIGN not in file.source or len(file.state) > STATE_MOST:
        raise InvalidInput("the progress of a file that was pushed is not understood")
    if not all(-_STORED_MOST <= number < _STORED_MOST for number in numbers):
        raise InvalidInput("the progress of a file that was pushed has numbers that are too large")
    return _source_file(file)


def _source_file(file: _File) -> SourceFile:
    return SourceFile(**{name: getattr(file, name) for name in _File.__struct_fields__})


def decode_wanted(text: bytes) -> tuple[str, list[tuple[str, int, int]]]:
    """A source, and the files (hash of the path, device, inode) of which it is asked how far they have been read.

    Raises InvalidInput, and TooLarge for too many files.
    """
    found = _understood(_wanted, text)
    if len(found.files) > FILES_MOST:
        raise TooLarge(f"at most {FILES_MOST:,} files are asked for at once")
    if MACHINE_SIGN not in found.source or len(found.source.encode()) > _SOURCE_MOST:
        raise InvalidInput("a source that is pushed has its machine in its name")
    if any(not -_STORED_MOST <= number < _STORED_MOST for file in found.files for number in file[1:]):
        raise InvalidInput("a file has numbers that are too large")
    return found.source, found.files


def files_answered(files: Mapping[str, SourceFile]) -> bytes:
    """The answer to that, from what the book says."""
    told = [_File(*(getattr(file, name) for name in _File.__struct_fields__)) for file in files.values()]
    return _encoder.encode(_Files(told))


def answered(pushed: Pushed, answers: Sequence[Outcome | Done | RollbookError | None]) -> bytes:
    """The answer to a request, from what the book answered to what of it was for the book."""
    rest = iter(answers)
    told = [each if isinstance(each, RollbookError) else next(rest) for each in pushed.items]
    return _encoder.encode(_Answers([_answer(each) for each in told]))


def _answer(answer: Outcome | Done | RollbookError | None) -> _Answer:
    if isinstance(answer, RollbookError):
        return _Answer(error=type(answer).__name__, message=str(answer))
    if isinstance(answer, Done):
        return _Answer(added=sum(one.added for one in answer.answers if isinstance(one, Appended)))
    return _Answer(outcome=answer)


def _understood(decoder: msgspec.json.Decoder[Any], text: bytes | Raw) -> Any:
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidInput(f"what was pushed is not understood ({error})") from None
