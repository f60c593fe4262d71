"""How an agent's owner learns what the agent completes, the moment it is complete."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from omni_tui.core.messages import Message
from omni_tui.core.stream import StopReason
from omni_tui.core.usage import Usage

if TYPE_CHECKING:
    from omni_tui.agent.run import Run


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a message beside its content."""

    usage: Usage | None = None
    model: str | None = None
    stop_reason: StopReason | None = None
    duration_ms: int | None = None
    status: Literal["done", "cancelled", "failed"] = "done"
    error: str | None = None


class Journal(Protocol):
    """Whoever owns the agent: writes down what it completes and passes on what it tells."""

    def publish(self, run: Run | None, payload: Any) -> None:
        """Put an event in its envelope and send it to the listeners."""
        ...

    def began(self, run: Run) -> None:
        """A run begins; of those that waited, their turn has come."""
        ...

    async def admit(self, run: Run) -> None:
        """Let a run go on that began, before it asks anything; what this raises ends it."""
        ...

    def commit(self, run: Run, message: Message, facts: Facts) -> asyncio.Future[None] | None:
        """Take a complete message; the future, if any, is done when it is durable (or given up)."""
        ...

    def amend(self, run: Run, facts: Facts) -> None:
        """Note how a run ended when it ended without another message."""
        ...

    def ended(self, run: Run) -> None:
        """The run is over; called before anyone who waits for it goes on."""
        ...
