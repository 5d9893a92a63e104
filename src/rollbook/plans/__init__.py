"""What a book can do, once for both faces. Each method checks, then yields the writes and reads that it needs."""

from rollbook.plans.conversation import ContentPlans
from rollbook.plans.exporting import ExportPlans
from rollbook.plans.instances import InstancePlans
from rollbook.plans.keeping import KeepPlans
from rollbook.plans.repricing import RepricePlans
from rollbook.plans.retention import PrunePlans
from rollbook.plans.searching import SearchPlans


class Plans(ContentPlans, SearchPlans, InstancePlans, PrunePlans, RepricePlans, ExportPlans, KeepPlans):
    """All methods of a book."""


__all__ = ["Plans"]
