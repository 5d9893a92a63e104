"""Runs an emitter, and gives what it posted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from integrations.telemetry.servers import Counting, Posted, Recording, serving

FOLDER: Final = Path(__file__).with_name("emitters")
TESTS: Final = Path(__file__).parents[2]
PROGRAMS: Final = {
    "openinference": "clients.py",
    "openllmetry": "clients.py",
    "events": "clients.py",
    "openai_agents": "agents_sdk.py",
    "openai_agents_twice": "agents_sdk.py",
    "pydantic_ai": "pydantic_agents.py",
    "pydantic_ai_responses": "pydantic_agents.py",
    "pydantic_ai_sums": "pydantic_agents.py",
    "pydantic_ai_metrics": "pydantic_agents.py",
    "logfire": "pydantic_agents.py",
}


def posted_by(name: str) -> list[Posted]:
    """All the bodies of one emitter, in the order in which they came."""
    receiver = Recording()
    with serving(Counting()) as provider, serving(receiver) as endpoint:
        settings = {
            "OPENAI_BASE_URL": f"{provider}/v1",
            "OPENAI_API_KEY": "sk-none",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep),
        }
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "LOGFIRE_", "OPENAI_"))}
        subprocess.run(
            [sys.executable, PROGRAMS[name], name],
            cwd=FOLDER,
            env={**kept, **settings},
            check=True,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
    return receiver.posted
