"""A book for the table of sessions, and what stands in that table."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Locator, Page

import rollbook
from server.tools import Running, url_of

EVIL: Final = '<img src=x onerror="document.title=1"><b>bold</b>'
DATASET: Final = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
SOON_MS: Final = 5000  #: a change is on the screen within a second; the machine may be busy


def fill_table(path: Path) -> None:
    now = datetime.now(UTC)
    with rollbook.open(url_of(path), all_users=True) as book:
        for number in range(60):
            at = now - timedelta(hours=1 + number)
            said: dict[str, Any] = {"user_id": ("ann", "bob")[number % 2]}
            more: dict[str, Any] = {"dataset_id": DATASET} if number == 7 else {}
            book.touch(
                f"s{number}", agent=("claude-code", "codex")[number % 3 == 0], title=f"Task {number}", at=at,
                channel="cli" if number % 4 else "slack", **more, **said,
            )  # fmt: skip
            model = ("claude-opus-4-5-20251101", "gpt-5.1-codex")[number % 2]
            book.record_usage(
                f"s{number}", model=model, tokens_in=1000 + number, tokens_out=10, cost_usd=(number * 7 % 60) / 10,
                occurred_at=at, **said,
            )  # fmt: skip
            if number == 20:
                continue  # it goes on
            book.end(f"s{number}", "failed" if number % 10 == 3 else "completed", at=at + timedelta(minutes=9), **said)
        book.touch("evil/1", user_id="ann", agent=EVIL, title=EVIL, at=now - timedelta(hours=70))
        book.touch("formula", user_id="ann", title='=HYPERLINK("x")', agent="a\u202eb", at=now - timedelta(hours=71))
        book.record_usage(
            "formula", user_id="ann", model="none-such", tokens_in=5, occurred_at=now - timedelta(hours=71)
        )


def post(server: Running, path: str, **body: Any) -> None:
    with server.client() as client:
        client.post(path, json=body).raise_for_status()


def rows_of(page: Page) -> Locator:
    return page.locator("tr[data-place]")


def titles_of(page: Page, most: int = 5) -> list[str]:
    return page.locator(".row-link").all_inner_texts()[:most]


def count_of(page: Page) -> Locator:
    return page.locator(".list-count")


def box_of(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Filter sessions")


def row_of(page: Page, title: str) -> Locator:
    return rows_of(page).filter(has=page.get_by_role("link", name=title, exact=True))


def pick(page: Page, menu: str, name: str) -> None:
    group = page.get_by_role("group", name="Filters")
    group.get_by_role("button", name=re.compile(f"^{menu}")).click()
    group.get_by_label(name, exact=True).check()
    page.keyboard.press("Escape")
