"""A range of one's own, with an end: chosen once, and kept to by every figure, list and link."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

import rollbook
from server.tools import Running, url_of

from .conftest import Look


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A call a day, of a dollar: the sessions of May 2026, one before and one behind it, and one of today."""
    made = tmp_path_factory.mktemp("ranges") / "book.db"
    with rollbook.open(url_of(made)) as book:
        for day in range(-1, 32):
            at = datetime(2026, 5, 1, 12, tzinfo=UTC) + timedelta(days=day)
            book.record_usage(f"s{day}", model="m", cost_usd=1, occurred_at=at)
            if day % 2:
                book.end(f"s{day}", "failed" if day % 3 else "completed", at=at)
        book.record_usage("now", model="m", cost_usd=1)
    return made


def _choose(page: Page, label: str, start: str, end: str) -> None:
    page.get_by_role("button", name=label, exact=True).click()
    page.get_by_label("Since when").fill(start)
    page.get_by_label("Until when").fill(end)
    page.get_by_label("Until when").press("Enter")


def _asked(page: Page) -> tuple[str, str | None]:
    asked = parse_qs(urlsplit(page.url).query)
    return asked["since"][0], asked.get("until", [None])[0]


def test_the_fleet_of_a_month_and_the_sessions_behind_it(server: Running, look: Look) -> None:
    tab = look(server, "/?since=7d", timezone_id="Europe/Vienna")
    page = tab.page
    _choose(page, "Own", "2026-05-01T00:00", "2026-06-01T00:00")
    shown = page.get_by_role("button", name="1 May \N{EN DASH} 31 May", exact=True)
    expect(shown).to_have_attribute("aria-pressed", "true")
    assert _asked(page) == ("2026-04-30T22:00:00.000Z", "2026-05-31T22:00:00.000Z")
    card = page.locator(".card", has=page.get_by_role("heading", name="Spend", exact=True))
    expect(card).to_contain_text("$31.00")
    expect(page.locator(".legend-head strong")).to_have_text("$31.00")
    expect(page.get_by_label(re.compile("Spend between 1 May and 31 May: "))).to_be_visible()
    failed = page.locator(".states a.status-failed")
    expect(failed).to_have_text("10 failed")
    failed.click()
    expect(page.locator(".list-count")).to_have_text("10 sessions")
    assert _asked(page) == ("2026-04-30T22:00:00.000Z", "2026-05-31T22:00:00.000Z")
    page.reload()
    expect(page.locator(".list-count")).to_have_text("10 sessions")
    page.go_back()
    expect(page.locator(".legend-head strong")).to_have_text("$31.00")


def test_a_bar_leads_to_all_who_ran_then(server: Running, look: Look) -> None:
    page = look(server, "/?since=2026-05-01T00:00:00Z&until=2026-05-15T00:00:00Z", timezone_id="UTC").page
    page.locator(".u-over").wait_for()
    expect(page.locator(".legend-head strong")).to_have_text("$14.00")
    page.locator(".u-over").click(position={"x": 20, "y": 80})
    expect(page).to_have_url(re.compile(r"/sessions\?query=active"))
    expect(page.locator(".list-count")).to_have_text("1 session")
    assert _asked(page)[1] is None  # some may have gone on behind the range


_BARS = """async ([by, since, starts, until]) => {
  const main = document.querySelector("script[type=module]").src;
  const { periodsOf } = await import(main.replace("main.js", "fleet/periods.js"));
  const ones = starts.map(() => 1);
  const line = { key: "m", cost_nano_usd: ones, calls: ones, unpriced_calls: ones };
  return periodsOf({ by, starts, lines: [line] }, { since, until }, Date.now()).lines[0].nano;
}"""


@pytest.mark.parametrize(
    ("zone", "by", "hours"),
    [
        ("Europe/Vienna", "hour", "2025-10-25 22 23 24 25 26 27"),  # two o'clock comes twice
        ("Africa/Cairo", "day", "2025-04-22 22 46 70 93 117 141"),  # the 25th begins at one o'clock
    ],
)
def test_each_period_has_a_bar_where_clocks_change(server: Running, look: Look, zone: str, by: str, hours: str) -> None:
    page = look(server, "/settings", timezone_id=zone).page
    day, *places = hours.split()
    midnight = datetime.fromisoformat(f"{day}T00:00Z")
    *starts, until = [(midnight + timedelta(hours=int(each))).isoformat() for each in places]
    assert page.evaluate(_BARS, [by, starts[0], starts, until]) == [1] * 5


def test_years_before_the_first_call_have_no_bars(server: Running, look: Look) -> None:
    page = look(server, "/settings", timezone_id="UTC").page
    starts = ["2025-05-01T00:00:00Z", "2025-05-02T00:00:00Z"]
    assert page.evaluate(_BARS, ["day", "1970-01-02T00:00:00Z", starts, "2025-05-04T00:00:00Z"]) == [1, 1, 0]


def test_ends_the_wrong_way_round_are_turned_and_none_is_now(server: Running, look: Look) -> None:
    page = look(server, "/sessions?since=all", timezone_id="UTC").page
    expect(page.locator(".list-count")).to_have_text("34 sessions")
    _choose(page, "Own", "2026-06-01T00:00", "2026-05-31T00:00")
    expect(page.locator(".list-count")).to_have_text("1 session")
    assert _asked(page) == ("2026-05-31T00:00:00.000Z", "2026-06-01T00:00:00.000Z")
    _choose(page, "31 May", "2026-06-01T00:00", "")
    expect(page.locator(".list-count")).to_have_text("2 sessions")
    assert _asked(page) == ("2026-06-01T00:00:00.000Z", None)
    page.get_by_role("button", name="All", exact=True).click()
    expect(page.locator(".list-count")).to_have_text("34 sessions")


def test_an_empty_range_says_which_and_leads_out(server: Running, look: Look) -> None:
    page = look(server, "/?since=2026-07-01T00:00:00Z&until=2026-07-02T00:00:00Z", timezone_id="UTC").page
    expect(page.locator("main")).to_contain_text("No session was active on 1 Jul")
    page.get_by_role("button", name="Look at all time").click()
    expect(page.locator(".legend-head strong")).to_have_text("$34.00")


def test_an_end_that_cannot_be_is_not_there(server: Running, look: Look) -> None:
    tab = look(server, timezone_id="UTC")
    for wrong in ("until=yesterday", "until=7d", "until=2020-01-01T00:00:00Z", "until="):
        page = tab.go(f"/sessions?since=2026-05-01T00:00:00Z&{wrong}")
        expect(page.locator(".list-count")).to_have_text("33 sessions")


def test_sessions_stand_in_the_order_of_their_states(server: Running, look: Look) -> None:
    page = look(server, "/sessions?since=all", timezone_id="UTC").page
    page.get_by_role("table").get_by_role("button", name="State").click()
    expect(page.get_by_role("columnheader", name="State")).to_have_attribute("aria-sort", "descending")
    states = page.locator("tr.srow .status")
    expect(states.first).to_have_text("Running")
    found = [text.strip().lower() for text in states.all_inner_texts()]
    order = ["running", "failed", "unknown", "abandoned", "cancelled", "completed"]
    assert found == sorted(found, key=order.index)
    page.get_by_role("table").get_by_role("button", name="State").click()
    expect(states.first).to_have_text("Completed")
