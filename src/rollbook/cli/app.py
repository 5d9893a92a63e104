"""The table of commands, and the one place where a run begins and ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Annotated, Final

import typer

from rollbook.cli import desk
from rollbook.cli.desk import Desk
from rollbook.cli.pages import CommandPage, GroupPage
from rollbook.cli.screen import say

_LOOK, _WRITE, _CARE = "Look", "Write", "Look after"

#: Each command with its module, its function there, and where the help lists it. Only those that are asked for are
#: loaded: all of them together take longer than most do their work in.
COMMANDS: Final = {
    "summary": ("summary", "summary", _LOOK),
    "sessions": ("sessions", "sessions", _LOOK),
    "show": ("sessions", "show", _LOOK),
    "tail": ("tailing", "tail", _LOOK),
    "search": ("searching", "search", _LOOK),
    "stats": ("ledger", "stats", _LOOK),
    "models": ("ledger", "models", _LOOK),
    "spend": ("ledger", "spend", _LOOK),
    "usage": ("ledger", "usage", _LOOK),
    "export": ("exporting", "export", _LOOK),
    "statusline": ("status_command", "statusline", _LOOK),
    "import": ("importing", "import_", _WRITE),
    "push": ("pushing", "push", _WRITE),
    "hook": ("hook_command", "hook", _WRITE),
    "demo": ("demo", "demo", _WRITE),
    "touch": ("life", "touch", _WRITE),
    "use": ("life", "use", _WRITE),
    "end": ("life", "end", _WRITE),
    "reopen": ("life", "reopen", _WRITE),
    "delete": ("life", "delete", _WRITE),
    "backup": ("copies", "backup", _CARE),
    "restore": ("copies", "restore", _CARE),
    "copy": ("copies", "copy", _CARE),
    "reprice": ("repricing", "reprice", _CARE),
    "prune": ("retention", "prune", _CARE),
    "purge": ("retention", "purge", _CARE),
    "wipe-journal": ("wiping", "wipe_journal", _CARE),
    "serve": ("serving", "serve", _CARE),
    "keys": ("keys", "keys", _CARE),
    "reconcile": ("upkeep", "reconcile", _CARE),
    "verify": ("upkeep", "verify", _CARE),
    "doctor": ("upkeep", "doctor", _CARE),
}
_COMPLETION: Final = "_ROLLBOOK_COMPLETE"  #: set by a shell that wants to complete a line


def program(names: Iterable[str] = tuple(COMMANDS)) -> typer.Typer:
    """The command line with some commands, or with all."""
    app = typer.Typer(
        name="rollbook",
        cls=GroupPage,
        help="One durable record of every agent session: what it did, what it used, what it cost.",
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"auto_envvar_prefix": "ROLLBOOK", "help_option_names": ["-h", "--help"]},
    )
    for name in names:
        module, function, panel = COMMANDS[name]
        made = getattr(import_module(f"rollbook.cli.{module}"), function)
        if isinstance(made, typer.Typer):
            app.add_typer(made, name=name, rich_help_panel=panel)
        else:
            app.command(name, cls=CommandPage, rich_help_panel=panel)(made)
    app.callback(invoke_without_command=True)(start)
    return app


def _wanted(words: Sequence[str]) -> Iterable[str]:
    """The commands that a line may mean: every word that is one's name, or all where none is or help is asked for."""
    named = [word for word in words if word in COMMANDS]
    if not named or _COMPLETION in os.environ or {"-h", "--help"} & set(words[: words.index(named[0])]):
        return COMMANDS
    return dict.fromkeys(named)


def _version(asked: bool) -> None:
    if asked:
        from rollbook import __version__  # noqa: PLC0415

        typer.echo(f"rollbook {__version__}")
        raise typer.Exit


def start(
    ctx: typer.Context,
    db: desk.DB = None,
    user: desk.USER = None,
    all_users: desk.ALL_USERS = False,
    as_json: desk.AS_JSON = False,
    version: Annotated[  # noqa: ARG001 - its callback does all there is to do
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, allow_from_autoenv=False, help="Say which version."
        ),
    ] = False,
) -> None:
    """Take in what stands before the command; without a command, say what there is."""
    ctx.obj = Desk(db=db, user=user, all_users=all_users, as_json=as_json)
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def run(arguments: list[str]) -> int:
    """Run one command; the status to exit with."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a character still shows which
    try:
        status = program(_wanted(arguments))(arguments, prog_name="rollbook", standalone_mode=False)
    except typer.TyperException as error:
        where = getattr(getattr(error, "ctx", None), "command_path", "rollbook")
        say(f"{error.format_message().rstrip('.')} (see '{where} --help')")
        return error.exit_code
    except OSError as error:  # of help and version, which are written before a command begins
        say(str(error.strerror or error))
        return desk.FAILED
    except typer.Abort:
        say("interrupted")
        return desk.INTERRUPTED
    return status if isinstance(status, int) else desk.OK
