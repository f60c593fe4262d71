"""What an agent tells: the stream events of its model, and its own, in a numbered envelope.

Order that holds everywhere: `StatusChanged` comes before the event that caused it, and
`MessageAdded` after all deltas of that message.
"""

from __future__ import annotations

import time
from typing import Any, Literal, TypeAlias

import msgspec

from omni_tui.core.errors import OmniError
from omni_tui.core.messages import Block, Message, ToolResult, ToolUse
from omni_tui.core.stream import Response, StreamEvent

Status: TypeAlias = Literal["idle", "busy", "paused", "halted"]
Outcome: TypeAlias = Literal["completed", "max_steps", "skipped", "cancelled", "error", "halted"]


class _Payload(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    pass


class StatusChanged(_Payload, frozen=True, kw_only=True, tag="status"):
    status: Status


class MessageAdded(_Payload, frozen=True, kw_only=True, tag="message"):
    message: Message


class StepFinished(_Payload, frozen=True, kw_only=True, tag="step"):
    response: Response


class TurnFinished(_Payload, frozen=True, kw_only=True, tag="turn"):
    """A turn is over: the run's end (`stop`), or another turn follows (`continue`)."""

    kind: Literal["stop", "continue"]
    response: Response | None
    """This turn's messages and usage; `None` when it was skipped or failed."""
    outcome: Outcome = "completed"
    error: OmniError | None = None
    """What a hook made the run go on after."""


class ToolStarted(_Payload, frozen=True, kw_only=True, tag="tool_started"):
    tool_use: ToolUse


class ToolOutput(_Payload, frozen=True, kw_only=True, tag="tool_output"):
    """A piece of what a running tool prints, for a person; the model sees only the result."""

    tool_use_id: str
    text: str


class ToolFinished(_Payload, frozen=True, kw_only=True, tag="tool_finished"):
    result: ToolResult


class Paused(_Payload, frozen=True, kw_only=True, tag="pause"):
    """The run waits for `resume()`. `position` and `total` count the uses of this message."""

    reason: str
    tool_use: ToolUse
    details: dict[str, Any] = {}
    position: int = 1
    total: int = 1


class Resumed(_Payload, frozen=True, kw_only=True, tag="resume"):
    tool_use_id: str


class Retrying(_Payload, frozen=True, kw_only=True, tag="retry"):
    """A request failed and will be sent again in `delay` seconds.

    What had been streamed of this step is void. With `fallback`, `model` is given up after
    `attempt` requests and that model is asked at once.
    """

    attempt: int
    delay: float
    error: OmniError
    model: str = ""
    fallback: str | None = None


class RunFailed(_Payload, frozen=True, kw_only=True, tag="error"):
    """The run broke off; `prompt` is what it was answering."""

    error: OmniError
    prompt: tuple[Block, ...] | None = None


class RunCancelled(_Payload, frozen=True, kw_only=True, tag="cancelled"):
    """The run was stopped; `prompt` is what it was answering, for the editor to offer again."""

    prompt: tuple[Block, ...] | None = None


class PromptReturned(_Payload, frozen=True, kw_only=True, tag="returned"):
    """A prompt or a steering text that was never sent, for the editor to offer again."""

    content: tuple[Block, ...]
    reason: Literal["replaced", "limit", "cancelled", "error", "halted", "skipped"]


class QueueChanged(_Payload, frozen=True, kw_only=True, tag="queue"):
    """What waits for the agent."""

    waiting: tuple[str, ...]
    """The ids of the runs that wait, the next first."""
    steer: tuple[Block, ...] | None
    """The text that the next boundary takes."""


class StateChanged(_Payload, frozen=True, kw_only=True, tag="state"):
    """`Agent.update` or `reset` changed these fields."""

    fields: tuple[str, ...]


AgentEvent: TypeAlias = (
    StatusChanged
    | MessageAdded
    | StepFinished
    | TurnFinished
    | ToolStarted
    | ToolOutput
    | ToolFinished
    | Paused
    | Resumed
    | Retrying
    | RunFailed
    | RunCancelled
    | PromptReturned
    | QueueChanged
    | StateChanged
)


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The envelope every listener gets."""

    payload: StreamEvent | AgentEvent | Any
    """A stream event, an agent event, or (from a session) a session event."""
    seq: int
    """Counts the events of one agent or session, strictly increasing."""
    ts: float = msgspec.field(default_factory=time.time)
    """Seconds since 1970, UTC."""
    session_id: str | None = None
    run_id: str | None = None
    node_id: int | None = None
    """The tip of the branch the run grows."""
    step: int = 0
    """The step of the run, from 1; 0 before the first."""
    v: int = 1

    @property
    def type(self) -> str:
        """The payload's tag, such as `text_delta` or `pause`."""
        return str(self.payload.__struct_config__.tag)
