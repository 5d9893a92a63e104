"""R14 on the command line: `reprice` shows what changes, asks, and appends corrections."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollbook.book import Rollbook

from .tools import OnTerminal, Run

CHEAP = 'version = "cheap-1"\n[[price]]\nmodel = "claude-sonnet-4-5"\ninput = 1\noutput = 1\n'
OWN = '[[price]]\nmodel = "own-*"\ninput = 2\noutput = 2\n'


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A price file under which a Claude model is cheaper and a model of one's own has a price."""
    path = tmp_path / "prices.toml"
    path.write_text(CHEAP + OWN)
    return str(path)


@pytest.fixture
def metered(book: Rollbook) -> Rollbook:
    """A book with three calls: one of each, and one that nobody has a price for."""
    for model in ("claude-sonnet-4-5", "own-1", "mystery"):
        book.record_usage("s1", model=model, tokens_in=100_000, occurred_at="2026-05-01T12:00:00Z")
    return book


def cost(book: Rollbook) -> float | None:
    return book.get("s1").cost_usd


def test_r14_reprice_shows_what_changes_by_model(run: Run, metered: Rollbook, file: str) -> None:
    done = run("reprice", "--prices", file, "--dry-run")
    assert done.status == 0
    assert done.out.splitlines() == [
        "MODEL              CALLS  CHANGED  NEW  KEPT  NO PRICE   BEFORE    AFTER  DIFFERENCE",
        "claude-sonnet-4-5      1        1    0     0         0  $0.3000  $0.1000    -$0.2000",
        "own-1                  1        0    1     0         0        -  $0.2000    +$0.2000",
        "mystery                1        0    0     0         1        -        -     $0.0000",
        "total                  3        1    1     0         1  $0.3000  $0.3000     $0.0000",
        "would reprice 2 calls by cheap-1: $0.0000",
    ]
    assert cost(metered) == 0.3
    done = run("reprice", "--prices", file, "--yes", "--unpriced")
    assert done.out.splitlines()[-1] == "repriced 1 calls by cheap-1: +$0.2000"
    assert cost(metered) == 0.5
    assert metered.verify().ok


def test_r14_reprice_twice_changes_nothing(run: Run, metered: Rollbook, file: str) -> None:
    assert run("reprice", "--prices", file, "--yes").status == 0
    rows = metered.usage("s1")
    again = run("reprice", "--prices", file)  # there is nothing to ask
    assert (again.status, again.out) == (
        0,
        "nothing changes: 2 calls cost what they did, 1 calls have no price in these tables either\n",
    )
    assert metered.usage("s1") == rows


def test_r14_the_books_own_price_file_is_what_it_is_repriced_by(
    run: Run, metered: Rollbook, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("reprice").out == (
        "nothing changes: 1 calls cost what they did, 2 calls have no price in these tables either\n"
    )
    monkeypatch.setenv("ROLLBOOK_PRICES", file)
    assert run("reprice", "-y", "--model", "claude-sonnet-4-5").out.endswith("repriced 1 calls by cheap-1: -$0.2000\n")
    assert run("use", "s1", "--model", "own-7", "--tokens-in", "100000").status == 0
    assert cost(metered) == 0.3


def test_a_book_without_priced_calls_has_nothing_to_reprice(run: Run, book: Rollbook) -> None:
    book.record_usage("s1", model="m", tokens_in=1, cost_usd=1)
    for more in ((), ("--dry-run",)):
        done = run("reprice", *more)
        assert (done.status, done.out) == (0, "")
        assert done.line == "there are no calls that could be repriced"
    book.record_usage("s1", model="mystery", tokens_in=1)
    assert run("reprice").out == "nothing changes: 1 calls have no price in these tables either\n"
    for words in (["--model", "n"], ["--agent", "a"], ["--since", "1h", "--model", "m"], ["--until", "2020-01-01"]):
        assert run("reprice", *words).line.endswith("could be repriced among those that were asked for")


def test_reprice_refuses_where_nobody_can_answer(program: Run, metered: Rollbook, file: str) -> None:
    done = program("reprice", "--prices", file, stdin="y\n")
    assert done.status == 1
    assert "--yes" in done.line
    assert cost(metered) == 0.3


@pytest.mark.parametrize(("typed", "status"), [("y\n", 0), ("n\n", 1)])
def test_reprice_asks_on_a_terminal(
    on_terminal: OnTerminal, metered: Rollbook, file: str, typed: str, status: int
) -> None:
    shown = on_terminal("reprice", "--prices", file, typed=typed)
    assert "Append corrections for 2 calls? [y/N]" in shown.raw
    assert shown.status == status
    assert metered.get("s1").unpriced_calls == 1 + status


def test_reprice_in_json_says_on_a_terminal_what_it_asks_for(
    on_terminal: OnTerminal, metered: Rollbook, file: str
) -> None:
    shown = on_terminal("reprice", "--prices", file, "--json", "--model", "own-1", typed="n\n", columns=200)
    assert "Append corrections for 1 calls by cheap-1: +$0.2000? [y/N]" in shown.raw
    assert shown.status == 1


def test_reprice_in_json(run: Run, metered: Rollbook, file: str) -> None:
    foreseen = run("reprice", "--prices", file, "--dry-run", "--json").answer
    assert list(foreseen) == ["dry_run", "rows", "total"]
    assert foreseen["dry_run"] is True
    assert (foreseen["total"]["changed"], foreseen["total"]["newly_priced"]) == (1, 1)
    assert foreseen["rows"][0]["versions"] == ["cheap-1"]
    done = run("reprice", "--prices", file, "--yes", "--json").answer
    assert done == {**foreseen, "dry_run": False}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--prices", "nowhere.toml"), "nowhere.toml: the price file cannot be read"),
        (("--since", "yesterday"), "unknown range"),
        (("--until", "soon"), "unknown range"),
        (("--model", ""), "--model is empty"),
        (("--agent", ""), "--agent is empty"),
    ],
)
def test_bad_input_is_wrong_use(run: Run, metered: Rollbook, arguments: tuple[str, ...], said: str) -> None:
    done = run("reprice", *arguments)
    assert (done.status, done.out) == (2, "")
    assert said in done.line


def test_a_bad_price_file_says_what_is_wrong_in_it(run: Run, metered: Rollbook, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(CHEAP + '[[price]]\nmodel = "x\\u202e"\ninput = -1\noutput = 1\n')
    done = run("reprice", "--prices", str(path), "--yes")
    assert done.status == 2
    assert "bad.toml: price 2 (" in done.line
    assert "input: must not be negative, but is -1" in done.line
    assert "\u202e" not in done.err


@pytest.mark.parametrize("when", [("--since", "2026-05-02"), ("--until", "2026-05-01"), ("--agent", "nobody")])
def test_calls_outside_what_is_asked_stay(run: Run, metered: Rollbook, file: str, when: tuple[str, str]) -> None:
    assert run("reprice", "--prices", file, "-y", *when).status == 0
    assert cost(metered) == 0.3
