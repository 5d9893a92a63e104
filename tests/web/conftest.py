"""One browser for all tests of this folder, and pages of it that complain about nothing.

A test takes ``look``: ``look(server)`` opens a page of its own and signs in, ``look(server, "/sessions?query=cost>5")``
goes on to a page, ``look(server, key=key)`` does so as somebody else. When the test ends, whatever a page wrote to its
console, or threw, fails it, but for what ``page.allowed`` was told to expect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, sync_playwright

from browsers import chromium
from server.tools import TOKEN, Running, served

SOON_MS: Final = 10_000

_AXE: Final = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")


class Tab:
    """A page of a browser, signed in, and what it complained about."""

    def __init__(self, browser: Browser, server: Running, key: str, **said: Any) -> None:
        self.server = server
        self.context = browser.new_context(**{"viewport": {"width": 1360, "height": 900}, **said})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(SOON_MS)
        self.complaints: list[str] = []
        self.expected: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))
        self._sign_in(key)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _asked(self, url: str) -> None:
        if not url.startswith((self.server.base, "data:", "blob:")):
            self.elsewhere.append(url)

    def _sign_in(self, key: str) -> None:
        answer = self.context.request.post(f"{self.server.base}/signin", form={"key": key})
        assert answer.ok

    def go(self, path: str) -> Page:
        """Load a page by its address."""
        self.page.goto(self.server.base + path)
        self.page.locator("main:not(:has(.loading))").wait_for()
        return self.page

    def close(self) -> None:
        """Close it, before its server stops: that waits for whoever listens."""
        self.context.close()

    def allow(self, pattern: str) -> None:
        """Expect that the page complains about something."""
        self.expected.append(pattern)

    def unexpected(self) -> list[str]:
        """What it complained about."""
        return [said for said in self.complaints if not any(re.search(each, said) for each in self.expected)]

    def violations(self) -> list[str]:
        """What axe finds that keeps people from using the page."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(_AXE)
        # All that is not looked at would be sent, too: most rules are kept nearly everywhere.
        found: list[str] = self.page.evaluate("""async () => {
            const { violations } = await axe.run(document, { resultTypes: ["violations"] });
            return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
        }""")
        return found

    def violations_in_both_schemes(self) -> list[str]:
        """The same, by day and by night; it is the other scheme afterwards."""
        found = self.violations()
        dark = self.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        self.page.emulate_media(color_scheme="light" if dark else "dark")
        return found + self.violations()

    @property
    def path(self) -> str:
        """The address of the page, without the server."""
        return self.page.url.removeprefix(self.server.base)


Look = Callable[..., Tab]


# Not for longer: where it stands, no test that blocks may run a loop of its own.
@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as made:
        yield made


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    with chromium(playwright) as made:
        yield made


@pytest.fixture(scope="module")
def server(path: Path) -> Iterator[Running]:
    """A server of the module's book, whose ``path`` each module says."""
    with served(path) as made:
        yield made


@pytest.fixture
def look(browser: Browser) -> Iterator[Look]:
    tabs: list[Tab] = []

    def opened(server: Running, path: str = "", *, key: str = TOKEN, **said: Any) -> Tab:
        tab = Tab(browser, server, key, **said)
        tabs.append(tab)
        if path:
            tab.go(path)
        return tab

    yield opened
    for tab in tabs:
        tab.close()
    assert [said for tab in tabs for said in tab.unexpected()] == []
    assert [url for tab in tabs for url in tab.elsewhere] == [], "nothing is asked of another host"
