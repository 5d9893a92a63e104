"""Which process is the agent whose hook this is: told by its forebears, since an agent runs a hook through a shell.

Only Linux says who they are (``rollbook.machine``); elsewhere no process is recorded, and silence alone speaks.
"""

from __future__ import annotations

from typing import Final

from rollbook import machine
from rollbook.rules.liveness import Known

#: What stands between an agent and its hook, and is no agent.
_BETWEEN: Final = frozenset(
    ["ash", "bash", "busybox", "dash", "doas", "elvish", "env", "fish", "ksh", "mksh", "nice", "nohup", "nu", "pipx",
     "pwsh", "rollbook", "setsid", "sh", "stdbuf", "sudo", "tcsh", "timeout", "uv", "uvx", "xonsh", "xargs", "zsh"]
)  # fmt: skip
#: Where a walk that found no agent has come to: whoever runs a hook by hand, or lets a service run it.
_BEYOND: Final = frozenset(["init", "launchd", "login", "sshd", "screen", "su", "systemd", "tmux"])
_MOST: Final = 12  #: forebears that are looked at


def process(parent: int) -> Known | None:
    """The agent's process, from that of the process which runs the hook; None where it cannot be told."""
    for pid, name in machine.forebears(parent, _MOST):
        plain = name.removeprefix("-").partition(":")[0]
        if pid == 1 or plain in _BEYOND:
            return None
        if plain not in _BETWEEN:
            return machine.another_process(pid)
    return None
