from __future__ import annotations

import pytest
from tool_calls import Call

from omni_tui.core.errors import ToolError
from omni_tui.tools.builtin import builtin_tools


async def test_nobody_to_ask_is_an_error(call: Call) -> None:
    with pytest.raises(ToolError, match="No human is available to answer"):
        await call("human", question="Which?", options=["a", "b"])


def test_the_tools_say_what_they_do() -> None:
    tools = {tool.name: tool for tool in builtin_tools()}
    assert list(tools) == [
        "read_file", "write_file", "edit_file", "grep", "glob", "bash", "human",
    ]  # fmt: skip
    assert {name for name, tool in tools.items() if tool.read_only} == {"read_file", "grep", "glob"}
    assert {name for name, tool in tools.items() if tool.asks_person} == {"human"}
    assert tools["bash"].timeout == 600
    for tool in tools.values():
        assert tool.description
        assert "context" not in tool.input_schema["properties"]
        assert all("description" in item for item in tool.input_schema["properties"].values())
