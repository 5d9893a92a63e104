"""What every command stands on: which book, as whom, and how to answer; and how each way of failing ends."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final, ParamSpec

import typer

from rollbook.cli.pages import EVERYWHERE
from rollbook.cli.screen import Screen, say
from rollbook.errors import InvalidInput, RollbookError

if TYPE_CHECKING:
    from rollbook.book import Rollbook
    from rollbook.model import Finding

P = ParamSpec("P")

OK: Final = 0
FAILED: Final = 1
WRONG_USE: Final = 2
INTERRUPTED: Final = 130  #: 128 + SIGINT, as shells have it
NOBODY_READS: Final = 141  #: 128 + SIGPIPE

EMPTY: Final = "the book is empty; 'rollbook import' takes in what the agents on this machine left behind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The options that every command takes, before or after its name."""

    db: str | None = None
    user: str | None = None
    all_users: bool = False
    as_json: bool = False

    def also(self, given: Mapping[str, Any]) -> Desk:
        """With what was said after the command: that comes last, so it counts."""
        return replace(self, **{name: value for name, value in given.items() if value not in (None, False)})

    def open(self) -> Rollbook:
        """The book that the options name."""
        import rollbook  # noqa: PLC0415 - help and wrong use open none

        return rollbook.open(self.db, user=self.user, all_users=self.all_users)

    @contextmanager
    def look(self) -> Iterator[Rollbook]:
        """The same, for a command that shows what the book holds: of a half copy it says so, beside the answer."""
        from rollbook.copying import unfinished  # noqa: PLC0415 - see open

        with self.open() as book:
            half = book._plans.read(unfinished)  # noqa: SLF001 - nothing that a program would ask for
            if half is not None:
                say(f"this book is a copy of {half} that is not whole yet; run 'rollbook copy' again")
            yield book

    def examine(self) -> list[Finding]:
        """What is wrong with the book that the options name, whether it opens or not."""
        from rollbook.book import examine  # noqa: PLC0415 - see open

        return examine(self.db, user=self.user)

    def nothing(self, book: Rollbook, otherwise: str) -> str:
        """What to say where there is nothing to show: what to do next, if that is because the book is empty."""
        return otherwise if book.list(limit=1).sessions else EMPTY

    def screen(self) -> Screen:
        """Where the answer goes."""
        return Screen()


def option(*names: str, **more: Any) -> Any:
    """One of the options that every command takes."""
    return typer.Option(*names, rich_help_panel=EVERYWHERE, **more)


_DB: Final = "The book, such as sqlite:////path/book.db. Default: one in your data folder."
_USER: Final = "Whose sessions: a UUID, a name or an e-mail. Default: the local user."
_ALL: Final = "Read everybody's sessions."
_JSON: Final = "Answer with one JSON document."

#: Before the command, where the environment counts too.
DB = Annotated[str | None, option("--db", metavar="URL", envvar="ROLLBOOK_DB", help=_DB)]
USER = Annotated[str | None, option("--user", metavar="USER", envvar="ROLLBOOK_USER", help=_USER)]
ALL_USERS = Annotated[bool, option("--all-users", envvar="ROLLBOOK_ALL_USERS", help=_ALL)]
AS_JSON = Annotated[bool, option("--json", envvar="ROLLBOOK_JSON", help=_JSON)]


def _again(name: str, kind: Any, default: Any, flag: str, text: str, metavar: str | None = None) -> inspect.Parameter:
    """The same option after a command, where it reads no environment: that would overrule what was said before it."""
    made = option(flag, metavar=metavar, help=text, allow_from_autoenv=False, show_default=False)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, made])


_EVERYWHERE: Final = (
    _again("db", str | None, None, "--db", _DB, "URL"),
    _again("user", str | None, None, "--user", _USER, "USER"),
    _again("all_users", bool, False, "--all-users", _ALL),
    _again("as_json", bool, False, "--json", _JSON),
)


def command(function: Callable[Concatenate[Desk, P], None]) -> Callable[..., None]:
    """A command: a function of the desk and of its own options, to which those of every command are added."""
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    parameters = [context, *(it.replace(kind=inspect.Parameter.KEYWORD_ONLY) for it in own), *_EVERYWHERE]
    shared = {parameter.name for parameter in _EVERYWHERE}

    def run(ctx: typer.Context, **given: Any) -> None:
        before = ctx.obj if isinstance(ctx.obj, Desk) else Desk()
        desk = before.also({name: value for name, value in given.items() if name in shared})
        with failing():
            function(desk, **{name: value for name, value in given.items() if name not in shared})  # type: ignore[call-arg]

    run.__name__, run.__doc__ = function.__name__, function.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # inspect reads it
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


@contextmanager
def failing() -> Iterator[None]:
    """Turns every foreseen failure into one line on standard error and an exit status."""
    try:
        yield
        sys.stdout.flush()
    except RollbookError as error:
        say(str(error))
        raise typer.Exit(WRONG_USE if isinstance(error, InvalidInput) else FAILED) from None
    except KeyboardInterrupt:
        say("interrupted")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        raise typer.Exit(NOBODY_READS) from None
    except OSError as error:
        say(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        raise typer.Exit(FAILED) from None
