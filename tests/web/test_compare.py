"""Sessions side by side: what is told of each, how they differ, adding one and leaving one out."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

import rollbook
from server.tools import Running, key_of, url_of

from .conftest import Look

MARKUP: Final = '<img src=x onerror="window.pwned=1"><b>bold</b>'
ANN: Final = "ann"
LESS: Final = "\N{MINUS SIGN}"
NONE: Final = "\N{EN DASH}"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("compare") / "book.db"
    with rollbook.open(url_of(made), all_users=True, user=ANN) as book:
        book.touch("slow/one", title="The slow one", agent="codex", kind="interactive")
        book.record_usage("slow/one", model="claude-opus-4-5", tokens_in=4000, tokens_out=500, cost_usd=4)
        book.record_usage("slow/one", model="house", tokens_in=10)
        for tool, status in (("Bash", "error"), ("Bash", "success"), ("Read", "success")):
            book.add_trace_step("slow/one", origin_function=tool, tool_name=tool, status=status)
        book.end("slow/one", "failed", reason=MARKUP)
        book.touch("quick", title=MARKUP, agent="codex", kind="interactive")
        book.record_usage("quick", model="claude-opus-4-5", tokens_in=1000, tokens_out=500, cost_usd=1)
        book.add_trace_step("quick", origin_function="Bash", tool_name="Bash", status="success")
        book.end("quick", "completed")
        book.touch("below", parent="quick")
        book.record_usage("below", model="m", tokens_in=1, cost_usd=2)
        book.touch("third", title="A third one")
        book.touch("of-bob", title="Of bob", user_id="bob")
    return made


@pytest.fixture(scope="module")
def ids(path: Path) -> dict[str, str]:
    """Sessions as the address names them."""
    with rollbook.open(url_of(path), user=ANN) as book:
        user = book.user_id
    return {name: f"{user}/{name}" for name in ("slow/one", "quick", "third", "below")}


def address(*names: str, **more: str) -> str:
    """The address of a comparison."""
    return f"/compare?{urlencode([*(('s', name) for name in names), *more.items()])}"


def line(page: Page, title: str) -> list[str]:
    """What the line of a title says of each session."""
    row = page.locator("tr.compared-line").filter(has=page.locator("th .clip", has_text=title)).first
    return [text.strip() for text in row.locator("td:not(.compared-rest)").all_inner_texts()]


def heads(page: Page) -> list[str]:
    """What the sessions are called, from left to right."""
    return page.locator(".compared-title").all_inner_texts()


def test_what_is_told_of_each_and_how_they_differ(server: Running, look: Look, ids: dict[str, str]) -> None:
    tab = look(server, address(ids["slow/one"], ids["quick"]))
    page = tab.page
    expect(page).to_have_title("Compare · Rollbook")
    assert heads(page) == ["The slow one", MARKUP]
    assert line(page, "State") == ["Failed", "Completed"]
    assert line(page, "Reason") == [MARKUP, NONE], "markup is text"
    assert line(page, "Own") == ["$4.00+", f"{LESS}75%\n$1.00"]
    assert line(page, "With all below") == ["$4.00+", f"{LESS}25%\n$3.00"]
    assert line(page, "Sessions below") == ["0", "+1\n1"]
    assert line(page, "opus-4-5") == ["1 call\n$4.00", f"1 call\n{LESS}75%\n$1.00"]
    assert line(page, "house") == ["1 call\nunpriced", NONE]
    assert line(page, "Bash") == ["1 failed\n2", f"{LESS}1\n1"]
    assert line(page, "Failed steps") == ["1", f"{LESS}1\n0"]
    assert page.evaluate("window.pwned") is None
    assert tab.violations() == []
    _lines_that_differ_are_marked_and_may_stand_alone(page)


def _lines_that_differ_are_marked_and_may_stand_alone(page: Page) -> None:
    agent = page.locator("tr.compared-line", has=page.locator("th", has_text="Agent"))
    expect(agent).to_have_class("compared-line alike worded")
    expect(page.locator("tr.differs", has_text="Own")).to_have_count(1)
    page.get_by_role("button", name="Differences").click()
    expect(agent).to_have_count(0)
    expect(page.locator("tr.alike")).to_have_count(0)
    assert "only=differences" in page.url
    page.reload()
    expect(page.locator("tr.differs").first).to_be_visible()
    expect(page.locator("tr.alike")).to_have_count(0)
    page.go_back()
    expect(agent).to_have_count(1)


def test_adding_leaving_out_and_going_back(server: Running, look: Look, ids: dict[str, str]) -> None:
    tab = look(server, "/compare")
    page = tab.page
    expect(page.get_by_text("No session is chosen.")).to_be_visible()
    assert tab.violations() == []
    page.get_by_role("button", name="Choose a session").click()
    page.get_by_label("Find a session").fill("slow")
    page.get_by_role("button", name="The slow one").click()
    expect(page.locator(".compared-title")).to_have_count(1)
    page.get_by_role("button", name="Add a session").click()
    expect(page.locator(".choice").first).to_be_visible()
    assert "The slow one" not in page.locator(".choices").inner_text(), "what is there is not to be chosen again"
    assert tab.violations() == []
    page.get_by_label("Find a session").fill("third")
    expect(page.locator(".choice")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".compared-title")).to_have_count(2)
    assert tab.path == address(ids["slow/one"], ids["third"])
    page.get_by_role("button", name="Put first").click()
    expect(page.locator(".compared-title").first).to_have_text("A third one")
    page.get_by_role("button", name="Leave out: The slow one").click()
    expect(page.locator(".compared-title")).to_have_count(1)
    page.go_back()
    expect(page.locator(".compared-title")).to_have_count(2)
    page.go_back()
    expect(page.locator(".compared-title").first).to_have_text("The slow one")


def test_it_leads_to_the_session(server: Running, look: Look, ids: dict[str, str]) -> None:
    tab = look(server, address(ids["slow/one"]))
    tab.page.get_by_role("link", name="The slow one").click()
    expect(tab.page).to_have_title("Session · Rollbook")
    user = ids["slow/one"].partition("/")[0]
    assert tab.path == f"/session/{user}/slow%2Fone"


def test_changes_are_shown_as_they_happen(server: Running, look: Look, ids: dict[str, str], path: Path) -> None:
    page = look(server, address(ids["third"], ids["quick"])).page
    expect(page.locator(".live")).to_have_text("Live")
    assert line(page, "Model calls")[0] == "0"
    with rollbook.open(url_of(path), user=ANN) as book:
        book.record_usage("third", model="m", tokens_in=1, cost_usd=1)
    expect(page.locator("tr", has_text="Model calls").locator("td").first).to_have_text("1")


def test_one_that_is_not_there_hides_nothing_of_the_others(server: Running, look: Look, ids: dict[str, str]) -> None:
    user = ids["quick"].partition("/")[0]
    tab = look(server)
    tab.allow("404")
    page = tab.go(address(ids["quick"], f"{user}/{MARKUP}"))
    expect(page.get_by_role("alert")).to_have_text("There is no such session, or it is not yours to see.")
    assert line(page, "Own") == ["$1.00", ""]
    assert page.evaluate("window.pwned") is None
    assert tab.violations() == []


def test_what_is_anothers_is_not_there(server: Running, look: Look, ids: dict[str, str], path: Path) -> None:
    tab = look(server, key=key_of(path, "bob", "reader"))
    tab.allow("404")
    page = tab.go(address(ids["quick"]))
    expect(page.get_by_role("alert")).to_contain_text("There is no such session")
    page.get_by_role("button", name="Add a session").click()
    expect(page.locator(".choice")).to_have_count(1)
    expect(page.locator(".choice")).to_contain_text("Of bob")


def test_a_server_that_fails_is_no_empty_comparison(server: Running, look: Look, ids: dict[str, str]) -> None:
    tab = look(server)
    tab.allow("500|503")
    tab.page.route("**/usage?*", lambda route: route.fulfill(status=503, json={"detail": "too much to write"}))
    page = tab.go(address(ids["quick"]))
    expect(page.get_by_role("alert")).to_have_text("too much to write")


def test_on_a_phone_the_names_of_lines_stay(server: Running, look: Look, ids: dict[str, str]) -> None:
    tab = look(server, viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = tab.go(address(*list(ids.values())[:3]))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    name = page.locator("tr.compared-line th").first
    before = name.bounding_box()
    page.locator(".compared-wrap").evaluate("(it) => { it.scrollLeft = 120; }")
    after = name.bounding_box()
    assert before is not None
    assert after is not None
    assert page.locator(".compared-wrap").evaluate("(it) => it.scrollLeft") > 50
    assert abs(after["x"] - before["x"]) <= 16
    assert tab.violations() == []


def test_the_names_of_sessions_stay_while_one_reads_below(server: Running, look: Look, ids: dict[str, str]) -> None:
    page = look(server, address(*list(ids.values())[:3]), viewport={"width": 1360, "height": 700}).page
    head = page.locator(".compared-title").first
    before = head.bounding_box()
    page.locator(".compared-wrap").evaluate("(it) => { it.scrollTop = 300; }")
    assert page.locator(".compared-wrap").evaluate("(it) => it.scrollTop") > 100
    assert head.bounding_box() == before
    _changes_are_never_more_exact_than_they_are_true(page)


def _changes_are_never_more_exact_than_they_are_true(page: Page) -> None:
    script = """async () => {
      const files = performance.getEntriesByType("resource").map((each) => each.name);
      const here = files.find((name) => name.endsWith("/compare/rows.js"));
      const { change } = await import(here);
      return [[1, 1000], [3, 1e12], [1000, 1000], [0, 1000]].map(([size, first]) => change({ size }, { size: first }));
    }"""
    assert page.evaluate(script) == [f"{LESS}>99%", f"{LESS}>99%", None, f"{LESS}100%"]
