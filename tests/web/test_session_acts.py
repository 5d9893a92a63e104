"""One session: what may be done with it, who may see it, and what is said when something is not there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

import rollbook
from server.tools import TOKEN, Running, key_of, url_of

from .conftest import Look
from .session_book import ANN, BOB, at, fill, ids_of, opened


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("session") / "book.db"
    with rollbook.open(url_of(made), all_users=True, redact=False) as book:
        fill(book)
    return made


@pytest.fixture(scope="module")
def ids(server: Running) -> dict[str, str]:
    return ids_of(server)


def test_ending_reopening_editing_and_deleting(server: Running, ids: dict[str, str], look: Look, path: Path) -> None:
    tab = look(server, at(ids, "to end"))
    page = tab.page
    page.get_by_role("button", name="End", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Failed").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("by hand")
    page.get_by_role("dialog").get_by_role("button", name="End it").click()
    expect(page.locator(".outcome")).to_contain_text("by hand")
    page.get_by_role("button", name="Reopen").click()
    page.get_by_role("dialog").get_by_role("button", name="Reopen").click()
    expect(page.locator(".outcome")).to_contain_text("Running")

    tab.go(at(ids, "to edit"))
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("dialog").get_by_role("textbox", name="Title").fill("Another <title>")
    page.get_by_role("dialog").get_by_role("textbox", name="Tags").fill("one, two,, one")
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    expect(page.locator("h1")).to_have_text("Another <title>")
    expect(page.locator(".outcome a.badge")).to_have_text(["one", "two"])

    tab.go(at(ids, "to delete"))
    page.get_by_role("button", name="More").click()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    with rollbook.open(url_of(path), user=ANN) as book:
        assert book.get("to delete").title == "to delete"
    page.get_by_role("button", name="More").click()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
    expect(page).to_have_title("Sessions · Rollbook")
    tab.allow("404|410")
    page.go_back()
    expect(page.get_by_text("There is no such session, or you may not see it.")).to_be_visible()


def test_a_session_that_is_deleted_while_one_reads(
    server: Running, ids: dict[str, str], look: Look, path: Path
) -> None:
    with rollbook.open(url_of(path), all_users=True) as book:
        book.add_message("short-lived", role="user", content="hello", user_id=ANN)
    tab = opened(look, server, ids, "short-lived")
    tab.allow("404|410")
    with rollbook.open(url_of(path), all_users=True) as book:
        assert book.delete("short-lived", user_id=ANN)
    expect(tab.page.get_by_text("This session was deleted.")).to_be_visible()
    expect(tab.page.get_by_text("hello")).to_have_count(0)


def test_who_may_not_see_it_learns_nothing(server: Running, ids: dict[str, str], look: Look, path: Path) -> None:
    tab = look(server, key=key_of(path, BOB, "reader"))
    tab.allow("404")
    page = tab.go(at(ids, "talk"))
    expect(page.get_by_text("There is no such session, or you may not see it.")).to_be_visible()
    assert "order" not in page.locator("main").inner_text()
    tab.go(at(ids, "of bob", user=BOB))
    expect(page.locator("h1")).to_have_text("Bob's own")
    expect(page.get_by_text("Nothing was written down of this session.")).to_be_visible()
    # A reader reads.
    for name in ("Edit", "End", "Reopen"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)


def test_what_fails_is_said_and_tried_again(server: Running, ids: dict[str, str], look: Look) -> None:
    tab = look(server)
    tab.allow("500")
    broken = True

    def answer(route: Any) -> None:
        if broken:
            route.fulfill(status=500, json={"error": "it is broken"})
        else:
            route.continue_()

    tab.page.route("**/timeline?*", answer)
    page = tab.go(at(ids, "talk"))
    expect(page.get_by_text("Not everything of this session can be shown.")).to_be_visible()
    expect(page.get_by_text("Nothing was written down")).to_have_count(0)
    broken = False
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("article.entry")).to_have_count(6)


def test_everybody_can_use_it(server: Running, ids: dict[str, str], look: Look) -> None:
    tab = opened(look, server, ids, "talk")
    page = tab.page
    page.locator(".bars").wait_for()
    page.get_by_role("button", name="find_order").click()
    page.get_by_role("button", name="Give feedback").first.click()
    assert tab.violations() == []
    dark = opened(look, server, ids, "nasty", color_scheme="dark", viewport={"width": 390, "height": 844})
    assert dark.violations() == []
    assert dark.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("odd", [".", ".."])
def test_ids_that_browsers_take_for_ways_up_have_an_address(server: Running, look: Look, odd: str) -> None:
    with server.client() as client:
        client.post("/api/v1/sessions", json={"session_id": odd, "title": "Up"}).raise_for_status()
        spoken = client.post(f"/api/v1/session/messages?session_id={odd}", json={"role": "user", "content": "up it is"})
        spoken.raise_for_status()
    tab = look(server, f"/sessions?query=id:{quote(odd)}")
    page = tab.page
    page.get_by_role("link", name="Up").first.click()
    page.locator(".entry-when").first.click()
    assert re.fullmatch(rf"/session\?user=[\w-]+&id={re.escape(odd)}#messages/.+", tab.path)
    page.reload()
    expect(page.get_by_text("up it is")).to_be_visible()
    expect(page.locator(".entry-here")).to_be_visible()
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("dialog").get_by_role("textbox", name="Title").fill(f"Title of {odd}")
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    expect(page.locator("h1")).to_have_text(f"Title of {odd}")
    page.get_by_role("link", name="Compare").click()
    page.go_back()
    expect(page.locator("h1")).to_have_text(f"Title of {odd}")


def test_feedback_that_is_written_outlives_signing_in_again(server: Running, ids: dict[str, str], look: Look) -> None:
    tab = look(server, at(ids, "talk"))
    page = tab.page
    page.get_by_role("button", name="Give feedback").first.click()
    box = page.get_by_role("textbox", name="What was good or bad about it")
    box.fill("Long thought about")
    page.get_by_role("radio", name="4").check()
    where = tab.path
    tab.context.clear_cookies()
    tab.allow("401")
    page.get_by_role("button", name="Keep").click()
    page.fill("#key", TOKEN)
    page.get_by_role("button", name="Sign in").click()
    expect(box).to_have_value("Long thought about")
    assert tab.path == where
    page.get_by_role("button", name="Keep").click()
    expect(page.locator(".feedback-said")).to_contain_text("Long thought about")
    page.reload()
    expect(page.locator(".feedback-said")).to_contain_text("Long thought about")
    expect(box).to_have_count(0)
