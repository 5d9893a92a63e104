"""`touch`, `use`, `end`, `reopen` and `delete`: what a script or a hook says of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from rollbook.cli import options
from rollbook.cli.desk import Desk, command
from rollbook.cli.format import clean, cost
from rollbook.cli.screen import ask
from rollbook.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from rollbook.model import Session

COUNT: Final = "N"


def _count(flag: str, text: str) -> Any:
    return typer.Option(flag, metavar=COUNT, help=text, rich_help_panel="Tokens")


def _tell(desk: Desk, session: Session) -> None:
    screen = desk.screen()
    if desk.as_json:
        screen.json(session)
        return
    attempt = f" (attempt {session.attempt})" if session.attempt > 1 else ""
    screen.line(f"{clean(session.session_id)}  {session.effective_status}{attempt}")


@command
def touch(
    desk: Desk,
    session_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="The session's id; without one, one is made.")
    ] = None,
    agent: options.AGENT = None,
    kind: options.KIND = None,
    channel: options.CHANNEL = None,
    project: options.PROJECT = None,
    parent: Annotated[str | None, typer.Option("--parent", metavar="ID", help="The session that started it.")] = None,
    title: Annotated[str | None, typer.Option("--title", metavar="TEXT", help="What it is about.")] = None,
    goal: Annotated[str | None, typer.Option("--goal", metavar="TEXT", help="What it is to reach.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; may be repeated.")] = None,
    meta: Annotated[
        list[str] | None, typer.Option("--meta", metavar="KEY=VALUE", help="Metadata; may be repeated.")
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", metavar="UUID", help="Whose readers may see it.")] = None,
    turns: Annotated[int | None, typer.Option("--turns", metavar=COUNT, help="Turns so far.")] = None,
    actor: Annotated[str | None, typer.Option("--actor", metavar="NAME", help="Who drives it.")] = None,
    at: options.AT = None,
) -> None:
    """Create a session, or say that it is alive."""
    with desk.open() as book:
        session = book.touch(
            session_id, agent=agent, kind=kind, channel=channel, project=project, parent=parent, title=title,
            goal_text=goal, tags=tag or None, metadata=_metadata(meta), dataset_id=dataset, turns=turns, actor=actor,
            at=at,
        )  # fmt: skip
    _tell(desk, session)


def _metadata(given: list[str] | None) -> dict[str, str] | None:
    if not given:
        return None
    pairs = [item.partition("=") for item in given]
    for key, equals, _ in pairs:
        if not equals or not key:
            raise InvalidInput(f"metadata is given as KEY=VALUE, not {key!r}")
    return {key: value for key, _, value in pairs}


@command
def use(
    desk: Desk,
    session_id: options.ID,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="The model that was called.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", metavar="NAME", help="Who runs it.")] = None,
    tokens_in: Annotated[int | None, _count("--tokens-in", "Uncached input.")] = None,
    tokens_out: Annotated[int | None, _count("--tokens-out", "Visible output.")] = None,
    cache_read: Annotated[int | None, _count("--cache-read", "Read from a cache.")] = None,
    cache_write: Annotated[int | None, _count("--cache-write", "Written to a cache for five minutes.")] = None,
    cache_write_1h: Annotated[int | None, _count("--cache-write-1h", "Written to a cache for an hour.")] = None,
    reasoning: Annotated[int | None, _count("--reasoning", "Reasoning, not contained in the visible output.")] = None,
    audio_in: Annotated[int | None, _count("--audio-in", "Audio heard.")] = None,
    audio_out: Annotated[int | None, _count("--audio-out", "Audio spoken.")] = None,
    cost_usd: Annotated[
        str | None,
        typer.Option("--cost-usd", "--cost", metavar="USD", help="Dollars. Default: by the price at that time."),
    ] = None,
    usage_id: Annotated[
        str | None,
        typer.Option("--usage-id", "--id", metavar="ID", help="The call's own id: the same again counts once."),
    ] = None,
    alias: Annotated[
        list[str] | None, typer.Option("--alias", metavar="ID", help="Another id of the same call; may be repeated.")
    ] = None,
    errored: Annotated[bool, typer.Option("--errored", help="The call failed.")] = False,
    billing: Annotated[
        str, typer.Option("--billing", metavar="api|subscription|unknown", help="Who pays how.")
    ] = "unknown",
    tier: Annotated[
        str, typer.Option("--tier", metavar="standard|batch|flex|priority|fast", help="Which price list.")
    ] = "standard",
    source: Annotated[str, typer.Option("--source", metavar="NAME", help="Who reports it.")] = "push",
    evidence: Annotated[
        str | None, typer.Option("--evidence", metavar="metric|log|span|push|transcript", help="How sure it is.")
    ] = None,
    at: options.AT = None,
) -> None:
    """Record one model call of a session."""
    detail = {
        "cache_read": cache_read,
        "cache_write": cache_write,
        "cache_write_1h": cache_write_1h,
        "reasoning": reasoning,
        "audio_in": audio_in,
        "audio_out": audio_out,
    }
    with desk.open() as book:
        outcome = book.record_usage(
            session_id, model=model, provider=provider, **_tokens(tokens_in, tokens_out, detail), cost_usd=cost_usd,
            usage_id=usage_id, aliases=tuple(alias or ()), errored=errored, billing=billing, tier=tier, source=source,
            evidence=evidence, occurred_at=at,
        )  # fmt: skip
    screen = desk.screen()
    if desk.as_json:
        screen.json({"session_id": session_id, "usage_id": usage_id, "outcome": str(outcome)})
    else:
        screen.line(f"{clean(session_id)}  {outcome}")


def _tokens(tokens_in: int | None, tokens_out: int | None, detail: dict[str, int | None]) -> dict[str, Any]:
    """Plain counts as they are; in disjoint kinds where one of those was given."""
    given = {name: count for name, count in detail.items() if count is not None}
    if not given:
        return {"tokens_in": tokens_in, "tokens_out": tokens_out}
    return {"tokens": {"input": tokens_in or 0, "output": tokens_out or 0, **given}}


@command
def end(
    desk: Desk,
    session_id: options.ID,
    status: Annotated[str, typer.Argument(metavar=options.listed(options.ENDS), help="How it ended.")],
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why.")] = None,
    at: options.AT = None,
) -> None:
    """End a session. The first end stands: the same again changes nothing, another is refused."""
    with desk.open() as book:
        session = book.end(session_id, status, reason=reason, at=at)
    _tell(desk, session)


@command
def reopen(desk: Desk, session_id: options.ID, at: options.AT = None) -> None:
    """Let an ended session run again."""
    with desk.open() as book:
        session = book.reopen(session_id, at=at)
    _tell(desk, session)


@command
def delete(
    desk: Desk,
    session_id: options.ID,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a session: what it held is gone for good, what it spent stays in spend."""
    with desk.open() as book:
        session = book.get(session_id)
        if not yes:
            _ask(session)
        if not book.delete(session_id, user_id=session.user_id):
            raise NotFound(f"there is no session {session_id!r}")
    screen = desk.screen()
    if desk.as_json:
        screen.json({"session_id": session.session_id, "user_id": session.user_id, "deleted": True})
    else:
        screen.line(f"{clean(session.session_id)}  deleted")


def _ask(session: Session) -> None:
    about = f"{clean(session.title or session.agent)}, {session.calls:,} calls, {cost(session)}"
    question = f"Delete {clean(session.session_id)} ({about}) for good? What it spent stays in spend."
    ask(question, "delete", "nothing was deleted")
