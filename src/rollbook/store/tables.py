"""The tables of a book, for what goes through all of them: which columns they have, and by what rows are known.

A statement may be made for each table: ``copying.every@ledger`` is the statement ``every`` of the room ``copying``, its
words filled with what is said here. A test holds this list and the schemas of both engines equal.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple


class Table(NamedTuple):
    """One table: its key, its other columns, and the columns of whose rows a part of it is made."""

    name: str
    key: tuple[str, ...]
    rest: tuple[str, ...]
    part: tuple[str, ...] = ()
    summed: bool = False  #: whether a row may be kept in several pieces, whose sum it is

    @property
    def columns(self) -> tuple[str, ...]:
        return self.key + self.rest


def _table(name: str, key: str, rest: str = "", part: str = "", *, summed: bool = False) -> Table:
    return Table(name, tuple(key.split()), tuple(rest.split()), tuple(part.split()), summed)


_SESSION: Final = "user_no session_no"

TABLES: Final[dict[str, Table]] = {
    table.name: table
    for table in (
        _table("account", "user_no", "user_id name last_session_no parent_no"),
        _table("model", "model_no", "name"),
        _table("label", "label_no", "name"),
        _table("slice", "slice_no", "user_no dataset_id agent kind project deleted driver"),
        _table("journal_stream", "stream_no", "name"),
        _table("session_info", _SESSION,
            "channel title goal_text metadata tags actor parent_user_no parent_id facts", _SESSION),
        _table("model_usage", f"{_SESSION} model_no",
            "calls tokens_in tokens_out cache_read cache_write reasoning cost unpriced call_errors", _SESSION),
        _table("ledger", f"{_SESSION} row_no",
            "entry model_no provider_no occurred_at recorded_at calls input cache_read cache_write cache_write_1h "
            "output reasoning audio_in audio_out cost unpriced cost_source price_no billing tier source_no evidence "
            "weight errored late usage_id", _SESSION),
        _table("usage_key", "usage_key user_no", "alias_of session_no row_no"),
        _table("journal_head", f"{_SESSION} stream_no head", "root_no tip length revision top failed changed_at"),
        _table("entry", "user_no root_no stream_no position", "entry_id session_no parent created_at doc_no body",
            "user_no root_no"),
        _table("journal_state", f"{_SESSION} name", "value"),
        _table("session", _SESSION,
            "session_id status slice_no started_at last_activity_at ended_at last_sign attempt attempt_started_at "
            "agent_time turns calls tokens_in tokens_out cache_read cache_write reasoning cost unpriced call_errors "
            "step_errors late_calls late_rows ledger_rows last_model_no last_model_at flags life pruned_rows version"),
        _table("instance", "instance_id",
            "host boot_id pid_namespace pid started registered_at beat beat_at lease_us ended_at"),
        _table("session_instance", _SESSION, "instance_id loose"),
        _table("source_file", "user_no source path", "device inode size read_to head_hash mtime_ns state"),
        _table("purged", "hash"),
        _table("access_key", "key_id", "secret_hash user_no role label created_at expires_at revoked_at"),
        _table("dataset_grant", "holder dataset_id", "may_write created_at"),
        _table("note", "user_no room name", "version value expires_at"),
        _table("journal_outbox", "user_id session_id", "at since"),
        _table("spend", "user_no quarter slice_no model_no",
            "calls tokens_in tokens_out cost unpriced late_calls late_cost", summed=True),
        _table("activity", "user_no hour status slice_no",
            "sessions calls tokens_in tokens_out cost unpriced errors agent_time", summed=True),
        _table("activity_model", "user_no hour model_no",
            "sessions calls tokens_in tokens_out cost unpriced", summed=True),
    )
}  # fmt: skip

#: What a search finds is made anew from the entries.
DERIVED: Final = ("search_doc", "search_text")
#: What a database keeps for itself.
OWN: Final = ("book_fact", "rollbook_schema", "lane")

#: Columns that hold texts or bytes, by name: a name means the same in every table. The others hold whole numbers.
TEXTS: Final = frozenset(
    [
        "user_id",
        "name",
        "dataset_id",
        "agent",
        "kind",
        "project",
        "session_id",
        "life",
        "channel",
        "title",
        "goal_text",
        "metadata",
        "tags",
        "actor",
        "driver",
        "parent_id",
        "facts",
        "usage_id",
        "usage_key",
        "alias_of",
        "head",
        "entry_id",
        "body",
        "value",
        "instance_id",
        "host",
        "boot_id",
        "pid_namespace",
        "started",
        "source",
        "path",
        "head_hash",
        "state",
        "hash",
        "key_id",
        "secret_hash",
        "label",
        "holder",
        "room",
    ]
)


@cache
def words(name: str) -> dict[str, str]:
    """What the words of a statement mean that is made for a table."""
    table = TABLES[name]
    selected = [f"sum({it}) as {it}" if table.summed and it in table.rest else it for it in table.columns]
    if name == "entry":
        selected = ["{text_age} as doc_no" if it == "doc_no" else it for it in selected]
    figures = [f"sum(octet_length({it}))" if it in TEXTS else f"sum({it} % 1000000007)" for it in table.columns]
    return {
        "table": name,
        "columns": ", ".join(table.columns),
        "selected": ", ".join(selected),
        "keys": ", ".join(table.key),
        "whole": f"group by {', '.join(table.key)}" if table.summed else "",
        "part": " and ".join(f"{it} = :{it}" for it in table.part),
        "figures": ", ".join(figures),
    }
