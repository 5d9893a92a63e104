"""What the made-up fleet is asked, what it does about it and what it answers: read from ``texts.json``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """One use of a tool, whatever the agent calls that tool."""

    verb: str  #: read | grep | edit | run
    on: str  #: a path, a pattern or a command
    gives: str = ""
    old: str = ""  #: of an edit
    new: str = ""
    fails: str = ""  #: the error with which it may fail at first


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, what is done about it, and what is answered."""

    ask: str
    plan: str = ""
    deeds: tuple[Deed, ...] = ()
    done: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be done in a project."""

    project: str
    title: str
    tags: tuple[str, ...]
    turns: tuple[Turn, ...] = ()
    goal: str | None = None


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What a sub-agent is sent to do, and what it comes back with."""

    name: str
    asks: str
    finds: str


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A question of a customer, and its answer."""

    question: str
    answer: str


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """What the support bot looks up."""

    tool: str
    given: dict[str, str]
    gave: Any


class Talk(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's talk with the support bot."""

    title: str
    says: tuple[Said, ...]
    looks_up: tuple[Lookup, ...]
    nodes: tuple[str, ...]  #: of the graph of knowledge that it used
    praise: str = ""  #: what somebody who is content says
    blame: str = ""


class Texts(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    jobs: tuple[Job, ...]  #: of people and their coding agents
    chores: tuple[Job, ...]  #: of the agents of the night
    errands: tuple[Errand, ...]
    talks: tuple[Talk, ...]
    fillers: tuple[Deed, ...]  #: what an agent looks at in between
    failures: tuple[str, ...]  #: why sessions fail
    crashes: tuple[str, ...]  #: what is said of those that stopped without a word


@cache
def texts() -> Texts:
    """The texts, read once."""
    return msgspec.json.decode(Path(__file__).with_name("texts.json").read_bytes(), type=Texts)
