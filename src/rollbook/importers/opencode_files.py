"""OpenCode's older files: a JSON file for each session, message and part, in ``storage/``.

The names are ``session/<project>/<session>.json``, ``message/<session>/<message>.json`` and
``part/<message>/<part>.json``. A session is told from all the files in its folder whenever one of them changed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePath
from typing import Final

import msgspec

from rollbook.errors import InvalidInput
from rollbook.importers import follow
from rollbook.importers import opencode_rows as rows
from rollbook.importers.base import Batch, Context, Item
from rollbook.importers.follow import Found
from rollbook.importers.opencode_calls import SOURCE, Origin, call
from rollbook.importers.opencode_content import OpenCodeContent
from rollbook.importers.opencode_rows import HEAD, PART_BYTES, PARTS_MOST, ROW_BYTES, Message, Parts, Used, micros
from rollbook.importers.opencode_sessions import Info, Tail, tail_of, tell
from rollbook.importers.sessions import State, dump
from rollbook.ledger.ops import SourceFile
from rollbook.rules import checks

SESSION: Final = "session"
MESSAGE: Final = "message"
PART: Final = "part"
_END: Final = ".json"


def is_file(path: str) -> bool:
    """Whether a path is that of an older file, by its name."""
    return path.endswith(_END)


def listing(storage: str, trouble: Callable[[str], None]) -> Iterator[Found]:
    """The files of sessions and messages, a session's own together; the parts are read where they are needed."""
    seen: set[str] = set()
    if follow.is_folder(os.path.join(storage, SESSION)):  # noqa: PTH118 - a name that is no text must stay as it is
        for found in follow.walk(os.path.join(storage, SESSION), is_file, trouble):  # noqa: PTH118
            yield found
            name = PurePath(found.path).stem
            if name not in seen:
                seen.add(name)
                yield from _messages(storage, name, trouble)
    for name in _names(os.path.join(storage, MESSAGE), trouble):  # noqa: PTH118
        if name not in seen:
            yield from _messages(storage, name, trouble)


def _messages(storage: str, session: str, trouble: Callable[[str], None]) -> Iterator[Found]:
    folder = os.path.join(storage, MESSAGE, session)  # noqa: PTH118
    if follow.is_folder(folder) and not os.path.islink(folder):  # noqa: PTH114 - a link could lead to them all again
        yield from follow.walk(folder, is_file, trouble)


def _names(folder: str, trouble: Callable[[str], None]) -> list[str]:
    if not follow.is_folder(folder):
        return []
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - the same
    except OSError as error:
        trouble(follow.reason(folder, error))
        return []


class Files:
    """The older files while an import goes through them: the folder of one session is remembered."""

    def __init__(self) -> None:
        self._context: Context | None = None
        self._folder: _Folder | None = None

    def read(self, found: Found, context: Context) -> Iterator[Batch]:
        """One file: a message is its call and its session's news, a session's file the latter."""
        place = PurePath(found.path)
        of_message = place.parent.parent.name == MESSAGE
        storage = str(place.parents[2])
        folder = self._of(storage, place.parent.name if of_message else place.stem, context)
        told, state = folder.news()
        items, understood = folder.of_message(place.stem) if of_message else folder.of_session()
        mark = _mark(found, state)
        if folder.early:
            folder.early = False
            mark = msgspec.structs.replace(mark, mtime_ns=0)
        yield Batch(items=[*told, *items], file=mark, read=found.size, skipped=0 if understood else 1)

    def _of(self, storage: str, session: str, context: Context) -> _Folder:
        folder = self._folder
        if folder is None or self._context is not context or (folder.storage, folder.session) != (storage, session):
            folder = self._folder = _Folder(storage, session, context)
            self._context = context
        return folder


def _mark(found: Found, state: bytes) -> SourceFile:
    return SourceFile(
        source=SOURCE,
        path=found.key,
        device=found.device,
        inode=found.inode,
        size=found.size,
        offset=found.size,
        head_hash="",
        mtime_ns=found.mtime_ns,
        state=state,
    )


class _Folder:
    """What all files of one session say."""

    def __init__(self, storage: str, session: str, context: Context) -> None:
        self.storage = storage
        self.session = session
        self.context = context
        self.info = self._info()
        self.messages: dict[str, Message | None] = {}
        self.told = self.counted = False
        self.tail: Tail | None = None
        self.content = None if context.contents is None else OpenCodeContent(context)
        self.early = False  #: parts of what was read last may not be there yet
        folder = Path(storage) / MESSAGE / session
        if folder.is_dir():
            for path in folder.iterdir():
                if is_file(path.name):
                    self.messages[path.stem] = self._message(path)

    def of_message(self, name: str) -> tuple[list[Item], bool]:
        """What a message's file adds, and whether it was understood."""
        message = self.messages.get(name)
        if message is None:
            return [], False
        try:
            items = self._call(message)
        except InvalidInput:
            return [], False
        return [] if self.counted else [*items, *self._contained([message])], True

    def of_session(self) -> tuple[list[Item], bool]:
        """What a session's file adds: it shows which messages are copies, so all of them are told again."""
        self.counted = True
        items: list[Item] = []
        for message in self.messages.values():
            with contextlib.suppress(InvalidInput):  # its own file counts it
                items += [] if message is None else self._call(message)
        items += self._contained([message for message in self.messages.values() if message is not None])
        return items, self.info is not None

    def _contained(self, messages: Iterable[Message]) -> list[Item]:
        """What messages contain, once it is known whose they are."""
        if self.content is None or self.info is None:
            return []
        for message in messages:
            stored = (_bytes(path) for path in self._paths(message))
            self.early |= not self.content.take(message, [raw for raw in stored if raw is not None])
        last = micros(self._tail(self.info).last)
        return self.content.drain(self.context, lambda _: last)

    def _tail(self, info: Info) -> Tail:
        """How the session's messages end."""
        if self.tail is None:
            self.tail = tail_of(info, [one for one in self.messages.values() if one is not None])
        return self.tail

    def _call(self, message: Message) -> list[Item]:
        """The call that a message is. One whose session has no file may be a copy, and gives way to any other."""
        if message.kind != "assistant":
            return []
        copied = self.info is None or self.info.copied(message)
        child = self.info is not None and self.info.parent is not None
        found = call(message, Origin(message.session, copied, child=child), self._parts(message), self.context)
        return [] if found is None else [found]

    def news(self) -> tuple[list[Item], bytes]:
        """The session as it is now, once; and what is to be kept of it."""
        info = self.info
        if self.told or info is None:
            return [], b""
        self.told = True
        own = [one for one in self.messages.values() if one is not None]
        turns = sum(one.kind == "user" and not info.copied(one) for one in own)
        items, carried = tell(info, self._tail(info), turns, self.context)
        return items, b"" if carried is None else dump(State(sessions=[carried]))

    def _info(self) -> Info | None:
        """What the session's own file says; a project's id is the folder's name, and may have changed."""
        projects = Path(self.storage) / SESSION
        if not projects.is_dir():
            return None
        places = [place for place in sorted(projects.glob(f"*/{_plain(self.session)}{_END}")) if place.is_file()]
        raw = _bytes(places[0]) if places else None
        found = None if raw is None else rows.stored.one(raw)
        if found is None:
            return None
        try:
            info = Info(
                id=checks.session_id(self.session),
                parent=found.parent or None,
                project=found.directory,
                title=found.title,
                version=found.version,
            )
            times = found.time
            if times is not None:
                info.archived = bool(times.archived)
                info.changed = rows.moment(times.updated, self.context)[0] if times.updated else 0
                if times.created is not None:
                    info.made, info.flagged = rows.moment(times.created, self.context)
        except InvalidInput:
            return None
        return info

    def _message(self, path: Path) -> Message | None:
        try:
            return rows.message((path.stem, self.session), None, None, _bytes(path), self.context)
        except InvalidInput:
            return None

    def _paths(self, message: Message) -> list[Path]:
        folder = Path(self.storage) / PART / message.id
        return sorted(path for path in folder.iterdir() if is_file(path.name)) if folder.is_dir() else []

    def _parts(self, message: Message) -> Parts:
        """What matters of a message's parts."""
        paths = self._paths(message)
        told = (rows.said(head) for head in islice(filter(None, map(_head, paths)), PARTS_MOST))
        return Parts(_steps(message, paths), [one for one in told if one])


def _bytes(path: Path) -> bytes | None:
    """What a file holds; None where it is too large or cannot be read."""
    try:
        return path.read_bytes() if path.stat().st_size <= ROW_BYTES else None
    except OSError:
        return None


def _steps(message: Message, paths: Iterable[Path]) -> list[Used]:
    """What the steps of a message used; the oldest versions tell only of the last one in the message itself."""
    if message.data.finish is not None:
        return []
    found = (rows.step(_bytes(path)) for path in paths)
    return [used for used in found if used is not None]


def _head(path: Path) -> bytes | None:
    """How a part begins; None where it is large or cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD) if os.fstat(file.fileno()).st_size < PART_BYTES else None
    except OSError:
        return None


def _plain(name: str) -> str:
    """A name in which no character stands for others."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)
