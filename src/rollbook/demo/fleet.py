"""A week of the made-up fleet: who starts what when, and how it ends. The same seed and the same now, the same week."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from rollbook.demo import acts, cast
from rollbook.demo.cast import Model, Person
from rollbook.demo.script import Script, Stage
from rollbook.demo.texts import Deed, Job, Turn, texts
from rollbook.ledger.ops import Facts
from rollbook.model import MICROS

MADE_UP: Final = '{"made_up":true}'  #: the metadata of every session, by which a book of the demo is known

_MINUTE: Final = 60 * MICROS
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_WEEK_DAYS: Final = 7
_SATURDAY: Final = 5
_LARGE: Final = 10_000  #: entries of the one long session
#: How busy people are, hour by hour of their own day.
_WORKING: Final = (1, 0, 0, 0, 0, 0, 1, 4, 14, 26, 30, 26, 14, 20, 28, 30, 26, 18, 8, 5, 5, 4, 3, 2)
_ASKING: Final = (3, 2, 1, 1, 1, 2, 4, 8, 14, 18, 20, 20, 18, 17, 17, 18, 19, 20, 20, 19, 16, 12, 8, 5)
_NIGHTLY: Final = (0, 20, 30, 20, 8, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2)


class Agent(NamedTuple):
    """A coding agent and what people use it with."""

    name: str
    share: int
    models: tuple[tuple[Model, int], ...]
    channels: tuple[str, ...]
    source: str


AGENTS: Final = (
    Agent("claude-code", 52, ((cast.OPUS, 4), (cast.SONNET, 5), (cast.HAIKU, 1)), ("cli", "cli", "ide"), "claude-code"),
    Agent("codex", 30, ((cast.CODEX, 8), (cast.MINI, 2)), ("cli", "cli", "tui"), "codex"),
    Agent("gemini-cli", 18, ((cast.PRO, 6), (cast.FLASH, 4)), ("cli", "acp"), "gemini-cli"),
)


def fleet(stage: Stage, *, seed: int, sessions: int, large: bool = False) -> Iterator[Script]:
    """So many sessions, sub-agents among them; first those that something special is about."""
    left = sessions
    for script in islice(_all(stage, seed, large=large), sessions):
        others = _count(script) - 1
        if others >= left:
            script.others.clear()
            others = 0
        yield script
        left -= 1 + others
        if left <= 0:
            return


def _count(script: Script) -> int:
    return 1 + sum(_count(other) for other in script.others)


def _all(stage: Stage, seed: int, *, large: bool) -> Iterator[Script]:
    if large:
        yield _long(stage, _chance(seed, "large"))
    yield _expensive(stage, _chance(seed, "expensive"))
    for number, ago in enumerate((0, 0, 0, 0, 0, 0, 7, 19)):
        yield _going_on(stage, _chance(seed, f"now {number}"), ago * _MINUTE)
    number = 0
    while True:
        number += 1
        chance = _chance(seed, str(number))
        kind = chance.choices((_coding, _support, _nightly), (60, 29, 11))[0]
        yield kind(stage, chance)


def _chance(seed: int, what: str) -> random.Random:
    """Every session has its own, so that more sessions are the same ones and some more."""
    return random.Random(f"{seed}/{what}")  # noqa: S311 - nobody is to be kept from guessing


# When


def _moment(stage: Stage, chance: random.Random, rhythm: tuple[int, ...], ahead_h: int, *, weekend: float) -> int:
    """A time in the last seven days, as busy as people are then."""
    first = (stage.now - _WEEK_DAYS * _DAY) // _HOUR
    weights = []
    for hour in range(first, first + _WEEK_DAYS * 24):
        theirs = hour + ahead_h
        off = (theirs // 24 + 3) % _WEEK_DAYS >= _SATURDAY  # the first of January 1970 was a Thursday
        weights.append((rhythm[theirs % 24] + 0.05) * (weekend if off else 1.0))
    hour = chance.choices(range(first, first + _WEEK_DAYS * 24), weights)[0]
    return max(stage.now - _WEEK_DAYS * _DAY, hour * _HOUR + chance.randrange(_HOUR))


def _uuid(chance: random.Random) -> str:
    digits = f"{chance.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


# Who does what


def _coding(stage: Stage, chance: random.Random) -> Script:
    who = chance.choices(cast.DEVELOPERS, (16, 26, 18, 14, 16, 10))[0]
    agent = chance.choices(AGENTS, [one.share for one in AGENTS])[0]
    at = _moment(stage, chance, _WORKING, who.ahead_h, weekend=0.12)
    fate = chance.choices(
        ("completed", "failed", "cancelled", "crashed", "abandoned", "resumed"), (76, 7, 6, 4, 4, 3)
    )[0]  # fmt: skip
    cut = at + round(chance.uniform(1, 14) * _MINUTE) if fate in ("crashed", "abandoned", "cancelled") else None
    script, model, job = _begun(stage, chance, who, agent, at, until=cut)
    acts.code(script, agent.name, model, job, busy=1.1, sends=chance.random() < 0.16, endless=cut is not None)
    if fate == "crashed":
        script.crash(chance.choice(texts().crashes))
    elif fate == "cancelled":
        script.at, script.until = cut or at, stage.now - MICROS
        script.end("cancelled", "interrupted by the user", by="hook")
    elif fate != "abandoned":
        _ended(script, agent.name, model, job, fate)
    return script


def _begun(
    stage: Stage,
    chance: random.Random,
    who: Person,
    agent: Agent,
    at: int,
    *,
    until: int | None = None,
    job: Job | None = None,
) -> tuple[Script, Model, Job]:
    """A session with a coding agent, its model and its job."""
    model = chance.choices([one for one, _ in agent.models], [share for _, share in agent.models])[0]
    title = None if job is None else job.title
    job = job or chance.choice(texts().jobs)
    title = title or (f"#{chance.randrange(1200, 2400)} {job.title}" if chance.random() < 0.4 else job.title)
    channel = chance.choice(agent.channels)
    facts = Facts(
        agent=agent.name, kind="acp" if channel == "acp" else "interactive", channel=channel, project=job.project,
        title=title, goal_text=job.goal, tags=job.tags, metadata=MADE_UP, actor=who.name,
    )  # fmt: skip
    billing = "subscription" if agent.name == "claude-code" and who.name in ("dora", None) else "api"
    script = Script(
        stage, chance, who, _uuid(chance), facts, at=at, until=until, source=agent.source, billing=billing
    )  # fmt: skip
    return script, model, job


def _ended(script: Script, agent: str, model: Model, job: Job, fate: str) -> None:
    """The end of a session that was not cut short, and what may come after it."""
    if fate == "failed":
        reason = script.chance.choice(texts().failures)
        script.did("run", {"command": "make check"}, None, 20, error=reason)
        script.end("failed", reason, by="hook")
        return
    over = script.end("completed", by="hook" if agent == "claude-code" else "importer")
    if over and fate == "resumed":
        script.wait(1_800, 20_000)
        script.reopen()
        script.wait(5, 30)
        acts.play(script, agent, model, job.turns[-1], busy=1)
        script.end("completed", by="hook")
    elif over and script.chance.random() < 0.04:
        script.wait(600, 7_200)  # a summary that is made after the end: late
        script.call(cast.HAIKU, 2_000)


def _support(stage: Stage, chance: random.Random) -> Script:
    at = _moment(stage, chance, _ASKING, 1, weekend=0.6)
    talk = chance.choice(texts().talks)
    model = chance.choices((cast.HAIKU, cast.MINI, cast.HOUSE), (5, 3, 2))[0]
    facts = Facts(
        agent="support-bot", kind="interactive", channel=chance.choice(("web", "web", "slack", "telegram")),
        project="support", title=talk.title, tags=("support", talk.nodes[0]), dataset_id=cast.TICKETS, metadata=MADE_UP,
        actor=f"customer-{chance.randrange(1000, 9999)}",
    )  # fmt: skip
    script = Script(stage, chance, cast.SUPPORT, f"chat-{_hex(chance)}", facts, at=at)
    acts.chat(script, model, talk)
    fate = chance.choices(("completed", "failed", "gone"), (90, 4, 6))[0]
    if fate == "gone":  # the customer closed the page: nobody says that it ended
        return script
    script.wait(5, 60)
    reason = "handed over to a colleague: the order service is down" if fate == "failed" else None
    script.end("failed" if reason else "completed", reason, by="handle")
    return script


def _hex(chance: random.Random) -> str:
    return f"{chance.getrandbits(40):010x}"


def _nightly(stage: Stage, chance: random.Random) -> Script:
    at = _moment(stage, chance, _NIGHTLY, 1, weekend=1.0)
    job = chance.choice(texts().chores)
    model = chance.choices((cast.SONNET, cast.CODEX, cast.HOUSE), (4, 3, 3))[0]
    facts = Facts(
        agent="night-shift", kind="autonomous", channel="api", project=job.project, title=job.title, goal_text=job.goal,
        tags=job.tags, dataset_id=cast.REPORTS, metadata=MADE_UP,
    )  # fmt: skip
    name = job.title.lower().replace(" ", "-").replace("'", "")
    script = Script(stage, chance, cast.NIGHT, f"nightly/{name}/{_hex(chance)}", facts, at=at)
    acts.code(script, "night-shift", model, job, busy=2.5, sends=chance.random() < 0.5, endless=False)
    if chance.random() < 0.12:
        script.end("failed", chance.choice(texts().failures), by="handle")
    else:
        script.end("completed", by="handle")
    return script


# Something special


def _going_on(stage: Stage, chance: random.Random, silent: int) -> Script:
    """One that runs now, silent for so long."""
    who = chance.choice(cast.DEVELOPERS)
    agent = chance.choices(AGENTS, [one.share for one in AGENTS])[0]
    at = stage.now - silent - round(chance.uniform(4, 50) * _MINUTE)
    script, model, job = _begun(stage, chance, who, agent, at, until=stage.now - max(silent, MICROS))
    acts.code(script, agent.name, model, job, busy=0.8, sends=chance.random() < 0.4, endless=True)
    return script


def _expensive(stage: Stage, chance: random.Random) -> Script:
    """One that somebody should have looked at earlier."""
    turn = Turn(
        ask="Convert the whole code base to the new order model, file by file, until everything passes.",
        plan="There are 112 files that use the old model. I will go through them one by one, and test after each.",
        done="111 of 112 files are converted. `jobs/settle.py` needs your decision: what is an order without lines?",
    )
    job = Job(
        project="/srv/shop-api", title="Convert everything to the new order model", tags=("migration",), turns=(turn,)
    )
    script, _, _ = _begun(stage, chance, cast.DEVELOPERS[1], AGENTS[0], stage.now - 27 * _HOUR, job=job)
    script.say("user", turn.ask)
    script.say("assistant", turn.plan)
    for number in range(112):
        path = f"shop/part_{number:03d}.py"
        acts.step(
            script, "claude-code", cast.OPUS, Deed(verb="read", on=path, gives="from shop.old import Order\n…"), 9_000
        )
        acts.step(
            script,
            "claude-code",
            cast.OPUS,
            Deed(verb="edit", on=path, gives=f"{path} was changed", old="old", new="orders"),
            1_500,
        )
        if number % 20 == 19:
            acts.send(script, "claude-code", cast.OPUS)
    script.say("assistant", turn.done)
    script.end("completed", by="hook")
    return script


def _long(stage: Stage, chance: random.Random) -> Script:
    """One with ten thousand entries."""
    job = Job(project="/srv/ledger-jobs", title="Name every column of the old ledger", tags=("batch",))
    script, _, _ = _begun(stage, chance, cast.DEVELOPERS[2], AGENTS[1], stage.now - 3 * _DAY, job=job)
    for number in range(_LARGE // 2):
        gave = {"output": f"column {number}: amount_{number % 97}, kept since version {number % 9 + 1}", "exit_code": 0}
        error = "no such column" if number % 211 == 210 else ""
        script.did("shell", {"command": ["./columns", "--at", str(number)]}, gave, 0.4, error=error)
        script.wait(0.5, 3)
        script.say("assistant", f"Column {number} is an amount in cents; I named it `amount_{number % 97}`.")
        if number % 10 == 0:
            script.call(cast.MINI, 700)
    script.end("completed", by="importer")
    return script
