"""The pages of a book however many sessions it has: a million are found, sorted, filtered and scrolled through."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import apsw
import pytest
from playwright.sync_api import Locator, Page, expect

import rollbook
from server.tools import Running, served, url_of

from . import large_book
from .conftest import Look
from .sessions_table import count_of, rows_of

_MANY: Final = 12_000
_ORIGINALS, _COPIES = 20_000, 49
_MILLION: Final = _ORIGINALS * (_COPIES + 1)
_SOON_MS: Final = 60_000  #: for the first look into a file that was just written
_MOST_ELEMENTS: Final = 1500


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book of more sessions than are counted out."""
    made = tmp_path_factory.mktemp("many") / "book.db"
    large_book.bulk().build(str(made), _MANY)
    return made


@pytest.fixture
def million(tmp_path: Path) -> Iterator[Running]:
    """A server of a book with a million sessions."""
    large_book.build(tmp_path / "book.db", _ORIGINALS, _COPIES)
    with served(tmp_path / "book.db") as made:
        yield made
    shutil.rmtree(tmp_path)


def _place(page: Page, number: int) -> Locator:
    return page.locator(f'tr[data-place="{number}"]')


def _scroll(page: Page, row: int) -> None:
    page.locator(".list-rows").evaluate("(place, row) => { place.scrollTop = row * 36 }", row)


def _ids(page: Page, most: int) -> list[str]:
    hrefs = page.locator(".row-link").evaluate_all("all => all.map((each) => decodeURIComponent(each.pathname))")
    return [str(href).split("/", 3)[3] for href in hrefs[:most]]


def test_such_a_book_balances(tmp_path: Path) -> None:
    large_book.build(tmp_path / "book.db", 60, 5)
    with rollbook.open(url_of(tmp_path / "book.db"), all_users=True) as book:
        found = book.verify()
        assert (found.problems, found.sessions) == ([], 360)
        assert book.stats(since="24h").sessions == len(list(book.iterate(since="24h")))


def test_a_million_sessions(million: Running, look: Look) -> None:
    with apsw.Connection(million._url.removeprefix("sqlite:///")) as raw:
        counted = "select count(*) filter (where cost > 20000000), count(*) filter (where status = 2) from session"
        found: list[Any] = raw.execute(counted).fetchall()
        dearest = [row[0] for row in raw.execute("select session_id from session order by cost desc limit 5")]
        latest = raw.execute("select session_id from session order by last_activity_at desc, 1 limit 50").fetchall()
    ((dear, failed),) = found
    assert 0 < dear < 10_000
    tab = look(million, "/?since=all")
    page = tab.page
    page.set_default_timeout(_SOON_MS)
    sessions = page.locator(".card").filter(has=page.get_by_role("heading", name="Sessions", exact=True))
    expect(sessions.locator(".card-value")).to_have_text(f"{_MILLION:,}", timeout=_SOON_MS)
    page.locator(".u-over").wait_for()
    tab.go("/sessions?since=all")
    expect(count_of(page)).to_have_text(f"{_MILLION:,} sessions", timeout=_SOON_MS)
    first = _ids(page, 5)
    assert {*first} < {row[0] for row in latest}
    _scrolled_to_the_end_and_back(page, first)
    page.get_by_role("columnheader", name="Cost").get_by_role("button").click()
    expect(page.get_by_role("columnheader", name="Cost")).to_have_attribute("aria-sort", "descending")
    page.locator(f".row-link[href$='{dearest[0]}']").wait_for()
    assert _ids(page, 5) == dearest
    _scroll(page, 19_900)
    expect(_place(page, 19_905)).to_be_in_viewport(timeout=_SOON_MS)
    box = page.get_by_role("combobox", name="Filter sessions")
    box.fill("cost>0.02")
    expect(count_of(page)).to_have_text(f"{dear:,} sessions", timeout=_SOON_MS)
    expect(_place(page, 0)).to_be_in_viewport()
    assert _ids(page, 5) == dearest
    box.fill("status:failed")
    expect(count_of(page)).to_have_text(f"{failed:,} sessions", timeout=_SOON_MS)
    page.go_back()
    expect(count_of(page)).to_have_text(f"{_MILLION:,} sessions", timeout=_SOON_MS)


def _scrolled_to_the_end_and_back(page: Page, first: list[str]) -> None:
    place = page.locator(".list-rows")
    for jump in (5_000, 15_000, 19_900):
        _scroll(page, jump)
        expect(_place(page, jump + 5)).to_be_in_viewport(timeout=_SOON_MS)
        expect(_place(page, jump + 5)).to_have_attribute("aria-rowindex", str(jump + 7))
        assert page.evaluate("document.querySelectorAll('*').length") < _MOST_ELEMENTS
    # Behind what can be jumped to cursors go on.
    before = place.evaluate("place => place.scrollHeight")
    place.evaluate("place => { place.scrollTop = place.scrollHeight }")
    page.wait_for_function("before => document.querySelector('.list-rows').scrollHeight > before", arg=before)
    page.keyboard.press("Home")
    _scroll(page, 0)
    expect(_place(page, 0)).to_be_in_viewport()
    assert _ids(page, 5) == first


def test_pages_fit_together(server: Running, look: Look) -> None:
    """What is scrolled through by cursors is what the list is, without a gap and without anything twice."""
    page = look(server, "/sessions?since=all").page
    with server.client() as client:
        expected = [
            line["session_id"]
            for line in client.get("/api/v1/sessions", params={"range": "all", "limit": 500}).json()["sessions"]
        ]
    seen: dict[int, str] = {}
    for at in range(0, 480, 30):
        _scroll(page, at)
        _place(page, at + 10).wait_for()
        found = page.evaluate(
            "[...document.querySelectorAll('tr[data-place]')]"
            ".map(row => [row.dataset.place, row.querySelector('.row-link').href])"
        )
        seen.update((int(place), href.rpartition("/")[2]) for place, href in found)
    assert [seen[place] for place in range(440)] == expected[:440]
    page.reload()
    rows_of(page).first.wait_for()
    _on_paper_are_rows_and_not_a_height(page)


def test_a_total_that_is_not_counted_out_says_so(server: Running, look: Look) -> None:
    page = look(server, "/sessions?since=all&query=tokens_in%3E0").page
    expect(count_of(page)).to_have_text("10,000+ sessions")
    expect(page.get_by_role("table", name="Sessions")).to_have_attribute("aria-rowcount", "-1")


def _on_paper_are_rows_and_not_a_height(page: Page) -> None:
    page.emulate_media(media="print")
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollHeight") < 10_000
    assert 20 < page.locator("tr.srow").count() <= 200
    expect(page.get_by_role("button", name="Columns")).to_be_hidden()
