"""What a Redis URL may say, and what it must not show."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rollbook.errors import InvalidInput, NotSupported
from rollbook.journal.backend import open_journals
from rollbook.journal.redis.url import parse
from rollbook.settings import Settings


def test_a_whole_url() -> None:
    url = "rediss://me:s%40crét@[::1]:7000/3?ttl=60&prefix=a:&wait=2&wait_ms=50&cluster=false&fsync=no&timeout=5"
    found = parse(url)
    assert (found.host, found.port, found.db, found.tls) == ("::1", 7000, 3, True)
    assert (found.username, found.password) == ("me", "s@crét")
    assert (found.ttl, found.prefix, found.wait, found.wait_ms) == (60, "a:", 2, 50)
    assert (found.cluster, found.fsync, found.timeout) == (False, "no", 5.0)
    assert found.shown == url.replace("s%40crét", "***")


def test_what_is_not_said_has_its_defaults() -> None:
    found = parse("redis://")
    assert (found.host, found.port, found.db, found.tls, found.password) == ("localhost", 6379, 0, False, None)
    assert (found.ttl, found.prefix, found.cluster, found.wait) == (None, "rollbook:", None, None)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://host:port/0", "not a Redis URL"),
        ("redis://host:99999/0", "not a Redis URL"),
        ("redis://host/zero", "number of a database"),
        ("redis://host?tll=5", "no option 'tll'"),
        ("redis://host?ttl=5&ttl=6", "given twice"),
        ("redis://host?ttl=", "whole number"),
        ("redis://host?ttl=0", "whole number"),
        ("redis://host?ttl=-1", "whole number"),
        ("redis://host?ttl=1.5", "whole number"),
        ("redis://host?ttl=²", "whole number"),
        ("redis://host?wait=101", "whole number"),
        ("redis://host?cluster=yes", "one of auto, true, false"),
        ("redis://host?prefix=", "prefix="),
        ("redis://host?prefix={a}", "prefix="),
        ("redis://host/1?cluster=true", "only database 0"),
        ("redis://host?timeout=1&wait_ms=900", "wait_ms="),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anybody_is_called(url: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        open_journals(url, Settings())


def test_no_message_shows_the_password() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse("redis://me:geheim@host/0?tll=5")
    assert "geheim" not in str(caught.value)


def test_without_redis_py_it_is_said_what_to_install() -> None:
    program = (
        "import sys; sys.modules['redis'] = None\n"
        "from rollbook.journal.backend import open_journals\n"
        "from rollbook.settings import Settings\n"
        "open_journals('redis://localhost', Settings())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert f"{NotSupported.__name__}: " in done.stderr
    assert "pip install rollbook[redis]" in done.stderr
