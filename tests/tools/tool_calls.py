"""How these tests run a built-in tool."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Protocol

from omni_tui.core.tool import ToolContext, ToolReply
from omni_tui.tools.builtin import builtin_tools


class Call(Protocol):
    """Runs a tool by name; text alone comes back as a reply too."""

    def __call__(
        self, name: str, context: ToolContext | None = None, **arguments: Any
    ) -> Awaitable[ToolReply]: ...


def caller(work: Path) -> Call:
    """A `Call` whose context is the folder `work`, unless another is given."""
    tools = {tool.name: tool for tool in builtin_tools()}

    async def call(name: str, context: ToolContext | None = None, **arguments: Any) -> ToolReply:
        handler = tools[name].handler
        assert handler is not None
        reply = await handler(arguments, context or ToolContext(cwd=work))
        return reply if isinstance(reply, ToolReply) else ToolReply(text=reply)

    return call
