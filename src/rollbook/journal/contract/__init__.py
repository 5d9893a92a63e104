"""What every place for journals promises, as pytest tests for whoever writes one.

Subclass :class:`JournalContract` in a test module and give it two fixtures::

    class TestMyJournals(JournalContract):
        @pytest.fixture
        def opener(self, tmp_path):
            return functools.partial(MyJournals, f"mine://{tmp_path}", Settings())

        @pytest.fixture
        def journals(self, opener):
            journals = opener()
            yield journals
            journals.close()

``opener`` opens the same empty place again, also in another process, so it must be picklable. What a place cannot do it
says with class attributes: see :class:`~rollbook.journal.contract.sessions.Place`.
"""

from __future__ import annotations

from typing import Final

import pytest

_PARTS: Final = (
    "sessions",
    "order",
    "revisions",
    "contents",
    "edits",
    "heads",
    "forks",
    "state",
    "whole",
    "names",
    "many",
)
# Before they are loaded, so that a test that fails says what it saw.
pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in _PARTS))

from rollbook.journal.contract.contents import Contents  # noqa: E402
from rollbook.journal.contract.edits import Edits  # noqa: E402
from rollbook.journal.contract.forks import Forks  # noqa: E402
from rollbook.journal.contract.heads import Heads  # noqa: E402
from rollbook.journal.contract.many import Many  # noqa: E402
from rollbook.journal.contract.names import Names  # noqa: E402
from rollbook.journal.contract.order import Order  # noqa: E402
from rollbook.journal.contract.revisions import Revisions  # noqa: E402
from rollbook.journal.contract.state import State  # noqa: E402
from rollbook.journal.contract.whole import Whole  # noqa: E402

__all__ = ["JournalContract"]


class JournalContract(Order, Revisions, Contents, Edits, Heads, Forks, State, Whole, Names, Many):
    """The contract of a place for journals: subclass it, and give it the fixtures ``journals`` and ``opener``."""
