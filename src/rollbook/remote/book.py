"""A server's book, as an import sees one: what is read here is taken in there."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from rollbook import inbox
from rollbook.errors import NotSupported, RollbookError, StoreError, TooLarge
from rollbook.inbox import Contents
from rollbook.journal.steps import Done
from rollbook.ledger.ops import End, Mark, SourceFile, Touch
from rollbook.model import Outcome
from rollbook.pricing import Prices
from rollbook.remote import wire
from rollbook.remote.client import Client, token_for
from rollbook.rules.redaction import Redactor
from rollbook.settings import Settings, data_dir, load

INGEST: Final = "/api/v1/ingest"
FILES: Final = "/api/v1/ingest/files"

_PART_BYTES: Final = 2 << 20  #: of one request, before it is compressed
_PART_ITEMS: Final = 2_000
_PART_FILES: Final = 500
_MACHINE_FILE: Final = "machine"
_MACHINE_BYTES: Final = 8

ALLOW_HTTP: Final = "ROLLBOOK_PUSH_ALLOW_HTTP"

Answer = Outcome | Done | RollbookError | None


class RemoteBook:
    """A book behind a server's URL, for what an import needs of one. A context manager.

    ``token`` lets us in; without one ``ROLLBOOK_TOKEN``, or on this machine the server's private file. Whose sessions
    they are is the key's to say. Everything is redacted here, before it is sent.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        allow_http: bool = False,
        patient: bool = True,
        settings: Settings | None = None,
        env: Mapping[str, str] | None = None,
        waiting: Callable[[str, float], None] = lambda _why, _seconds: None,
    ) -> None:
        env = os.environ if env is None else env
        chosen = load(env) if settings is None else settings
        more: dict[str, Any] = {} if patient else {"patience_s": 0.0}
        more["allow_http"] = allow_http or env.get(ALLOW_HTTP, "").strip().lower() in ("1", "true", "yes", "on")
        self._client = Client(url, token_for(url, token, env), waiting=waiting, **more)
        self._machine = machine_name(env)
        self._redactor = Redactor() if chosen.redact else None
        self.user_id = ""  #: the server fills it in
        self.prices = Prices(chosen.prices)
        self.contents = Contents(chosen.entry_bytes, self._redactor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is kept open."""

    def ingest(self, items: Sequence[Any], *, files: Sequence[SourceFile] = ()) -> list[Answer]:
        """Have all of it stored, with progress last: whatever is interrupted in between is sent again, and counts once.

        What became of each item, in order. Raises StoreError where the server is not reached, Forbidden where it does
        not let us in.
        """
        answers: list[Answer] = [None] * len(items)
        told: list[tuple[int, bytes]] = []
        for place, item in enumerate(items):
            try:
                told.append((place, wire.item(self._clean(item))))
            except RollbookError as error:
                answers[place] = error
        marks = [self._registered(file) for file in files]
        parts = list(_parts(told))
        for part in parts[:-1]:
            self._send(part, [], answers)
        last = parts[-1] if parts else []
        self._send(last, marks[:_PART_FILES], answers)
        for start in range(_PART_FILES, len(marks), _PART_FILES):
            self._send([], marks[start : start + _PART_FILES], answers)
        return answers

    def _send(self, part: Sequence[tuple[int, bytes]], files: Sequence[SourceFile], answers: list[Answer]) -> None:
        if not part and not files:
            return
        try:
            text = self._client.post(INGEST, wire.body([item for _, item in part], files))
        except TooLarge:
            if len(part) + len(files) <= 1:
                raise
            half = len(part) // 2
            self._send(part[:half], [], answers)
            self._send(part[half:], files if half else files[: len(files) // 2], answers)
            if not half:
                self._send([], files[len(files) // 2 :], answers)
            return
        found = self._told(wire.answers_told, text)
        if len(found) != len(part):
            raise StoreError(f"the server {self._client.url} answered {len(found)} of {len(part)} items")
        for (place, _), answer in zip(part, found, strict=True):
            answers[place] = answer

    def _told(self, read: Callable[[bytes], Any], text: bytes) -> Any:
        try:
            return read(text)
        except RollbookError:
            raise StoreError(f"what {self._client.url} answers is not understood; is it a Rollbook server?") from None

    def _clean(self, item: Any) -> Any:
        """Without secrets. Entries were cleaned when they were checked."""
        if self._redactor is None or not isinstance(item, Touch | End | Mark):
            return item
        return inbox.redacted(item, self._redactor)

    def known_usage(self, names: Iterable[str]) -> set[str]:  # noqa: ARG002 - what an import asks
        """Only for a dry run, which there is none of."""
        raise NotSupported("a push has no dry run")

    # Progress

    def source_files(
        self, source: str, *, files: Sequence[tuple[str, int, int]] | None = None
    ) -> dict[str, SourceFile]:
        """How far files of a source (path, device, inode) have been sent, by their paths."""
        names = {hashed(path): path for path, _, _ in files or ()}
        asked = [(hashed(path), device, inode) for path, device, inode in files or ()]
        text = self._client.post(FILES, wire.wanted(self._there(source), asked))
        found = {}
        for file in self._told(wire.files_told, text):
            path = names.get(file.path, file.path)
            found[path] = msgspec.structs.replace(file, source=source, path=path)
        return found

    def _registered(self, file: SourceFile) -> SourceFile:
        state = file.state
        if state and self._redactor is not None:
            with contextlib.suppress(msgspec.MsgspecError):
                state = msgspec.json.encode(self._redactor.value(msgspec.json.decode(state)))
        return msgspec.structs.replace(file, source=self._there(file.source), path=hashed(file.path), state=state)

    def _there(self, source: str) -> str:
        return f"{source}{wire.MACHINE_SIGN}{self._machine}"


def _parts(items: Sequence[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    part: list[tuple[int, bytes]] = []
    size = 0
    for place, item in items:
        if part and (size + len(item) > _PART_BYTES or len(part) >= _PART_ITEMS):
            yield part
            part, size = [], 0
        part.append((place, item))
        size += len(item)
    if part:
        yield part


def hashed(path: str) -> str:
    """What a server knows a path by."""
    return blake2b(path.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def machine_name(env: Mapping[str, str] | None = None) -> str:
    """What this machine is called where several push to one server: made once, and kept in the data folder.

    It says nothing of the machine. Where two share the folder, they share the files that are pushed too.
    """
    place = Path(data_dir(env)) / _MACHINE_FILE
    for _ in range(2):
        with contextlib.suppress(OSError, ValueError):
            name = place.read_text("ascii").strip()
            if len(name) == 2 * _MACHINE_BYTES and name.isalnum():
                return name
        made = place.with_name(f"{_MACHINE_FILE}.{secrets.token_hex(4)}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            made.write_text(secrets.token_hex(_MACHINE_BYTES), "ascii")
            made.chmod(0o600)
            if place.exists():  # damaged
                made.replace(place)
            else:
                with contextlib.suppress(FileExistsError):  # another process was faster
                    os.link(made, place)
        except OSError as error:
            raise StoreError(f"this machine's name cannot be kept in {place} ({error.strerror})") from error
        finally:
            with contextlib.suppress(OSError):
                made.unlink()
    raise StoreError(f"this machine's name in {place} cannot be read")
