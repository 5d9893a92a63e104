"""R6: whatever a principal asks for is what it would find by looking at everybody's rows one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import pytest
from msgspec.structs import replace

import rollbook
from rollbook.errors import Forbidden, InvalidInput, NotFound
from rollbook.ledger import scopes
from rollbook.ledger.lists import SORTS
from rollbook.model import Session, from_micros, to_dict
from rollbook.principals import OWNER, READER, WRITER, Principal

from .scoped import DATASETS, IDS, STRANGER, USERS, WORDS, Eyes, Truth, extracted, fill, principals, usd
from .tools import DAY, HOUR, MINUTE, NOW, SPEND_BY, call, opened, touch, write

pytestmark = pytest.mark.usefixtures("engine")

A, B, C, D, E = USERS
SINCES: Final = (None, NOW - 50 * MINUTE - 3, NOW - 3 * DAY)
FILTERS: Final[list[dict[str, Any]]] = [
    {}, {"status": "running"}, {"status": "abandoned"}, {"status": "completed"}, {"agent": "a"}, {"kind": "acp"},
    {"project": "p"}, {"channel": "cli"}, {"model": "m1"}, {"model": "unknown"}, {"dataset_id": DATASETS[0]},
    {"tag": "t"}, {"text": "apple"}, {"agent": "b", "status": "failed"}, {"since": from_micros(NOW - DAY)},
    {"since": from_micros(NOW - 55 * MINUTE), "agent": "a"},
]  # fmt: skip


@pytest.fixture(scope="module", params=range(3))
def book(request: pytest.FixtureRequest, engine: str) -> Iterator[tuple[Truth, random.Random]]:
    """A random book as one sees it who sees everything."""
    del engine  # which says where it is
    chance = random.Random(request.param)
    with opened(all_users=True) as made:
        fill(made, chance)
        yield Truth(made), chance


def _everyone(book: tuple[Truth, random.Random]) -> Iterator[tuple[rollbook.Rollbook, Eyes, dict[str, Any]]]:
    """The book as each principal sees it who asks for everything or names a user, and what is to be seen."""
    truth, chance = book
    for who in principals(chance):
        for named in (None, chance.choice(USERS)):
            said = {} if named is None else {"user_id": named}
            yield truth.book.acting(who), Eyes(truth, who, named), said


def _names(sessions: list[Session]) -> list[tuple[str, str]]:
    return [(one.user_id, one.session_id) for one in sessions]


def test_r6_lists_and_totals(book: tuple[Truth, random.Random]) -> None:
    met = 0
    for asking, eyes, said in _everyone(book):
        for filters in FILTERS:
            every = eyes.truth.listed(**filters)
            expected = eyes.seen(every)
            met += 0 < len(expected) < len(every)
            page = asking.list(**filters, **said, limit=500)
            assert page.sessions == expected, (eyes.principal, filters, said)
            assert (page.total, page.total_exact) == (len(expected), True)
            assert asking.list(**filters, **said, limit=2, offset=1).sessions == expected[1:3]
    assert met > 50


@pytest.mark.parametrize("order_by", SORTS)
def test_r6_every_order_page_by_page(book: tuple[Truth, random.Random], order_by: str) -> None:
    for asking, eyes, said in _everyone(book):
        for ascending in (False, True):
            asked: dict[str, Any] = {"order_by": order_by, "ascending": ascending}
            expected = _names(eyes.seen(eyes.truth.listed(**asked)))
            assert _names(list(asking.iterate(**asked, **said, limit=3))) == expected, (eyes.principal, said)


def test_r6_figures(book: tuple[Truth, random.Random]) -> None:
    for asking, eyes, said in _everyone(book):
        for since in SINCES:
            asked = {"since": "all" if since is None else from_micros(since), **said}
            stats = to_dict(asking.stats(**asked))
            assert {key: value for key, value in stats.items() if key != "range"} == pytest.approx(eyes.stats(since))
            models = {
                row.model: (
                    row.session_count, row.calls, row.tokens_in, row.tokens_out, row.cost_nano_usd, row.unpriced_calls,
                )
                for row in asking.cost_by_model(**asked)
            }  # fmt: skip
            assert models == eyes.models(since), (eyes.principal, said)
            assert sum(row[4] for row in models.values()) == stats["total_spend_nano_usd"]


@pytest.mark.parametrize("by", SPEND_BY)
def test_r6_spend(book: tuple[Truth, random.Random], by: str) -> None:
    for asking, eyes, said in _everyone(book):
        for since in (None, (NOW - 2 * DAY) // DAY * DAY):
            spend = asking.spend(by=by, since="all" if since is None else from_micros(since), **said)
            lines = {
                (row.deleted, row.key): (
                    row.calls, row.tokens_in, row.tokens_out, row.cost_nano_usd, row.unpriced_calls, row.late_calls,
                    row.late_cost_nano_usd,
                )
                for row in spend.rows
            }  # fmt: skip
            expected = eyes.spend(by, since)
            assert lines == expected, (eyes.principal, said)
            assert {(row.deleted, row.key): row.cost_usd for row in spend.rows} == {
                key: usd(sums) for key, sums in expected.items()
            }
            assert spend.total.cost_nano_usd == sum(sums[3] for sums in expected.values())


def test_r6_single_sessions_and_their_journals(book: tuple[Truth, random.Random]) -> None:
    for asking, eyes, said in _everyone(book):
        for name in [*IDS, "nothing"]:
            found = eyes.by_id(name)
            if found is None:
                for ask in (asking.get, asking.usage, asking.children, asking.inclusive, asking.tree):
                    with pytest.raises(NotFound, match=f"no session '{name}'"):
                        ask(name, **said)
                assert asking.qa(name, **said) == asking.qa("nothing", **said) == []
                continue
            owner = found.user_id
            assert asking.get(name, **said) == found
            assert asking.usage(name, **said) == eyes.truth.told("usage", name, owner)
            assert [qa.question for qa in asking.qa(name, **said)] == [
                qa.question for qa in eyes.truth.told("qa", name, owner)
            ]


def test_r6_a_session_is_also_found_by_its_owner(book: tuple[Truth, random.Random]) -> None:
    for asking, eyes, said in _everyone(book):
        visible = {(one.user_id, one.session_id): one for one in eyes.all()}
        for owner in USERS:
            for name in IDS:
                if (owner, name) in visible:
                    assert asking.get(name, owner=owner, **said) == visible[owner, name]
                elif not (eyes.principal.everybody or said):
                    with pytest.raises(NotFound, match="no session"):
                        asking.get(name, owner=owner)


def test_r6_what_is_below(book: tuple[Truth, random.Random]) -> None:
    deep = 0
    for asking, eyes, said in _everyone(book):
        for name in IDS:
            top = eyes.by_id(name)
            if top is None:
                continue
            below = eyes.below(top)
            deep += len(below) > 1
            sessions = eyes.truth.sessions
            assert _names(asking.children(name, **said)) == below[top.user_id, top.session_id]
            whole = asking.inclusive(name, **said)
            assert (whole.sessions, whole.calls, whole.tokens_in, whole.tokens_out, whole.cost_nano_usd) == (
                len(below), *(sum(getattr(sessions[key], field) for key in below)
                              for field in ("calls", "tokens_in", "tokens_out", "cost_nano_usd")),
            )  # fmt: skip
            branches = asking.tree(name, **said)
            assert {(one.user_id, one.session_id) for one in branches} == set(below)
            assert branches[0].parent_id == top.parent_id
            assert (branches[0].sessions, branches[0].inclusive_cost_nano_usd) == (whole.sessions, whole.cost_nano_usd)
    assert deep > 5


def test_r6_search(book: tuple[Truth, random.Random]) -> None:
    for asking, eyes, said in _everyone(book):
        visible = set(_names(eyes.all()))
        for word in WORDS:
            every = [hit for hit in eyes.truth.told("search", word) if (hit.user_id, hit.session_id) in visible]
            found = asking.search(word, **said, limit=100)
            assert sorted(found, key=repr) == sorted(every, key=repr), (eyes.principal, said)
        narrow = eyes.by_id("s1")
        if narrow is None:
            with pytest.raises(NotFound):
                asking.search("apple", session_id="s1", **said)


def test_r6_exports(book: tuple[Truth, random.Random]) -> None:
    for asking, eyes, said in _everyone(book):
        order = {row.key: row.place for row in eyes.truth.rows}
        expected = sorted(eyes.all(), key=lambda one: order[one.user_id, one.session_id])
        sessions = list(extracted(asking, "sessions", 3, **said))
        assert [(row[1], row[0]) for row in sessions] == _names(expected)
        parent = Session.__struct_fields__.index("parent_id")
        assert [row[parent] for row in sessions] == [one.parent_id for one in expected]
        assert [row[0] for row in extracted(asking, "usage", 4, **said)] == [
            row[28] for row, _ in sorted(eyes.rows_of_ledger(), key=lambda each: each[0][:3])
        ]
        narrow = [row[0] for row in extracted(asking, "usage", 50, agent="a", **said)]
        assert narrow == [
            row[28]
            for row, _ in sorted(eyes.rows_of_ledger(), key=lambda each: each[0][:3])
            if eyes.truth.by_place[row[0], row[1]].slice[2] == "a"
        ]
        contents = {(row[1], row[0]) for row in extracted(asking, "content", 7, **said)}
        assert contents == set(_names(expected))


def test_r6_what_may_be_told_of_changes(book: tuple[Truth, random.Random]) -> None:
    truth, chance = book
    names = [row.key for row in truth.rows]
    states = [(owner, "") for owner in [*USERS, STRANGER]]
    for who in principals(chance):
        eyes = Eyes(truth, who)
        asking = truth.book.acting(who)
        told = asking._plans.read(partial(scopes.visible, principal=who, names=[*names, *states]))
        expected = {row.key for row in truth.rows if eyes.has(row)}
        expected |= set(states) if who.everybody else {(who.user_id, "")}
        assert told == expected


# One by one


def test_r6_many_grants_show_what_few_would(book: tuple[Truth, random.Random]) -> None:
    """Of a hundred thousand datasets that are granted a request does not ask for each."""
    truth = book[0].book
    many = frozenset(f"00000000-0000-4000-8000-{number:012x}" for number in range(scopes._MANY))
    for _, eyes, said in _everyone(book):
        who = eyes.principal
        if who.unrestricted:
            continue
        few, lots = (
            _names(truth.acting(each).list(**said, limit=500).sessions)
            for each in (who, replace(who, reads=who.reads | many))
        )
        assert few == lots == _names(eyes.seen(eyes.truth.listed()))


def test_r6_state_is_nobody_elses() -> None:
    with opened(all_users=True) as book:
        book.set_state(None, values={"k": "mine"}, user_id=B)
        above = Principal(user_id=A, role=WRITER, children=frozenset([B]))
        own = Principal(user_id=B, role=READER)
        assert book.acting(own).get_state(None, "k") == "mine"
        assert book.acting(own).get_state(None, "k", user_id=B) == "mine"
        assert book.acting(above).get_state(None, "k", user_id=B) is None
        assert book.acting(Principal(user_id=A, role="admin", everybody=True)).get_state(None, "k", user_id=B) == "mine"


def test_r6_a_cursor_is_its_principals() -> None:
    with opened(all_users=True) as book:
        write(book, [touch(f"s{number}", NOW - number, A, dataset_id=DATASETS[0]) for number in range(4)])
        reads = frozenset([DATASETS[0]])
        first = book.acting(Principal(user_id=B, role=READER, reads=reads, key_id="one"))
        cursor = first.list(limit=1).next_cursor
        others = [
            Principal(user_id=C, role=READER, reads=reads, key_id="one"),
            Principal(user_id=B, role=WRITER, reads=reads, key_id="one"),
            Principal(user_id=B, role=READER, reads=reads, key_id="two"),
            Principal(user_id=B, role=OWNER, everybody=True),
        ]
        for other in others:
            with pytest.raises(InvalidInput, match="cursor"):
                book.acting(other).list(limit=1, cursor=cursor)
        with pytest.raises(InvalidInput, match="cursor"):
            first.list(limit=1, cursor=cursor, user_id=A)
        # What may be seen is looked up for every page.
        fewer = book.acting(Principal(user_id=B, role=READER, key_id="one"))
        assert fewer.list(limit=1, cursor=cursor).sessions == []
        assert [one.session_id for one in first.list(limit=9, cursor=cursor).sessions] == ["s1", "s2", "s3"]


def test_r6_an_export_goes_on_with_what_may_still_be_seen() -> None:
    with opened(all_users=True) as book:
        for owner in (A, B):
            for number in range(3):
                write(book, [touch(f"s{number}", NOW, owner, dataset_id=DATASETS[0])])
                book.add_qa(f"s{number}", question="q", answer="a", user_id=owner)
        seeing = book.acting(Principal(user_id=C, role=READER, reads=frozenset(DATASETS)))
        blind = book.acting(Principal(user_id=C, role=READER))
        for what in ("usage", "sessions", "content"):
            step = seeing._plans.drive(seeing._plans.extract(what=what, limit=1))
            assert step.after is not None
            after = blind._plans.drive(blind._plans.extract(what=what, limit=100, after=step.after))
            assert after.rows == []


def test_r6_what_is_shared_with_a_hidden_session_is_found_in_the_one_that_is_seen() -> None:
    with opened(all_users=True) as book:
        write(book, [touch("secret", NOW, A)])
        book.append("secret", "chat", entries=["an apple"], user_id=A)
        book.add_qa("secret", question="a pear", answer="yes", user_id=A)
        book.fork("secret", "shown", user_id=A)
        write(book, [touch("shown", NOW, A, dataset_id=DATASETS[0])])
        reader = book.acting(Principal(user_id=B, role=READER, reads=frozenset(DATASETS[:1])))
        assert [hit.session_id for hit in book.search("pear")] == ["secret"]
        assert [hit.session_id for hit in reader.search("pear")] == ["shown"]
        assert [qa.question for qa in reader.qa("shown")] == ["a pear"]


def test_r6_what_only_administrators_may_do_is_refused() -> None:
    with opened(all_users=True) as book:
        write(book, [touch("s", NOW - 9 * DAY, A), call("s", "u", NOW - 9 * DAY, owner=A)])
        asking = book.acting(Principal(user_id=A, role=WRITER, everybody=False))
        for ask in (
            lambda: asking.prune(sessions="1d", dry_run=True),
            lambda: asking.purge("s", dry_run=True),
            lambda: asking.purge_user(dry_run=True),
            lambda: asking.wipe_journal(dry_run=True),
            lambda: asking.reprice(dry_run=True),
        ):
            with pytest.raises(Forbidden):
                ask()
        assert asking.get("s").calls == 1


def test_r6_a_session_that_comes_into_a_dataset_is_seen_from_then_on() -> None:
    with opened(all_users=True) as book:
        reader = book.acting(Principal(user_id=B, role=READER, reads=frozenset(DATASETS[:1])))
        write(book, [touch("s", NOW - HOUR, A), call("s", "u", NOW - HOUR, owner=A, cost_nano=7)])
        assert reader.list().total == 0
        assert reader.spend(since="all").rows == []
        write(book, [touch("s", NOW, A, dataset_id=DATASETS[0])])
        assert reader.list().total == 1
        assert reader.spend(since="all").total.cost_nano_usd == 7
        book.delete("s", user_id=A)
        assert reader.list().total == 0
        assert [(row.key, row.cost_nano_usd) for row in reader.spend(since="all", by="agent").rows] == [
            ("(deleted)", 7)
        ]
        told = reader._plans.read(lambda tx: scopes.visible(tx, reader._plans.principal, [(A, "s"), (A, "t")]))
        assert told == {(A, "s")}
