"""`keys`: who may ask a server for what."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from rollbook.cli.desk import Desk, command
from rollbook.cli.format import NONE, clean
from rollbook.cli.pages import CommandPage, GroupPage
from rollbook.cli.screen import say
from rollbook.cli.table import Column
from rollbook.errors import InvalidInput, NotFound
from rollbook.settings import LOCAL_USER

if TYPE_CHECKING:
    from rollbook.access.reads import KeyView

_SPAN: Final = re.compile(r"(\d{1,5})([hdw])")
_HOURS: Final = {"h": 1, "d": 24, "w": 168}
_COLUMNS: Final = (
    Column(title="Key"),
    Column(title="User", least=8),
    Column(title="Role"),
    Column(title="Label", least=8, spare=2),
    Column(title="Datasets", least=8, spare=1),
    Column(title="Made"),
    Column(title="State"),
)

ROLE = Annotated[str, typer.Option("--role", metavar="ROLE", help="reader, writer or admin.")]
DATASETS = Annotated[
    str | None,
    typer.Option("--datasets", metavar="UUID,…", help="Datasets that it may read too and, unless a reader, write."),
]
LABEL = Annotated[str, typer.Option("--label", metavar="TEXT", help="What it is for, to tell it apart in the list.")]
EXPIRES = Annotated[
    str | None,
    typer.Option("--expires", metavar="WHEN", help="A span such as 12h, 30d or 8w, or a date. Default: never."),
]
KEY_ID = Annotated[str, typer.Argument(metavar="KEY_ID", help="The id of a key: what stands behind its rb_.")]
DATASET = Annotated[str, typer.Argument(metavar="DATASET", help="The UUID of a dataset.")]
MAY_WRITE = Annotated[bool, typer.Option("--write", help="Let the user put sessions into it as well.")]
ABOVE = Annotated[
    str | None,
    typer.Argument(metavar="[PARENT]", help="The user who is to see --user's sessions; without one, nobody."),
]


@command
def create(
    desk: Desk, role: ROLE = "writer", datasets: DATASETS = None, label: LABEL = "", expires: EXPIRES = None
) -> None:
    """Make a key of --user, and show it this once."""
    with desk.open() as book:
        made = book.create_key(
            book.user_id if desk.user is None else desk.user,
            role=role,
            datasets=[part.strip() for part in (datasets or "").split(",") if part.strip()],
            label=label,
            expires=_until(expires),
        )
    if desk.as_json:
        desk.screen().json(made)
        return
    sys.stdout.write(made.key + "\n")
    sys.stdout.flush()
    say(f"this is the only time that the key is shown; take it back with: rollbook keys revoke {made.key_id}")


@command
def list_(desk: Desk) -> None:
    """List every key; their secrets are not kept."""
    with desk.open() as book:
        found = book.keys()
    screen = desk.screen()
    if desk.as_json:
        screen.json(found)
    elif not found:
        say("there are no keys; make one with: rollbook keys create --user NAME --role writer")
    else:
        screen.table(_COLUMNS, [_cells(each) for each in found])


@command
def revoke(desk: Desk, key_id: KEY_ID) -> None:
    """Let a key let nobody in any more; who signed in with it is out within a second or two."""
    with desk.open() as book:
        name = key_id.removeprefix("rb_").partition("_")[0]
        done = book.revoke_key(name)
    if desk.as_json:
        desk.screen().json({"key_id": name, "revoked": done})
    else:
        desk.screen().line(f"revoked {name}" if done else f"{name} was revoked before")


@command
def grant(desk: Desk, dataset: DATASET, write: MAY_WRITE = False) -> None:
    """Let --user read the sessions of a dataset or, with --write, put its own into it as well."""
    with desk.open() as book:
        book.grant(_user(desk), dataset, access="write" if write else "read")
    _told(desk, f"{desk.user} may now {'write' if write else 'read'} {dataset}")


@command
def ungrant(desk: Desk, dataset: DATASET) -> None:
    """Take such a grant back from --user."""
    with desk.open() as book:
        if not book.revoke_grant(_user(desk), dataset):
            raise NotFound(f"{desk.user} had no grant of {dataset}")
    _told(desk, f"{desk.user} may no longer see {dataset}")


@command
def grants(desk: Desk) -> None:
    """List the grants of datasets to users."""
    with desk.open() as book:
        found = book.grants()
    screen = desk.screen()
    if desk.as_json:
        screen.json(found)
    elif not found:
        say("no user was granted a dataset")
    else:
        columns = (Column(title="User", least=8), Column(title="Dataset"), Column(title="Access"))
        screen.table(columns, [[each.user_id, each.dataset_id, each.access] for each in found])


@command
def child(desk: Desk, parent: ABOVE = None) -> None:
    """Put --user under another user, who then sees and may change its sessions."""
    with desk.open() as book:
        book.set_parent(_user(desk), parent)
    _told(desk, f"{desk.user} stands under {parent}" if parent else f"{desk.user} stands under nobody")


def _user(desk: Desk) -> str:
    if desk.user is None:
        raise InvalidInput("say which user, with --user")
    return desk.user


def _told(desk: Desk, message: str) -> None:
    if desk.as_json:
        desk.screen().json({"done": True})
    else:
        desk.screen().line(clean(message))


def _until(text: str | None) -> datetime | timedelta | None:
    if text is None:
        return None
    try:
        if found := _SPAN.fullmatch(text.strip()):
            return timedelta(hours=int(found[1]) * _HOURS[found[2]])
        at = datetime.fromisoformat(text.strip())
        return at if at.tzinfo else at.astimezone()
    except (ValueError, OverflowError):
        raise InvalidInput(f"--expires must be a span such as 30d or a date such as 2027-01-31, not {text!r}") from None


def _cells(key: KeyView) -> list[str]:
    state = "usable"
    if key.revoked_at is not None:
        state = "revoked"
    elif key.expires_at is not None and key.expires_at <= datetime.now(UTC):
        state = "expired"
    elif key.expires_at is not None:
        state = f"until {key.expires_at.date().isoformat()}"
    user = "local" if key.user_id == LOCAL_USER else key.user_name or key.user_id
    return [
        key.key_id, clean(user), key.role, clean(key.label) or NONE, clean(", ".join(key.datasets)) or NONE,
        key.created_at.date().isoformat(), state,
    ]  # fmt: skip


keys = typer.Typer(
    cls=GroupPage,
    help="Say who may ask a server for what: keys, grants of datasets, users under others.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@keys.callback()
def _nothing_said(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


for _name, _function in (
    ("create", create), ("list", list_), ("revoke", revoke), ("grant", grant), ("ungrant", ungrant),
    ("grants", grants), ("child", child),
):  # fmt: skip
    keys.command(_name, cls=CommandPage)(_function)
