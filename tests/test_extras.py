"""An integration whose framework is not installed says what to install."""

from __future__ import annotations

import importlib
import sys

import pytest

FRAMEWORKS = [
    ("openai_agents", "agents", "openai-agents"),
    ("claude_agent", "claude_agent_sdk", "claude-agent"),
    ("pydantic_ai", "pydantic_ai", "pydantic-ai"),
]


@pytest.mark.parametrize(("module", "framework", "extra"), FRAMEWORKS)
def test_a_framework_that_is_missing_is_named(
    module: str, framework: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"rollbook.integrations.{module}"
    monkeypatch.delitem(sys.modules, name, raising=False)
    for each in (framework, f"{framework}.conversation_store"):
        monkeypatch.setitem(sys.modules, each, None)  # which stops an import
    with pytest.raises(ModuleNotFoundError, match=rf"pip install 'rollbook\[{extra}\]'"):
        importlib.import_module(name)
