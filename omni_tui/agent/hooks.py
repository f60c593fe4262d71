"""Hooks: how a program changes, gates or blocks what an agent does next."""

from __future__ import annotations

from omni_tui.agent.decisions import Decision, Execute
from omni_tui.core.messages import ToolUse


class Hooks:
    """Override what you need and pass the object in `Agent(hooks=[…])`, or subclass `Agent`.

    Hooks run in order; the first decision that is not the default wins.
    """

    async def handle_tool_use(self, tool_use: ToolUse) -> Decision:
        """Decide about a tool use, one after the other, before any of a message's tools runs.

        An exception rejects the use: a broken guard must not open the door.
        """
        return Execute()
