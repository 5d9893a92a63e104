"""sessions and show."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollbook.book import Rollbook
from rollbook.cli.table import width
from rollbook.model import Session

from .tools import OnTerminal, Run

HOSTILE = "\x1b]0;owned\x07[red]R[/red] \u202egpj\x08 日本語\nnext"


@pytest.fixture
def many(book: Rollbook) -> Rollbook:
    for number in range(5):
        book.touch(
            f"s{number}", agent="bot" if number % 2 else "cat", title=f"Title {number}", at="2026-05-01T12:00:00Z"
        )
        book.record_usage(
            f"s{number}", model="m", tokens_in=number, cost_usd=number / 100, occurred_at=f"2026-05-01T12:0{number}:00Z"
        )
    book.touch("now", agent="bot", tags=["blue"], project=str(Path.home() / "shop"), channel="web", kind="autonomous")
    book.end("now", "failed", reason="no luck")
    return book


def _ids(run: Run, *words: str) -> list[str]:
    return [row["session_id"] for row in run("sessions", "--json", *words).answer["sessions"]]


def test_envelope(run: Run, many: Rollbook) -> None:
    answer = run("sessions", "--json", "--limit", "2").answer
    assert list(answer)[:6] == ["sessions", "total", "limit", "offset", "has_more", "next_cursor"]
    assert (answer["total"], answer["limit"], answer["offset"], answer["has_more"]) == (6, 2, 0, True)
    assert list(answer["sessions"][0]) == list(Session.__struct_fields__)
    assert answer["sessions"][0]["started_at"].endswith("+00:00")


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ((), ["now", "s4", "s3", "s2", "s1", "s0"]),
        (("--status", "failed"), ["now"]),
        (("--status", "abandoned", "--limit", "1"), ["s4"]),
        (("--since", "24h"), ["now"]),
        (("--since", "2026-05-01T12:03:00+00:00"), ["now", "s4", "s3"]),
        (("--agent", "cat"), ["s4", "s2", "s0"]),
        (("--kind", "autonomous"), ["now"]),
        (("--model", "m", "--offset", "3"), ["s1", "s0"]),
        (("--channel", "web"), ["now"]),
        (("--tag", "blue"), ["now"]),
        (("--text", "title 3"), ["s3"]),
        (("--order-by", "cost_usd", "--limit", "2"), ["s4", "s3"]),
        (("--order-by", "tokens_in", "--ascending", "--model", "m", "--limit", "2"), ["s0", "s1"]),
    ],
)
def test_r7_filters_and_order(run: Run, many: Rollbook, words: tuple[str, ...], ids: list[str]) -> None:
    assert _ids(run, *words) == ids


def test_r7_pages_by_cursor(run: Run, many: Rollbook) -> None:
    found: list[str] = []
    words: tuple[str, ...] = ()
    while True:
        answer = run("sessions", "--json", "--limit", "4", *words).answer
        found += [row["session_id"] for row in answer["sessions"]]
        if not answer["has_more"]:
            break
        words = ("--cursor", answer["next_cursor"])
    assert found == ["now", "s4", "s3", "s2", "s1", "s0"]


def test_a_page_says_how_to_go_on(run: Run, many: Rollbook) -> None:
    done = run("sessions", "--limit", "4")
    assert len(done.out.splitlines()) == 5
    assert done.line.startswith("4 of 6")
    cursor = done.line.rpartition(" ")[2]
    assert run("sessions", "--limit", "4", "--cursor", cursor).out.count("\n") == 3


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--status", "sleeping"), "abandoned"),
        (("--order-by", "colour"), "last_activity_at"),
        (("--kind", "odd"), "autonomous"),
        (("--channel", "pigeon"), "telegram"),
        (("--since", "lately"), "24h"),
        (("--cursor", "garbage"), "cursor"),
        (("--limit", "0"), "limit"),
        (("--limit", "501"), "500"),
        (("--limit", "1.5"), "--limit"),
        (("--offset", "-1"), "negative"),
        (("--dataset", "blue"), "UUID"),
        (("--colour", "red"), "--colour"),
    ],
)
def test_wrong_use_is_one_line_that_helps(run: Run, many: Rollbook, words: tuple[str, ...], named: str) -> None:
    done = run("sessions", *words)
    assert (done.status, done.out) == (2, "")
    assert named in done.line


def test_the_cursor_of_another_question(run: Run, many: Rollbook) -> None:
    cursor = run("sessions", "--json", "--limit", "1").answer["next_cursor"]
    assert run("sessions", "--agent", "bot", "--cursor", cursor).status == 2


def test_an_empty_book_says_what_to_do(run: Run) -> None:
    done = run("sessions")
    assert (done.status, done.out) == (0, "")
    assert "rollbook import" in done.line
    assert run("sessions", "--json").answer["sessions"] == []


def test_no_match_is_not_an_empty_book(run: Run, many: Rollbook) -> None:
    assert "no session matches" in run("sessions", "--agent", "nobody").line


def test_nothing_is_cut_off_in_a_pipe(program: Run, book: Rollbook) -> None:
    book.touch("i" * 500, title="t" * 900, project="/p" * 1000)
    done = program("sessions", COLUMNS="60")
    assert "i" * 500 in done.out
    assert "t" * 900 in done.out
    assert "\x1b" not in done.out


def test_hostile_text_is_text(program: Run, on_terminal: OnTerminal, book: Rollbook) -> None:
    book.touch("\u202eevil-\u200bid", title=HOSTILE, agent="[bold]a[/bold]", goal_text=HOSTILE)
    listed, one = program("sessions"), program("show", "\u202eevil-\u200bid")
    for out in (listed.out, one.out):
        assert "[red]R[/red] \\u202egpj\\x08 日本語 next" in out
        assert "\\u202eevil-\\u200bid" in out
        assert "[bold]a[/bold]" in out
        assert not {"\x1b", "\x07", "\x08", "\u202e"} & set(out)
    shown = on_terminal("sessions", columns=200)
    assert "[red]R[/red] \\u202egpj\\x08 日本語 next" in "\n".join(shown.lines)
    assert "owned" not in shown.raw
    assert "\u202e" not in shown.raw
    assert program("sessions", "--json").answer["sessions"][0]["title"] == HOSTILE
    assert program("sessions", "--json").out.isascii()


@pytest.mark.parametrize("columns", [20, 47, 80, 132])
def test_tables_fit_the_terminal(on_terminal: OnTerminal, many: Rollbook, columns: int) -> None:
    many.touch("識別子" * 40, title="題" * 100, project="/家/" + "夫" * 80, agent="エージェント")
    many.record_usage("識別子" * 40, model="模型" * 30, tokens_in=10**9)
    for words in (("sessions",), ("sessions", "--all-users"), ("show", "識別子" * 40), ("models",), ("usage", "s1")):
        shown = on_terminal(*words, columns=columns)
        assert shown.status == 0
        assert all(width(line) <= columns for line in shown.lines), words


def test_colours_only_on_a_terminal_and_where_wanted(on_terminal: OnTerminal, program: Run, many: Rollbook) -> None:
    assert "\x1b[31mfailed" in on_terminal("sessions").raw
    assert "\x1b[31m" not in on_terminal("sessions", NO_COLOR="1").raw
    assert "\x1b" not in on_terminal("sessions", TERM="dumb").raw
    assert "\x1b" not in program("sessions", FORCE_COLOR="1").out


def test_show(run: Run, many: Rollbook) -> None:
    many.touch("child", parent="s3", agent="cat")
    many.record_usage("child", tokens_in=7, model="nameless")
    done = run("show", "s3")
    assert done.err == ""
    for text in ("s3", "bot", "Title 3", "abandoned", "$0.0300", "2026-05-01 12:03:00+00:00", "Children (1)"):
        assert text in done.out
    assert "2 sessions, 2 calls, 10 in, 0 out, >=$0.0300" in done.out
    answer = run("show", "s3", "--json").answer
    assert list(answer) == [*Session.__struct_fields__, "children", "inclusive", "tree", "instance", "content"]
    assert [child["session_id"] for child in answer["children"]] == ["child"]
    assert (answer["calls"], answer["inclusive"]["calls"], answer["inclusive"]["unpriced_calls"]) == (1, 2, 1)


def test_show_says_how_it_ended(run: Run, many: Rollbook) -> None:
    assert "failed (decided by client): no luck" in run("show", "now").out


def test_show_says_that_there_is_no_price(run: Run, book: Rollbook) -> None:
    book.record_usage("s1", model="nameless", tokens_in=7)
    assert "- (no price is known)" in run("show", "s1").out


def test_show_takes_the_beginning_of_an_id(run: Run, book: Rollbook) -> None:
    for name in ("0197abcd-1", "0197abcd-2", "0198"):
        book.touch(name)
    assert run("show", "0198", "--json").answer["session_id"] == "0198"
    assert run("show", "0197abcd-1", "--json").answer["session_id"] == "0197abcd-1"
    assert run("show", "019", "--json").status == 1
    assert "0197abcd-1" in run("show", "0197").line
    assert run("show", "0197abcd-2…", "--json").answer["session_id"] == "0197abcd-2"
    nothing = run("show", "abcd")
    assert (nothing.status, nothing.out) == (1, "")


def test_whose_sessions(run: Run, book: Rollbook) -> None:
    run("--user", "ann@example.com", "touch", "hers")
    book.touch("mine")
    assert _ids(run) == ["mine"]
    assert _ids(run, "--user", "Ann@Example.com") == ["hers"]
    assert sorted(_ids(run, "--all-users")) == ["hers", "mine"]
    assert run("show", "hers").status == 1
    assert run("show", "hers", "--all-users").status == 0
    table = run("sessions", "--all-users").out
    assert "USER" in table.splitlines()[0]


def test_the_beginning_of_an_id_means_the_parent_and_not_its_sub_agents(run: Run, book: Rollbook) -> None:
    book.touch("2222-main")
    book.touch("2222-main/agent-a", parent="2222-main")
    book.touch("2222-main/agent-b", parent="2222-main")
    assert run("show", "2222", "--json").answer["session_id"] == "2222-main"
    assert run("show", "2222-main/agent-b", "--json").answer["session_id"] == "2222-main/agent-b"
    assert "several" in run("show", "2222-main/agent").line
    book.touch("2222-other")
    assert "several" in run("show", "2222").line


def test_a_date_is_one_of_this_machine(run: Run, book: Rollbook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Vienna")
    book.touch("before", at="2026-05-01T21:59:59Z")
    book.touch("after", at="2026-05-01T22:00:00Z")
    assert _ids(run, "--since", "2026-05-02") == ["after"]
    assert run("touch", "new", "--at", "2026-05-02T09:30", "--json").answer["started_at"].startswith("2026-05-02T07:30")
