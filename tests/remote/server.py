"""A small server that takes what is pushed, and may be told to fail in the ways in which servers and networks do."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rollbook.book import Rollbook
from rollbook.errors import RollbookError
from rollbook.remote import wire
from rollbook.remote.book import FILES, INGEST


class Pushing(ThreadingHTTPServer):
    """The server: each key has a user of its own."""

    daemon_threads = True

    def __init__(self, books: dict[str, Rollbook], most: int = 1 << 30) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.books = books
        self.most = most
        self.asked: list[tuple[str, bytes]] = []  #: paths and bodies, as they came
        #: What to do with requests in turn: a status to turn away with, "lost" (taken, but no answer), None.
        self.mood: list[Any] = []
        self.before: Callable[[int], None] = lambda _count: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Pushing

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.asked.append((self.path, body))
        self.server.before(len(self.server.asked))
        mood = self.server.mood.pop(0) if self.server.mood else None
        if isinstance(mood, int):
            self._answer(mood, b'{"detail": "not now"}')
            return
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        book = self.server.books.get(token) if scheme == "Bearer" else None
        if book is None:
            self._answer(401, b'{"detail": "no such key"}')
        elif len(body) > self.server.most:
            self._answer(413, b"{}")
        else:
            try:
                text = self._taken(book, body)
            except RollbookError as error:
                self._answer(400, wire._encoder.encode({"detail": str(error)}))
                return
            if mood == "lost":
                self.close_connection = True
                self.connection.close()
            elif mood == "strange":
                self._answer(200, b"<html>")
            else:
                self._answer(200, text)

    def _taken(self, book: Rollbook, body: bytes) -> bytes:
        if self.path == INGEST:
            pushed = wire.decode(body, user_id=book.user_id, prices=book.prices)
            return wire.answered(pushed, book.ingest(pushed.taken, files=pushed.files))
        if self.path == FILES:
            source, files = wire.decode_wanted(body)
            return wire.files_answered(book.source_files(source, files=files))
        raise AssertionError(self.path)

    def _answer(self, status: int, text: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        if status in (302, 307):
            self.send_header("Location", f"{self.server.url}/elsewhere")
        if status == 429:
            self.send_header("Retry-After", "7")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Nothing is said of a request."""
