"""How sessions of the made-up fleet go: coding, answering customers, working through the night."""

from __future__ import annotations

from typing import Any, Final

from rollbook.demo.cast import HAIKU, Model
from rollbook.demo.script import Script
from rollbook.demo.texts import Deed, Job, Talk, Turn, texts
from rollbook.ledger.ops import Facts

_FAILED_CALL: Final = (0.02, 0.04)  #: of calls: that fail and are made again, and that are reported twice

#: What each agent calls its tools.
_TOOLS: Final[dict[str, dict[str, str]]] = {
    "claude-code": {"read": "Read", "grep": "Grep", "edit": "Edit", "run": "Bash", "send": "Task"},
    "codex": {"read": "shell", "grep": "shell", "edit": "apply_patch", "run": "shell", "send": "spawn_agent"},
    "gemini-cli": {
        "read": "read_file", "grep": "search_file_content", "edit": "replace", "run": "run_shell_command",
        "send": "delegate",
    },
}  # fmt: skip
_PLAIN: Final = {"read": "read_file", "grep": "search", "edit": "write_file", "run": "run", "send": "delegate"}
_SECONDS: Final = {"read": (0.02, 0.2), "grep": (0.05, 0.6), "edit": (0.03, 0.3), "run": (0.8, 45.0)}


def _given(agent: str, deed: Deed) -> dict[str, Any]:
    """What a tool is given, in the words of the agent."""
    if agent == "codex":
        if deed.verb == "edit":
            return {"patch": f"*** Update File: {deed.on}\n-{deed.old}\n+{deed.new}"}
        words = {"read": ["cat", deed.on], "grep": ["rg", "-n", deed.on], "run": ["bash", "-lc", deed.on]}
        return {"command": words[deed.verb], "timeout_ms": 120_000}
    path = "file_path" if agent == "claude-code" else "path"
    if deed.verb == "edit":
        return {path: deed.on, "old_string": deed.old, "new_string": deed.new}
    return {{"read": path, "grep": "pattern", "run": "command"}[deed.verb]: deed.on}


def _call(script: Script, model: Model, fresh: int, *, talks: int | None = None) -> None:
    """A call; now and then it fails and is made again, or is reported twice."""
    failing, twice = _FAILED_CALL
    if script.chance.random() < failing:
        script.call(model, fresh, errored=True)
        script.wait(2, 20)
    script.call(model, fresh, talks=talks)
    if script.chance.random() < twice:
        script.again()


def _do(script: Script, agent: str, model: Model, deed: Deed) -> None:
    """Use a tool, which may fail at first, and think about what it gave."""
    tool = _TOOLS.get(agent, _PLAIN)[deed.verb]
    given = _given(agent, deed)
    low, high = _SECONDS[deed.verb]
    if deed.fails and script.chance.random() < 0.4:
        script.did(tool, given, None, script.chance.uniform(low, high), error=deed.fails)
        _call(script, model, script.chance.randrange(200, 900))
        script.say("assistant", "That did not work; I will try it another way.")
    gave: Any = deed.gives
    if agent == "codex" and deed.verb != "edit":
        gave = {"output": deed.gives, "exit_code": 0}
    script.did(tool, given, gave, script.chance.uniform(low, high))
    _call(script, model, script.chance.randrange(300, 6_000))


def step(script: Script, agent: str, model: Model, deed: Deed, fresh: int) -> None:
    """Use a tool, and think about what it gave, which is so many tokens."""
    low, high = _SECONDS[deed.verb]
    script.did(_TOOLS.get(agent, _PLAIN)[deed.verb], _given(agent, deed), deed.gives, script.chance.uniform(low, high))
    _call(script, model, fresh)


def _fill(script: Script, agent: str, model: Model, count: int) -> None:
    for _ in range(count):
        _do(script, agent, model, script.chance.choice(texts().fillers))


def play(script: Script, agent: str, model: Model, turn: Turn, *, busy: float, sends: bool = False) -> None:
    """One turn of a job: asked, planned, done, answered."""
    script.say("user", turn.ask)
    script.wait(0.5, 3)
    _call(script, model, 400 + len(turn.ask) // 3)
    script.say("assistant", turn.plan)
    for place, deed in enumerate(turn.deeds):
        if script.over:
            return
        _do(script, agent, model, deed)
        _fill(script, agent, model, min(30, round(script.chance.expovariate(1 / busy))))
        if sends and place == len(turn.deeds) // 2:
            send(script, agent, model)
    _call(script, model, 300)
    script.say("assistant", turn.done)


def send(script: Script, agent: str, model: Model, *, depth: int = 1) -> None:
    """Send sub-agents, one after the other."""
    for errand in script.chance.sample(texts().errands, script.chance.choice((1, 1, 2, 3))):
        if script.over:
            return
        other = Script(
            script.stage, script.chance, script.who, f"{script.session_id}/{errand.name}-{script.hex(6)}",
            Facts(
                agent=agent, kind="autonomous", channel=script.facts.channel, project=script.facts.project,
                dataset_id=script.facts.dataset_id, parent_id=script.session_id, parent_user_id=script.who.user_id,
                title=errand.asks, tags=("sub-agent", errand.name), metadata=script.facts.metadata,
            ),
            at=script.at, until=script.until, source=script.source, billing=script.billing,
        )  # fmt: skip
        smaller = HAIKU if model.provider == "anthropic" and script.chance.random() < 0.5 else model
        other.say("user", errand.asks)
        _call(other, smaller, 1_500)
        _fill(other, agent, smaller, script.chance.randrange(2, 8))
        if depth == 1 and script.chance.random() < 0.2:
            send(other, agent, smaller, depth=2)
        broke = script.chance.random() < 0.05
        if broke:
            other.did(
                _TOOLS.get(agent, _PLAIN)["run"], {"command": "make check"}, None, 30, error="timed out after 30 s"
            )
        other.say("assistant", "I could not finish: the checks do not end." if broke else errand.finds)
        other.end("failed" if broke else "completed", "the checks timed out" if broke else None, by="hook")
        script.others.append(other)
        began, script.at = script.at, other.at
        spent = (script.at - began) / 1_000_000
        tool = _TOOLS.get(agent, _PLAIN)["send"]
        script.at = began
        script.did(
            tool,
            {"description": errand.asks, "agent": errand.name},
            errand.finds,
            spent,
            error="it failed" if broke else "",
        )
        _call(script, model, 700)


def code(script: Script, agent: str, model: Model, job: Job, *, busy: float, sends: bool, endless: bool) -> None:
    """Somebody works with a coding agent: turn after turn, with time to think (or for lunch) between them."""
    turns = list(job.turns)
    while True:
        for turn in turns:
            play(script, agent, model, turn, busy=busy, sends=sends)
            sends = sends and script.chance.random() < 0.3
            if script.over:
                return
            long = script.chance.random() < 0.08 and not endless
            script.wait(*((600, 1_500) if long else (15, 240)))
        if not endless:
            return


def chat(script: Script, model: Model, talk: Talk) -> None:
    """A customer asks, the bot looks up and answers; some say how content they were."""
    chance = script.chance
    lookups = list(talk.looks_up)
    for place, said in enumerate(talk.says):
        script.wait(2, 6)
        asked = script.at
        _call(script, model, 250, talks=60)
        for lookup in lookups[place : place + 1]:
            if chance.random() < 0.06:
                script.did(lookup.tool, lookup.given, None, 10, error="the order service did not answer within 10 s")
                _call(script, model, 120, talks=40)
            script.did(lookup.tool, lookup.given, lookup.gave, chance.uniform(0.1, 1.4))
        _call(script, model, 400, talks=110)
        last = place == len(talk.says) - 1
        more: dict[str, Any] = {}
        if last and chance.random() < 0.45:
            more = _feedback(script, talk)
        nodes = {"node_ids": list(talk.nodes), "edge_ids": [f"{talk.nodes[0]}-{name}" for name in talk.nodes[1:]]}
        context = f"What is known of: {', '.join(talk.nodes)}"
        script.answer(asked, said.question, said.answer, context=context, used_graph_element_ids=nodes, **more)
        if not last:
            script.wait(20, 400)


def _feedback(script: Script, talk: Talk) -> dict[str, Any]:
    content = bool(talk.praise) == (script.chance.random() < 0.9)
    score = script.chance.choice((4, 5, 5) if content else (1, 2, 3))
    text = talk.praise if content else talk.blame
    applied = {"feedback_weights_applied": script.chance.random() < 0.5}
    return {"feedback_score": score, "feedback_text": text or None, "memify_metadata": applied}
