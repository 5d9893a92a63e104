"""R13: a write is durable when it is acknowledged, and power that is cut leaves all of a write or none."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .tools import Program


@pytest.mark.timeout(200)
def test_r13_what_was_acknowledged_outlives_a_power_cut(tmp_path: Path) -> None:
    with Program("power", tmp_path, os.environ.get("ROLLBOOK_POWER_SEED", "1")) as program:
        told = json.loads(program.finished(180)[-1])
    # The cuts did hurt: unsynced writes were dropped, and some fell into a checkpoint.
    assert told["cuts"] >= 30
    assert told["lost"] >= 5
    assert told["checkpoints"] >= 5
    assert told["acknowledged"] >= 50
    assert told["syncs"] >= 50
