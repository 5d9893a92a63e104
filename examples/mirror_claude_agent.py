"""A transcript of the Claude Agent SDK that is mirrored into a book, read back, and what it cost. Needs no network.

An agent does the same with ``ClaudeAgentOptions(session_store=RollbookSessionStore(book))``.
With ``rollbook[claude-agent]`` installed: ``python examples/mirror_claude_agent.py``.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from claude_agent_sdk import get_session_messages_from_store, list_sessions_from_store, project_key_for_directory

import rollbook
from rollbook.integrations.claude_agent import RollbookSessionStore

SESSION = "5f6d2c1e-0000-4000-8000-00000000000a"


def line(number: int, kind: str, message: dict[str, Any]) -> Any:
    """One line as the agent writes it."""
    return {
        "type": kind,
        "uuid": f"5f6d2c1e-0000-4000-8000-{number:012d}",
        "parentUuid": f"5f6d2c1e-0000-4000-8000-{number - 1:012d}" if number > 1 else None,
        "sessionId": SESSION,
        "timestamp": f"2026-05-01T10:00:{number:02d}.000Z",
        "cwd": "/home/ada/shop",
        "message": message,
    }


async def main() -> None:
    """Mirror a short session, twice as after a lost answer, and look at it through the SDK and the book."""
    usage = {"input_tokens": 3, "cache_read_input_tokens": 12_000, "output_tokens": 900}
    answer = {
        "id": "msg_01example",
        "model": "claude-sonnet-4-5-20250929",
        "role": "assistant",
        "content": [{"type": "text", "text": "Done."}],
        "stop_reason": "end_turn",
        "usage": usage,
    }
    lines = [line(1, "user", {"role": "user", "content": "Fix the checkout."}), line(2, "assistant", answer)]
    with tempfile.TemporaryDirectory() as folder, rollbook.open(Path(folder) / "book.db") as book:
        store: Any = RollbookSessionStore(book)
        key = {"project_key": project_key_for_directory("/home/ada/shop"), "session_id": SESSION}
        await store.append(key, lines)
        await store.append(key, lines)
        for info in await list_sessions_from_store(store, directory="/home/ada/shop"):
            messages = await get_session_messages_from_store(store, info.session_id, directory="/home/ada/shop")
            print(f"{info.summary}: {len(messages)} messages")
        kept = book.get(SESSION)
        print(f"{kept.turns} turns, {kept.calls} calls, {kept.tokens_in} tokens in, ${kept.cost_usd:.4f}")


asyncio.run(main())
