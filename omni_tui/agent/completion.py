"""Work on a task until it is done: turn after turn, until the model itself says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from omni_tui.agent.agent import Agent
from omni_tui.agent.decisions import AfterStep, AfterTurn, BeforeTurn, Continue, Proceed, Stop
from omni_tui.agent.hooks import Hooks
from omni_tui.agent.run import Run
from omni_tui.core.errors import AgentRunError, MaxStepsReachedError, ToolError
from omni_tui.core.messages import Block, Content
from omni_tui.core.stream import Response
from omni_tui.core.tool import Tool, tool

MAX_TURNS = 20
"""Turns a task may take unless it is said otherwise."""

NUDGE = (
    "Go on with the task. When all of it is done, or nothing more can be done, call task_complete."
)
"""What the model is told at the end of a turn that did not complete the task."""

NOT_ALONE = (
    "Not accepted: call task_complete by itself, once you have read what the other tools gave."
)
ACCEPTED = "The task is marked as complete. Close with one sentence for the user."


class Completion(Hooks):
    """Keeps one run going: a turn that ends without `task_complete` is followed by another.

    Pass it in `hooks` and its `tool` in `tools`. A model that refuses is not asked again, and a
    text that steers the run takes the place of the next nudge.

    Args:
        max_turns: Turns after which the run ends with or without a result.
        nudge: What to tell the model between two turns.
    """

    def __init__(self, *, max_turns: int = MAX_TURNS, nudge: str = NUDGE) -> None:
        if max_turns < 1:
            raise ValueError("max_turns must be at least 1")
        self.max_turns = max_turns
        self.nudge = nudge
        self.tool = self._tool()
        """What the model calls when it is done."""
        self.renew()

    def renew(self) -> None:
        """Begin anew, for another run."""
        self.turns = 0
        """How many are finished."""
        self.result: str | None = None
        """What the model gave as the result; `None` until it did."""
        self.ended: Literal["done", "limit", "refused"] | None = None
        """Why the last turn was not followed by another; `None` while the task goes on, and when
        the run ended for another reason."""
        self._is_alone = True

    def _tool(self) -> Tool:
        @tool(read_only=True)
        async def task_complete(result: str) -> str:
            """Say that the whole task is done, or that nothing more can be done.

            Until you call this you are asked to go on. Call it by itself, after the other tools.

            Args:
                result: The outcome in full: the answer, or what was done, or what is in the way.
            """
            if not self._is_alone:
                raise ToolError(NOT_ALONE)
            self.result = result
            return ACCEPTED

        return task_complete

    async def handle_step(self, response: Response) -> AfterStep:
        """Note whether the tool is called by itself: what runs beside it may still fail."""
        self._is_alone = len(response.message.tool_uses) == 1
        return Proceed()

    async def handle_turn(self, response: Response) -> AfterTurn:
        """Ask for another turn, unless this was the last."""
        if self.ended is not None:
            return Stop()
        self.turns += 1
        if self.result is not None:
            self.ended = "done"
        elif response.stop_reason == "refusal":
            self.ended = "refused"
        elif self.turns >= self.max_turns:
            self.ended = "limit"
        return Stop() if self.ended else Continue(self.nudge)


class CompletionAgent(Agent):
    """An agent whose runs go on until the model calls `task_complete`.

    Args:
        max_turns: Turns a run may take.
        nudge: What to tell the model between two turns.
        tools: What the model may use beside `task_complete`.
        hooks: As for every agent; they decide before the question whether to go on.
        max_steps: Requests a run may make, in all its turns; `None` is no limit.
        options: As for every agent.
    """

    def __init__(
        self,
        *,
        max_turns: int = MAX_TURNS,
        nudge: str = NUDGE,
        tools: Iterable[Tool] = (),
        hooks: Sequence[Hooks] = (),
        max_steps: int | None = 100,
        **options: Any,
    ) -> None:
        self.completion = Completion(max_turns=max_turns, nudge=nudge)
        self._counted: Run | None = None
        """The run whose turns are being counted."""
        super().__init__(
            tools=(*tools, self.completion.tool),
            hooks=(*hooks, self.completion),
            max_steps=max_steps,
            **options,
        )

    @property
    def result(self) -> str | None:
        """The result of the last run that began; `None` when it has none (yet)."""
        return self.completion.result

    async def complete(self, task: Content) -> str:
        """Work on a task and return its result.

        Raises:
            MaxStepsReachedError: The turns or the steps were used up before.
            AgentRunError: The model refused, or the run failed or was stopped.
            BusyError: A run is under way.
        """
        await self.ask(task)
        completion = self.completion
        if completion.result is not None:
            return completion.result
        if completion.ended == "refused":
            raise AgentRunError("The model refused to work on the task.", outcome="completed")
        raise MaxStepsReachedError(
            f"The task is not complete after {completion.turns} turns.",
            hint="raise max_turns or max_steps, or prompt once more",
            turns=completion.turns,
        )

    async def pre_turn(self, content: tuple[Block, ...] | None) -> BeforeTurn:
        """Count anew when another run begins."""
        if self.run is not self._counted:
            self._counted = self.run
            self.completion.renew()
        return Proceed()
