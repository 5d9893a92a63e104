"""`statusline`, by the short way: one line for the agent that runs it with each of its answers.

Such a line is made many times a minute, each time by a new process, so this module and what it imports come without the
frame of the other commands (their options, tables and prices take longer to load than a line may take). Whatever is not
plain here - help, wrong use, unusual words in the environment - goes the ordinary way, by ``status_command``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from rollbook import settings
from rollbook.errors import InvalidInput, NotSupported, RollbookError, StoreError
from rollbook.ledger import glance
from rollbook.ledger.glance import File, Glance
from rollbook.store import open_store

AGENTS: Final = ("claude-code",)
NAME: Final = "statusline"

_MOST_BYTES: Final = 1 << 20  #: of what an agent tells; it tells a few kilobytes
_MOST_FILES: Final = 256  #: of one session that are looked at
_MOST_USD: Final = 10**7
_MOST_CHARS: Final = 60
_WAIT_S: Final = 0.02  #: for a book that is locked
_NANO: Final = 1_000_000_000
_SLACK_US: Final = 600 * 1_000_000  #: how long an agent may have been open before its session's first sign
_YES, _NO = ("1", "true"), ("", "0", "false")

#: What is the matter with a book, by the driver's error.
_MATTERS: Final = {
    "BusyError": "book locked",
    "LockedError": "book locked",
    "NotADBError": "not a book",
    "CorruptError": "book damaged",
}
#: The same by the words in which a store refuses a file that the driver takes.
_REFUSALS: Final = ("was written by an older Rollbook", "was written by a newer Rollbook", "cannot be opened")
_UNREADABLE: Final = "book unreadable: see 'rollbook doctor'"
NO_BOOK: Final = "no book yet: run 'rollbook import'"


class Asked(NamedTuple):
    """What the command line and the environment ask for."""

    agent: str
    db: str | None = None
    user: str | None = None
    all_users: bool = False
    as_json: bool = False
    refresh: bool = True


class Told(NamedTuple):
    """What the agent says of its session."""

    session_id: str | None = None
    transcript: str | None = None
    model: str | None = None
    cost: int | None = None  #: nano-dollars, by the agent's own reckoning
    counting_us: int | None = None  #: for how long it has been reckoning
    trouble: str | None = None  #: why nothing was understood


class Amount(NamedTuple):
    """A cost that may be less than all of it (``>=``), or the agent's own figure (``~``)."""

    cost: int
    mark: str = ""


class Shown(NamedTuple):
    """What the line says."""

    session: Amount | None
    today: Amount | None
    told: Told
    trouble: str | None
    behind: bool


def asked(arguments: Sequence[str], env: Mapping[str, str]) -> Asked | None:
    """What is asked for, or None where the ordinary way has to find out."""
    given: dict[str, Any] = {}
    words = iter(arguments)
    agents: list[str] = []
    for name, variable in (("all_users", "ROLLBOOK_ALL_USERS"), ("as_json", "ROLLBOOK_JSON"), ("refresh", _OWN)):
        value = env.get(variable, "").lower()
        if value in _YES or (value in _NO and value):
            given[name] = value in _YES
        elif value:
            return None
    given["db"], given["user"] = env.get("ROLLBOOK_DB") or None, env.get("ROLLBOOK_USER") or None
    for word in words:
        if word in _FLAGS:
            name, on = _FLAGS[word]
            given[name] = on
        elif (option := word.partition("=")[0]) in _VALUES:
            given[_VALUES[option]] = word.partition("=")[2] if "=" in word else next(words, "")
        else:
            agents.append(word)
    plain = agents[:1] == [NAME] and agents[1:] in ([agent] for agent in AGENTS) and "" not in given.values()
    return Asked(agents[1], **given) if plain else None


_OWN: Final = "ROLLBOOK_STATUSLINE_REFRESH"
_VALUES: Final = {"--db": "db", "--user": "user"}
_FLAGS: Final = {
    "--all-users": ("all_users", True),
    "--json": ("as_json", True),
    "--refresh": ("refresh", True),
    "--no-refresh": ("refresh", False),
}


def show(ask: Asked) -> int:
    """Print the line; the status to exit with, which is 0 whatever is wrong: a line that says so is of use."""
    told = _told(_input())
    files = _files(told.transcript)
    found, trouble = _look(ask, told, files)
    shown = compose(told, found, trouble, now_us=time.time_ns() // 1000)
    sys.stdout.reconfigure(errors="backslashreplace") if hasattr(sys.stdout, "reconfigure") else None
    sys.stdout.write((_document(shown) if ask.as_json else line(shown)) + "\n")
    sys.stdout.flush()
    if ask.refresh and found is not None and found.behind:
        from rollbook.cli.refreshing import start  # noqa: PLC0415 - most lines have nothing to wait for

        start(ask)
    return 0


def _input() -> bytes:
    """What the agent gives; nothing where there is nothing to read from."""
    try:
        return sys.stdin.buffer.read(_MOST_BYTES)
    except OSError:
        return b""


def _told(raw: bytes) -> Told:
    """What the agent says, as far as it can be understood."""
    if not raw.strip():
        return Told(trouble="no input")
    try:
        given = json.loads(raw)
    except (ValueError, RecursionError):
        return Told(trouble="input is not JSON")
    if not isinstance(given, dict):
        return Told(trouble="input is no JSON object")
    model, cost = given.get("model"), given.get("cost")
    names = (model.get("display_name"), model.get("id")) if isinstance(model, dict) else (model,)
    cost = cost if isinstance(cost, dict) else {}
    usd, duration = _number(cost.get("total_cost_usd"), _MOST_USD), _number(cost.get("total_duration_ms"), 10**13)
    session_id = _text(given.get("session_id"))
    return Told(
        session_id=session_id,
        transcript=_text(given.get("transcript_path")),
        model=next(filter(None, map(_text, names)), None),
        cost=None if usd is None else round(usd * _NANO),
        counting_us=None if duration is None else round(duration * 1000),
        trouble=None if session_id else "no session in the input",
    )


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not value or value.isspace():
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # half a character, which is no text
        return None
    return value


def _number(value: Any, most: int) -> float | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and 0 <= value <= most else None


def _files(transcript: str | None) -> list[File]:
    """The session's transcript and those of its sub-agents, as far as there are any."""
    if transcript is None:
        return []
    below = os.path.join(transcript.removesuffix(".jsonl"), "subagents")  # noqa: PTH118 - it may not be a path at all
    found: list[File] = []
    try:
        _add(found, transcript)
        with os.scandir(below) as entries:
            for entry in entries:
                if entry.name.endswith(".jsonl") and len(found) < _MOST_FILES:
                    _add(found, entry.path)
    except (OSError, ValueError):  # nothing was written yet, or that is no path
        pass
    return found


def _add(found: list[File], path: str) -> None:
    real = os.path.realpath(path)
    state = os.stat(real)  # noqa: PTH116
    found.append(File(os.fsencode(real).decode("utf-8", "backslashreplace"), state.st_size, state.st_mtime_ns))


def _look(ask: Asked, told: Told, files: Sequence[File]) -> tuple[Glance | None, str | None]:
    """What the book says, or what is the matter with it."""
    midnight = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0, fold=0)  # noqa: DTZ005 - the day here
    try:
        url = settings.default_url() if ask.db is None else ask.db
        if not _there(url):
            return None, NO_BOOK
        store = open_store(_read_only(url), settings.Settings(busy_timeout_s=_WAIT_S))
        try:
            with store.read() as tx:
                found = glance.look(
                    tx,
                    _user(ask.user),
                    session_id=told.session_id,
                    since=int(midnight.timestamp()) * 1_000_000,
                    source=ask.agent,
                    files=files,
                    everybody=ask.all_users,
                )
        finally:
            store.close()
    except (InvalidInput, NotSupported):
        return None, "no such --db or --user"
    except StoreError as error:
        return None, _matter(error)
    except (RollbookError, ArithmeticError, LookupError, TypeError, ValueError, OSError):
        return None, _UNREADABLE
    return found, None


def _matter(error: StoreError) -> str:
    """What is the matter with a book, in a few words: the driver's error by its name, our own as it stands."""
    if error.__cause__ is not None:
        return _MATTERS.get(type(error.__cause__).__name__, _UNREADABLE)
    for beginning in _REFUSALS:
        if beginning in str(error):
            return f"book {beginning}"
    return _UNREADABLE


def _there(url: str) -> bool:
    """Whether a file's book is there. Only a look: a status line makes none."""
    if not url.startswith("sqlite:"):
        return True
    from rollbook.store.sqlite_file import parse  # noqa: PLC0415 - loaded by what opens it anyway

    path, _ = parse(url)
    return path is not None and path.exists()


def _read_only(url: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}mode=ro" if url.startswith(("sqlite:", "postgres")) else url


def _user(name: str | None) -> str:
    if name is None:
        return settings.LOCAL_USER
    from rollbook.rules import checks  # noqa: PLC0415 - hardly anybody names a user, and reading one takes a while

    return checks.user(name)[0]


def compose(told: Told, found: Glance | None, trouble: str | None, *, now_us: int) -> Shown:
    """What to show of what the agent and the book say.

    Where the book has read all of the session's files it is right. Where it is behind, or has no such session, the
    agent's own figure counts if it is the larger one, unless the agent has been reckoning since well before the
    session began: some versions go on with the last session's cost.
    """
    today = None
    if found is not None:
        today = Amount(found.day.cost, ">=" if found.behind or found.day.unpriced else "")
    known = found.session if found is not None else None
    own = None if told.cost is None else Amount(told.cost, "~" if told.cost else "")
    if found is None or known is None or not known.sum.priced:
        return Shown(own, today, told, trouble or told.trouble, behind=found is not None and found.behind)
    session = Amount(known.sum.cost, ">=" if found.behind or known.sum.unpriced else "")
    older = told.counting_us is not None and now_us - told.counting_us < known.started_at - _SLACK_US
    if found.behind and own is not None and own.cost > session.cost and not older:
        session = own
    return Shown(session, today, told, trouble or told.trouble, behind=found.behind)


def line(shown: Shown) -> str:
    """The line, in plain text."""
    parts = [f"{_money(amount)} {name}" for name, amount in _amounts(shown) if amount is not None]
    if shown.told.model is not None:
        parts.append(_clean(shown.told.model))
    if shown.trouble is not None:
        parts.append(shown.trouble)
    return " | ".join(parts)


def _amounts(shown: Shown) -> tuple[tuple[str, Amount | None], ...]:
    return ("session", shown.session), ("today", shown.today)


def _document(shown: Shown) -> str:
    amounts = {
        name: None
        if amount is None
        else {
            "cost_usd": amount.cost / _NANO,
            "cost_nano_usd": amount.cost,
            "at_least": amount.mark == ">=",
            "by_agent": amount.mark == "~",
        }
        for name, amount in _amounts(shown)
    }
    told = shown.told
    document = {
        "session_id": told.session_id,
        "model": told.model,
        **amounts,
        "behind": shown.behind,
        "trouble": shown.trouble,
    }
    return json.dumps(document, indent=2)


def _money(amount: Amount) -> str:
    """Cents: a line has no room for more. What is at least that much is not rounded up, and only the whole is less."""
    cents = (amount.cost + (0 if amount.mark == ">=" else _NANO // 200)) // (_NANO // 100)
    if not cents and amount.cost > 0 and not amount.mark:
        return "<$0.01"
    return f"{amount.mark}{'-' if cents < 0 else ''}${abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def _clean(text: str) -> str:
    if not text.isprintable():
        from rollbook.cli import format as show_  # noqa: PLC0415 - names are printable, or somebody is up to something

        text = show_.clean(text)
    return text if len(text) <= _MOST_CHARS else text[: _MOST_CHARS - 1] + "…"
