"""What stands around every page: ways from page to page, the range, signing in and out, being cut off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

import rollbook
from server.tools import TOKEN, Running, key_of, served, url_of

from .conftest import Look, Tab

#: What a page may come to, with everything that it loads.
MOST_PLAIN: Final = 250_000
MOST_PACKED: Final = 90_000


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shell") / "book.db"


def _usual(book: rollbook.Rollbook) -> None:
    """A session as most are: a question, some steps and calls, an answer."""
    book.touch("usual", user_id="ann", agent="codex", title="Mend the build")
    book.add_message("usual", role="user", content="The build is broken.", user_id="ann")
    for turn in range(12):
        book.record_usage("usual", model="gpt-5", tokens_in=900, tokens_out=90, cost_usd=0.01, user_id="ann")
        book.add_trace_step("usual", origin_function="shell", method_params={"cmd": f"make {turn}"}, user_id="ann")
    book.add_message("usual", role="assistant", content="It **builds** again.", user_id="ann")


@pytest.fixture(scope="module")
def ids(server: Running) -> dict[str, str]:
    with server.client() as client:
        found = client.get("/api/v1/sessions", params={"range": "all"}).json()["sessions"]
    return {each["session_id"]: each["user_id"] for each in found}


@pytest.fixture(scope="module")
def server(path: Path) -> Iterator[Running]:
    with rollbook.open(url_of(path), all_users=True) as book:
        book.record_usage("one", tokens_in=10, cost_usd=1, user_id="ann")
        _usual(book)
    with served(path) as made:
        yield made


def test_every_page_is_light(server: Running, ids: dict[str, str], look: Look) -> None:
    """Opened by its address in a browser that knows nothing yet: all that it is sent, with the heads of answers."""
    tab = look(server)
    user = ids["usual"]
    session, compare = f"/session/{user}/usual", f"/compare?s={user}/usual&s={user}/one"
    for path in ("/", "/sessions", session, compare, "/settings", "signed out"):
        plain, packed = _weighed(tab, path)
        assert len(packed) > (4 if path == "signed out" else 30), path
        assert sum(plain.values()) < MOST_PLAIN, (path, plain)
        assert sum(packed.values()) < MOST_PACKED, (path, packed)


def _weighed(tab: Tab, path: str) -> tuple[Counter[str], Counter[str]]:
    """The bytes of each answer that a page takes: those of what it holds, and those that were sent for it."""
    if path == "signed out":
        tab.context.clear_cookies()
    names: dict[str, str] = {}
    plain: Counter[str] = Counter()
    packed: Counter[str] = Counter()
    network = tab.context.new_cdp_session(tab.page)
    network.on(
        "Network.requestWillBeSent", lambda it: names.update({it["requestId"]: urlsplit(it["request"]["url"]).path})
    )
    network.on("Network.dataReceived", lambda it: plain.update({names[it["requestId"]]: it["dataLength"]}))
    network.on("Network.loadingFinished", lambda it: packed.update({names[it["requestId"]]: it["encodedDataLength"]}))
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    tab.go("/" if path == "signed out" else path)
    tab.page.locator(".u-over" if path == "/" else "h1").first.wait_for()
    tab.page.wait_for_timeout(100)
    network.detach()
    return plain, packed


def test_from_page_to_page_and_back(server: Running, look: Look) -> None:
    tab = look(server, "/")
    page = tab.page
    page.evaluate("window.same = true")
    page.get_by_role("link", name="Settings").click()
    expect(page).to_have_title("Settings · Rollbook")
    page.get_by_role("navigation").get_by_role("link", name="Sessions").click()
    expect(page).to_have_title("Sessions · Rollbook")
    assert tab.path.startswith("/sessions?")
    page.go_back()
    expect(page).to_have_title("Settings · Rollbook")
    page.go_back()
    expect(page).to_have_title("Fleet · Rollbook")
    page.go_forward()
    expect(page.get_by_role("navigation").locator("[aria-current=page]")).to_have_text("Settings")
    assert page.evaluate("window.same"), "the page was not loaded anew"
    _an_address_that_is_no_page_says_so(page)


def test_the_range_is_in_the_address_and_stays(server: Running, look: Look) -> None:
    tab = look(server, "/?since=30d")
    page = tab.page
    expect(page.locator(".segments [aria-pressed=true]").first).to_have_text("30d")
    page.get_by_role("button", name="24h").click()
    assert tab.path == "/?since=24h"
    page.go_back()
    expect(page.locator(".segments [aria-pressed=true]").first).to_have_text("30d")
    page.get_by_role("button", name="Own").click()
    page.get_by_label("How many").fill("36")
    page.get_by_label("Of what").select_option("hours")
    page.get_by_role("button", name="Show").first.click()
    assert tab.path == "/?since=36h"
    expect(page.get_by_role("button", name="36 hours")).to_have_attribute("aria-pressed", "true")
    tab.go("/sessions")
    expect(page.get_by_role("button", name="36 hours")).to_be_visible()


def test_a_range_of_ones_own_begins_when_the_viewers_clock_says(server: Running, look: Look) -> None:
    tab = look(server, "/?since=7d", timezone_id="Asia/Kolkata")
    page = tab.page
    page.get_by_role("button", name="Own").click()
    at = page.get_by_label("Since when")
    page.get_by_role("button", name="Show").last.click()
    assert tab.path == "/?since=7d", "nothing was said"
    at.fill("2026-03-29T02:30")
    at.press("Enter")
    assert tab.path == "/?since=2026-03-28T21%3A00%3A00.000Z"
    page.get_by_role("button", name="since").click()
    expect(at).to_have_value("2026-03-29T02:30")


def test_a_range_that_is_none_is_left_alone(server: Running, look: Look) -> None:
    tab = look(server)
    for since in ("2026", "-3d", "2026-13-01T00:00:00Z", "99999-01-01T00:00:00Z"):
        page = tab.go(f"/?since={since}")
        expect(page.get_by_role("button", name="7d")).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_role("alert")).to_have_count(0)


def _menus_close_with_escape_and_give_the_focus_back(page: Page) -> None:
    own = page.get_by_role("button", name="Own")
    own.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("How many")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_label("How many")).to_have_count(0)
    expect(own).to_be_focused()


def test_on_a_phone_menus_and_a_range_of_ones_own_are_within_sight(server: Running, look: Look) -> None:
    wide = 320
    page = look(
        server, "/?since=2025-05-11T10:30:00Z&until=2025-12-25T17:04:00Z", viewport={"width": wide, "height": 700}
    ).page
    assert page.evaluate("document.documentElement.scrollWidth") == wide
    for path in ("/", "/compare"):
        page.goto(server.base + path)
        page.locator("main .menu > button, .segments .menu > button").first.click()
        box = page.locator(".panel").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= wide


def test_the_keyboard_is_enough(server: Running, look: Look) -> None:
    page = look(server, "/").page
    _the_keyboard_gets_past_the_header(page)
    _no_part_of_a_template_is_given_out_twice(page)
    _menus_close_with_escape_and_give_the_focus_back(page)
    _the_focus_goes_along_to_another_page(page)


def _the_keyboard_gets_past_the_header(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def _an_address_that_is_no_page_says_so(page: Page) -> None:
    page.evaluate("history.pushState(null, '', '/nowhere'); dispatchEvent(new PopStateEvent('popstate'))")
    expect(page.get_by_role("alert")).to_contain_text("There is no such page.")


def test_signing_in_comes_back_to_the_page_that_was_asked_for(server: Running, look: Look) -> None:
    tab = look(server)
    tab.context.clear_cookies()
    page = tab.page
    page.goto(f"{server.base}/sessions?query=cost%3E5&since=30d")
    page.fill("#key", TOKEN)
    page.click("button")
    expect(page).to_have_title("Sessions · Rollbook")
    assert tab.path == "/sessions?query=cost%3E5&since=30d"
    _a_wrong_key_and_the_place_within_a_page_are_no_detours(server, tab)


def _a_wrong_key_and_the_place_within_a_page_are_no_detours(server: Running, tab: Tab) -> None:
    tab.context.clear_cookies()
    tab.allow("401")
    page = tab.page
    page.goto(f"{server.base}/settings?x=%22#prices")
    page.fill("#key", "wrong")
    page.click("button")
    expect(page.get_by_role("alert")).to_have_text("That key lets nobody in.")
    assert tab.violations() == []
    page.fill("#key", TOKEN)
    page.click("button")
    expect(page).to_have_title("Settings · Rollbook")
    assert tab.path == "/settings?x=%22#prices"
    page.get_by_role("button", name="Sign out").click()
    page.locator("#key").wait_for()
    page.goto(f"{server.base}/signout")  # by the address it left there
    page.locator("#key").wait_for()


def test_signing_out_ends_what_other_tabs_show(server: Running, look: Look) -> None:
    tab = look(server, "/")
    tab.page.get_by_role("button", name="Sign out").click()
    tab.page.locator("#key").wait_for()
    tab.page.goto(server.base + "/settings")
    tab.page.locator("#key").wait_for()


def test_a_session_that_ended_leads_to_signing_in(server: Running, path: Path, look: Look) -> None:
    key = key_of(path, "zoe")
    tab = look(server, "/", key=key)
    expect(tab.page.locator(".who")).to_have_text("zoe")
    tab.allow("401")
    with server.client() as client:
        client.delete(f"/api/v1/keys/{key.split('_')[1]}").raise_for_status()
    server.server.doorkeeper.forget()
    tab.page.get_by_role("button", name="30d").click()
    tab.page.locator("#key").wait_for()


def test_a_stream_that_is_cut_off_says_so_and_comes_back(server: Running, look: Look) -> None:
    tab = look(server, "/")
    live = tab.page.locator(".live")
    expect(live).to_have_text("Live")
    tab.allow("ERR_|503|Failed to load")
    tab.context.set_offline(True)
    for changes in list(server.server.limits._streams):
        changes.close()
    expect(live).to_contain_text("Cut off")
    with server.client() as client:
        client.post("/api/v1/usage", json={"session_id": "meanwhile", "cost_usd": 5}).raise_for_status()
    tab.context.set_offline(False)
    expect(live).to_have_text("Live")
    expect(tab.page.locator(".running")).to_contain_text("meanwhile")


def test_what_changes_before_the_stream_is_open_is_not_missed(server: Running, look: Look) -> None:
    tab = look(server)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    tab.page.route("**/api/v1/events*", hold)
    tab.go("/")
    expect(tab.page.locator(".running")).to_be_visible()
    with server.client() as client:
        client.post("/api/v1/usage", json={"session_id": "in between", "cost_usd": 3}).raise_for_status()
    tab.page.wait_for_timeout(100)
    held[0].continue_()
    expect(tab.page.locator(".running")).to_contain_text("in between")


def test_tabs_of_one_browser_share_a_stream(server: Running, look: Look) -> None:
    """A browser has six connections to a server: with a stream for each, the seventh tab would wait for ever."""
    tab = look(server)
    others = [tab.context.new_page() for _ in range(7)]
    for page in (tab.page, *others):
        page.goto(server.base + ("/" if page in others[5:] else "/settings"))
        expect(page.locator(".live")).to_have_text("Live")
    assert server.server.limits.open_streams == 1
    with server.client() as client:
        client.post("/api/v1/usage", json={"session_id": "for all", "cost_usd": 3}).raise_for_status()
    for page in others[5:]:
        expect(page.locator(".running")).to_contain_text("for all")
    tab.page.close()  # which listened for all of them
    with server.client() as client:
        client.post("/api/v1/usage", json={"session_id": "after it", "cost_usd": 3}).raise_for_status()
    for page in others[5:]:
        expect(page.locator(".running")).to_contain_text("after it")
    assert server.server.limits.open_streams == 1


def test_a_tab_that_stands_still_keeps_the_stream_from_nobody(server: Running, look: Look) -> None:
    tab = look(server, "/settings")
    expect(tab.page.locator(".live")).to_have_text("Live")
    other = tab.context.new_page()
    other.clock.install()
    other.goto(f"{server.base}/settings")
    live = other.locator(".live")
    expect(live).to_have_text("Live")
    tab.page.evaluate("""window.say = BroadcastChannel.prototype.postMessage;
        BroadcastChannel.prototype.postMessage = () => {}""")
    other.clock.fast_forward(50_000)
    expect(live).to_contain_text("Cut off")
    with other.expect_request("**/api/v1/events*"):
        other.clock.fast_forward(1_000)
        other.clock.fast_forward(2_000)
    tab.page.evaluate("void (BroadcastChannel.prototype.postMessage = window.say)")
    expect(live).to_have_text("Live")
    expect(tab.page.locator(".live")).to_have_text("Live")
    assert server.server.limits.open_streams == 1


def test_whoever_else_signs_in_shares_no_stream(server: Running, path: Path, look: Look) -> None:
    tab = look(server, "/")
    expect(tab.page.locator(".live")).to_have_text("Live")
    tab.context.request.post(f"{server.base}/signin", form={"key": key_of(path, "xia")})
    other = tab.context.new_page()
    other.goto(f"{server.base}/")
    expect(other.locator(".who")).to_have_text("xia")
    expect(other.locator(".live")).to_have_text("Live")
    assert server.server.limits.open_streams == 2


def test_a_stream_that_says_nothing_any_more_is_cut_off(server: Running, look: Look) -> None:
    tab = look(server)
    page = tab.page
    page.clock.install()
    tab.go("/")
    live = page.locator(".live")
    expect(live).to_have_text("Live")
    page.clock.fast_forward(30_000)
    expect(live).to_have_text("Live")
    page.route("**/api/v1/me", lambda route: route.abort())
    tab.allow("Failed to load")
    page.clock.fast_forward(30_000)
    expect(live).to_contain_text("Cut off")
    page.unroute("**/api/v1/me")
    page.clock.fast_forward(20_000)
    expect(live).to_have_text("Live")


def _the_focus_goes_along_to_another_page(page: Page) -> None:
    page.get_by_role("link", name="Settings").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    expect(page.locator("main")).to_be_focused()
    assert page.locator("h1").count() == 1


def test_a_tab_that_is_seen_again_is_that_of_who_signed_in_since(server: Running, path: Path, look: Look) -> None:
    tab = look(server, "/settings")
    expect(tab.page.locator(".who")).to_have_text("local user")
    tab.context.request.post(f"{server.base}/signin", form={"key": key_of(path, "yan")})
    tab.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(tab.page.locator(".who")).to_have_text("yan")


def test_a_hidden_tab_asks_for_nothing(server: Running, look: Look) -> None:
    tab = look(server, "/")
    page = tab.page
    expect(page.locator(".live")).to_have_text("Live")
    asked: list[str] = []
    page.evaluate("""Object.defineProperty(document, 'hidden', {get: () => window.away, configurable: true});
        window.away = true; document.dispatchEvent(new Event('visibilitychange'))""")
    expect(page.locator(".live")).to_have_text("Paused")
    page.on("request", lambda request: asked.append(request.url))
    with server.client() as client:
        client.post("/api/v1/usage", json={"session_id": "unseen", "cost_usd": 7}).raise_for_status()
    page.wait_for_timeout(400)
    assert asked == []
    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(".running")).to_contain_text("unseen")


def _no_part_of_a_template_is_given_out_twice(page: Page) -> None:
    """What is given out again holds on to the tree in which it stood first, and so to every later one."""
    same = page.evaluate("""async () => {
        const { html } = await import(new URL("html.js", document.querySelector("script[type=module]").src));
        const made = () => html`<p><b>always</b></p>`;
        return made() === made();
    }""")
    assert same is False
