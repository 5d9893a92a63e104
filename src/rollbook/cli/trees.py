"""What a tree of sessions looks like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rollbook.cli import format as say
from rollbook.cli.screen import Screen
from rollbook.cli.table import Column
from rollbook.cli.views import STATUS_STYLES
from rollbook.instances import Branch
from rollbook.model import cost_usd

_FAINT: Final = {say.NONE: "dim"}
_COLUMNS: Final = (
    Column(title="ID", least=13),
    Column(title="STATUS", styles=STATUS_STYLES),
    Column(title="AGENT", least=8, spare=2, styles=_FAINT),
    Column(title="CALLS", right=True, spare=1, styles=_FAINT),
    Column(title="COST", right=True, styles=_FAINT),
    Column(title="WITH ALL BELOW", right=True, styles=_FAINT),
    Column(title="TITLE", least=16, spare=3, styles=_FAINT),
)


def tree(screen: Screen, branches: Sequence[Branch]) -> None:
    """What a session started, what each of that started, and what each cost by itself and with all below it."""
    screen.table(_COLUMNS, [_row(branch) for branch in branches])


def _row(branch: Branch) -> list[str]:
    return [
        "  " * (branch.depth - 1) + say.clean(branch.session_id),
        branch.effective_status,
        say.clean(branch.agent),
        f"{branch.calls:,}",
        _cost(branch.cost_nano_usd, branch.calls, branch.unpriced_calls),
        _cost(branch.inclusive_cost_nano_usd, branch.inclusive_calls, branch.inclusive_unpriced_calls)
        if branch.sessions > 1
        else say.NONE,
        say.clean(branch.title),
    ]


def _cost(nano: int, calls: int, unpriced: int) -> str:
    if cost_usd(nano, calls, unpriced) is None:
        return say.NONE
    return (">=" if unpriced else "") + say.money(nano)
