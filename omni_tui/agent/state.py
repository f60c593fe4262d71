"""What an agent says about itself: values, complete at the instant they were made."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from omni_tui.agent.events import Paused, Status
from omni_tui.agent.queue import Steer
from omni_tui.core.errors import OmniError
from omni_tui.core.messages import Message
from omni_tui.core.stream import Response
from omni_tui.core.usage import Usage


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
