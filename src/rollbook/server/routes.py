"""Everything that is served, in one table. Those that are asked for most stand first."""

from __future__ import annotations

from typing import Final

from rollbook.server import (
    browser,
    events,
    exporting,
    figures,
    health,
    ingesting,
    inspecting,
    keys,
    life,
    metering,
    meters,
    openapi,
    pages,
    querying,
    reading,
    remembering,
    saying,
    seeds,
    telemetry,
)
from rollbook.server.routing import Route

ROUTES: Final[tuple[Route, ...]] = (
    *metering.ROUTES,
    *querying.ROUTES,
    *seeds.ROUTES,
    *reading.ROUTES,
    *figures.ROUTES,
    *life.ROUTES,
    *saying.ROUTES,
    *remembering.ROUTES,
    *telemetry.ROUTES,
    *ingesting.ROUTES,
    *events.ROUTES,
    *exporting.ROUTES,
    *keys.ROUTES,
    *inspecting.ROUTES,
    *meters.ROUTES,
    *health.ROUTES,
    *openapi.ROUTES,
    *browser.ROUTES,
    *pages.ROUTES,
)  # fmt: skip
