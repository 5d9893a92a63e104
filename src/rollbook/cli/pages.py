"""Help as plain text, in groups. Typer can draw it with rich, but loading that would take longer than all the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from typer.core import TyperCommand, TyperGroup

from rollbook.cli.plain import lighten

EVERYWHERE: Final = "Everywhere"
_OPTIONS: Final = "Options"


def _grouped(items: Iterable[tuple[str | None, tuple[str, str]]]) -> dict[str, list[tuple[str, str]]]:
    """Rows by the group they are in, groups in order of appearance but those of every command last."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for group, row in items:
        groups.setdefault(group or _OPTIONS, []).append(row)
    if EVERYWHERE in groups:
        groups[EVERYWHERE] = groups.pop(EVERYWHERE)
    return groups


def _write(formatter: Any, groups: dict[str, list[tuple[str, str]]]) -> None:
    for name, rows in groups.items():
        with formatter.section(name):
            formatter.write_dl(rows)


def _options(command: TyperCommand | TyperGroup, ctx: Any) -> dict[str, list[tuple[str, str]]]:
    rows: list[tuple[str | None, tuple[str, str]]] = []
    parameters: list[Any] = list(command.get_params(ctx))
    for parameter in parameters:
        # An own variable for each option of each command is a rule, stated once below; only the general ones are named.
        parameter.show_envvar = bool(parameter.envvar)
        if parameter.param_type_name == "argument":
            rows.append(("Arguments", (str(parameter.metavar or parameter.name), parameter.help or "")))
        elif (record := parameter.get_help_record(ctx)) is not None:
            rows.append((getattr(parameter, "rich_help_panel", None), record))
    return _grouped(rows)


class CommandPage(TyperCommand):
    """A command whose help is written in groups."""

    def get_params(self, ctx: Any) -> list[Any]:
        return lighten(super().get_params(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write(formatter, _options(self, ctx))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        prefix = f"{ctx.auto_envvar_prefix}_"
        formatter.write_paragraph()
        formatter.write_text(f"Each option can also be set in the environment, as {prefix} and its name.")


class GroupPage(TyperGroup):
    """The commands, in groups, with the whole of what each says of itself in a sentence."""

    def get_params(self, ctx: Any) -> list[Any]:
        return lighten(super().get_params(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        commands = [(name, command) for name in self.list_commands(ctx) if (command := self.get_command(ctx, name))]
        rows = (
            (getattr(command, "rich_help_panel", None), (name, (command.help or "").partition("\n")[0]))
            for name, command in commands
        )
        _write(formatter, _grouped(rows))
        _write(formatter, _options(self, ctx))
