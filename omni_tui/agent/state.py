"""What an agent says about itself: values, complete at the instant they were made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from omni_tui.agent.events import Paused, Status
from omni_tui.agent.queue import Steer
from omni_tui.core.errors import OmniError
from omni_tui.core.messages import Message
from omni_tui.core.stream import Response
from omni_tui.core.usage import Usage

if TYPE_CHECKING:
    from omni_tui.agent.engine import Engine


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """An agent at one instant: everything committed, and the message now on its way."""

    status: Status
    messages: tuple[Message, ...]
    """Committed before the turn under way."""
    pending: tuple[Message, ...]
    """Added by the turn under way."""
    partial: Message | None
    paused: Paused | None
    waiting: tuple[str, ...] = ()
    """The ids of the runs that wait, the next first."""
    steer: Steer | None = None


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What a monitor wants to know."""

    status: Status
    busy: bool
    turns: int
    """Finished since the agent was made."""
    message_count: int
    usage: Usage
    uptime: float
    """Seconds since the agent was made."""
    pending_count: int
    max_pending: int


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as it can be stored elsewhere: what is committed."""

    id: str | None
    messages: tuple[Message, ...]
    usage: Usage
    metadata: dict[str, Any]
    """`status`, `turns` and `model`."""
    created_at: datetime
    updated_at: datetime


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """How a request stands."""

    status: Literal["pending", "done", "error", "not_found"]
    response: Response | None = None
    error: OmniError | None = None


def snapshot_of(engine: Engine) -> Snapshot:
    """The state of an agent now."""
    return Snapshot(
        status=engine.status,
        messages=engine.messages,
        pending=tuple(engine.history[engine.committed :]),
        partial=engine.accumulator.message() if engine.accumulator else None,
        paused=engine.paused,
        waiting=tuple(run.id for run in engine.queue.runs),
        steer=engine.queue.steer,
    )


def health_of(engine: Engine) -> Health:
    """How an agent is now."""
    return Health(
        status=engine.true_status,
        busy=engine.current is not None,
        turns=engine.turns,
        message_count=engine.committed,
        usage=engine.usage,
        uptime=(datetime.now(UTC) - engine.created).total_seconds(),
        pending_count=len(engine.queue.runs),
        max_pending=engine.queue.limit,
    )


def export_of(engine: Engine) -> Export:
    """What an agent has committed by now."""
    return Export(
        id=engine.context.session_id,
        messages=engine.messages,
        usage=engine.usage,
        metadata={
            "status": engine.status,
            "turns": engine.turns,
            "model": str(engine.settings.model),
        },
        created_at=engine.created,
        updated_at=engine.updated,
    )
