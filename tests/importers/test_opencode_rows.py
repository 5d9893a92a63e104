"""What stands in OpenCode's databases: rows of all kinds, in any order, with clocks that are wrong, and forks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import pytest

import rollbook
from importers.opencode_tools import NOW, T0, Writer, answer, put, small, stored, take
from rollbook.importers import source
from rollbook.importers.base import Batch, Context, Item
from rollbook.importers.opencode import OpenCode
from rollbook.importers.opencode_read import OPEN_MOST, OPEN_MS, load
from rollbook.importers.runs import run_import
from rollbook.ledger.ops import Call, SourceFile
from rollbook.model import Evidence, to_micros
from rollbook.settings import LOCAL_USER


@pytest.fixture
def book() -> Iterator[rollbook.Rollbook]:
    with rollbook.open("sqlite:///:memory:") as opened:
        yield opened


# what its rows say


def test_a_table_that_version_1_uses_for_something_else_is_not_read(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = small(tmp_path / "opencode.db")
    writer.message("evt_1", "ses_a", answer(40), 40, "add_other")
    assert take(book, tmp_path).calls == 3


def test_what_is_taken_over_from_elsewhere_is_read_although_it_is_old(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = small(tmp_path / "opencode.db")
    take(book, tmp_path)
    writer.session("ses_old", -5000)
    writer.message("msg_0", "ses_old", answer(-4000), -4000)
    assert take(book, tmp_path).new_calls == 1


def test_what_is_taken_back_stays_spent(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = small(tmp_path / "opencode.db")
    take(book, tmp_path)
    writer.run("drop_messages", **{"from": "msg_ses_a000002"})
    writer.message("msg_z", "ses_a", answer(30, 30), 30)
    assert take(book, tmp_path).new_calls == 1
    assert book.get("ses_a").tokens_in == 1 + 2 + 3 + 30


def test_r1_the_latest_title_stands_although_renaming_is_no_activity(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = small(tmp_path / "opencode.db")
    take(book, tmp_path)
    active = book.get("ses_a").last_activity_at
    for waited, title in ((3600, "Zebra"), (86_400, "Ant"), (400 * 86_400, "Moth")):
        writer.run("rename", id="ses_a", title=title, changed=T0 + waited * 1000)
        take(book, tmp_path, now=NOW + 400 * 86_400_000_000)
        assert book.get("ses_a").title == title
    assert (book.get("ses_a").last_activity_at - active).total_seconds() < 0.001
    assert book.get("ses_a").status == "completed"


def test_r1_a_time_well_ahead_of_the_clock_is_now(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = small(tmp_path / "opencode.db")
    late = answer(5, 50)
    late["time"]["completed"] = 4_102_444_800_000
    writer.message("msg_late", "ses_a", late, 5)
    writer.run("rename", id="ses_a", title="x", changed=9_999_999_999_999)
    assert take(book, tmp_path).new_calls == 4
    found = book.get("ses_a")
    assert found.clock_flagged
    assert to_micros(found.last_activity_at) // 1_000_000 == NOW // 1_000_000
    writer.message("msg_next", "ses_a", answer(6, 60), 6)
    assert take(book, tmp_path).new_calls == 1


def test_rows_that_nobody_could_have_meant(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = small(tmp_path / "opencode.db")
    writer.message("msg_\x01", "ses_a", answer(10), 10)
    writer.message("m" * 600, "ses_a", answer(11), 11)
    writer.message("msg_bytes", "ses_a", json.dumps(answer(12)).encode(), 12)
    writer.message("msg_nul", "ses_a", json.dumps(answer(13)) + "\0", 13)
    writer.message("msg_deep", "ses_a", "[" * 100_000, 14)
    writer.message("msg_large", "ses_a", answer(15, x="y" * (33 << 20)), 15)
    writer.message("msg_dear", "ses_a", answer(16, cost=1e300), 16)
    writer.message("msg_model", "ses_a", answer(17, modelID="m" * 300), 17)
    report = take(book, tmp_path)
    assert (report.problems, report.new_calls, report.skipped_lines) == ([], 4, 7)
    assert take(book, tmp_path).skipped_lines == 0


def test_a_parent_that_is_not_there_or_is_itself(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "opencode.db")
    writer.session("ses_a", parent="ses_gone")
    writer.session("ses_b", parent="ses_b")
    writer.message("msg_a", "ses_a", answer(1), 1)
    writer.message("msg_b", "ses_b", answer(2, 20), 2)
    take(book, tmp_path)
    assert book.get("ses_a").calls == 1
    assert book.stats(since="all").calls == 2


def test_the_evidence_of_a_copy_and_of_what_is_still_written_is_lower(tmp_path: Path, book: rollbook.Rollbook) -> None:
    writer = Writer(tmp_path / "opencode.db")
    writer.session("ses_a", 100)
    writer.message("msg_copy", "ses_a", answer(1), 1)
    writer.message("msg_open", "ses_a", answer(101, time={"created": T0 + 101_000}), 101)
    writer.message("msg_done", "ses_a", answer(102), 102)
    take(book, tmp_path)
    rows = {row.usage_id: row.evidence for row in book.usage("ses_a")}
    low, high = Evidence.SIDE_CHAIN.name.lower(), Evidence.TRANSCRIPT.name.lower()
    assert rows == {"opencode:msg_copy": low, "opencode:msg_open": low, "opencode:msg_done": high}


# steps, and what an interruption leaves


def batches(path: Path, known: SourceFile | None = None) -> Iterator[Batch]:
    agent = OpenCode()
    context = Context(user_id=LOCAL_USER, now=NOW, price=unpriced)
    (found,) = agent.files(str(path), print)
    return agent.read(found, known, context)


def unpriced(*_: Any, **__: Any) -> None:
    return None


def calls_of(given: Iterable[Batch]) -> list[str]:
    return [item.usage_id for batch in given for item in batch.items if isinstance(item, Call)]


def test_r13_an_interrupted_import_goes_on_where_it_stopped(book: rollbook.Rollbook, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    writer = Writer(path)
    writer.fill("ses_a", 3500)
    given = list(islice(batches(path), 2))
    assert len(calls_of(given)) == 2000
    items: Sequence[Item] = [item for batch in given for item in batch.items]
    last = given[-1].file
    assert last is not None
    book.ingest(items, files=[last])
    writer.message("msg_ses_a000007", "ses_a", answer(7, 1007), 4000)  # one of those that were read
    report = take(book, path)
    assert report.new_calls == 1500
    assert book.get("ses_a").calls == 3500
    assert book.get("ses_a").tokens_in == 3500 * 3501 // 2 + 1000
    assert book.get("ses_a").title == "Mend the till"


def test_each_step_is_a_transaction_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    writer = Writer(path)
    writer.fill("ses_a", 2500)
    reading = batches(path)
    next(reading)
    assert writer.raw.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)[0] == 0  # no reader holds the log
    writer.message("msg_zz", "ses_a", answer(9000), 9000)
    assert calls_of(reading)[-1] == "opencode:msg_zz"


def test_a_session_of_many_messages_is_read_fast(book: rollbook.Rollbook, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    writer = Writer(path)
    for number in range(20):
        writer.fill(f"ses_{number}", 500, first=1 + number * 500)
    started_at = time.perf_counter()
    assert take(book, path).new_calls == 10_000
    whole = time.perf_counter() - started_at
    writer.message("msg_zz", "ses_7", answer(20_000), 20_000)
    started_at = time.perf_counter()
    assert take(book, path).new_calls == 1
    assert time.perf_counter() - started_at < whole / 2


# clocks that are wrong, and rows that are seen late


def begun(at: int) -> dict[str, Any]:
    """What stands in an assistant's message of that second while it is being written."""
    data = answer(at, 0, 0, cost=0, time={"created": T0 + at * 1000})
    del data["finish"]
    return data


def test_r13_a_clock_that_was_ahead_for_a_while_loses_nothing(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "opencode.db")
    now, ahead = T0 * 1000, 10 * 86_400
    writer.session("ses_a", -60)
    writer.message("msg_old", "ses_a", answer(-30, 1), -30)
    writer.message("msg_1", "ses_a", answer(ahead, 2), ahead)
    assert take(book, tmp_path, now=now + ahead * 1_000_000).new_calls == 2
    writer.message("msg_old", "ses_a", answer(-30, 31), 30)  # after the clock was set back
    writer.message("msg_2", "ses_a", begun(60), 60)
    assert take(book, tmp_path, now=now + 61_000_000).new_calls == 0
    assert book.get("ses_a").tokens_in == 31 + 2
    writer.message("msg_2", "ses_a", answer(60, 5000), 90)
    assert take(book, tmp_path, now=now + 100_000_000).new_calls == 1
    assert book.get("ses_a").tokens_in == 31 + 2 + 5000
    assert take(book, tmp_path, now=now + 160_000_000).calls == 0


def test_r13_an_answer_whose_clock_is_behind_those_read_before(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "opencode.db")
    now, ahead = T0 * 1000, 10 * 86_400
    writer.session("ses_a", -60)
    writer.message("msg_1", "ses_a", answer(ahead, 2), ahead)  # with a clock that was ahead
    writer.message("msg_2", "ses_a", answer(0, 4), 0)
    assert take(book, tmp_path, now=now + 3_600_000_000).new_calls == 2
    writer.message("msg_2", "ses_a", answer(0, 40), 30)  # an hour behind the clock of the one who reads
    assert take(book, tmp_path, now=now + 3_630_000_000).calls == 1
    assert book.get("ses_a").tokens_in == 2 + 40


def test_r13_an_answer_that_is_seen_long_after_it_was_stamped(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "opencode.db")
    now = T0 * 1000
    writer.session("ses_a")
    writer.message("msg_1", "ses_a", begun(0), 0)
    take(book, tmp_path, now=now + 1_000_000)
    for at in (3600, 7200):
        writer.message(f"msg_{at}", "ses_a", answer(at, at), at)
        assert take(book, tmp_path, now=now + at * 1_000_000).new_calls == 1
    writer.message("msg_1", "ses_a", answer(0, 9000), 1)  # its writer slept before it was stored
    assert take(book, tmp_path, now=now + 7_300_000_000).new_calls == 1
    assert book.get("ses_a").tokens_in == 3600 + 7200 + 9000


def carried(path: Path, now: int, known: SourceFile | None = None) -> SourceFile:
    """How far a database was read at a time."""
    agent = OpenCode()
    (found,) = agent.files(str(path), print)
    *_, last = agent.read(found, known, Context(user_id=LOCAL_USER, now=now, price=unpriced))
    assert last.file is not None
    return last.file


def test_unfinished_answers_are_looked_at_for_a_week_and_not_without_end(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "opencode.db")
    writer.session("ses_a")
    with writer.raw:
        for number in range(2 * OPEN_MOST):
            writer.message(f"msg_{number:04d}", "ses_a", begun(0), 0)
    (now, week) = T0 * 1000 + 60_000_000, OPEN_MS * 1000
    known = None
    for _ in range(2):
        known = carried(tmp_path, now, known)
        kept = [row for row, _, _ in load(known.state).marks["message"].open]
        assert kept == list(range(OPEN_MOST + 1, 2 * OPEN_MOST + 1))
    assert load(carried(tmp_path, now + week, known).state).marks["message"].open == []
    assert load(carried(tmp_path, now + week).state).marks["message"].open == []


@pytest.mark.parametrize("count", [200, 1100])
def test_the_ends_of_very_many_sessions_at_once(book: rollbook.Rollbook, tmp_path: Path, count: int) -> None:
    writer = Writer(tmp_path / "opencode.db")
    with writer.raw:
        for number in range(count):
            writer.session(f"ses_{number}", number)
            writer.message(f"msg_{number}", f"ses_{number}", answer(number), number)
    half_an_hour = 1_800_000_000
    last = T0 * 1000 + (count - 1) * 1_000_000 + 500_000
    time.sleep(0.2)  # so that the file is known as it is
    take(book, tmp_path, now=T0 * 1000 + 60_000_000)
    if count == 200:
        take(book, tmp_path, now=T0 * 1000 + half_an_hour + 100_000_000)
        assert 90 < book.list(status="completed").total < 110
    take(book, tmp_path, now=last + half_an_hour)
    assert book.list(status="completed").total == count
    assert take(book, tmp_path, now=last + half_an_hour + 1).sessions == 0
    assert run_import(book, source("opencode"), [tmp_path], now=last + 2 * half_an_hour).bytes == 0


# forks


def test_a_fork_whose_original_took_some_back(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "opencode.db")
    writer.session("ses_a")
    writer.message("msg_a1", "ses_a", answer(1, 1), 1)
    writer.session("ses_b", 100, title="Mend the till (fork #1)")
    writer.message("msg_b1", "ses_b", answer(1, 1), 1)
    writer.message("msg_b2", "ses_b", answer(2, 2), 2)  # the original of this one is gone
    writer.message("msg_b3", "ses_b", answer(101, 4), 101)
    take(book, tmp_path)
    assert (book.get("ses_a").tokens_in, book.get("ses_b").tokens_in) == (1, 6)
    assert book.get("ses_b").metadata["forked_from"] == "ses_a"
    assert book.stats(since="all").calls == 3


def test_two_answers_of_one_moment_are_two(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "opencode.db")
    for name in ("ses_a", "ses_b"):
        writer.session(name)
        times = {"created": T0 + 1000, "completed": T0 + (1500 if name == "ses_a" else 1501)}
        writer.message(f"msg_{name}", name, answer(1, time=times), 1)
    assert take(book, tmp_path).new_calls == 2


@pytest.mark.parametrize("form", ["tables", "files"])
@pytest.mark.parametrize(("tokens", "said"), [(0, False), (0, True), (700, False), (700, True)])
def test_equal_answers_of_sub_agents_are_different_calls(
    book: rollbook.Rollbook, tmp_path: Path, form: str, tokens: int, said: bool
) -> None:
    writer = Writer(tmp_path / "opencode.db") if form == "tables" else None
    storage = tmp_path / "storage"
    for number in range(3):
        name, message = f"ses_{number}", f"msg_{number}"
        part = {"type": "tool", "tool": "read", "callID": f"call_{number}", "state": {"status": "completed"}}
        if writer is not None:
            writer.session(name, parent="ses_p")
            writer.message(message, name, answer(1, tokens, tokens // 10), 1)
            if said:
                writer.run("add_part", id=f"prt_{number}", message=message, session=name, data=json.dumps(part))
        else:
            put(storage / "session" / "p1" / f"{name}.json", {**stored(name), "parentID": "ses_p"})
            put(storage / "message" / name / f"{message}.json", answer(1, tokens, tokens // 10))
            if said:
                put(storage / "part" / message / f"prt_{number}.json", {"id": f"prt_{number}", **part})
    assert take(book, tmp_path).new_calls == 3


def test_a_fork_elsewhere_is_known_by_what_was_said(book: rollbook.Rollbook, tmp_path: Path) -> None:
    """Also one of a sub-agent: a copy has its parts' texts and calls of tools, under other ids."""
    tool = {"type": "tool", "tool": "read", "callID": "call_1", "state": {"status": "completed", "output": "o" * 900}}
    pruned = {**tool, "state": {**tool["state"], "time": {"compacted": T0}}}  # type: ignore[dict-item]
    text = {"type": "text", "text": 'Done: "é"', "time": {"start": T0, "end": T0 + 1}}
    for file, name, made, kept in (("opencode.db", "a", 0, pruned), ("opencode-dev.db", "b", 100, tool)):
        writer = Writer(tmp_path / file)
        writer.session(f"ses_{name}", made, parent="ses_p" if name == "a" else None)
        writer.message(f"msg_{name}", f"ses_{name}", answer(1, 700), 1)
        for number, part in enumerate((kept, {"type": "step-start"}, text)):
            values = {"id": f"prt_{name}{number}", "message": f"msg_{name}", "session": f"ses_{name}"}
            writer.run("add_part", data=json.dumps(part), **values)
    take(book, tmp_path)
    assert (book.get("ses_a").calls, book.get("ses_b").calls) == (1, 0)
