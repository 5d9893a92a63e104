"""Takes pictures of every page of the dashboard, light and dark, of the made-up fleet, into a folder that is named.

The fleet, the book's clock and the browser's clock all stand at the same time, so the same code makes the same
pictures (on a machine with the same fonts). Pillow makes them smaller, where it is installed.
"""

from __future__ import annotations

import asyncio
import importlib
import secrets
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest import mock
from urllib.parse import quote, urlencode

import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from rollbook.access import keys
from rollbook.aio import AsyncRollbook
from rollbook.book import Rollbook
from rollbook.demo import filling
from rollbook.model import Session, to_micros
from rollbook.plans import Plans
from rollbook.server.app import App
from rollbook.server.running import Options, Server
from rollbook.settings import load

NOW: Final = datetime(2026, 5, 6, 15, 4, tzinfo=UTC)
TOKEN: Final = secrets.token_urlsafe()
MOST_BYTES: Final = 150_000
COLOURS: Final = 256
WIDE: Final = ViewportSize(width=1360, height=900)
PHONE: Final = ViewportSize(width=390, height=844)
SETTLED_MS: Final = 700  #: in which charts are drawn and lists have come
FLAGS: Final = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--font-render-hinting=none", "--force-color-profile=srgb",
    "--enable-features=OverlayScrollbar",
]  # fmt: skip
#: Keys that the settings show: whose, in which role, what for.
KEYS: Final = (("ann", "writer", "CI of shop-api"), ("dora", "reader", "Grafana"), ("chika", "admin", "on call"))


class Shot(NamedTuple):
    """One picture."""

    name: str
    path: str
    scheme: str = "light"
    size: ViewportSize = WIDE
    signed_in: bool = True


def main(folder: Path) -> None:
    """Make every picture."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        url = f"sqlite:///{place}/rollbook-demo.db"
        with filling.opened(url, NOW) as book:
            filling.fill(book, NOW)
            _give_keys(book)
            shots = _shots(book)
        with _served(url) as base, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=_chromium(), args=FLAGS)
            for shot in shots:
                _take(browser, base, shot, folder / f"{shot.name}.png")
            browser.close()


def _give_keys(book: Rollbook) -> None:
    """Keys whose ids are the same each time."""
    for number, (user, role, label) in enumerate(KEYS):
        shown = keys.Shown(f"{0x7C4E1A9B30D2 + number * 0x1B3F5D77A1:012x}", secrets.token_urlsafe(32))
        with mock.patch.object(keys, "made", return_value=shown):
            book.create_key(user, role=role, label=label)


def _shots(book: Rollbook) -> list[Shot]:
    dearest = book.list(since="all", order_by="cost_usd", limit=8).sessions
    talk = next(each for each in book.iterate(since="all", agent="support-bot") if each.turns > 1)
    names = [("s", f"{each.user_id}/{each.session_id}") for each in dearest[1:4]]
    pages = [
        ("fleet", "/?since=7d"),
        ("sessions", "/sessions?since=7d"),
        ("session", _page_of(dearest[0])),
        ("conversation", _page_of(talk)),
        ("compare", f"/compare?{urlencode(names)}"),
        ("settings", "/settings"),
    ]
    return [
        *(Shot(f"{name}-{scheme}", path, scheme) for name, path in pages for scheme in ("light", "dark")),
        *(Shot(f"signin-{scheme}", "/", scheme, signed_in=False) for scheme in ("light", "dark")),
        Shot("fleet-phone", "/?since=7d", "light", PHONE),
        Shot("session-phone", _page_of(talk), "dark", PHONE),
    ]


def _page_of(session: Session) -> str:
    return f"/session/{session.user_id}/{quote(session.session_id, safe='')}"


@contextmanager
def _served(url: str) -> Iterator[str]:
    """Serve a book at whose clock the time stands still."""
    ready = threading.Event()
    running: list[uvicorn.Server] = []

    async def serve() -> None:
        book = AsyncRollbook(Plans(url, user=None, all_users=True, settings=load(), clock=lambda: to_micros(NOW)))
        app = App(Server(book, Options(token=TOKEN)))
        server = uvicorn.Server(
            uvicorn.Config(app, port=0, log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=1)
        )
        task = asyncio.create_task(server.serve())
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0.01)
        running.append(server)
        ready.set()
        with suppress(asyncio.CancelledError):
            await task
        await book.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="screenshots")
    thread.start()
    ready.wait()
    try:
        yield f"http://127.0.0.1:{running[0].servers[0].sockets[0].getsockname()[1]}"
    finally:
        running[0].should_exit = True
        thread.join()


def _chromium() -> str | None:
    """One of the system; None: the one that Playwright has."""
    return next(
        filter(None, map(shutil.which, ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome"))),
        None,
    )


def _take(browser: Browser, base: str, shot: Shot, file: Path) -> None:
    context: BrowserContext = browser.new_context(
        color_scheme="dark" if shot.scheme == "dark" else "light", viewport=shot.size, locale="en-GB",
        timezone_id="UTC", reduced_motion="reduce",
    )  # fmt: skip
    if shot.signed_in:
        context.request.post(f"{base}/signin", form={"key": TOKEN})
    page: Page = context.new_page()
    page.clock.set_fixed_time(NOW)
    page.goto(base + shot.path)
    page.locator("main:not(:has(.loading))").wait_for()
    page.wait_for_timeout(SETTLED_MS)
    page.screenshot(path=file, animations="disabled", caret="hide")
    context.close()
    _smaller(file)
    if file.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{file} has {file.stat().st_size:,} bytes; at most {MOST_BYTES:,} are wanted")
    sys.stderr.write(f"{file} {file.stat().st_size:,}\n")


def _smaller(file: Path) -> None:
    """The same picture with fewer colours, where there is what it takes."""
    try:
        image: Any = importlib.import_module("PIL.Image")
    except ModuleNotFoundError:
        return
    with image.open(file) as picture:
        reduced = picture.convert("RGB").quantize(COLOURS, method=image.Quantize.MAXCOVERAGE, dither=image.Dither.NONE)
    reduced.save(file, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/screenshots"))
