"""Browsers: signing in and out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import time_machine

import rollbook

from .tools import TOKEN, Asking, asking, key_of, url_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "book.db"


@pytest.fixture
def ask(path: Path) -> Iterator[Asking]:
    with asking(path) as made:
        yield made


def _cookie(answer: httpx.Response) -> str:
    found = re.match(r"rollbook=([^;]*);", answer.headers["set-cookie"])
    assert found is not None
    return found[1]


def _signed_in(ask: Asking, key: str = TOKEN) -> str:
    answer = ask.request("POST", "/signin", key=None, data={"key": key})
    assert answer.status_code == 200
    return _cookie(answer)


def _me(ask: Asking, cookie: str) -> httpx.Response:
    return ask.request("GET", "/api/v1/me", key=None, headers={"cookie": f"other=1; rollbook={cookie}"})


def test_a_browser_signs_in_with_the_token_and_out_again(ask: Asking) -> None:
    cookie = _signed_in(ask)
    assert _me(ask, cookie).json()["role"] == "admin"
    out = ask.request("POST", "/signout", key=None, headers={"cookie": f"rollbook={cookie}"})
    assert _cookie(out) == ""
    assert _me(ask, cookie).status_code == 401, "the cookie lets nobody in any more, wherever it is"


def test_the_cookie_is_of_this_site_alone_and_hidden_from_scripts(ask: Asking) -> None:
    said = ask.request("POST", "/signin", key=None, data={"key": TOKEN}).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(said.split("; "))
    assert TOKEN not in said


def test_a_wrong_key_is_refused(ask: Asking) -> None:
    for form in ({"key": "wrong"}, {"key": ""}, {}):
        answer = ask.request("POST", "/signin", key=None, data=form)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers


def test_whoever_tries_very_often_is_asked_to_wait_on_the_page_itself(ask: Asking) -> None:
    form = {"key": "wrong", "there": "/sessions#<b>"}
    answer = [
        ask.request("POST", "/signin", key=None, data=form) for _ in range(ask.server.options.failures_per_minute + 1)
    ][-1]
    assert answer.status_code == 429
    assert answer.headers["content-type"].startswith("text/html")
    assert int(answer.headers["retry-after"]) > 0
    assert "Too many attempts; try again in" in answer.text
    assert 'value="/sessions#&lt;b&gt;"' in answer.text


def test_a_link_signs_in_once(ask: Asking) -> None:
    code = ask.server.doorkeeper.once_code()
    first = ask.request("GET", "/signin", key=None, params={"once": code})
    assert _me(ask, _cookie(first)).status_code == 200
    again = ask.request("GET", "/signin", key=None, params={"once": code})
    assert again.status_code == 401
    assert "set-cookie" not in again.headers


def test_a_cookie_that_was_changed_lets_nobody_in(ask: Asking, path: Path) -> None:
    cookie = _signed_in(ask, key_of(path, "ann"))
    user, key_id, secret = cookie.split(".")
    other = key_of(path, "bob").split("_")[1]
    for changed in (
        f"{user}.{other}.{secret}", f"{user}.local.{secret}", f"{user}.{key_id}.{secret[:-1]}?",
        f"00000000-0000-5000-8000-000000000001.local.{secret}", "x", "", f"{user}.{key_id}.{'A' * 43}",
    ):  # fmt: skip
        assert _me(ask, changed).status_code == 401, changed


def test_revoking_a_key_ends_its_sessions(ask: Asking, path: Path) -> None:
    key = key_of(path, "ann")
    cookie = _signed_in(ask, key)
    assert _me(ask, cookie).json()["user_name"] == "ann"
    with rollbook.open(url_of(path), all_users=True) as elsewhere:  # another server, or the command line
        elsewhere.revoke_key(key.split("_")[1])
    ask.server.doorkeeper.forget()  # (or wait a second)
    assert _me(ask, cookie).status_code == 401
    assert ask.get("/api/v1/me", key=key).status_code == 401


def test_who_signed_in_is_out_after_a_week(ask: Asking) -> None:
    cookie = _signed_in(ask)
    with time_machine.travel(timedelta(days=8)):
        ask.server.doorkeeper.forget()
        assert _me(ask, cookie).status_code == 401


def test_pages_show_nothing_but_themselves(ask: Asking) -> None:
    for page in ("/", "/signin"):
        answer = ask.request("GET", page, key=None)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert not re.search(r"<script[^>]*>[^<]|<style|\bon\w+=|https?://", answer.text)


def test_whoever_signed_in_with_a_token_that_was_changed_since_is_out(path: Path) -> None:
    with asking(path) as before:
        cookie = _signed_in(before)
        assert _me(before, cookie).status_code == 200
    with asking(path, token="another") as after:
        assert _me(after, cookie).status_code == 401
    with asking(path, token=None) as after:
        assert _me(after, cookie).status_code == 401
