"""The files of the dashboard, and to whom they are served. Without a browser."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import rollbook.server
from server.tools import TOKEN, Asking, asking

PAGES: Final = ("/", "/sessions", "/session/user/some%2Fid", "/session?user=user&id=..", "/compare", "/settings")
WEB: Final = Path(rollbook.server.__file__).parent / "web"


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    with asking(tmp_path_factory.mktemp("files") / "book.db") as made:
        yield made


def _signed_in(ask: Asking) -> dict[str, str]:
    said = ask.request("POST", "/signin", key=None, data={"key": TOKEN}).headers["set-cookie"]
    return {"cookie": said.partition(";")[0]}


def test_whoever_did_not_sign_in_sees_where_to(ask: Asking) -> None:
    for page in PAGES:
        answer = ask.request("GET", page, key=None)
        assert (answer.status_code, 'action="/signin"' in answer.text, "/app/" in answer.text) == (200, True, False)


def test_pages_are_one_page_with_a_strict_policy(ask: Asking) -> None:
    cookie = _signed_in(ask)
    answers = [ask.request("GET", page, key=None, headers=cookie) for page in (*PAGES, "/signin", "/docs")]
    answers.append(ask.request("GET", "/nowhere", key=None, headers={"accept": "text/html"}))
    began = answers[0].text.partition("<title>")[0]
    for answer in answers:
        assert answer.text.startswith(began), "what pages share stands in one place"
        assert not re.search(r"<script[^>]*>[^<]|<style|\b(on\w+|style)=|https?://", answer.text)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
    # They differ in nothing but what is fetched at once.
    assert len({re.sub(r"<link [^>]*>\n", "", answer.text) for answer in answers[: len(PAGES)]}) == 1


def test_a_page_names_all_that_it_takes_at_once(ask: Asking) -> None:
    page = ask.request("GET", "/settings", key=None, headers=_signed_in(ask)).text
    assert re.search(r'modulepreload" href="/web/\w+/app/pages/settings.js"', page)
    assert "/style/settings.css" in page
    assert "/style/session.css" not in page
    assert "session/" not in page


def test_files_are_kept_for_good_under_the_mark_of_what_they_hold(ask: Asking) -> None:
    page = ask.request("GET", "/", key=None, headers=_signed_in(ask)).text
    names = re.findall(r'(?:src|href)="(/web/[^"]+)"', page)
    assert len(names) > 10
    for name in names:
        answer = ask.request("GET", name, key=None)
        assert answer.status_code == 200, name
        assert "immutable" in answer.headers["cache-control"]
        assert "etag" not in answer.headers  # what never changes is not asked for again
    mark = names[0].split("/")[2]
    for wrong in (
        f"/web/{mark}/no.js", f"/web/{mark}/../pages.py", f"/web/{mark}/%2e%2e/pages.py", "/web/0/app/main.js",
        f"/web/{mark}/index.html", f"/web/{mark}/vendor/VENDORED.md",
    ):  # fmt: skip
        assert ask.request("GET", wrong, key=None).status_code == 404, wrong


def test_files_come_compressed_to_those_who_take_it(ask: Asking) -> None:
    page = ask.request("GET", "/", key=None, headers=_signed_in(ask)).text
    name = next(iter(re.findall(r'src="(/web/[^"]+)"', page)))
    plain = ask.request("GET", name, key=None, headers={"accept-encoding": "identity"})
    packed = ask.request("GET", name, key=None, headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content)
    assert packed.text == plain.text == gzip.decompress(gzip.compress(plain.content)).decode()


def test_what_is_left_out_of_sources_is_comments_alone(ask: Asking) -> None:
    page = ask.request("GET", "/", key=None, headers=_signed_in(ask)).text
    base = re.findall(r'src="(/web/\w+/)', page)[0]
    for path in sorted(WEB.glob("app/**/*.js")):
        sent = ask.request("GET", base + path.relative_to(WEB).as_posix(), key=None).text.split("\n")
        written = path.read_text("utf-8").split("\n")
        assert len(sent) == len(written), path
        gone = [line for line, now in zip(written, sent, strict=True) if line != now]
        assert all(line.lstrip().startswith("//") for line in gone), path
        assert "".join(written).count("`") == "".join(sent).count("`") + "".join(gone).count("`")


def test_libraries_are_those_that_were_vendored() -> None:
    said = re.findall(r"\| `([\w.-]+)` \|.*\| `([0-9a-f]{64})` \|", (WEB / "vendor" / "VENDORED.md").read_text())
    there = {path.name for path in (WEB / "vendor").iterdir() if path.suffix in (".js", ".mjs", ".css")}
    assert {name for name, _ in said} == there
    for name, digest in said:
        assert hashlib.sha256((WEB / "vendor" / name).read_bytes()).hexdigest() == digest, name


def test_own_files_are_small_and_show_data_as_text() -> None:
    for path in [*WEB.glob("app/**/*.js"), *WEB.glob("style/*.css"), WEB / "index.html"]:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 400, path
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc", text
        ), path
        assert path.suffix == ".svg" or not re.search(r"https?://", text), path


@pytest.mark.parametrize("came", ["https://elsewhere/sessions", "/signin", "/session/'><b>", "//elsewhere/"])
def test_signing_in_goes_nowhere_else(ask: Asking, came: str) -> None:
    page = ask.request("POST", "/signin", key=None, data={"key": TOKEN, "there": came}).text
    assert "elsewhere" not in page
    assert "<b>" not in page
    assert re.search(r"url='?/(?!/)", page)


def test_people_are_told_in_words_where_there_is_no_page(ask: Asking) -> None:
    for path in ("/setings", "/sessions/", "/api/v1/nothing"):
        page = ask.request("GET", path, key=None, headers={"accept": "text/html,*/*;q=0.8"})
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "There is no such page here." in page.text
        assert ask.request("GET", path, key=None).json() == {"detail": "Not Found"}
