"""What a model sends, normalised: block events, then exactly one `Done` or `Failed`.

Every block opens with a `*Start`, grows by `*Delta` and closes with a `*End` that carries the
finished block; `index` counts the blocks of the message from 0.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from omni_tui.core.errors import OmniError
from omni_tui.core.messages import Message, Opaque, Text, Thinking, ToolUse
from omni_tui.core.usage import Usage

StopReason: TypeAlias = Literal["stop", "length", "tool_use", "refusal", "error", "cancelled"]


class _StreamEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="type"):
    pass


class TextStart(_StreamEvent, frozen=True, kw_only=True, tag="text_start"):
    index: int


class TextDelta(_StreamEvent, frozen=True, kw_only=True, tag="text_delta"):
    index: int
    text: str


class TextEnd(_StreamEvent, frozen=True, kw_only=True, tag="text_end"):
    index: int
    block: Text


class ThinkingStart(_StreamEvent, frozen=True, kw_only=True, tag="thinking_start"):
    index: int


class ThinkingDelta(_StreamEvent, frozen=True, kw_only=True, tag="thinking_delta"):
    index: int
    text: str


class ThinkingEnd(_StreamEvent, frozen=True, kw_only=True, tag="thinking_end"):
    index: int
    block: Thinking


class ToolUseStart(_StreamEvent, frozen=True, kw_only=True, tag="tool_use_start"):
    index: int
    id: str
    name: str


class ToolUseDelta(_StreamEvent, frozen=True, kw_only=True, tag="tool_use_delta"):
    """A piece of the arguments' JSON text, not parseable by itself."""

    index: int
    json: str


class ToolUseEnd(_StreamEvent, frozen=True, kw_only=True, tag="tool_use_end"):
    index: int
    block: ToolUse


class OpaqueEnd(_StreamEvent, frozen=True, kw_only=True, tag="opaque_end"):
    """A block of a kind unknown here; nothing of it is told before it is whole."""

    index: int
    block: Opaque


class Done(_StreamEvent, frozen=True, kw_only=True, tag="done"):
    """The step is complete."""

    stop_reason: StopReason
    usage: Usage = Usage()
    model: str | None = None
    """The model that answered, when the provider names it."""


class Failed(_StreamEvent, frozen=True, kw_only=True, tag="failed"):
    """The step broke off; what came before it stands."""

    error: OmniError
    usage: Usage = Usage()


StreamEvent: TypeAlias = (
    TextStart
    | TextDelta
    | TextEnd
    | ThinkingStart
    | ThinkingDelta
    | ThinkingEnd
    | ToolUseStart
    | ToolUseDelta
    | ToolUseEnd
    | OpaqueEnd
    | Done
    | Failed
)


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a step, or of a turn: its last message and all that led there."""

    message: Message
    messages: tuple[Message, ...] = ()
    """Every message this step or turn added, in order."""
    stop_reason: StopReason = "stop"
    usage: Usage = Usage()
    model: str = ""
    output: Any = None
    """The decoded value when structured output was asked for."""

    @property
    def text(self) -> str:
        """The words of the last message."""
        return self.message.text
