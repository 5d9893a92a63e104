"""Settings: who one is, keys, grants, users under others, prices, retention, the health of the book."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import httpx
import pytest
from playwright.sync_api import Page, expect

import rollbook
from server.tools import Running, bearer, key_of, served, url_of

from .conftest import Look, Tab

MARKUP: Final = '<img src=x onerror="window.pwned=1">'
SHARED: Final = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("settings") / "book.db"
    with rollbook.open(url_of(made), all_users=True) as book:
        book.record_usage("one", model="house", tokens_in=10, user_id="ann")
        book.record_usage("old", tokens_in=10, cost_usd=1, occurred_at="2026-01-01T00:00:00Z", user_id="ann")
        book.end("old", "completed", at="2026-01-01T00:00:01Z", user_id="ann")
    return made


def part(page: Page, title: str) -> str:
    """What a part of the page says."""
    return page.get_by_role("region", name=title, exact=True).inner_text()


def role_of(server: Running, key: str) -> str | None:
    """The role in which a key lets somebody in; None where it does not."""
    said = httpx.get(f"{server.base}/api/v1/me", headers=bearer(key))
    return said.json()["role"] if said.status_code == httpx.codes.OK else None


def test_a_key_is_shown_once_works_and_is_revoked(server: Running, look: Look) -> None:
    tab = look(server, "/settings")
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = tab.page
    expect(page).to_have_title("Settings · Rollbook")
    page.get_by_role("button", name="New key").click()
    assert tab.violations() == []
    page.get_by_label("User", exact=True).fill("dora")
    page.locator("select[name=role]").select_option("reader")
    page.get_by_label("Label", exact=True).fill(MARKUP)
    page.get_by_role("button", name="Make it").click()
    key = page.get_by_label("The key", exact=True).input_value()
    assert role_of(server, key) == "reader"
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == key
    page.locator("dialog").click(position={"x": 3, "y": 3})
    assert tab.violations() == []
    page.get_by_role("button", name="Done").click()
    assert key not in page.content()
    row = page.get_by_role("row").filter(has_text=MARKUP)
    expect(row).to_contain_text("dora")
    row.get_by_role("button").click()
    page.get_by_role("button", name="Cancel").click()
    assert role_of(server, key) == "reader", "who asks back changes nothing"
    row.get_by_role("button").click()
    page.get_by_role("button", name="Revoke", exact=True).last.click()
    expect(row).to_have_count(0)
    assert role_of(server, key) is None
    page.get_by_role("button", name="that lets nobody in").click()
    expect(row).to_contain_text("revoked")
    assert page.evaluate("window.pwned") is None


def _a_key_that_cannot_be_made_says_why(tab: Tab) -> None:
    tab.allow("400")
    page = tab.page
    page.get_by_role("button", name="New key").click()
    page.get_by_label("User", exact=True).fill("ann")
    page.get_by_label("Datasets", exact=True).fill("no-uuid")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("alert")).to_contain_text("Invalid UUID")
    expect(page.get_by_label("User", exact=True)).to_have_value("ann")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)


def test_grants_and_users_under_others_come_and_go(server: Running, look: Look, path: Path) -> None:
    tab = look(server, "/settings")
    page = tab.page
    page.get_by_role("button", name="New grant").click()
    page.get_by_label("User", exact=True).fill("ann")
    page.get_by_label("Dataset", exact=True).fill(SHARED)
    page.get_by_role("button", name="Grant", exact=True).click()
    expect(page.get_by_role("cell", name=SHARED)).to_be_visible()
    page.get_by_role("button", name="Put under").click()
    page.get_by_label("User", exact=True).fill("ann")
    page.get_by_label("Under", exact=True).fill("boss")
    page.get_by_role("button", name="Put under").last.click()
    expect(page.get_by_role("cell", name="boss")).to_be_visible()
    assert tab.violations() == []
    with rollbook.open(url_of(path), all_users=True) as book:
        assert [each.dataset_id for each in book.grants()] == [SHARED]
        assert [each.parent_user_name for each in book.families()] == ["boss"]
    page.get_by_role("button", name="Take back").click()
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_text("Nothing was granted")).to_be_visible()
    page.get_by_role("button", name="Take out ann").click()
    page.get_by_role("button", name="Take out", exact=True).click()
    expect(page.get_by_text("No user stands under another one.")).to_be_visible()
    with rollbook.open(url_of(path), all_users=True) as book:
        assert (book.grants(), book.families()) == ([], [])


def test_prices_and_the_health_of_the_book(server: Running, look: Look) -> None:
    tab = look(server, "/settings")
    expect(tab.page.get_by_role("link", name="house")).to_be_visible()
    assert "genai-prices/" in part(tab.page, "Prices")
    tab.page.get_by_role("link", name="house").click()
    assert tab.path == "/sessions?query=model%3Ahouse&since=all"
    tab.page.go_back()
    expect(tab.page).to_have_title("Settings · Rollbook")
    _the_health_of_the_book(tab)


def test_what_would_go_is_told_and_nothing_goes(server: Running, look: Look, path: Path) -> None:
    page = look(server, "/settings#retention").page
    expect(page.get_by_role("navigation", name="Settings").locator("[aria-current]")).to_have_text("Retention")
    page.locator("select[name=sessions]").select_option("90d")
    expect(page.locator(".foreseen")).to_contain_text("1 session (what they spent stays) would go.")
    assert page.get_by_label("The command").input_value() == "rollbook prune --sessions 90d --all-users"
    page.locator("select[name=sessions]").select_option("")
    expect(page.locator(".foreseen")).to_have_count(0)
    with rollbook.open(url_of(path), all_users=True) as book:
        assert book.stats(since="all").sessions == 2


def _the_health_of_the_book(tab: Tab) -> None:
    tab.page.get_by_role("button", name="Check now").click()
    expect(tab.page.locator(".verdict")).to_contain_text("The books balance")
    assert "2 sessions, 2 ledger rows" in part(tab.page, "Health of the book")
    expect(tab.page.locator(".finding", has_text="structure")).to_be_visible()
    expect(tab.page.get_by_role("button", name="Check again")).to_be_enabled()
    assert tab.violations() == []


def test_books_that_do_not_balance(tmp_path: Path, look: Look) -> None:
    made = tmp_path / "book.db"
    with rollbook.open(url_of(made)) as book:
        book.record_usage(MARKUP, tokens_in=10, cost_usd=1)
    with closing(sqlite3.connect(made)) as db, db:
        db.execute("UPDATE session SET calls = calls + 1")
    with served(made) as server:
        tab = look(server, "/settings", color_scheme="dark")
        tab.page.get_by_role("button", name="Check now").click()
        expect(tab.page.locator(".verdict")).to_contain_text("differ")
        expect(tab.page.get_by_role("cell", name=MARKUP)).to_be_visible()
        expect(tab.page.locator(".finding").first).to_contain_text("Wrong:")
        assert tab.page.evaluate("window.pwned") is None
        assert tab.violations() == []
        tab.close()


@pytest.mark.parametrize("role", ["reader", "writer"])
def test_others_see_their_own_part(server: Running, look: Look, path: Path, role: str) -> None:
    asked: list[str] = []
    tab = look(server, key=key_of(path, "ann", role, datasets=[SHARED]))
    tab.page.on("request", lambda request: asked.append(request.url))
    page = tab.go("/settings")
    expect(page.get_by_role("region", name="You", exact=True)).to_contain_text(role)
    expect(page.get_by_role("region")).to_have_count(2)
    expect(page.get_by_text("are for administrators")).to_be_visible()
    assert "1 dataset to read" in part(page, "You")
    assert not [url for url in asked if re.search("/api/v1/(keys|grants|families|verify|doctor|retention)", url)]
    assert tab.violations() == []


def test_a_list_that_fails_is_no_empty_list(server: Running, look: Look) -> None:
    tab = look(server)
    tab.allow("503")
    tab.page.route("**/api/v1/keys", lambda route: route.fulfill(status=503, json={"detail": "the book is away"}))
    page = tab.go("/settings")
    keys = page.get_by_role("region", name="Keys", exact=True)
    expect(keys.get_by_role("alert")).to_contain_text("the book is away")
    expect(keys.get_by_text("There are no keys yet.")).to_have_count(0)
    tab.page.unroute("**/api/v1/keys")
    keys.get_by_role("button", name="Try again").click()
    expect(keys.get_by_role("alert")).to_have_count(0)
    _a_key_that_cannot_be_made_says_why(tab)


def test_on_a_phone(server: Running, look: Look, path: Path) -> None:
    key_of(path, "somebody.with.a.long.name@example.org", label="A label that says at length what a key is for")
    tab = look(server, "/settings", viewport={"width": 390, "height": 844}, color_scheme="dark")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(tab.page.get_by_role("button", name="Revoke A label")).to_be_in_viewport()
    assert tab.violations() == []


def test_signing_in_leads_back_to_the_page(server: Running, look: Look) -> None:
    tab = look(server)
    tab.allow("401")
    tab.context.clear_cookies()
    page = tab.page
    page.goto(f"{server.base}/settings?since=24h")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert tab.violations_in_both_schemes() == []
    page.get_by_label("A key").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("That key lets nobody in.")
    assert tab.violations_in_both_schemes() == []
    page.goto(f"{server.base}/signin?once=used")
    expect(page.get_by_role("alert")).to_contain_text("used before")
    assert tab.violations_in_both_schemes() == []
    page.goto(f"{server.base}/settings?since=24h")
    page.get_by_label("A key").fill("t0ken-of-the-tests")
    page.keyboard.press("Enter")
    expect(page).to_have_title("Settings · Rollbook")
    assert tab.path == "/settings?since=24h"
