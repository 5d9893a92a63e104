"""What is said of a session, and which of two statements stands (R1).

Of dataset, kind, channel, agent, project and parent the first statement by its own time stays; of title, goal, tags,
metadata and actor the latest. Each fact is kept with its time, so the order of arrival makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from rollbook.ledger.ops import Facts

FIRST: Final = ("dataset_id", "kind", "channel", "agent", "project", "parent")
LATEST: Final = ("title", "goal_text", "tags", "metadata", "actor")


class Info:
    """The facts of one session: name -> (time, value)."""

    __slots__ = ("said", "session_no", "user_no")

    def __init__(self, user_no: int, session_no: int, text: str = "") -> None:
        self.user_no = user_no
        self.session_no = session_no
        self.said: dict[str, tuple[int, Any]] = (
            {name: (at, value) for name, (at, value) in msgspec.json.decode(text).items()} if text else {}
        )

    def copy(self) -> Info:
        twin = Info(self.user_no, self.session_no)
        twin.said = dict(self.said)
        return twin

    def get(self, name: str) -> Any:
        found = self.said.get(name)
        return None if found is None else found[1]

    def learn(self, facts: Facts, at: int, parent_user_no: int | None) -> bool:
        """Take in what was said at a time; whether there is anything to store."""
        changed = False
        for name in FIRST:
            if name == "parent":
                value: Any = None if facts.parent_id is None else [parent_user_no, facts.parent_id]
            else:
                value = getattr(facts, name)
            if value is None:
                continue
            old = self.said.get(name)
            if old is None or (at, value) < (old[0], old[1]):
                self.said[name] = (at, value)
                changed = True
        for name in LATEST:
            value = getattr(facts, name)
            if value is None:
                continue
            if name == "tags":
                value = list(value)
            old = self.said.get(name)
            if old is None or at > old[0] or (at == old[0] and old[1] is not None and value > old[1]):
                self.said[name] = (at, value)
                changed = True
        return changed

    def told(self) -> Iterator[tuple[int, str, Any]]:
        """When what was said of it: time, name and value, where there is one."""
        return ((at, name, value) for name, (at, value) in self.said.items() if value is not None)

    def forget(self, at: int) -> bool:
        """Forget what was said up to a time of all that only says something; whether there was anything."""
        found = any(self.get(name) not in (None, []) for name in LATEST)
        if found:
            for name in LATEST:
                self.said[name] = (max(at, self.said.get(name, (at, None))[0]), None)
        return found

    def row(self) -> tuple[Any, ...]:
        """The row to store."""
        parent = self.get("parent") or (None, None)
        tags = self.get("tags")
        return (
            self.user_no,
            self.session_no,
            self.get("channel"),
            self.get("title"),
            self.get("goal_text"),
            self.get("metadata"),
            msgspec.json.encode(tags).decode() if tags else None,
            self.get("actor"),
            parent[0],
            parent[1],
            msgspec.json.encode(self.said).decode(),
        )
