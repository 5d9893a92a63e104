"""Text options without pydantic: typer turns every value over to it, and loading it takes longer than most commands.

What is text and is to be text needs no turning. Everything else goes typer's own way, which is loaded for it alone.
"""

from __future__ import annotations

from typing import Any

from typer._coercion import build_runtime_param  # typer has no public name for it; its version is pinned for that


class Plain:
    """Stands for typer's conversion of one parameter."""

    def __init__(self, descriptor: Any) -> None:
        self._descriptor = descriptor

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value as the command gets it."""
        several = param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        kind, info = self._descriptor.annotation, self._descriptor.parameter_info
        if getattr(info, "parser", None) is None and getattr(info, "click_type", None) is None:
            if kind in (str, bool) and type(value) is kind and not several:
                return value
            if kind == list[str] and isinstance(value, tuple | list) and all(type(one) is str for one in value):
                return value
        return build_runtime_param(self._descriptor).coerce(value, param=param, ctx=ctx)


def lighten(parameters: list[Any]) -> list[Any]:
    """The parameters, which from now on take text as it is."""
    for parameter in parameters:
        if getattr(parameter, "_runtime_param", False) is None:
            parameter._runtime_param = Plain(parameter.type_descriptor)  # noqa: SLF001 - where typer keeps it
    return parameters
