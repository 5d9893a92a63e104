"""One session's page over time: what others change in it, what one writes and where one is are not lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

import rollbook
from server.tools import Running, url_of

from .conftest import Look, Tab
from .session_book import here

ANN: Final = "ann@example.org"
MORE: Final = 6  #: entries that come while one looks
MOST_KEPT: Final = 400  #: objects for each of them; a page of them has thousands
LONG: Final = 260_000  #: characters of a text that is shown piece by piece


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("kept") / "book.db"
    with rollbook.open(url_of(made), user=ANN, redact=False) as book:
        book.touch("talk", title="A talk", tags=["a,b", "c"])
        for n in range(3):
            book.add_qa("talk", question=f"question {n}", answer=f"answer {n}", qa_id=f"q{n}")
        for n in range(40):
            book.add_message("talk", role="user", content=f"line {n}\n" * 6, message_id=f"m{n}")
        for n in range(20):
            book.add_message("growing", role="assistant", content=f"some **words** {n}\n\n- a\n- b")
        book.add_message("long", role="assistant", content="words of it " * (LONG // 12) + "END", message_id="m1")
        book.touch("family", title="Family")
        for n in range(60):
            book.touch(f"helper {n}", parent="family", title=f"Helper {n}")
    return made


@pytest.fixture(scope="module")
def own(server: Running) -> str:
    with server.client() as client:
        sessions = client.get("/api/v1/sessions", params={"range": "all"}).json()["sessions"]
    return str(sessions[0]["user_id"])


def opened(look: Look, server: Running, own: str, session_id: str, anchor: str = "") -> Tab:
    tab = look(server, f"/session/{own}/{session_id}{anchor}")
    tab.page.locator("article.entry").first.wait_for()
    return tab


def focused(page: Page) -> Any:
    return page.locator(":focus")


def test_what_others_change_and_remove_is_seen(server: Running, own: str, look: Look, path: Path) -> None:
    page = opened(look, server, own, "talk").page
    expect(page.get_by_text("answer 0")).to_be_visible()
    with rollbook.open(url_of(path), user=ANN) as book:
        book.update_qa("talk", "q0", answer="another answer")
    expect(page.get_by_text("another answer")).to_be_visible()
    with rollbook.open(url_of(path), user=ANN) as book:
        book.add_feedback("talk", "q2", score=4)
        book.add_message("talk", role="user", content="and one more", message_id="more")
    expect(page.get_by_role("img", name="4 of 5")).to_be_visible()
    with rollbook.open(url_of(path), user=ANN) as book:
        book.delete_qa("talk", "q1")
    expect(page.get_by_text("answer 1")).to_have_count(0)
    expect(page.locator(".bar-count")).to_have_text("43 entries")


def test_enter_keeps_an_edit_and_tags_that_were_not_touched(server: Running, own: str, look: Look, path: Path) -> None:
    tab = opened(look, server, own, "talk")
    page = tab.page
    page.get_by_role("button", name="Edit").click()
    title = page.get_by_role("textbox", name="Title")
    title.fill("Another talk")
    with rollbook.open(url_of(path), user=ANN) as book:
        book.record_usage("talk", tokens_in=4_321)
    expect(page.locator(".figures")).to_contain_text("4.32k")
    expect(title).to_have_value("Another talk")  # whatever happens meanwhile
    tab.allow("503")
    page.route("**/touch*", lambda route: route.fulfill(status=503, json={"detail": "not just now"}))
    title.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("alert")).to_contain_text("not just now")
    assert tab.violations() == []
    page.unroute("**/touch*")
    title.press("Enter")
    expect(page.locator("h1")).to_have_text("Another talk")
    expect(dialog).to_have_count(0)
    expect(focused(page)).to_have_text("Edit")
    with rollbook.open(url_of(path), user=ANN) as book:
        assert book.get("talk").tags == ("a,b", "c")


def test_feedback_that_is_being_written_survives_scrolling(server: Running, own: str, look: Look) -> None:
    page = opened(look, server, own, "talk").page
    answer = page.locator("article.entry-qa").first
    answer.get_by_role("button", name="Give feedback").click()
    expect(focused(page)).to_have_attribute("type", "radio")
    answer.get_by_role("textbox").fill("not finished")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(page.locator("article.entry-qa")).to_have_count(0)
    page.evaluate("scrollTo(0, 0)")
    expect(answer.get_by_role("textbox")).to_have_value("not finished")
    answer.get_by_role("button", name="Cancel").click()
    expect(focused(page)).to_have_text("Give feedback")


def test_back_from_a_sub_agent_leads_to_where_one_was(server: Running, own: str, look: Look) -> None:
    page = opened(look, server, own, "family").page
    link = page.locator("article.entry").get_by_role("link", name="Helper 45")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    link.click()
    expect(page.locator("h1")).to_have_text("Helper 45")
    expect(page.locator("main")).to_be_focused()
    page.go_back()
    expect(link).to_be_in_viewport()


def test_a_very_long_text_is_shown_piece_by_piece(server: Running, own: str, look: Look) -> None:
    page = opened(look, server, own, "long").page
    page.get_by_role("button", name="Show all of it").click()
    more = page.get_by_role("button", name="Show more")
    expect(more).to_contain_text(f"of {LONG // 12 * 12 + 3:,} characters are here")
    largest = page.evaluate("Math.max(...[...document.querySelectorAll('.md-plain')].map(e => e.textContent.length))")
    assert largest < LONG / 2
    while more.count():
        more.click()
    expect(page.locator(".md-plain").last).to_contain_text("END")
    whole = page.evaluate("[...document.querySelectorAll('.md-plain')].map(e => e.textContent).join('')")
    assert len(whole) == LONG // 12 * 12 + 3


def test_a_removed_entry_is_said_to_be_none(server: Running, own: str, look: Look) -> None:
    page = opened(look, server, own, "talk", "#messages/none").page
    expect(page.get_by_text("There is no such entry in this session.")).to_be_visible()
    page.evaluate("location.hash = 'messages/m30'")
    expect(here(page)).to_contain_text("line 30")
    _an_id_is_copied_where_browsers_give_pages_no_clipboard(page)


def _an_id_is_copied_where_browsers_give_pages_no_clipboard(page: Page) -> None:
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.get_by_role("button", name="Copy the id").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    page.get_by_role("searchbox").focus()
    page.keyboard.press("Control+V")
    expect(page.get_by_role("searchbox")).to_have_value("talk")


def objects(tab: Tab) -> int:
    """How many objects the page's scripts hold."""
    browser = tab.context.new_cdp_session(tab.page)
    browser.send("HeapProfiler.collectGarbage")
    kind = browser.send("Runtime.evaluate", {"expression": "Object.prototype"})["result"]["objectId"]
    found = browser.send("Runtime.queryObjects", {"prototypeObjectId": kind})["objects"]["objectId"]
    counted = {"objectId": found, "functionDeclaration": "function () { return this.length; }", "returnByValue": True}
    said = browser.send("Runtime.callFunctionOn", counted)["result"]["value"]
    browser.detach()
    return int(said)


def test_what_was_shown_before_a_change_is_not_kept(server: Running, own: str, look: Look, path: Path) -> None:
    tab = opened(look, server, own, "growing")
    tab.page.wait_for_timeout(400)
    before = objects(tab)
    for n in range(MORE):
        with rollbook.open(url_of(path), user=ANN) as book:
            book.add_message("growing", role="assistant", content=f"**more** {n}")
        expect(tab.page.locator(".bar-count")).to_have_text(f"{21 + n} entries")
    assert objects(tab) - before < MORE * MOST_KEPT
