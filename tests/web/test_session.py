"""One session: all of it on one line of time, live, and nothing that an agent wrote is anything but text."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import rollbook
from server.tools import Running, url_of

from .conftest import Look
from .session_book import ANN, ODD, ROWS_AT_ONCE, at, fill, here, ids_of, opened


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("session") / "book.db"
    with rollbook.open(url_of(made), all_users=True, redact=False) as book:
        fill(book)
    return made


@pytest.fixture(scope="module")
def ids(server: Running) -> dict[str, str]:
    return ids_of(server)


def test_all_of_it_is_on_one_line_of_time(server: Running, ids: dict[str, str], look: Look) -> None:
    page = opened(look, server, ids, "talk").page
    expect(page.locator("h1")).to_have_text("Where is my order")
    expect(page).to_have_title("Where is my order · Rollbook")
    expect(page.locator("article.entry")).to_have_count(6)
    names = page.locator("article.entry").evaluate_all("all => all.map(each => each.getAttribute('aria-label'))")
    assert names == [
        "Step find_order",
        "Sub-agent",
        "Failed step find_parcel",
        "Failed call",
        "Question and answer",
        "Question and answer",
    ]
    expect(page.locator(".figures")).to_contain_text("$0.75+ with 1 sub-agent")
    expect(page.locator(".row-gap")).to_contain_text("33 min of silence")
    expect(page.locator(".said strong")).to_have_text("sent")
    expect(page.locator("article.entry").nth(0).locator(".entry-cost")).to_have_text("$0.50")
    expect(page.locator(".step-error")).to_have_text("Timeout: no answer in 10 s")
    # What a tool was given and answered is folded.
    expect(page.get_by_text("/orders/12")).to_have_count(1)
    page.get_by_role("button", name="find_order").click()
    expect(page.get_by_role("group", name="Result")).to_contain_text('"state": "sent"')
    expect(page.get_by_text("order 12 belongs to ann")).to_be_visible()
    expect(page.get_by_role("group", name="step")).to_contain_text('"n": 3')
    page.get_by_role("link", name="Ask the depot").last.click()
    expect(page.locator("h1")).to_have_text("Ask the depot")
    page.get_by_role("link", name="Began in talk").click()
    expect(page.locator("h1")).to_have_text("Where is my order")
    page.go_back()
    expect(page.locator("h1")).to_have_text("Ask the depot")


def test_what_is_told_of_it_in_its_parts(server: Running, ids: dict[str, str], look: Look) -> None:
    page = opened(look, server, ids, "talk", timezone_id="Asia/Kolkata").page
    _times_are_the_viewers_and_exact_in_the_title(page)
    _raw_json_of_a_session_and_of_an_entry(page, ids)
    page.keyboard.press("Escape")
    _each_call_leads_to_what_came_of_it(page)
    _filters_of_what_is_shown(page)


def _times_are_the_viewers_and_exact_in_the_title(page: Page) -> None:
    time = page.locator("article.entry time").first
    written = datetime.fromisoformat(str(time.get_attribute("datetime")))
    expect(time).to_have_text((written + timedelta(hours=5, minutes=30)).strftime("%H:%M:%S"))
    assert written.strftime("%Y-%m-%d %H:%M:%S.%f UTC") in str(time.get_attribute("title"))


def test_a_link_leads_to_an_entry_and_back_returns(server: Running, ids: dict[str, str], look: Look) -> None:
    tab = opened(look, server, ids, "many", "log/e7777")
    page = tab.page
    expect(here(page)).to_contain_text("line 7777 ")
    expect(here(page)).to_be_in_viewport()
    tab.go(at(ids, "talk", "q2"))  # an id alone will do
    expect(here(page)).to_contain_text("And now?")
    page.locator("article.entry").first.locator("a.entry-when").click()
    expect(here(page)).to_contain_text("find_order")
    assert tab.path.endswith("#trace/t1")
    page.go_back()
    expect(here(page)).to_contain_text("And now?")
    tab.go(at(ids, ODD, "messages/m/1 ?%23"))
    expect(page.locator("h1")).to_have_text("Odd id")
    expect(here(page)).to_contain_text("odd it is")
    tab.go(at(ids, "talk", "trace/none"))
    expect(page.get_by_text("There is no such entry in this session.")).to_be_visible()


def test_keys_move_and_nothing_is_moved_by_what_is_typed(server: Running, ids: dict[str, str], look: Look) -> None:
    tab = opened(look, server, ids, "talk")
    page = tab.page
    expect(page.locator("article.entry")).to_have_count(6)
    moves = [
        ("j", "find_order"), ("j", "Ask the depot"), ("k", "find_order"), ("e", "find_parcel"), ("e", "Call failed"),
        ("E", "find_parcel"), ("G", "And now?"), ("g", "find_order"),
    ]  # fmt: skip
    for key, wanted in moves:
        page.keyboard.press(key)
        expect(here(page)).to_contain_text(wanted)
    expect(here(page)).to_be_focused()
    page.keyboard.press("o")
    expect(page.get_by_role("group", name="Arguments")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("jjk")
    expect(page.get_by_role("searchbox")).to_have_value("jjk")
    expect(here(page)).to_contain_text("find_order")


def test_searching_inside(server: Running, ids: dict[str, str], look: Look) -> None:
    page = opened(look, server, ids, "many").page
    page.keyboard.press("/")
    page.keyboard.type("LINE 999")
    expect(page.locator(".find-count")).to_have_text("11")  # 999 and 9990 to 9999
    page.keyboard.press("Enter")
    expect(here(page)).to_contain_text("line 999 ")
    page.keyboard.press("Enter")
    expect(here(page)).to_contain_text("line 9990 ")
    expect(page.locator(".find-count")).to_have_text("2 of 11")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.wait_for_function("CSS.highlights.get('found')?.size >= 1")
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    expect(here(page)).to_contain_text("line 9999 ")
    page.keyboard.press("Escape")
    expect(page.get_by_role("searchbox")).to_have_value("")
    page.get_by_role("searchbox").fill("nowhere at all")
    expect(page.locator(".find-count")).to_have_text("none")


def test_searching_finds_what_is_not_here_yet(server: Running, ids: dict[str, str], look: Look) -> None:
    page = opened(look, server, ids, "long").page
    page.get_by_role("searchbox").fill("the end")
    expect(page.locator(".find-count")).to_have_text("1")
    page.get_by_role("searchbox").fill("")
    _what_is_long_comes_when_it_is_asked_for(page)


def _each_call_leads_to_what_came_of_it(page: Page) -> None:
    chart = page.locator(".calls .bars-within")
    box = chart.bounding_box()
    assert box is not None
    expect(page.locator(".calls-said")).to_contain_text("2 calls")
    chart.hover(position={"x": box["width"] / 12 * 0.5, "y": 40})
    expect(page.locator(".calls-said")).to_contain_text("900 read")
    chart.click(position={"x": box["width"] / 12 * 0.5, "y": 40})
    expect(here(page)).to_contain_text("find_order")
    page.get_by_role("button", name="Tokens").click()
    expect(page.get_by_role("img", name="Tokens of each of 2 calls")).to_be_visible()


def _filters_of_what_is_shown(page: Page) -> None:
    page.get_by_role("button", name="Errors 2").click()
    expect(page.locator("article.entry")).to_have_count(2)
    page.get_by_role("button", name="Conversation").click()
    expect(page.locator("article.entry")).to_have_count(2)
    page.get_by_role("button", name="Tools").click()
    expect(page.locator("article.entry")).to_have_count(3)


def test_of_ten_thousand_entries_only_those_in_sight_are_there(
    server: Running, ids: dict[str, str], look: Look
) -> None:
    page = opened(look, server, ids, "many").page
    expect(page.locator(".bar-count")).to_have_text("10,000 entries")
    assert page.locator("article.entry").count() < ROWS_AT_ONCE
    high = page.evaluate("document.documentElement.scrollHeight")
    seen = []
    for part in (0.2, 0.5, 0.9, 0.4):
        page.evaluate("to => scrollTo(0, to)", high * part)
        page.wait_for_function(
            "() => document.elementsFromPoint(400, innerHeight / 2).some(each => each.matches('article.entry'))"
        )
        assert page.locator("article.entry").count() < ROWS_AT_ONCE
        seen.append(page.locator("li.entry-row").first.get_attribute("data-key"))
    assert len(set(seen)) == 4
    page.keyboard.press("G")
    expect(here(page)).to_contain_text("line 9999 ")
    expect(here(page)).to_be_in_viewport()
    # Rows stand under each other, however high they turned out to be.
    tops = page.locator("li.entry-row").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect()).map(r => [r.top, r.bottom])"
    )
    assert all(abs(one[1] - other[0]) < 1.5 for one, other in pairwise(tops))


def test_what_is_new_comes_below_without_moving_what_is_read(
    server: Running, ids: dict[str, str], look: Look, path: Path
) -> None:
    tab = opened(look, server, ids, "live", "messages/m20")
    page = tab.page
    expect(here(page)).to_be_in_viewport()
    page.wait_for_timeout(300)  # until the row that was gone to is held no longer
    before = here(page).bounding_box()
    with rollbook.open(url_of(path), all_users=True) as book:
        for n in (60, 61):
            book.add_message("live", role="assistant", content=f"line {n}", message_id=f"m{n}", user_id=ANN)
    below = page.get_by_role("button", name="2 new below")
    expect(below).to_be_visible()
    assert here(page).bounding_box() == before
    below.click()
    expect(page.get_by_text("line 61")).to_be_in_viewport()
    expect(below).to_have_count(0)
    with rollbook.open(url_of(path), all_users=True) as book:
        book.end("live", "failed", reason="out of money", user_id=ANN)
    expect(page.locator(".outcome")).to_contain_text("Failed")
    expect(page.locator(".outcome")).to_contain_text("out of money")
    expect(page.locator("article.entry-end")).to_contain_text("out of money")


def test_feedback_is_given_changed_and_cleared(server: Running, ids: dict[str, str], look: Look, path: Path) -> None:
    page = opened(look, server, ids, "talk").page
    page.locator(".bars").wait_for()  # which moves what stands below it
    answer = page.locator("article.entry-qa").first
    answer.get_by_role("button", name="Give feedback").click()
    expect(answer.get_by_role("button", name="Keep")).to_be_disabled()
    answer.get_by_role("radio", name="4").check()
    answer.get_by_role("textbox").fill("quick, but <b>short</b>")
    answer.get_by_role("button", name="Keep").click()
    expect(answer.get_by_role("img", name="4 of 5")).to_be_visible()
    expect(answer.locator("q")).to_have_text("quick, but <b>short</b>")
    with rollbook.open(url_of(path), user=ANN) as book:
        assert (book.get_qa("talk", "q1").feedback_score, book.get_qa("talk", "q1").feedback_text) == (
            4,
            "quick, but <b>short</b>",
        )
    with rollbook.open(url_of(path), user=ANN) as book:  # somebody else, meanwhile
        book.add_feedback("talk", "q1", score=2, text="too short")
    expect(answer.get_by_role("img", name="2 of 5")).to_be_visible()
    expect(answer.locator("q")).to_have_text("too short")
    answer.get_by_role("button", name="Change feedback").click()
    answer.get_by_role("button", name="Clear feedback").click()
    expect(answer.get_by_role("button", name="Give feedback")).to_be_visible()
    with rollbook.open(url_of(path), user=ANN) as book:
        assert book.get_qa("talk", "q1").feedback_score is None


def test_what_agents_write_is_text(server: Running, ids: dict[str, str], look: Look) -> None:
    tab = opened(look, server, ids, "nasty", viewport={"width": 1000, "height": 9000})
    page = tab.page
    for button in page.locator("button.step, .fold button").all():
        button.click()
    for button in page.locator(".entry-raw").all():
        button.click()
    expect(page.locator(".step-inside")).to_have_count(3)
    page.wait_for_timeout(200)
    assert page.evaluate("window.hurt") is None
    assert page.locator("main :is(script, img:not([role]), svg[onload], iframe, style, object, form)").count() == 0
    links = page.locator("main .said a").evaluate_all(
        "all => all.map(a => [a.href, a.rel, a.target, a.nextElementSibling?.textContent])"
    )
    assert links
    assert {link[0] for link in links} == {
        "https://example.com/way",
        "https://evil.example/",
        "https://elsewhere.example/x.png",
    }
    assert all("noopener" in link[1] and link[2] == "_blank" for link in links)
    assert {link[3].strip() for link in links} == {"(example.com)", "(evil.example)", "(elsewhere.example)"}
    assert page.locator("main a[href^='javascript' i], main a[href^='data' i]").count() == 0
    text = page.locator("main").inner_text()
    assert "<script>window.hurt = 1</script>" in text
    assert "[a](javascript:window.hurt=1)" in text
    assert "safe⟨U+202E⟩gnp.exe ⟨BEL⟩bell ⟨U+200B⟩nothing" in text
    assert "\u202e" not in text


def _what_is_long_comes_when_it_is_asked_for(page: Page) -> None:
    expect(page.get_by_text("THE END")).to_have_count(0)
    page.get_by_role("button", name="Show all of it").click()
    expect(page.get_by_text("THE END")).to_have_count(1)
    expect(page.get_by_role("button", name="Show all of it")).to_have_count(0)


def _raw_json_of_a_session_and_of_an_entry(page: Page, ids: dict[str, str]) -> None:
    page.locator("article.entry").first.hover()
    page.get_by_role("button", name="Raw JSON").first.click()
    raw = json.loads(page.get_by_role("group", name="JSON of this entry").inner_text())
    assert (raw["entry_id"], raw["body"]["method_params"]) == ("t1", {"path": "/orders/12"})
    page.get_by_role("button", name="More").click()
    page.locator(".panel").get_by_role("button", name="Raw JSON").click()
    raw = json.loads(page.get_by_role("group", name="JSON of this session").inner_text())
    assert (raw["session_id"], raw["user_id"], raw["cost_nano_usd"]) == ("talk", ids[ANN], 500_000_000)
