"""Through which channel a session came, and whether anybody sits in front of it, by the name of the program."""

from __future__ import annotations

from typing import Final

from rollbook.model import Kind

Door = tuple[str, Kind]

_CLAUDE: Final = (
    ("cli", "cli", Kind.INTERACTIVE),
    ("sdk-cli", "cli", Kind.AUTONOMOUS),
    ("sdk", "api", Kind.AUTONOMOUS),
    ("claude-vscode", "ide", Kind.INTERACTIVE),
    ("claude-jetbrains", "ide", Kind.INTERACTIVE),
    ("remote", "web", Kind.INTERACTIVE),
)
_CODEX: Final = (
    ("codex_exec", "cli", Kind.AUTONOMOUS),
    ("codex_sdk", "api", Kind.AUTONOMOUS),
    ("codex_vscode", "ide", Kind.INTERACTIVE),
    ("codex desktop", "other", Kind.INTERACTIVE),
    ("codex_desktop", "other", Kind.INTERACTIVE),
    ("codex-acp", "acp", Kind.ACP),
)
_CODEX_TERMINALS: Final = ("codex_cli", "codex-tui")
#: The same by what drives it, for programs of other names.
_CODEX_DRIVERS: Final = {
    "cli": ("cli", Kind.INTERACTIVE),
    "exec": ("cli", Kind.AUTONOMOUS),
    "vscode": ("ide", Kind.INTERACTIVE),
    "mcp": ("api", Kind.AUTONOMOUS),
}


def claude(entrypoint: str | None) -> Door:
    """Claude Code's, by its entry point."""
    if not entrypoint:
        return "cli", Kind.INTERACTIVE
    return _by_start(entrypoint, _CLAUDE) or ("other", Kind.INTERACTIVE)


def codex(originator: str | None, driver: str = "") -> Door:
    """Codex's, by the program that started it, or else by what drives it."""
    program = (originator or "").lower()
    plain = "cli" if not program or program.startswith(_CODEX_TERMINALS) else "other"
    return _by_start(program, _CODEX) or _CODEX_DRIVERS.get(driver, (plain, Kind.INTERACTIVE))


def _by_start(program: str, known: tuple[tuple[str, str, Kind], ...]) -> Door | None:
    return next(((channel, kind) for start, channel, kind in known if program.startswith(start)), None)
