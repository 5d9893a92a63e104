"""R13: a process that dies at any call leaves each step made as a whole or not at all, and nothing that was removed."""

from __future__ import annotations

from pathlib import Path

from .files_tools import program


def test_r13_whatever_call_a_process_dies_at_a_log_is_whole(tmp_path: Path) -> None:
    with program("files_crash", tmp_path) as crash:
        points = {name: int(count) for name, count in (line.rsplit(" ", 1) for line in crash.finished())}
    assert points.keys() == {"first", "append", "compaction", "fork", "drop", "drop root", "drop fork"}
    assert points["append"] == 2, "one write and one sync"
    assert min(points["compaction"], points["fork"], points["drop root"]) >= 5
