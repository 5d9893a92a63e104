"""Writing our hooks into an agent's settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rollbook.cli import main
from rollbook.cli.hook import KEPT
from rollbook.errors import InvalidInput
from rollbook.hooks import setting_up, spool

from .conftest import Hook

COMMAND = "rollbook hook claude-code"


def test_print_and_install_say_the_same(hook: Hook) -> None:
    shown = json.loads(hook("", "claude-code", "--print").stdout)
    done = hook("", "claude-code", "--install")
    assert (done.returncode, done.stdout) == (0, "")
    written = json.loads((Path.home() / ".claude" / "settings.json").read_text())
    assert written == shown
    assert list(written["hooks"]) == list(setting_up.EVENTS)


def test_what_is_there_stays(tmp_path: Path) -> None:
    mine = {"hooks": [{"type": "command", "command": "say done"}]}
    before: dict[str, Any] = {"model": "opus", "hooks": {"Stop": [mine], "PreToolUse": [mine]}, "x": {"é": 1}}
    place = tmp_path / "settings.json"
    place.write_text(json.dumps(before))
    place.chmod(0o640)
    done = setting_up.install(place, COMMAND)
    after = json.loads(place.read_text())
    assert after["hooks"]["Stop"][0] == mine
    assert after["hooks"]["Stop"][1]["hooks"][0]["command"] == COMMAND
    assert after["hooks"]["PreToolUse"] == [mine]
    assert (after["model"], after["x"]) == ("opus", {"é": 1})
    assert done.backup is not None
    assert json.loads(done.backup.read_text()) == before
    assert place.stat().st_mode & 0o777 == 0o640


def test_twice_is_once(tmp_path: Path) -> None:
    place = tmp_path / "new" / "settings.json"
    assert setting_up.install(place, COMMAND).added == list(setting_up.EVENTS)
    text = place.read_text()
    assert setting_up.install(place, f"/elsewhere/{COMMAND}") == (place, [], None)
    assert place.read_text() == text
    assert list(place.parent.iterdir()) == [place]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles.json", tmp_path / "settings.json"
    real.write_text("{}")
    link.symlink_to(real)
    setting_up.install(link, COMMAND)
    assert link.is_symlink()
    assert "hooks" in json.loads(real.read_text())


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"hooks": []}', '{"hooks": {"Stop": {}}}', "[" * 100_000], ids=lambda it: it[:25]
)
def test_settings_that_are_not_understood_are_left_alone(tmp_path: Path, text: str) -> None:
    place = tmp_path / "settings.json"
    place.write_text(text)
    with pytest.raises(InvalidInput, match="by hand"):
        setting_up.install(place, COMMAND)
    assert place.read_text() == text
    assert list(tmp_path.iterdir()) == [place]


def test_where_settings_are(tmp_path: Path) -> None:
    assert setting_up.usual({"HOME": "/h"}) == Path("/h/.claude/settings.json")
    assert setting_up.usual({"HOME": "/h", "CLAUDE_CONFIG_DIR": "/a,/b"}) == Path("/a/settings.json")


def test_doctor_says_what_waits(
    place: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hooks() -> list[dict[str, Any]]:
        main(["doctor", "--json"])
        return [it for it in json.loads(capsys.readouterr().out)["findings"] if it["name"] == "hooks"]

    assert hooks() == []
    spool.put(place, b"{}")
    (found,) = hooks()
    assert found["ok"]
    assert found["detail"].startswith("1 events wait")
    Path(place, spool.waiting(place)[0]).rename(Path(place, f"{1:020d}-0-0.json"))
    (found,) = hooks()
    assert not found["ok"]
    monkeypatch.setattr(spool, "EVENTS_MOST", 1)
    spool.put(place, b"{}")
    (found,) = hooks()
    assert not found["ok"]
    assert found["detail"].startswith("1 events were dropped")
    spool.remove(place, spool.waiting(place)[0])
    Path(place, "dropped").unlink()
    assert hooks() == [{"name": "hooks", "ok": True, "detail": "no event waits"}]


def test_nothing_that_is_said_is_kept() -> None:
    """An event may hold what was asked, and what tools were given and gave."""
    said = {
        "prompt",
        "tool_input",
        "tool_response",
        "last_assistant_message",
        "message",
        "custom_instructions",
        "transcript_path",
    }
    assert not said & set(KEPT)
