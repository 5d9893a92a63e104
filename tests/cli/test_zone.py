from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from rollbook.cli import zone

SUMMER = datetime(2026, 7, 1)  # noqa: DTZ001 - the zone is what is looked at


def test_a_named_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Vienna")
    assert str(zone.local()) == "Europe/Vienna"
    assert zone.local().utcoffset(SUMMER) == timedelta(hours=2)


def test_a_named_zone_with_the_posix_colon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", ":Asia/Tokyo")
    assert str(zone.local()) == "Asia/Tokyo"


def test_the_systems_zone_when_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)
    assert zone.local().utcoffset(SUMMER) is not None


def test_a_zone_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Nowhere/At_All")
    assert zone.local().utcoffset(SUMMER) is not None
