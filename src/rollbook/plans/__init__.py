"""What a book can do, once for both faces. Each method checks, then yields the writes and reads that it needs."""

from rollbook.plans.writing import Plans

__all__ = ["Plans"]
