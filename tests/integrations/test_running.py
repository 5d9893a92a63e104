"""R5: a process runs the conversations of a framework while something happens in them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import rollbook
from rollbook.integrations.desk import Desk
from rollbook.integrations.openai_agents import RollbookSession
from rollbook.model import Tokens


def test_R5_a_conversation_is_run_by_the_process_that_writes_to_it(tmp_path: Path) -> None:
    async def main() -> None:
        with rollbook.open(f"sqlite:///{tmp_path / 'book.db'}") as book:
            session = RollbookSession("c1", book=book)
            await session.add_items([{"role": "user", "content": "hello"}])
            ran = book.instance("c1")
            assert ran is not None
            assert (ran.pid, ran.state) == (os.getpid(), "alive")
            assert book.reconcile(wait=False).sessions == []
        with rollbook.open(f"sqlite:///{tmp_path / 'book.db'}") as book:
            assert (book.get("c1").status, book.instance("c1")) == ("running", None)

    asyncio.run(main())


def test_R5_a_conversation_that_is_only_metered_is_run_as_well(tmp_path: Path) -> None:
    async def main() -> None:
        desk = Desk(f"sqlite:///{tmp_path / 'book.db'}", None)
        call = desk.call("c1", usage_id="u1", tokens=Tokens(input=1), model="m", source="test")
        assert await desk.write(desk.meter("c1", [call], agent="bot")) == 1
        ran = await desk.book.instance("c1")
        assert ran is not None
        assert ran.pid == os.getpid()
        await desk.close()

    asyncio.run(main())
