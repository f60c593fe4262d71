"""Builds messages from stream events: one pure state machine for every provider and every face."""

from __future__ import annotations

from typing import Any

from omni_tui.core.messages import Block, Message, Text, Thinking, now
from omni_tui.core.stream import (
    Done,
    Failed,
    OpaqueEnd,
    StopReason,
    StreamEvent,
    TextDelta,
    TextEnd,
    TextStart,
    ThinkingDelta,
    ThinkingEnd,
    ThinkingStart,
    ToolUseDelta,
    ToolUseEnd,
    ToolUseStart,
)
from omni_tui.core.usage import Usage


class Accumulator:
    """Folds stream events into an assistant message.

    `parts()` may be asked at any time: finished blocks are whole, the open one holds what has come
    so far. An open tool use is left out: half a call must not be taken for a call. `open_uses()`
    has it, for a person to watch.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, Block | list[str]] = {}
        self._kinds: dict[int, type[Any]] = {}
        self._uses: dict[int, ToolUseStart] = {}
        self.terminal: Done | Failed | None = None
        self.created_at = now()

    def apply(self, event: StreamEvent) -> None:
        """Take one event. Events after the terminal one are ignored."""
        if self.terminal is not None:
            return
        match event:
            case TextDelta() | ThinkingDelta():
                parts = self._blocks.get(event.index)
                if isinstance(parts, list):
                    parts.append(event.text)
            case ToolUseDelta():
                parts = self._blocks.get(event.index)
                if isinstance(parts, list):
                    parts.append(event.json)
            case TextStart() | ThinkingStart() | ToolUseStart():
                self._blocks[event.index] = []
                self._kinds[event.index] = type(event)
                if isinstance(event, ToolUseStart):
                    self._uses[event.index] = event
            case TextEnd() | ThinkingEnd() | ToolUseEnd() | OpaqueEnd():
                self._blocks[event.index] = event.block
            case Done() | Failed():
                self.terminal = event

    def parts(self) -> list[tuple[int, Block, bool]]:
        """(index, block, whether it is finished) so far, in order; empty text left out."""
        out: list[tuple[int, Block, bool]] = []
        for index in sorted(self._blocks):
            block = self._blocks[index]
            is_whole = not isinstance(block, list)
            if isinstance(block, list):
                text = "".join(block)
                if not text or self._kinds[index] is ToolUseStart:
                    continue
                block = Text(text=text) if self._kinds[index] is TextStart else Thinking(text=text)
            elif isinstance(block, Text) and not block.text and not block.signature:
                continue
            out.append((index, block, is_whole))
        return out

    def open_uses(self) -> list[tuple[ToolUseStart, str]]:
        """The tool uses that are still being written, with the text of their arguments so far."""
        return [
            (start, "".join(parts))
            for index, start in sorted(self._uses.items())
            if isinstance(parts := self._blocks[index], list)
        ]

    def blocks(self) -> tuple[Block, ...]:
        """The blocks so far, in order."""
        return tuple(block for _, block, _ in self.parts())

    def message(self) -> Message:
        """The assistant message so far."""
        return Message(role="assistant", content=self.blocks(), created_at=self.created_at)

    @property
    def stop_reason(self) -> StopReason:
        """Why the step ended; `error` when it broke off, `cancelled` when it never ended."""
        match self.terminal:
            case Done(stop_reason=reason):
                return reason
            case Failed():
                return "error"
            case _:
                return "cancelled"

    @property
    def usage(self) -> Usage:
        """What the step consumed, as far as the provider said."""
        return self.terminal.usage if self.terminal else Usage()
