"""What the server's own pages do in a real browser, without a word of complaint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, sync_playwright

import rollbook
from browsers import chromium

from .tools import TOKEN, Running, bearer, served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, chromium(playwright) as made:
        yield made


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with rollbook.open(tmp_path / "book.db") as book:
        book.add_qa("s", question="why?", answer="because", qa_id="q/1")
        book.add_qa("s", question="how?", answer="so", context="c")
    with served(tmp_path / "book.db") as made:
        yield made


_PAGE: Final = """
new Promise((done) => {
  const heard = [];
  const source = new EventSource("/api/v1/events");
  const body = JSON.stringify({session_id: "of-a-browser"});
  source.addEventListener("ready", () => {
    heard.push("ready");
    fetch("/api/v1/sessions", {method: "POST", headers: {"content-type": "application/json"}, body});
  });
  source.addEventListener("change", (event) => { heard.push(JSON.parse(event.data).session_id); done(heard); });
})
"""


def test_a_browser_listens_by_its_cookie(server: Running, browser: Browser) -> None:
    """Signing in by the form, its own EventSource, and pages without a word of complaint."""
    page = browser.new_context().new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text))
    page.goto(server.base)
    page.fill("#key", TOKEN)
    page.click("button")
    page.get_by_text("Sign out").wait_for()
    assert page.evaluate(_PAGE) == ["ready", "of-a-browser"]
    assert page.evaluate("document.cookie") == "", "no script sees the cookie"
    page.click("text=Sign out")
    page.locator("#key").wait_for()
    assert page.evaluate("fetch('/api/v1/me').then((answer) => answer.status)") == 401
    assert [said for said in complaints if "401" not in said] == []
    page.context.close()


def test_a_browser_shows_the_description_and_tries_it(server: Running, browser: Browser) -> None:
    """The page's own policy lets it do what it needs."""
    page = browser.new_context(extra_http_headers=bearer(TOKEN)).new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{server.base}/docs")
    page.locator("#get_sessions_session_id_qa summary").click()
    page.get_by_label("session_id").first.fill("s")
    page.locator("#get_sessions_session_id_qa").get_by_text("Send GET").click()
    page.get_by_text("because").wait_for()
    page.fill("#find", "cost-by-user-agent")
    assert page.locator("#operations details:visible").count() == 1
    assert complaints == []
    page.context.close()
