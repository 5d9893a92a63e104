"""What a book can do, once for both faces. Each method checks, then yields the writes and reads that it needs."""

from rollbook.plans.access import AccessPlans
from rollbook.plans.conversation import ContentPlans
from rollbook.plans.exporting import ExportPlans
from rollbook.plans.instances import InstancePlans
from rollbook.plans.keeping import KeepPlans
from rollbook.plans.metering import MeterPlans
from rollbook.plans.outlines import OutlinePlans
from rollbook.plans.repeating import RepeatPlans
from rollbook.plans.repricing import RepricePlans
from rollbook.plans.retention import PrunePlans
from rollbook.plans.searching import SearchPlans
from rollbook.plans.telemetry import TelemetryPlans
from rollbook.plans.timeline import TimelinePlans


class Plans(
    ContentPlans, SearchPlans, InstancePlans, PrunePlans, RepricePlans, ExportPlans, KeepPlans, AccessPlans,
    TelemetryPlans, OutlinePlans, TimelinePlans, RepeatPlans, MeterPlans,
):  # fmt: skip
    """All methods of a book."""


__all__ = ["Plans"]
