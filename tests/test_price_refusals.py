"""A price file of the user's own: what is refused in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from price_tools import Write, entry, nano, writing
from rollbook import InvalidInput, Tokens
from rollbook.pricing import Prices
from rollbook.pricing.files import MOST_BYTES, MOST_ENTRIES


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return writing(tmp_path)


FINE: Final = '[[price]]\nmodel = "m"\ninput = 1\noutput = 1\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FINE + "cache_read = -0.5", "price 1 ('m'), cache_read: must not be negative, but is -0.5"),
        (FINE + "cache_read = nan", "price 1 ('m'), cache_read: must be a finite number"),
        (FINE + "cache_read = -inf", "price 1 ('m'), cache_read: must be a finite number"),
        (FINE + "cache_read = 1e999999999999999999999", "cache_read: must be a finite number"),
        (FINE + "cache_read = 1e300", "cache_read: too large: at most $100,000 for a million tokens"),
        (FINE + "cache_read = 100_000.01", "cache_read: too large"),
        (FINE + "per_request = 10001", "per_request: too large: at most $10,000 for a request"),
        (FINE + "cache_read = 0x" + "f" * 9000, "cache_read: too large"),
        (FINE + "cache_read = 1e-300", "cache_read: more than 18 digits after the point"),
        (FINE + 'cache_read = "0.5"', "cache_read: must be a number, not '0.5'"),
        (FINE + "cache_read = true", "cache_read: must be a number, not True"),
        (FINE + "cache_read = []", "cache_read: must be a number, not []"),
        (FINE + "cache_red = 1", "price 1 ('m'), 'cache_red': unknown field; it is one of model, provider, tier, from"),
        (FINE + '[[price]]\nmodel = "n"\noutput = 1', "price 2 ('n'), input: missing"),
        (FINE + '[[price]]\nmodel = "n"\ninput = 1', "price 2 ('n'), output: missing"),
        ("[[price]]\ninput = 1\noutput = 1", "price 1, model: missing"),
        ("[[price]]\nmodel = 5\ninput = 1\noutput = 1", "price 1, model: must be text"),
        ('[[price]]\nmodel = " "\ninput = 1\noutput = 1', "price 1 (' '), model: model must not be empty"),
        ('[[price]]\nmodel = "a\\u0001"\ninput = 1\noutput = 1', "model: model contains a control character"),
        (FINE + 'provider = " "', "provider: provider must not be empty"),
        (FINE + "provider = 1", "provider: must be text"),
        (FINE + 'tier = "express"', "tier: unknown tier 'express'; it is one of standard, batch, flex, priority, fast"),
        (FINE + "tier = []", "tier: unknown tier []"),
        (FINE + 'from = "2026-02-30"', "from: there is no such day as 2026-02-30"),
        (FINE + 'from = "July"', "from: must be a day such as 2026-07-01, not 'July'"),
        (FINE + "from = 2026", "from: must be a day such as 2026-07-01, not 2026"),
        (FINE + "from = 2026-07-01T00:00:00Z", "from: must be a day such as 2026-07-01"),
        (FINE + FINE, "price 2 ('m'), model: the same model, provider, tier and day as price 1"),
        (FINE + FINE.replace('"m"', '" M"'), "price 2 (' M'), model: the same model"),
        (FINE + 'provider = "bedrock"\n' + FINE + 'provider = "aws"', "price 2 ('m'), model: the same model"),
        (FINE + "from = 2026-07-01\n" + FINE + 'from = "2026-07-01"', "the same model, provider, tier and day"),
        (FINE + "free = true", "input: what is free has no prices"),
        ('[[price]]\nmodel = "m"\nfree = 1', "free: must be true or false, not 1"),
        ('[[price]]\nmodel = "m"\nfree = true\nper_request = 1', "per_request: what is free has no prices"),
        ('[[price]]\nmodel = "m"\nfree = false', "input: missing"),
        (FINE + "bands = 5", "bands: must be a list"),
        (FINE + "bands = [5]", "bands: must be a list"),
        (FINE + "bands = [{ input = 5 }]", "bands, above: must be a number of tokens"),
        (FINE + "bands = [{ above = 0, input = 5 }]", "bands, above: must be a number of tokens"),
        (FINE + "bands = [{ above = true, input = 5 }]", "bands, above: must be a number of tokens"),
        (FINE + "bands = [{ above = 1, input = 5 }, { above = 1, output = 5 }]", "there are two bands above 1"),
        (FINE + "bands = [{ above = 1, input = -5 }]", "bands above 1, input: must not be negative"),
        (FINE + "bands = [{ above = 1, reasoning = 5 }]", "bands above 1, reasoning: the entry itself gives no price"),
        (FINE + "bands = [{ above = 1, price = 5 }]", "bands, 'price': unknown field"),
        (FINE + "bands = [{ above = 7 }]", "bands above 7: no price; it is of input, cache_read, "),
        (FINE + f"bands = [{', '.join(f'{{ above = {at} }}' for at in range(1, 22))}]", "bands: too many"),
        ("", "there are no prices"),
        ("price = []", "there are no prices"),
        ("price = 5", "there are no prices"),
        ("price = [5]", "price 1: must be a table"),
        ("prices = []", "unknown key 'prices'; a price file has version and price"),
        ("[[price]\n", "the price file is not TOML: "),
        ("a = 1\na = 2", "the price file is not TOML: "),
        ("a = " + "9" * 10_000, "the price file is not TOML: "),
        ("a = " + "[" * 100_000, "the price file is not TOML: "),
        ('[[price]]\nmodel = "m"\nfree = true\n' * (MOST_ENTRIES + 1), "10,001 prices are too many"),
    ],
)
def test_r14_a_bad_file_says_what_is_wrong_in_it(write: Write, text: str, said: str) -> None:
    prices = write(text)
    for _ in range(2):  # it stays refused
        with pytest.raises(InvalidInput) as refused:
            nano(prices, "m")
        message = str(refused.value)
        assert message.startswith(f"{prices.path}: ")
        assert said in message
        assert len(message) < 500


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the price file is empty"),
        (b" \n\t\n", "the price file is empty"),
        (b"version = '\xff'", "the price file is not UTF-8 text"),
        (b"#" * (MOST_BYTES + 1), "the price file is too large"),
        (FINE.encode(), "version is missing"),
        (f"version = 3\n{FINE}".encode(), "version must be text, not int"),
        (f'version = ""\n{FINE}'.encode(), "version must not be empty"),
        (f'version = "{"x" * 101}"\n{FINE}'.encode(), "version is 101 bytes long"),
        (f'version = "genai-prices/9"\n{FINE}'.encode(), "version must not begin with genai-prices"),
    ],
)
def test_what_is_no_price_file_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match=said):
        Prices(path).load()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "a price file is an object with version and price"),
        ("{", "the price file is not JSON"),
        ("[" * 100_000, "the price file is not JSON"),
        ('{"version": "a", "version": "b"}', "a key stands twice"),
        ('{"version": "v", "price": [{"model": "m", "input": NaN, "output": 1}]}', "input: must be a finite number"),
        ('{"version": "v", "price": [{"model": "m", "input": -Infinity, "output": 1}]}', "must be a finite number"),
        (
            '{"version": "v", "price": [{"model": "m", "input": null, "output": 1}]}',
            "input: must be a number, not None",
        ),
    ],
)
def test_what_is_wrong_in_json_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=said):
        Prices(path).load()


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, said in (
        (tmp_path / "nothing.toml", "cannot be read"),
        (tmp_path, "not a file"),
        (pipe, "not a file"),
        ("a\0b", "no name of a file"),
    ):
        with pytest.raises(InvalidInput, match=said):
            Prices(path).load()
    with pytest.raises(InvalidInput, match="by its path"):
        Prices(5)  # type: ignore[arg-type]  # what a caller should not do


def test_a_call_that_would_cost_more_than_any_call_is_refused(write: Write) -> None:
    prices = write(entry("m", cost=100_000))
    assert nano(prices, "m", tokens=Tokens(input=10**7)) == 10**15
    with pytest.raises(InvalidInput, match=r"price 1 \(m\) makes one call cost \$1,000,001; at most \$1,000,000"):
        nano(prices, "m", tokens=Tokens(input=10**7 + 10))
