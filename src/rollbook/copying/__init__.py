"""A book copied into another one, on whatever either is kept."""

from rollbook.copying.marks import unfinished
from rollbook.copying.run import Copying, Done

__all__ = ["Copying", "Done", "unfinished"]
