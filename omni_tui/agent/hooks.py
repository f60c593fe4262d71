"""Hooks: how a program changes, gates or blocks what an agent does next.

`handle_*` decide, `pre_*` and `post_*` wrap. Between a chatbot and an autonomous agent there is no
other difference than these methods.
"""

from __future__ import annotations

from typing import Any

from omni_tui.agent.decisions import (
    AfterError,
    AfterStep,
    AfterTurn,
    BeforeTurn,
    Decision,
    Execute,
    Ignore,
    OnEvent,
    Proceed,
    Stop,
)
from omni_tui.agent.events import Outcome
from omni_tui.core.errors import OmniError
from omni_tui.core.messages import Block, Message, ToolResult, ToolUse
from omni_tui.core.stream import Response, StreamEvent


class Hooks:
    """Override what you need and pass the object in `Agent(hooks=[…])`, or subclass `Agent`.

    The objects are asked in order, the agent's own methods last; the first decision that is not the
    default wins. A hook that raises, or returns what it must not, has failed; what that means is
    said at each. A cancel stops the hook that runs, except in `post_turn`, which sees its end.
    """

    async def init(self) -> None:
        """Prepare. Failing: `Agent.start` raises, and the agent is closed."""

    async def pre_run(self) -> None:
        """Prepare what the first turn needs; `Agent.start` does not wait for it, the turn does.

        Failing: the agent is closed and everything that waits fails.
        """

    async def pre_turn(self, content: tuple[Block, ...] | None) -> BeforeTurn:
        """Let a turn begin, with this prompt or another one; `None` goes on from the history.

        Failing: the turn is skipped.
        """
        return Proceed()

    async def handle_stream_event(self, event: StreamEvent) -> None:
        """See a piece of the answer as it comes. The stream waits, so be quick.

        Failing: it is logged.
        """

    async def handle_step(self, response: Response) -> AfterStep:
        """See a step; `Stop` and `Halt` end the turn before any of its tools runs.

        Failing: the run fails.
        """
        return Proceed()

    async def handle_tool_use(self, tool_use: ToolUse) -> Decision:
        """Decide about a tool use, one after the other, before any of a message's tools runs.

        Failing rejects the use: a broken guard must not open the door.
        """
        return Execute()

    async def handle_tool_result(self, result: ToolResult) -> ToolResult:
        """Change what the model will read, one after the other, when all tools have run.

        Failing: it is logged and the result stays as it was.
        """
        return result

    async def handle_turn(self, response: Response) -> AfterTurn:
        """Decide what follows a turn that was answered (or ran into the limit of steps).

        Failing: the run fails; the turn stays.
        """
        return Stop()

    async def handle_error(self, error: OmniError) -> AfterError:
        """Decide what follows a step that failed for good, or a turn that took too long.

        It is not asked about a cancel. Failing: the run fails with the first error.
        """
        return Stop()

    async def handle_event(self, event: Any) -> OnEvent:
        """Decide about what somebody told by `notify`.

        Failing: it is logged and the event is ignored.
        """
        return Ignore()

    async def on_compaction(self, removed: tuple[Message, ...]) -> None:
        """See which messages the model no longer reads, or no longer whole; the history keeps them.

        Failing: it is logged.
        """

    async def post_turn(self, outcome: Outcome) -> None:
        """See how a turn ended, after the decision about it. Failing: it is logged."""

    async def post_run(self) -> None:
        """See the end of the work: the agent is about to halt. Failing: it is logged."""

    async def terminate(self, reason: str) -> None:
        """Clean up: the agent is being closed. Failing: it is logged."""
