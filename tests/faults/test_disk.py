"""R13: a full or failing disk costs the writes of that moment, each with a clear error, and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import pytest

from .tools import Program

#: A small file system of its own, gone with the process that is started in it.
MOUNT: Final = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"')


def _may_mount() -> bool:
    try:
        return subprocess.run([*MOUNT, "/tmp", "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


#: Where file systems may not be mounted, the limit on the size of files has to show it alone.
FULL: Final = ("limit", "device") if _may_mount() else ("limit",)


def test_r13_errors_of_the_disk_cost_the_writes_of_that_moment_only(tmp_path: Path) -> None:
    with Program("bad_disk", tmp_path) as program:
        assert int(program.finished()[-1]) > 0


@pytest.mark.parametrize("kind", FULL)
def test_r13_no_space_is_a_clear_error_and_the_same_open_book_goes_on_with_space(tmp_path: Path, kind: str) -> None:
    prefix = [*MOUNT, str(tmp_path)] if kind == "device" else []
    with Program("full_disk", tmp_path, kind, prefix=prefix) as program:
        program.finished()
