"""What the dashboard costs in a browser: bytes, the first paint, the first table of a large book, frames, memory.

A real server of a loaded book on this machine, and headless Chromium without a GPU beside it: the processor draws its
frames. Pages are loaded into a profile that has nothing yet; a figure is the median of its rounds. Memory is that of
the page's script after a collection, before and after so many changes, each of another call of forty sessions.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

import bulk
import harness

TOKEN: Final = secrets.token_urlsafe()
_FLAGS: Final = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--js-flags=--expose-gc"]
_SOON_S: Final = 30.0
_SCROLLED_S: Final = 3.0
_CHANGES: Final = 600
#: When something stood in the page first, in ms since the page was asked for.
_WATCHED: Final = """
window.first = {};
const wanted = { cards: ".card-value a", chart: ".u-over", parts: ".costs tbody tr", rows: "tr.srow .row-link" };
const look = () => {
  for (const [name, what] of Object.entries(wanted)) {
    if (!(name in first) && document.querySelector(what)) first[name] = performance.now();
  }
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
#: Bytes of pages and files, as sent and as they are; the first paint; what was there when.
_LOADED: Final = """() => {
  const all = ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind));
  const sum = (name) => all.filter((each) => !each.name.includes("/api/")).reduce((sum, each) => sum + each[name], 0);
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  return [sum("encodedBodySize"), sum("decodedBodySize"), paint.startTime, first];
}"""
#: How long each frame took while the table was moved by 120 pixels in each.
_SCROLLED: Final = """async (ms) => {
  const box = document.querySelector(".list-rows");
  const took = [];
  let last = performance.now();
  for (const end = last + ms; last < end;) {
    box.scrollTop += 120;
    const now = await new Promise(requestAnimationFrame);
    took.push(now - last);
    last = now;
  }
  return took.slice(1);
}"""


def main() -> None:
    parser = harness.options(__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    given = parser.parse_args()
    sessions = 20_000 if given.small else given.sessions
    rounds = given.rounds or (1 if given.small else harness.ROUNDS)
    with harness.workplace(given.folder) as folder:
        path = folder / f"dashboard-{sessions}.db"
        if not path.exists():
            bulk.build(str(path), sessions)
        with _served(path) as base, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=_chromium(), args=_FLAGS)
            runs = [_round(browser, base) for _ in range(rounds)]
            memory = _memory(browser, base)
            browser.close()
    found = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    found |= memory
    for name, value in found.items():
        print(f"{name:>44} {value:12,.1f}")
    harness.RESULTS.mkdir(exist_ok=True)
    Path(harness.RESULTS, "dashboard.json").write_text(json.dumps({"sessions": sessions, **found}, indent=1) + "\n")


@contextmanager
def _served(path: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["-m", "rollbook", "--db", f"sqlite:///{path}", "serve", "--port", str(port)]
    env = {**os.environ, "ROLLBOOK_TOKEN": TOKEN, "ROLLBOOK_SPOOL": str(path.with_name("spool"))}
    running = subprocess.Popen([sys.executable, *words], env=env, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + _SOON_S
        while socket.socket().connect_ex(("127.0.0.1", port)):
            if time.monotonic() > until:
                raise SystemExit("the server did not start")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(_SOON_S)


def _chromium() -> str | None:
    return next(
        filter(None, map(shutil.which, ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome"))),
        None,
    )


@contextmanager
def _tab(browser: Browser, base: str) -> Iterator[tuple[BrowserContext, Page]]:
    context = browser.new_context(viewport={"width": 1360, "height": 900})
    context.request.post(f"{base}/signin", form={"key": TOKEN})
    context.add_init_script(_WATCHED)
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield context, page
    context.close()


def _there(page: Page, *wanted: str) -> None:
    for each in wanted:
        page.locator(each).first.wait_for()
    page.wait_for_timeout(50)  # so that the watch has seen it too


def _round(browser: Browser, base: str) -> dict[str, float]:
    with _tab(browser, base) as (_, page):
        page.goto(f"{base}/?since=7d")
        _there(page, ".card-value a", ".u-over", ".costs tbody tr")
        sent, plain, paint, first = page.evaluate(_LOADED)
    found = {"fleet: kB sent, compressed": sent / 1000, "fleet: kB sent, plain": plain / 1000}
    found["fleet: first paint, ms"] = paint
    found |= {f"fleet: {name}, ms": first[name] for name in ("cards", "chart", "parts")}
    with _tab(browser, base) as (_, page):
        page.goto(f"{base}/sessions?since=all")
        _there(page, "tr.srow .row-link")
        found["sessions: first paint, ms"] = page.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        )
        found["sessions: first table, ms"] = page.evaluate("first.rows")
        took = sorted(page.evaluate(_SCROLLED, _SCROLLED_S * 1000))
        found["sessions: frame while scrolling, median ms"] = statistics.median(took)
        found["sessions: the same, 99 of 100 below, ms"] = took[int(len(took) * 0.99)]
        found["sessions: rows drawn"] = page.locator("tr.srow").count()
        began = time.monotonic()
        page.evaluate("() => { document.querySelector('.list-rows').scrollTop = 15000 * 36; }")
        _there(page, "[data-place='15000'] .row-link")
        found["sessions: a jump by 15,000 rows, ms"] = (time.monotonic() - began) * 1000
    return found


def _memory(browser: Browser, base: str) -> dict[str, Any]:
    with _tab(browser, base) as (_, page):
        page.goto(f"{base}/?since=7d")
        _there(page, ".costs tbody tr")

        def heap() -> float:
            page.evaluate("gc()")
            return float(page.evaluate("performance.memory.usedJSHeapSize")) / 1e6

        _change(base, 40)
        page.wait_for_timeout(3000)
        before = heap()
        _change(base, _CHANGES)
        page.wait_for_timeout(3000)
        return {"memory before, MB": before, f"memory after {_CHANGES} changes, MB": heap()}


def _change(base: str, times: int) -> None:
    for number in range(times):
        body = json.dumps({"session_id": f"live-{number % 40}", "model": "m", "tokens_in": 5, "cost_usd": 0.001})
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        httpx.post(f"{base}/api/v1/usage", content=body, headers=headers).raise_for_status()
        time.sleep(0.02)


if __name__ == "__main__":
    main()
