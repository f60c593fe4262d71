"""The SDKs take a second to import, so nothing imports them before the first request."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
import omni_tui.llm.models, omni_tui.llm.retry, omni_tui.llm.repair
import omni_tui.llm.providers.anthropic, omni_tui.llm.providers.openai_chat
import omni_tui.llm.providers.openai_responses, omni_tui.llm.providers.table
from omni_tui.llm.models import ProviderRegistry
registry = ProviderRegistry()
for name in ("anthropic", "openai", "groq", "demo"):
    registry.resolve(name + "/x")
heavy = {"anthropic", "openai", "httpx", "httpx2", "pydantic", "textual", "rich"}
print(sorted(heavy & set(sys.modules)))
registry.get("groq").prepare()
print("openai" in sys.modules, "anthropic" in sys.modules)
"""


def test_the_sdks_are_imported_by_prepare_and_not_before() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=50
    )
    assert done.stdout.splitlines() == ["[]", "True False"]
