"""The fleet at a glance: what stands there, live, and leads to the sessions behind it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

import rollbook
from server.tools import Running, key_of, served, url_of

from .conftest import Look

EVIL: Final = '<img src=x onerror="document.title=1"><b>bold</b> & "quoted"'
DATASET: Final = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
SOON_MS: Final = 2000  #: a change is on the screen within a second; the machine may be busy


def _fill(path: Path) -> None:
    now = datetime.now(UTC)
    with rollbook.open(url_of(path), all_users=True) as book:
        for number in range(20):
            at = now - timedelta(hours=5 + 3 * number)
            said: dict[str, Any] = {"user_id": ("ann", "bob")[number % 2]}
            book.touch(f"s{number}", agent=("claude-code", "codex")[number % 2], title=f"Task {number}", at=at, **said)
            model = ("claude-opus-4-5-20251101", "gpt-5.1-codex")[number % 2]
            cost = 20 if number == 5 else 0.5
            book.record_usage(
                f"s{number}", model=model, tokens_in=1000, tokens_out=10, cost_usd=cost, occurred_at=at, **said
            )
            status = "failed" if number in (3, 4) else "completed"
            book.end(
                f"s{number}",
                status,
                at=at + timedelta(minutes=9),
                reason="the tests failed" if number == 3 else None,
                **said,
            )
        book.touch("evil", user_id="ann", agent=EVIL, title=EVIL, dataset_id=DATASET)
        book.record_usage("evil", user_id="ann", model=EVIL, tokens_in=5)
        silent = now - timedelta(minutes=10)
        book.touch("silent", user_id="bob", title="Silent one", at=silent)
        book.touch("lost", user_id="bob", title="Lost one", at=now - timedelta(hours=2))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("fleet") / "book.db"
    _fill(made)
    return made


def _post(server: Running, path: str, **body: Any) -> None:
    with server.client() as client:
        client.post(path, json=body).raise_for_status()


def _card(page: Page, title: str) -> Any:
    return page.locator(".card", has=page.get_by_role("heading", name=title, exact=True))


def test_cards_say_how_much_and_what_they_leave_out(server: Running, look: Look) -> None:
    page = look(server, "/?since=7d").page
    expect(_card(page, "Sessions").locator(".card-value")).to_have_text("23")
    expect(_card(page, "Sessions")).to_contain_text("2 failed")
    expect(_card(page, "Spend").locator(".card-value")).to_have_text("$29.50")
    expect(_card(page, "Spend")).to_contain_text("1 call without a price not in it")
    expect(_card(page, "Tokens")).to_contain_text("20k read")
    expect(_card(page, "Success rate").locator(".card-value")).to_have_text("86%")
    expect(_card(page, "Success rate")).to_contain_text("18 of 21 that run no more; 2 still running not counted")
    _what_has_no_price_is_never_nothing(page)
    _markup_of_agents_is_shown_as_text(page)
    _what_needs_a_look_says_why(page)
    _spend_is_told_apart_by_model_or_agent(page)


def test_numbers_lead_to_the_sessions_behind_them(server: Running, look: Look) -> None:
    tab = look(server, "/?since=7d")
    page = tab.page

    def leads(name: str | re.Pattern[str], within: str, there: str) -> None:
        page.locator(within).get_by_role("link", name=name).first.click()
        assert tab.path == there, name
        page.go_back()
        expect(page).to_have_title("Fleet · Rollbook")

    leads("2 failed", ".states", "/sessions?query=status%3Afailed&since=7d")
    leads("1 call without a price", ".cards", "/sessions?query=unpriced%3Ayes&since=7d")
    leads("$29.50", ".cards", "/sessions?sort=cost_usd&since=7d")
    leads("opus-4-5", ".costs", "/sessions?query=model%3Aclaude-opus-4-5-20251101&sort=cost_usd&since=7d")
    leads("codex", ".costs section:nth-child(2)", "/sessions?query=agent%3Acodex&sort=cost_usd&since=7d")
    leads("gpt-5.1-codex", ".legend", "/sessions?query=model%3Agpt-5.1-codex&since=7d")
    leads("21 that run no more", ".cards", "/sessions?query=-status%3Arunning&since=7d")
    leads("2 still running", ".cards", "/sessions?query=status%3Arunning&since=7d")
    leads("$29.50", ".legend-head", "/sessions?since=7d")
    page.get_by_role("link", name="Silent one").first.click()
    assert re.fullmatch(r"/session/[0-9a-f-]{36}/silent", tab.path)


def test_the_list_behind_a_number_agrees_with_it(server: Running, look: Look) -> None:
    page = look(server, "/?since=7d").page
    page.locator(".cost-table").nth(2).wait_for()
    numbers = page.evaluate("""() => [
        ...[...document.querySelectorAll(".states a, .counts a")].map((link) => [link.href, link.textContent]),
        ...[...document.querySelectorAll(".cost-table tbody tr")]
            .map((row) => [row.querySelector("a").href, row.cells[1].textContent]),
    ]""")
    assert len(numbers) == 4 + 2 + 3 + 4 + 2
    with server.client() as client:
        for href, says in numbers:
            asked = dict(parse_qsl(urlsplit(href).query))
            answer = client.get("/api/v1/sessions", params={"query": asked["query"], "since": asked["since"]})
            # (Of EVIL, too: there are models that are called "<synthetic>".)
            assert answer.json()["total"] == int(re.findall(r"\d+", says)[0]), href


def test_a_click_on_any_number_of_a_line_leads_there(server: Running, look: Look) -> None:
    tab = look(server, "/?since=7d")
    tab.page.locator(".cost-table").first.locator("tbody tr", has_text="opus-4-5").locator("td").nth(1).click()
    assert tab.path == "/sessions?query=model%3Aclaude-opus-4-5-20251101&sort=cost_usd&since=7d"


def test_what_time_alone_changes_is_shown_too(server: Running, look: Look) -> None:
    tab = look(server)
    page = tab.page
    page.clock.install()
    tab.go("/?since=7d")
    expect(_card(page, "Sessions")).to_be_visible()
    for asked in ("stats", "status=abandoned"):
        with page.expect_request(re.compile(asked), timeout=SOON_MS):
            page.clock.run_for(61_000)


def test_the_silent_are_found_among_many_that_run(look: Look, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with rollbook.open(url_of(tmp_path / "many.db")) as book:
        book.touch("silent", title="Silent one", at=now - timedelta(minutes=12))
        for number in range(60):
            book.touch(f"s{number}", at=now - timedelta(minutes=20))
            book.touch(f"s{number}", at=now)
        book.touch("mute", title="Failed one")
        book.end("mute", "failed")
    with served(tmp_path / "many.db") as server:
        tab = look(server, "/?since=7d")
        lines = tab.page.get_by_role("table", name="Sessions that need a look")
        expect(lines.get_by_role("row", name="Silent one")).to_contain_text(re.compile(r"no sign of life for 1\d min"))
        expect(lines.get_by_role("row", name="Failed one")).to_contain_text("nothing is said of why")
        tab.page.get_by_role("link", name="All 61").click()
        assert tab.path == "/sessions?query=status%3Arunning&since=all"
        tab.close()


def test_a_bar_leads_to_what_ran_then(server: Running, look: Look) -> None:
    tab = look(server, "/?since=7d")
    box = tab.page.locator(".u-over").bounding_box()
    assert box is not None
    tab.page.mouse.move(box["x"] + box["width"] - 4, box["y"] + 50)
    expect(tab.page.locator(".legend-head")).not_to_contain_text("In all")
    tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] + 200)
    expect(tab.page.locator(".legend-head")).to_contain_text("In all")
    tab.page.mouse.click(box["x"] + box["width"] - 4, box["y"] + 50)
    tab.page.wait_for_url("**/sessions?**")
    assert re.search(r"query=active%3E%3D20\d\d-[^&]*Z\+started%3C20\d\d-[^&]*Z&since=7d", tab.path)


def _spend_is_told_apart_by_model_or_agent(page: Page) -> None:
    legend = page.locator(".legend")
    expect(legend.locator("li").nth(0)).to_have_text("gpt-5.1-codex$24.50")
    expect(legend.locator("li").nth(1)).to_have_text("opus-4-5$5.00")
    expect(legend).to_contain_text("1 call without a price not in it")
    page.get_by_role("button", name="By agent").click()
    expect(legend.locator("li").nth(0)).to_have_text("codex$24.50")
    expect(legend.locator(".legend-head")).to_have_text("In all$29.50")


def _what_has_no_price_is_never_nothing(page: Page) -> None:
    row = page.locator(".running tr", has_text="<img")
    expect(row).to_contain_text("unpriced")
    expect(page.locator(".legend li", has_text="<img")).to_contain_text("unpriced")
    expect(page.locator(".cost-table tr", has_text="<img").first).to_contain_text("unpriced")


def _markup_of_agents_is_shown_as_text(page: Page) -> None:
    expect(page.locator(".running").get_by_role("link", name=EVIL)).to_be_visible()
    assert page.locator("main img, main b").count() == 0
    expect(page).to_have_title("Fleet · Rollbook")


def _what_needs_a_look_says_why(page: Page) -> None:
    lines = page.locator(".look tbody tr")
    for title, kind, why in (
        ("Task 3", "Failed", "the tests failed"), ("Task 5", "Costly", "$20.00, 16 times the average"),
        ("Silent one", "Silent", re.compile(r"no sign of life for 1\d min")), ("Lost one", "Abandoned", "never ended"),
    ):  # fmt: skip
        line = lines.filter(has_text=title)
        expect(line).to_contain_text(kind)
        expect(line).to_contain_text(why)
    expect(page.locator(".counts")).to_contain_text("2 failed")


def test_a_change_is_there_within_a_second(server: Running, look: Look) -> None:
    page = look(server, "/").page
    expect(page.locator(".live")).to_have_text("Live")
    _post(server, "/api/v1/usage", session_id="fresh", cost_usd=2.5, model="m")
    expect(page.locator(".running tr", has_text="fresh")).to_contain_text("$2.50", timeout=SOON_MS)
    expect(_card(page, "Spend").locator(".card-value")).to_have_text("$32.00", timeout=SOON_MS)
    _post(server, "/api/v1/usage", session_id="fresh", cost_usd=1, model="m")
    expect(page.locator(".running tr", has_text="fresh")).to_contain_text("$3.50", timeout=SOON_MS)
    _post(server, "/api/v1/sessions/fresh/end", status="completed")
    expect(page.locator(".running tr", has_text="fresh")).to_have_count(0, timeout=SOON_MS)


def test_nothing_moves_while_one_reads(server: Running, look: Look) -> None:
    page = look(server, "/").page
    _post(server, "/api/v1/sessions", session_id="held", title="Held one")
    line = page.locator(".running tr", has_text="Held one")
    expect(line).to_be_visible()
    below = page.locator(".costs").bounding_box()
    line.hover()
    before = line.bounding_box()
    _post(server, "/api/v1/sessions", session_id="newer", title="Newer one")
    expect(page.locator(".running tr", has_text="Newer one")).to_be_visible()
    assert line.bounding_box() == before, "what comes stands below"
    _post(server, "/api/v1/sessions/held/end", status="completed")
    expect(line).to_contain_text("ended")
    assert line.bounding_box() == before, "what ended stays"
    page.mouse.move(2, 2)
    expect(line).to_have_count(0)
    assert page.locator(".costs").bounding_box() == below, "what stands below stays where it is"
    _post(server, "/api/v1/sessions/newer/end", status="completed")


def test_a_failure_is_no_empty_book(server: Running, look: Look) -> None:
    tab = look(server)
    tab.allow("503")

    def failing(route: Route) -> None:
        route.fulfill(
            status=503, content_type="application/json", body='{"detail":"the database is away [StoreError]"}'
        )

    tab.page.route(re.compile(r"/api/v1/s(essions|pend)"), failing)
    page = tab.go("/")
    alerts = page.get_by_role("alert")
    expect(alerts).to_have_count(7)
    expect(alerts.first).to_contain_text("the database is away")
    assert not re.search(r"\$0|Nothing|No session|empty", page.locator("main").inner_text())
    page.unroute_all()
    alerts.first.get_by_role("button", name="Try again").click()
    expect(_card(page, "Sessions").locator(".card-value")).to_be_visible()
    expect(alerts).to_have_count(6)


def test_what_was_there_stays_when_asking_fails(server: Running, look: Look) -> None:
    tab = look(server, "/")
    page = tab.page
    value = _card(page, "Sessions").locator(".card-value")
    before = value.inner_text()
    tab.allow("503")
    page.route("**/api/v1/sessions/stats*", lambda route: route.fulfill(status=503, body="{}"))
    _post(server, "/api/v1/sessions", session_id="one more")
    expect(page.get_by_role("alert")).to_contain_text("The figures cannot be shown.")
    assert value.inner_text() == before


_SLOWLY: Final = """
const ask = fetch;
window.fetch = async (...of) => {
  await new Promise((go) => setTimeout(go, 350));
  return ask(...of);
};
"""


def test_a_change_is_shown_soon_also_where_answers_take_long(look: Look, tmp_path: Path) -> None:
    """What takes long is asked for less often, but not before anything at all was asked for again."""
    with served(tmp_path / "slow.db") as server:
        _post(server, "/api/v1/usage", session_id="first", cost_usd=1)
        tab = look(server)
        tab.page.add_init_script(_SLOWLY)
        tab.go("/?since=24h")
        value = _card(tab.page, "Sessions").locator(".card-value")
        expect(value).to_have_text("1")
        _post(server, "/api/v1/usage", session_id="second", cost_usd=1)
        expect(value).to_have_text("2", timeout=SOON_MS)
        tab.close()


def test_an_empty_book_says_how_it_fills(look: Look, tmp_path: Path) -> None:
    with served(tmp_path / "empty.db") as server:
        tab = look(server, "/?since=all")
        page = tab.page
        expect(page.locator("main")).to_contain_text("This book is empty.")
        assert not re.search(r"\$0|Spend|Nothing", page.locator("main").inner_text())
        assert tab.violations() == []
        tab.go("/?since=24h")
        expect(page.locator("main")).to_contain_text("This book is empty.")
        _post(server, "/api/v1/usage", session_id="first", cost_usd=1)
        expect(_card(page, "Sessions").locator(".card-value")).to_have_text("1", timeout=SOON_MS)
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        tab.go(f"/?since={tomorrow:%Y-%m-%dT%H:%M:%SZ}")
        expect(page.locator("main")).to_contain_text("No session was active since")
        page.get_by_role("button", name="Look at all time").click()
        expect(_card(page, "Sessions").locator(".card-value")).to_have_text("1")
        tab.close()


def test_r6_a_key_shows_what_it_may_see(server: Running, path: Path, look: Look) -> None:
    reader = key_of(path, "carol", "reader", datasets=[DATASET])
    page = look(server, "/?since=7d", key=reader).page
    expect(_card(page, "Sessions").locator(".card-value")).to_have_text("1")
    expect(_card(page, "Spend").locator(".card-value")).to_have_text("unpriced")
    expect(page.locator(".legend-head strong")).to_have_text("unpriced")
    expect(page.get_by_label(re.compile("^Spend in the last 7 days: unpriced in all"))).to_be_visible()
    assert not re.search(r"Task|bob|codex", page.locator("main").inner_text())


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1360, "dark")])
def test_anybody_can_use_it(server: Running, look: Look, width: int, scheme: str) -> None:
    """As it is loaded in one scheme, and as it looks when the system goes over to the other."""
    tab = look(server, color_scheme=scheme, viewport={"width": width, "height": 900})
    for since in ("2026-05-03T16:04:00Z", "7d"):
        tab.go(f"/?since={since}")
        tab.page.locator(".costs table").first.wait_for()
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing stands out at the side"
    tab.page.locator(".u-over").wait_for()
    assert tab.violations_in_both_schemes() == []
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_range_of_any_length_has_bars_that_can_be_told_apart(look: Look, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with rollbook.open(url_of(tmp_path / "long.db")) as book:
        for days in (0, 3, 40, 400, 900):
            book.record_usage("s", cost_usd=1, occurred_at=now - timedelta(days=days, minutes=1))
    with served(tmp_path / "long.db") as server:
        tab = look(server)
        for since, spent in (
            ("2h", "$1.00"),
            ("24h", "$1.00"),
            ("7d", "$2.00"),
            ("30d", "$2.00"),
            ("500d", "$4.00"),
            ("all", "$5.00"),
        ):
            tab.go(f"/?since={since}")
            expect(tab.page.locator(".legend-head strong")).to_have_text(spent)
            tab.page.locator(".u-over").wait_for()
        tab.close()
