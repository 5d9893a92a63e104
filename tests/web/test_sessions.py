"""The table of sessions: found, sorted, filtered, chosen and exported; live without moving."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import rollbook
from server.tools import Running, key_of, served

from .conftest import Look, Tab
from .sessions_table import DATASET, EVIL, SOON_MS, box_of, count_of, fill_table, pick, post, row_of, rows_of, titles_of


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sessions") / "book.db"
    fill_table(made)
    return made


def test_sessions_are_listed_the_latest_first_and_sorted(server: Running, look: Look) -> None:
    tab = look(server, "/sessions?since=7d")
    page = tab.page
    expect(count_of(page)).to_have_text("62 sessions")
    assert titles_of(page, 3) == ["Task 0", "Task 1", "Task 2"]
    row = row_of(page, "Task 3")
    expect(row).to_contain_text("Failed")
    expect(row).to_contain_text("codex")
    expect(row).to_contain_text("$2.10")
    expect(row.locator("time").last).to_have_attribute("title", re.compile(r"^\d{4}-\d\d-\d\d .* UTC$"))
    _a_head_sorts_and_back_undoes_it(tab)
    _columns_follow_the_width_of_the_window(page)


def _a_head_sorts_and_back_undoes_it(tab: Tab) -> None:
    page = tab.page
    page.get_by_role("columnheader", name="Cost").get_by_role("button").click()
    expect(page.locator(".row-link").first).to_have_text("Task 17")
    expect(page.get_by_role("columnheader", name="Cost")).to_have_attribute("aria-sort", "descending")
    assert "sort=cost_usd" in tab.path
    page.get_by_role("columnheader", name="Cost").get_by_role("button").click()
    expect(page.locator(".row-link").first).not_to_have_text("Task 17")
    expect(page.get_by_role("columnheader", name="Cost")).to_have_attribute("aria-sort", "ascending")
    page.get_by_role("columnheader", name="Agent time").get_by_role("button").click()
    expect(page.get_by_role("columnheader", name="Agent time")).to_have_attribute("aria-sort", "descending")
    page.go_back()
    page.go_back()
    expect(page.locator(".row-link").first).to_have_text("Task 17")
    page.go_back()
    expect(page.locator(".row-link").first).to_have_text("Task 0")


def test_the_box_filters_and_the_address_keeps_it(server: Running, look: Look) -> None:
    tab = look(server, "/sessions?since=7d")
    page = tab.page
    page.keyboard.press("/")
    expect(box_of(page)).to_be_focused()
    page.keyboard.type("status:failed cost>2")
    expect(count_of(page)).to_have_text("4 sessions")
    found = titles_of(page)
    assert found == ["Task 3", "Task 13", "Task 23", "Task 33"]
    assert "query=status%3Afailed+cost%3E2" in tab.path
    page.reload()
    expect(box_of(page)).to_have_value("status:failed cost>2")
    expect(count_of(page)).to_have_text("4 sessions")
    assert titles_of(page) == found
    page.go_back()
    expect(box_of(page)).to_have_value("")
    expect(count_of(page)).to_have_text("62 sessions")


def test_menus_write_into_the_box(server: Running, look: Look) -> None:
    page = look(server, "/sessions?since=7d&query=cost%3E1").page
    pick(page, "State", "Failed")
    expect(box_of(page)).to_have_value("cost>1 status:failed")
    pick(page, "State", "Completed")
    expect(box_of(page)).to_have_value("cost>1 status:failed,completed")
    pick(page, "Agent", "codex")
    expect(box_of(page)).to_have_value("cost>1 status:failed,completed agent:codex")
    pick(page, "Model", "gpt-5.1-codex")
    pick(page, "User", "bob")
    pick(page, "Channel", "slack")
    expect(box_of(page)).to_have_value(re.compile("model:gpt-5.1-codex user:bob channel:slack$"))
    expect(count_of(page)).to_have_text("0 sessions")
    expect(page.get_by_text("No session that fits was active in the last 7 days.")).to_be_visible()
    page.get_by_role("button", name="Clear the filter", exact=True).last.click()
    expect(count_of(page)).to_have_text("62 sessions")
    pick(page, "Dataset", DATASET)
    expect(count_of(page)).to_have_text("1 session")
    page.get_by_role("button", name="Clear the filter").first.click()
    page.get_by_role("button", name="Cost", exact=True).first.click()
    page.get_by_role("button", name="More than $5").click()
    expect(box_of(page)).to_have_value("cost>5")
    page.get_by_role("button", name=re.compile("^Time")).click()
    page.get_by_role("button", name="In the last 24 hours").click()
    expect(box_of(page)).to_have_value("cost>5 active:24h")


def test_amounts_and_days_of_ones_own_are_written_too(server: Running, look: Look) -> None:
    page = look(server, "/sessions?since=7d&query=agent:codex", timezone_id="Pacific/Auckland").page
    page.get_by_role("group", name="Filters").get_by_role("button", name="Cost").click()
    page.get_by_label("Cost at least, in dollars").fill("1.5")
    page.get_by_label("Cost at most, in dollars").fill("4")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(box_of(page)).to_have_value("agent:codex cost>=1.5 cost<=4")
    page.get_by_role("group", name="Filters").get_by_role("button", name="Time").click()
    page.get_by_label("From this day").fill("2026-06-01")
    page.get_by_label("To this day").fill("2026-06-02")
    page.get_by_role("button", name="Set", exact=True).click()
    # Days begin where whoever looks is.
    expect(box_of(page)).to_have_value(
        "agent:codex cost>=1.5 cost<=4 started>=2026-05-31T12:00:00Z started<2026-06-02T12:00:00Z"
    )
    expect(count_of(page)).to_have_text("0 sessions")


def test_ranges_written_the_wrong_way_round_are_turned_and_kept(server: Running, look: Look) -> None:
    page = look(server, "/sessions?since=7d", timezone_id="Europe/Berlin").page
    filters = page.get_by_role("group", name="Filters")
    filters.get_by_role("button", name="Cost").click()
    page.get_by_label("Cost at least, in dollars").fill("10")
    page.get_by_label("Cost at most, in dollars").fill("2")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(box_of(page)).to_have_value("cost>=2 cost<=10")
    filters.get_by_role("button", name="Time").click()
    page.get_by_label("Which time").select_option("Ended")
    page.get_by_label("From this day").fill("2026-10-26")
    page.get_by_label("To this day").fill("2026-10-25")  # which has 25 hours
    page.get_by_role("button", name="Set", exact=True).click()
    expect(box_of(page)).to_have_value("cost>=2 cost<=10 ended>=2026-10-24T22:00:00Z ended<2026-10-26T23:00:00Z")
    filters.get_by_role("button", name="Time").click()
    expect(page.get_by_label("Which time")).to_have_value("ended")
    expect(page.get_by_label("From this day")).to_have_value("2026-10-25")
    expect(page.get_by_label("To this day")).to_have_value("2026-10-26")


def test_a_menu_says_names_as_the_table_does(server: Running, look: Look) -> None:
    with server.client() as client:
        users = {each["user_name"]: each["user_id"] for each in client.get("/api/v1/users").json()["users"]}
    asked = f"user:{users['bob']} model:claude-opus-4-5-20251101 status:failed"
    page = look(server, f"/sessions?since=7d&query={asked}").page
    filters = page.get_by_role("group", name="Filters")
    for name, says in (("State", "Failed"), ("Model", "opus-4-5"), ("User", "bob")):
        expect(filters.get_by_role("button", name=name)).to_have_text(f"{name}{says}")


def test_completions_are_offered_and_taken_and_what_is_wrong_is_shown(server: Running, look: Look) -> None:
    tab = look(server, "/sessions?since=7d")
    page = tab.page
    box_of(page).click()
    page.keyboard.type("ag")
    page.get_by_role("option", name=re.compile("^agent")).wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(box_of(page)).to_have_value("agent:")
    page.get_by_role("option", name="codex").click()
    expect(box_of(page)).to_have_value("agent:codex ")
    expect(count_of(page)).to_have_text("20 sessions")
    page.get_by_role("button", name="Clear the filter").first.click()
    expect(count_of(page)).to_have_text("62 sessions")
    _a_wrong_query_is_shown_at_its_place(tab)


def _a_wrong_query_is_shown_at_its_place(tab: Tab) -> None:
    tab.allow("400")
    page = tab.page
    box_of(page).fill("status:failed bogus:1")
    wrong = page.get_by_role("alert")
    expect(wrong).to_contain_text("there is no field 'bogus'")
    expect(wrong.locator("code")).to_have_text("bogus:1")
    expect(page.locator(".box-mirror .wrong")).to_have_text("bogus:1")
    expect(box_of(page)).to_have_attribute("aria-invalid", "true")
    assert titles_of(page, 1) == ["Task 0"], "what was there stays"
    box_of(page).fill("status:failed")
    expect(wrong).to_have_count(0)
    expect(count_of(page)).to_have_text("6 sessions")
    tab.go("/sessions?query=cost%3Eabc")
    expect(page.get_by_role("alert")).to_contain_text("cost cannot be 'abc'")


def test_a_failure_is_no_empty_book(server: Running, look: Look) -> None:
    tab = look(server, "/sessions?since=7d")
    tab.allow("503")
    page = tab.page
    page.route("**/api/v1/sessions?*", lambda route: route.fulfill(status=503, json={"detail": "the book is locked"}))
    page.goto(server.base + "/sessions?since=30d")
    expect(page.get_by_role("alert")).to_contain_text("the book is locked")
    expect(page.get_by_text("empty")).to_have_count(0)
    page.unroute("**/api/v1/sessions?*")
    page.get_by_role("button", name="Try again").click()
    expect(count_of(page)).to_have_text("62 sessions")


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Running]:
    with served(tmp_path / "book.db") as made:
        yield made


def test_an_empty_book_says_so(empty: Running, look: Look) -> None:
    page = look(empty, "/sessions?since=24h").page
    expect(page.get_by_text("This book is empty.")).to_be_visible()


def test_what_an_agent_wrote_is_text(server: Running, look: Look) -> None:
    tab = look(server, "/sessions?since=7d&query=id:formula")
    expect(rows_of(tab.page)).to_contain_text("a⟨U+202E⟩b")
    page = tab.go("/sessions?since=7d&query=id:evil*")
    row = rows_of(page)
    expect(row.get_by_role("link")).to_have_text(EVIL)
    expect(row).to_contain_text(EVIL)
    assert row.locator("img, b").count() == 0
    assert page.title() == "Sessions · Rollbook"
    row.get_by_role("link").click()
    expect(page).to_have_url(re.compile(r"/session/[0-9a-f-]+/evil%2F1$"))


def test_a_key_sees_only_its_own(server: Running, look: Look) -> None:
    key = key_of(server._url, "bob", "reader")
    page = look(server, "/sessions?since=7d", key=key).page
    expect(count_of(page)).to_have_text("30 sessions")
    assert set(titles_of(page, 100)) <= {f"Task {number}" for number in range(1, 60, 2)}
    expect(page.get_by_role("columnheader", name="User")).to_have_count(0)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Running]:
    """A server of a book that a test changes; it ends after the pages that look at it."""
    fill_table(tmp_path / "book.db")
    with served(tmp_path / "book.db") as made:
        yield made


def test_changes_come_without_moving_what_one_reads(own: Running, look: Look) -> None:
    page = look(own, "/sessions?since=7d").page
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.locator(".list-rows").evaluate("place => { place.scrollTop = 300 }")
    before = row_of(page, "Task 20").bounding_box()
    post(own, "/api/v1/sessions", session_id="new-1", title="A new one", agent="codex")
    expect(page.get_by_role("button", name="1 new session")).to_be_visible(timeout=SOON_MS)
    post(own, "/api/v1/sessions", session_id="new-2", title="Another one", agent="codex")
    expect(page.get_by_role("button", name="2 new sessions")).to_be_visible(timeout=SOON_MS)
    with rollbook.open(own._url, all_users=True) as book:  # another process, as it were
        book.record_usage("s20", user_id="ann", model="m", tokens_in=7_000_000, cost_usd=3)
    expect(row_of(page, "Task 20")).to_contain_text("7M", timeout=SOON_MS)
    assert row_of(page, "Task 20").bounding_box() == before
    page.get_by_role("button", name="2 new sessions").click()
    expect(page.locator(".row-link").nth(0)).to_have_text("Task 20")
    expect(page.locator(".row-link").nth(1)).to_have_text("Another one")
    assert page.locator(".list-rows").evaluate("place => place.scrollTop") == 0
    expect(page.locator(".announce")).to_have_count(0)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["by the server", "by another process"])
def test_a_session_that_fits_no_more_stays_and_says_so(own: Running, look: Look, *, elsewhere: bool) -> None:
    post(own, "/api/v1/sessions", session_id="one", title="One")
    page = look(own, "/sessions?query=status:running").page
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    expect(row_of(page, "One")).to_contain_text("Running")
    if elsewhere:
        with rollbook.open(own._url) as book:
            book.end("one", "failed")
    else:
        post(own, "/api/v1/sessions/one/end", status="failed")
    expect(row_of(page, "One")).to_contain_text("Failed", timeout=SOON_MS)
    with own.client() as client:
        client.delete("/api/v1/session", params={"session_id": "one"}).raise_for_status()
    expect(page.locator("tr.removed")).to_contain_text("One", timeout=SOON_MS)


def _saved(page: Page, press: Callable[[], None]) -> list[list[str]]:
    with page.expect_download() as waiting:
        press()
    text = waiting.value.path().read_text("utf-8")
    return list(csv.reader(io.StringIO(text)))


def test_what_is_shown_is_saved_as_csv(server: Running, look: Look) -> None:
    page = look(server, "/sessions?since=7d&query=id:formula,s5&sort=cost_usd").page
    expect(count_of(page)).to_have_text("2 sessions")
    page.get_by_role("button", name="CSV").click()
    lines = _saved(page, page.get_by_role("button", name="These columns, in this order").click)
    assert lines[0][:3] == ["state", "title", "agent"]
    by_title = {line[1]: dict(zip(lines[0], line, strict=True)) for line in lines[1:]}
    assert list(by_title) == ["Task 5", '\'=HYPERLINK("x")']
    assert by_title["Task 5"]["cost_usd"] == "3.50"
    assert by_title['\'=HYPERLINK("x")']["cost_usd"] == "", "unpriced is not nothing"
    page.get_by_role("button", name="CSV").click()
    whole = _saved(page, page.get_by_role("link", name="Every column").click)
    assert {line[whole[0].index("session_id")] for line in whole[1:]} == {"formula", "s5"}


def test_columns_are_chosen_and_kept(server: Running, look: Look) -> None:
    page = look(server, "/sessions?since=7d").page
    heads = page.get_by_role("columnheader")
    expect(heads.filter(has_text="Channel")).to_have_count(0)
    page.get_by_role("button", name="Columns").click()
    page.get_by_label("Channel", exact=True).check()
    page.get_by_label("Cost", exact=True).uncheck()
    expect(heads.filter(has_text="Channel")).to_have_count(1)
    expect(heads.filter(has_text="Cost")).to_have_count(0)
    page.reload()
    expect(heads.filter(has_text="Channel")).to_have_count(1)
    expect(row_of(page, "Task 0")).to_contain_text("slack")
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("button", name="As usual").click()
    expect(heads.filter(has_text="Channel")).to_have_count(0)


def _columns_follow_the_width_of_the_window(page: Page) -> None:
    heads = page.get_by_role("columnheader")
    expect(heads.get_by_text("Errors")).to_have_count(1)
    page.set_viewport_size({"width": 1000, "height": 800})
    expect(heads.get_by_text("Errors")).to_have_count(0)
    box = page.locator(".list-rows")
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
    expect(page.get_by_role("columnheader", name="Active", exact=True)).to_have_attribute("aria-sort", "descending")


def test_the_keyboard_moves_selects_compares_and_opens(server: Running, look: Look) -> None:
    tab = look(server, "/sessions?since=7d")
    page = tab.page
    for key in ("j", "ArrowDown", "x", "j", "x"):
        page.keyboard.press(key)
    expect(page.get_by_text("2 sessions selected")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Select Task 1", exact=True)).to_be_checked()
    page.keyboard.press("k")
    expect(page.get_by_role("link", name="Task 1", exact=True)).to_be_focused()
    for _ in range(30):
        page.keyboard.press("j")
    expect(page.get_by_role("link", name="Task 31", exact=True)).to_be_focused()
    expect(page.get_by_role("link", name="Task 31", exact=True)).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/session/[0-9a-f-]+/s31$"))
    page.go_back()
    expect(page.get_by_role("link", name="Task 31", exact=True)).to_be_in_viewport()
    page.get_by_role("link", name="Compare", exact=True).last.click()
    expect(page).to_have_url(re.compile(r"/compare\?s=[0-9a-f-]+%2Fs1&s=[0-9a-f-]+%2Fs2$"))


def test_whoever_comes_back_at_once_finds_the_place(server: Running, look: Look) -> None:
    page = look(server, "/sessions?since=7d").page
    expect(page.get_by_role("link", name="Task 0", exact=True)).to_be_visible()
    box = page.locator(".list-rows")
    for wait_ms in (0, 1, 3, 5, 8, 0, 1, 3):
        box.evaluate("box => { box.scrollTop = 600; return new Promise(requestAnimationFrame); }")
        page.evaluate(
            """async (wait) => {
                const back = new Promise((done) => addEventListener("popstate", done, { once: true }));
                document.querySelector('[data-place="20"] .row-link').click();
                if (wait) await new Promise((done) => setTimeout(done, wait));
                history.back();
                await back;
                await new Promise((done) => setTimeout(done, 150));
            }""",
            wait_ms,
        )
        expect(page).to_have_url(re.compile(r"/sessions\?since=7d$"))
        assert box.evaluate("box => box.scrollTop") == 600, wait_ms


def test_screen_readers_find_a_table(server: Running, look: Look) -> None:
    tab = look(server, "/sessions?since=7d&query=cost%3E1")
    page = tab.page
    expect(count_of(page)).to_have_text("49 sessions")
    table = page.get_by_role("table", name="Sessions")
    expect(table).to_have_attribute("aria-rowcount", "50")
    expect(rows_of(page).first).to_have_attribute("aria-rowindex", "2")
    assert tab.violations_in_both_schemes() == []
    page.get_by_role("group", name="Filters").get_by_role("button", name=re.compile("^Model")).click()
    box_of(page).press("ArrowDown")
    assert tab.violations_in_both_schemes() == []


def test_a_phone_shows_two_lines_each(server: Running, look: Look) -> None:
    tab = look(server, "/sessions?since=7d", viewport={"width": 390, "height": 844})
    page = tab.page
    row = rows_of(page).first
    expect(row).to_contain_text("Task 0")
    expect(row).to_contain_text("min ago")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator(".list-rows").evaluate("place => place.scrollWidth <= place.clientWidth")
    page.get_by_role("button", name="Sort").click()
    page.locator(".asking").get_by_role("button", name="Cost").click()
    expect(page.locator(".row-link").first).to_have_text("Task 17")
    assert tab.violations() == []
