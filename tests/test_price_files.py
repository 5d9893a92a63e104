"""A price file of the user's own: what it prices, what it leaves to the shipped tables, and which books use it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rollbook
import rollbook.aio
from price_tools import AT, ONE_EACH, Write, entry, micros, nano, writing
from rollbook import InvalidInput, Tokens
from rollbook.importers import SAMPLES, source
from rollbook.importers.runs import run_import
from rollbook.pricing import Price, Prices, price

URL: Final = "sqlite:///:memory:"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return writing(tmp_path)


# What a file prices


def test_r14_every_kind_has_its_own_price_exactly(write: Write) -> None:
    prices = write(
        """
        [[price]]
        model = "m"
        input = 0.1
        cache_read = 0.01
        cache_write = 0.125
        cache_write_1h = 0.2
        output = 1
        reasoning = 3.5
        audio_in = 7e-1
        audio_out = 20_000
        per_request = 0.0000001
        """
    )
    tokens = Tokens(
        input=10, cache_read=1000, cache_write=8, cache_write_1h=5, output=3, reasoning=2, audio_in=10, audio_out=1
    )
    expected = 1000 + 10_000 + 1000 + 1000 + 3000 + 7000 + 7000 + 20_000_000 + 100
    assert prices("m", None, tokens, AT) == Price(expected, "acme-1")


def test_r14_a_kind_without_a_price_is_billed_as_the_kind_it_belongs_to(write: Write) -> None:
    plain = '[[price]]\nmodel = "{}"\ninput = 1\noutput = 100\n'
    prices = write(plain.format("m") + plain.format("n") + "cache_write = 10")
    assert nano(prices, "m", tokens=ONE_EACH) == 1000 * (5 * 1 + 2 * 100)
    assert nano(prices, "n", tokens=ONE_EACH) == 1000 * (3 * 1 + 2 * 10 + 2 * 100)
    assert nano(prices, "m", tokens=Tokens(audio_out=1)) == 100_000


def test_r14_bands_are_chosen_by_all_that_the_request_read(write: Write) -> None:
    prices = write(
        entry("m", "cache_read = 0.5", "bands = [{ above = 1000, input = 9 }, { above = 100, input = 2, output = 3 }]")
    )
    assert nano(prices, "m", tokens=Tokens(input=100, output=1)) == 100_000 + 1000
    assert nano(prices, "m", tokens=Tokens(input=51, cache_read=50, output=1)) == 51 * 2000 + 50 * 500 + 3000
    # What a band does not name costs what it does in the band below.
    assert nano(prices, "m", tokens=Tokens(input=1001, output=1)) == 1001 * 9000 + 3000
    assert nano(prices, "m", tokens=Tokens(cache_read=1001)) == 1001 * 500
    # A kind that follows another one follows it into its bands.
    assert nano(prices, "m", tokens=Tokens(input=100, cache_write=1, reasoning=1)) == 101 * 2000 + 3000


def test_r14_what_is_free_costs_nothing_and_has_a_price(write: Write) -> None:
    prices = write('[[price]]\nmodel = "m"\nfree = true')
    assert prices("m", None, ONE_EACH, AT) == Price(0, "acme-1")


@given(
    rate=st.decimals(min_value=0, max_value=1000, places=6),
    count=st.integers(min_value=0, max_value=10**8),
    fee=st.decimals(min_value=0, max_value=10, places=12),
)
def test_r14_amounts_are_rounded_half_even_once(
    tmp_path_factory: pytest.TempPathFactory, rate: Decimal, count: int, fee: Decimal
) -> None:
    path = tmp_path_factory.mktemp("p") / "p.toml"
    path.write_text(f'version = "v"\n[[price]]\nmodel = "m"\ninput = {rate:f}\noutput = 0\nper_request = {fee:f}')
    expected = (rate * count * 1000 + fee * 10**9).quantize(Decimal(1), ROUND_HALF_EVEN)
    assert nano(Prices(path), "m", tokens=Tokens(input=count)) == int(expected)


def test_json_says_the_same(tmp_path: Path, write: Write) -> None:
    toml = write(entry("m", "from = 2026-01-01", "cache_read = 0.1", "bands = [{ above = 10, input = 0.3 }]", cost=0.2))
    path = tmp_path / "prices.JSON"
    band = {"above": 10, "input": 0.3}
    one = {"model": "m", "from": "2026-01-01", "input": 0.2, "output": 0.2, "cache_read": 0.1, "bands": [band]}
    path.write_text(json.dumps({"version": "acme-1", "price": [one]}), encoding="utf-8-sig")
    for tokens in (ONE_EACH, Tokens(input=1000, cache_read=7, output=3)):
        found = Prices(path)("m", None, tokens, AT)
        assert found is not None
        assert found == toml("m", None, tokens, AT)


# Which entry a call finds


@pytest.mark.parametrize(
    ("reported", "provider", "cost"),
    [
        ("acme-large", None, 1),
        (" ACME-Large ", None, 1),
        ("acme-large[1m]", None, 1),
        ("models/acme-large", None, 1),
        ("acme-large-20260101", None, 1),
        ("acme-large-2026-01-01", None, 2),  # its own entry, before that of any snapshot
        ("acme-larger", None, 3),
        ("acme-small", None, 4),
        ("acme-small-v2", None, 5),
        ("acme-small", "bedrock", 6),
        ("acme-small", "AWS-Bedrock", 6),
        ("acme-small", "azure", 4),
        ("someone/acme-x/y", None, 7),
        ("acme", None, None),
        ("<synthetic>", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_the_closest_entry_is_found(write: Write, reported: str | None, provider: str | None, cost: int | None) -> None:
    prices = write(
        entry("*acme-*/*", cost=7)
        + entry("acme-*", cost=3)
        + entry("acme-small*", cost=5)
        + entry("ACME-large", cost=1)
        + entry("acme-large-2026-01-01", cost=2)
        + entry("acme-small", cost=4)
        + entry("acme-small", 'provider = "amazon-bedrock"', cost=6)
    )
    found = prices(reported, provider, Tokens(input=1), AT)
    assert found == (None if cost is None else Price(cost * 1000, "acme-1"))


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*", "anything", True),
        ("a*b", "ab", True),
        ("a*b", "a-b", True),
        ("a*a", "a", False),
        ("*b*", "abc", True),
        ("*b*b*", "abc", False),
        ("a**c", "abc", True),
        ("*-x-*-x", "1-x-2-x", True),
        ("*-x-*-x", "1-x-x", False),
        ("a.c*", "abc", False),
        ("*" + "a*" * 100, "a" * 99 + "b" * 100, False),
    ],
)
def test_a_star_stands_for_any_text(write: Write, pattern: str, name: str, fits: bool) -> None:
    assert (nano(write(entry(pattern)), name) is not None) == fits


def test_r14_the_price_in_force_when_the_call_was_made(write: Write) -> None:
    prices = write(
        entry("gpt-4o", "from = 2026-02-01", cost=3)
        + entry("gpt-4o", "from = 2026-01-01", cost=2)
        + entry("m", cost=1)
        + entry("m", 'from = "2026-02-01"', cost=3)
    )
    assert nano(prices, "m", at=micros("2026-01-31T23:59:59")) == 1000
    assert nano(prices, "m", at=micros("2026-02-01T00:00:00")) == 3000
    assert nano(prices, "gpt-4o", at=micros("2026-01-31T23:59:59")) == 2000
    # Before the first day it is not the file that says what the call cost.
    before = micros("2025-12-31T23:59:59")
    shipped = price("gpt-4o", None, Tokens(input=1), before)
    assert shipped is not None
    assert prices("gpt-4o", None, Tokens(input=1), before) == shipped
    assert shipped.version.startswith("genai-prices/")


def test_r14_a_tier_is_never_billed_as_another(write: Write) -> None:
    prices = write(entry("m") + entry("claude-sonnet-4-5", 'tier = "flex"', cost=9))
    assert nano(prices, "m", tier="batch") is None
    assert nano(prices, "claude-sonnet-4-5", tier="flex") == 9000
    assert nano(prices, "claude-sonnet-4-5", tier="batch") == 1500  # the shipped tables'
    assert nano(prices, "claude-sonnet-4-5", tier="other") is None


def test_without_a_file_prices_are_the_shipped_ones() -> None:
    tokens = Tokens(input=1000, output=20)
    assert Prices()("claude-sonnet-4-5", "anthropic", tokens, AT) == price("claude-sonnet-4-5", "anthropic", tokens, AT)
    assert Prices().load() is None


def test_a_file_is_the_same_file_in_whatever_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p.toml").write_text('version = "here"\n' + entry("m"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    named = [Prices("p.toml"), Prices("~/p.toml"), Prices(Path("p.toml"))]
    monkeypatch.chdir("/")
    assert [nano(prices, "m") for prices in named] == [1000] * 3


def test_what_is_remembered_of_invented_names_is_bounded(write: Write) -> None:
    prices = write(entry("nothing"))
    for number in range(5000):
        assert nano(prices, f"invented-{number}") is None
    file = prices.load()
    assert file is not None
    assert file._remembered.cache_info().currsize <= 4096


# The prices of a book


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A price file that every book here uses."""
    path = tmp_path / "mine.toml"
    path.write_text('version = "mine-1"\n' + entry("claude-*", cost=1) + entry("own-model", cost=2))
    monkeypatch.setenv("ROLLBOOK_PRICES", str(path))
    return path


def test_r14_everything_that_a_book_prices_it_prices_by_its_file(named: Path) -> None:
    with rollbook.open(URL) as book:
        book.record_usage("s", model="own-model", tokens_in=10)
        book.record_many([{"session_id": "s", "model": "claude-opus-4-5", "tokens_in": 10}])
        book.record_usage("s", model="gpt-4o", provider="openai", tokens_in=10)
        book.record_usage("s", model="own-model", tokens_in=10, cost_usd=1)
        rows = {(row.model, row.price_version, row.cost_nano_usd, row.cost_source) for row in book.usage("s")}
        shipped = price("gpt-4o", "openai", Tokens(input=10), AT)
        assert shipped is not None
        assert rows == {
            ("own-model", "mine-1", 20_000, "computed"),
            ("claude-opus-4-5", "mine-1", 10_000, "computed"),
            ("gpt-4o", shipped.version, shipped.cost_nano, "computed"),
            ("own-model", None, 10**9, "reported"),
        }
        report = run_import(book, source("claude-code"), [SAMPLES / "claude-code"])
        assert report.new_calls
        imported = [row for one in book.iterate() if one.agent == "claude-code" for row in book.usage(one.session_id)]
        assert {row.price_version for row in imported} == {"mine-1"}
        assert all(row.cost_nano_usd == 1000 * (row.tokens_in + row.tokens_out) for row in imported)
        assert book.verify().ok


async def _recorded(model: str) -> Any:
    async with rollbook.aio.open(URL) as book:
        await book.record_usage("s", model=model, tokens_in=10)
        return (await book.usage("s"))[0].price_version


def test_a_changed_file_is_seen_by_those_who_open_the_book_anew(named: Path) -> None:
    with rollbook.open(URL) as book:
        book.record_usage("s", model="own-model", tokens_in=1)
        named.write_text('version = "mine-2"\n' + entry("own-model", cost=5))
        book.record_usage("s", model="own-model", tokens_in=1)
        assert {row.cost_nano_usd for row in book.usage("s")} == {2000}
    with rollbook.open(URL) as book:
        book.record_usage("s", model="own-model", tokens_in=1)
        assert [(row.cost_nano_usd, row.price_version) for row in book.usage("s")] == [(5000, "mine-2")]
    assert asyncio.run(_recorded("own-model")) == "mine-2"


def test_a_bad_file_stops_what_needs_a_price_and_nothing_else(named: Path) -> None:
    named.write_text('version = "v"\n[[price]]\nmodel = "m"\ninput = -1\noutput = 1')
    with rollbook.open(URL) as book:
        book.touch("s")
        assert book.record_usage("s", tokens_in=1, cost_usd=0.5) == "counted"
        assert book.record_usage("s", tokens_in=1) == "counted"  # without a model there is no price to look up
        said = r"mine\.toml: price 1 \('m'\), input: must not be negative"
        with pytest.raises(InvalidInput, match=said):
            book.record_usage("s", model="m", tokens_in=1)
        (refused,) = book.record_many([{"session_id": "s", "model": "m", "tokens_in": 1}])
        assert isinstance(refused, InvalidInput)
        for dry_run in (True, False):
            with pytest.raises(InvalidInput, match=said):
                run_import(book, source("claude-code"), [SAMPLES / "claude-code"], dry_run=dry_run)
            with pytest.raises(InvalidInput, match=said):
                book.reprice(dry_run=dry_run)
        assert book.get("s").calls == 2
        assert len(book.list().sessions) == 1


def test_opening_and_reading_load_no_prices(named: Path, tmp_path: Path) -> None:
    code = (
        "import sys, rollbook\n"
        "with rollbook.open(sys.argv[1]) as book:\n"
        "    book.touch('s'); book.record_usage('s', tokens_in=1, cost_usd=1)\n"
        "    book.list(); book.spend(); book.usage('s')\n"
        "assert not {'genai_prices', 'rollbook.pricing.files', 'fractions'} & sys.modules.keys()\n"
        "with rollbook.open(sys.argv[1]) as book:\n"
        "    book.record_usage('s', model='own-model', tokens_in=1)\n"
        "assert 'genai_prices' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"sqlite:///{tmp_path}/b.db"], check=False, timeout=60, capture_output=True
    )
    assert done.returncode == 0, done.stderr
