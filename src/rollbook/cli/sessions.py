"""`sessions` and `show`: who is there, and what one of them did."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final

import typer

from rollbook.cli import conversation, options, trees, views
from rollbook.cli.desk import Desk, command
from rollbook.cli.format import cost, tokens
from rollbook.cli.screen import say
from rollbook.errors import NotFound
from rollbook.model import Inclusive, Page, Session, to_dict

if TYPE_CHECKING:
    from rollbook.book import Rollbook

_LOOKED_AT: Final = 1000  #: sessions that are compared with the beginning of an id
_NAMED: Final = 3  #: of sessions that begin alike, how many are named

ORDER = Annotated[
    str,
    typer.Option(
        "--order-by",
        metavar="COLUMN",
        help="last_activity_at, started_at, ended_at, cost_usd, tokens_in, tokens_out, calls, error_count, "
        "agent_time_s or effective_status.",
    ),
]


@command
def sessions(
    desk: Desk,
    status: options.STATUS = None,
    since: options.SINCE = "all",
    until: options.UNTIL = None,
    agent: options.AGENT = None,
    kind: options.KIND = None,
    model: options.MODEL = None,
    channel: options.CHANNEL = None,
    project: options.PROJECT = None,
    text: Annotated[str | None, typer.Option("--text", metavar="TEXT", help="In its id, title or goal.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", metavar="TAG", help="With this tag.")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", metavar="UUID", help="In this dataset.")] = None,
    query: options.QUERY = None,
    order_by: ORDER = "last_activity_at",
    ascending: Annotated[bool, typer.Option("--ascending", help="Smallest or oldest first.")] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="At most so many, up to 500.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", metavar="CURSOR", help="Go on after a page.")] = None,
    offset: Annotated[int, typer.Option("--offset", metavar="N", help="Pass over so many.")] = 0,
) -> None:
    """List sessions, the last active first."""
    with desk.look() as book:
        page = book.list(
            status=status, since=since, until=until, agent=agent, kind=kind, model=model, channel=channel,
            project=project, text=text, tag=tag, dataset_id=dataset, query=query, order_by=order_by,
            ascending=ascending, limit=limit, cursor=cursor, offset=offset,
        )  # fmt: skip
        remark = _remark(page) if page.sessions else desk.nothing(book, "no session matches")
    screen = desk.screen()
    if desk.as_json:
        screen.json(page)
        return
    if page.sessions:
        views.sessions(screen, page.sessions, users=desk.all_users)
    if remark:
        say(remark)


def _remark(page: Page) -> str | None:
    """What the table itself does not say."""
    if not page.has_more:
        return None
    total = f"{page.total:,}" if page.total_exact else f"more than {page.total:,}"
    return f"{len(page.sessions)} of {total}; the next page: --cursor {page.next_cursor}"


@command
def show(
    desk: Desk,
    session_id: options.SHORT_ID,
    last: Annotated[
        int, typer.Option("--last", metavar="N", min=0, help="Of what it contains, the newest so many entries.")
    ] = conversation.LAST,
    everything: Annotated[bool, typer.Option("--all", help="All of what it contains.")] = False,
    content: Annotated[bool, typer.Option("--content/--no-content", help="Whether to show what it contains.")] = True,
) -> None:
    """Show one session: its state, what runs it, what it used itself and with all below it, and what was said."""
    with desk.look() as book:
        one = resolve(book, session_id)
        children = book.children(one.session_id, user_id=one.user_id)
        whole = book.inclusive(one.session_id, user_id=one.user_id)
        branches = book.tree(one.session_id, user_id=one.user_id)
        runs = book.instance(one.session_id, user_id=one.user_id)
        contents = conversation.Contents(book, one) if content else None
        most = None if everything else last
        screen = desk.screen()
        if desk.as_json:
            answer = {
                **to_dict(one), "children": to_dict(children), "inclusive": to_dict(whole), "tree": to_dict(branches),
                "instance": to_dict(runs),
            }  # fmt: skip
            if contents is not None:
                answer["content"] = {
                    "total": contents.total,
                    "entries": [conversation.plain(told) for told in contents.told(most)],
                }
            screen.json(answer)
            return
        views.session(screen, one, runs)
        if children:
            below = len(branches) - 1
            screen.heading(f"Children ({len(children)}" + (f" of {below} below it)" if below > len(children) else ")"))
            trees.tree(screen, branches[1:])
            screen.heading("With all below it")
            screen.line(_whole(whole))
        if contents is not None:
            conversation.write(screen, contents, most)


def _whole(whole: Inclusive) -> str:
    return (
        f"{whole.sessions:,} sessions, {whole.calls:,} calls, {tokens(whole.tokens_in)} in, "
        f"{tokens(whole.tokens_out)} out, {cost(whole)}"
    )


def resolve(book: Rollbook, given: str) -> Session:
    """The session with that id, or the only one whose id begins with it (as tables show long ids)."""
    begin = given.rstrip("…")
    try:
        return book.get(given)
    except NotFound as error:
        alike = [one for one in islice(book.iterate(text=begin), _LOOKED_AT) if one.session_id.startswith(begin)]
        if not alike:
            raise
        # A sub-agent's id begins with its parent's: the parent is meant, unless more is given.
        parent = min(alike, key=lambda one: len(one.session_id))
        if all(one is parent or one.session_id.startswith(f"{parent.session_id}/") for one in alike):
            return parent
        if len(alike) > 1:
            named = ", ".join(one.session_id for one in alike[:_NAMED])
            more = " and others" if len(alike) > _NAMED else ""
            raise NotFound(f"several sessions begin with {begin!r}: {named}{more}") from error
        return alike[0]
