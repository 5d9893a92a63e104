"""Books full of everything, changes of every kind, and what of a book must be the same in its copy."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

import rollbook
from laws import histories
from laws.tools import NOW, Clock, opened_at, sound, user
from rollbook.errors import RollbookError
from rollbook.ledger.ops import SourceFile
from rollbook.model import Copy, to_dict
from rollbook.settings import LOCAL_USER
from rollbook.store.tables import TABLES

ODD: Final = ("Ünï 天気 🙂", "%_'\"\\;--", " é ", "e\u0301x", "x" * 500, "{values} :name ? $1 %s")


class Places(NamedTuple):
    """Makers of URLs of books that are not there yet."""

    file: Callable[[], str]
    server: Callable[[], str]


def copied(source: str, target: str) -> Copy:
    """Copy one book into another, as the command does: the source is only read."""
    with reading(source) as book:
        return book.copy_to(target)


def reading(url: str) -> rollbook.Rollbook:
    """The book at a URL, for reading only."""
    return opened_at(f"{url}{'&' if '?' in url else '?'}mode=ro", all_users=True)


def rows(url: str) -> dict[str, list[Any]]:
    """Every row of every table."""
    with reading(url) as book, book._plans.store.read() as tx:
        return {name: list(tx.each(f"copying.every@{name}")) for name in TABLES}


def shown(url: str) -> dict[Any, Any]:
    """Everything that a book shows of everybody."""
    with reading(url) as book:
        sound(book)
        found: dict[Any, Any] = {"all": histories.figures(book, None)}
        for owner in (*histories.OWNERS, user(7)):
            found[owner] = histories.sums(book, owner)
            found[owner, "state"] = book.all_state(None, user_id=owner)
        for one in book.iterate():
            whose: Any = {"user_id": one.user_id}
            place = (one.user_id, one.session_id)
            found[place, "state"] = book.all_state(one.session_id, **whose)
            found[place, "usage"] = to_dict(book.usage(one.session_id, **whose))
            found[place, "qa"] = to_dict(book.qa(one.session_id, **whose))
            found[place, "said"] = to_dict(book.conversation(one.session_id, **whose))
            found[place, "trace"] = to_dict(book.trace(one.session_id, **whose))
            found[place, "heads"] = to_dict(book.heads(one.session_id, **whose))
        for text in ("weather", "sun*", "天気", "forked", "cafe"):
            found["search", text] = [
                (hit.user_id, hit.session_id, hit.entry_id, hit.snippet) for hit in book.search(text, limit=100)
            ]
        return found


def same(source: str, target: str) -> None:
    """Two books hold the same rows and show the same."""
    ours, theirs = rows(source), rows(target)
    for name, found in ours.items():
        assert theirs[name] == found, name
    assert shown(target) == shown(source)


def fill(book: rollbook.Rollbook, sessions: int = 6) -> None:
    """Put something of everything into a book."""
    for number in range(sessions):
        name = f"s{number}"
        book.touch(
            name, title=ODD[number % len(ODD)], agent="a", project=f"p{number % 2}", tags=("t",), metadata={"n": 1}
        )
        for call in range(3):
            book.record_usage(
                name,
                model=f"m{call}",
                tokens_in=call,
                cost_usd="0.5",
                usage_id=f"{name}-{call}",
                aliases=(f"{name}~{call}",),
            )
        book.add_qa(
            name, question=f"what of the weather {number}", answer="sunny, with a café 天気", qa_id=f"q{number}"
        )
        book.add_message(name, role="user", content=f"hello sunshine {number}")
        book.set_state(name, values={"k": number, "text": ODD[0]})
    for name in ODD:
        book.record_usage(name, model=name[:200], tokens_in=5, user_id=user(7), usage_id=name)
    book.set_state(None, values={"mine": [1, None, "x"]})
    book.fork("s1", "fork of s1")
    book.add_qa("fork of s1", question="forked?", answer="yes, weather")
    book.add_qa("s1", question="and after?", answer="the fork")
    book.end("s0", "completed")
    book.delete("s2")
    book.purge("s3")
    book._plans.write(
        [
            SourceFile(
                user_id=LOCAL_USER, source="claude-code", path="/a/ü.jsonl", device=1, inode=2, size=3, offset=3,
                head_hash="h", mtime_ns=4, state=b"\x00\xff{}",
            )
        ]
    )  # fmt: skip


def filled(url: str, sessions: int = 6) -> str:
    """A new book with something of everything."""
    with opened_at(url, all_users=True) as book:
        fill(book, sessions)
    return url


_who: Final = st.sampled_from([*histories.OWNERS, LOCAL_USER])
_name: Final = st.sampled_from("abcde")
_entry: Final = st.sampled_from(["e1", "e2", "e3", "e4"])
_text: Final = st.sampled_from(["weather", "sunny cafe", "天気", "forked", "", "café sun sun"])
Jot = tuple[str, str, str, str, str]
JOTS: Final = st.tuples(
    st.sampled_from(["qa"] * 3 + ["message", "change", "remove", "fork", "state", "mine", "purge", "head", "wipe"]),
    _who, _name, _entry, _text,
)  # fmt: skip
CHANGES: Final = st.lists(st.one_of(histories.steps(), JOTS, JOTS), min_size=1, max_size=15)


def change(book: rollbook.Rollbook, step: Any) -> None:
    """Let something happen to a book; what is refused, is."""
    if len(step) == 2:
        histories.happen(book, step)
        return
    what, who, name, entry, text = step
    does: dict[str, Callable[[], Any]] = {
        "qa": lambda: book.add_qa(name, question=text, answer=f"{text} {entry}", qa_id=entry, user_id=who),
        "message": lambda: book.add_message(name, role="user", content=text, message_id=entry, user_id=who),
        "change": lambda: book.update_qa(name, entry, answer=f"{text} anew", user_id=who),
        "remove": lambda: book.delete_qa(name, entry, user_id=who),
        "fork": lambda: book.fork(name, f"{name}{entry}", user_id=who),
        "state": lambda: book.set_state(name, values={entry: text}, user_id=who),
        "mine": lambda: book.set_state(None, values={entry: text}, user_id=who),
        "purge": lambda: book.purge_user(user_id=who) if entry == "e1" else book.purge(name, user_id=who),
        "head": lambda: book.move_head(name, "qa", head="side", to=entry, user_id=who),
        "wipe": lambda: book.wipe_journal() if entry == "e2" else book.delete(name, user_id=who),
    }
    with contextlib.suppress(RollbookError):
        does[what]()


def live(url: str, steps: list[Any]) -> None:
    """Let some things happen to the book at a URL."""
    with opened_at(url, Clock(NOW), all_users=True) as book:
        for step in steps:
            change(book, step)
