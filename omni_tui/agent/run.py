"""A run: from a prompt until the agent is idle again."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any, Literal

from omni_tui.agent.events import Event, Outcome
from omni_tui.agent.subscription import Subscription
from omni_tui.core.errors import AgentRunError, OmniError
from omni_tui.core.messages import Block
from omni_tui.core.stream import Response

if TYPE_CHECKING:
    from omni_tui.agent.engine import Engine


class Run:
    """Await it for the last turn's response, or iterate it for events; both at once is fine.

    Awaiting raises `AgentRunError` unless the outcome is `completed` or `max_steps`: after a cancel
    it is a `CancelledRequestError`. Cancelling the task that awaits does not cancel the run:
    `cancel()` does.
    """

    def __init__(self, engine: Engine, prompt: tuple[Block, ...] | None) -> None:
        self.id = uuid.uuid4().hex[:16]
        self.prompt = prompt
        """What was asked; `None` when the run continues a history."""
        self.outcome: Outcome | None = None
        """How it ended; `None` while it goes on."""
        self.response: Response | None = None
        self.error: OmniError | None = None
        self.step = 0
        self._engine = engine
        self._finished = asyncio.Event()
        self._subscription = Subscription()
        self.task: asyncio.Task[None] | None = None
        """`None` while the run waits for its turn."""

    def publish(self, event: Event) -> None:
        """Hand the run's own iterator an event; called by its owner."""
        self._subscription.put(event)

    def finish(self, outcome: Outcome) -> None:
        """Mark the run as ended; called by the agent."""
        self.outcome = outcome
        self._subscription.close()
        self._finished.set()

    @property
    def status(self) -> Literal["queued", "running"] | Outcome:
        """Where it is: waiting, going on, or how it ended."""
        if self.outcome is not None:
            return self.outcome
        return "queued" if self.task is None else "running"

    @property
    def is_done(self) -> bool:
        return self.outcome is not None

    def cancel(self) -> bool:
        """Stop the run; says whether there was anything to stop. Never raises."""
        return self._engine.cancel(self.id)

    async def wait(self) -> Outcome:
        """Wait for the end, whatever it is."""
        await self._finished.wait()
        assert self.outcome is not None
        return self.outcome

    def __await__(self) -> Generator[Any, None, Response]:
        return self._result().__await__()

    async def _result(self) -> Response:
        outcome = await self.wait()
        if outcome in ("completed", "max_steps") and self.response is not None:
            return self.response
        raise self.failure() from self.error

    def failure(self) -> AgentRunError:
        """What awaiting a run raises that ended without an answer."""
        if isinstance(self.error, AgentRunError):
            return self.error
        reason = f": {self.error}" if self.error else ""
        return AgentRunError(f"The run ended as {self.outcome}{reason}", outcome=str(self.outcome))

    async def __aiter__(self) -> AsyncGenerator[Event, None]:
        async for event in self._subscription:
            yield event
