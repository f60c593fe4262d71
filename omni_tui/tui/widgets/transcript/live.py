"""A part that is still being written: finished blocks are rendered once, only the tail again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from omni_tui.core.safe_text import safe
from omni_tui.tui.widgets.transcript.blocks import Splitter
from omni_tui.tui.widgets.transcript.lines import Line
from omni_tui.tui.widgets.transcript.markdown import Renderer
from omni_tui.tui.widgets.transcript.model import (
    DeltaKind,
    GrowingRow,
    Prose,
    Thought,
    ToolRow,
)
from omni_tui.tui.widgets.transcript.parts import as_thought, part_lines, thinking, thought_line

_SLICE = 1_024
"""Characters taken between two looks at the clock."""


class LivePart:
    """Text that grows by deltas. `lines` is valid after `work`."""

    def __init__(self, kind: DeltaKind, index: int) -> None:
        self.kind = kind
        self.index = index
        self.done = False
        self._chunks: list[str] = []
        self._pending: list[str] = []
        self._words = 0
        self._between = True
        self.restart(None)

    @property
    def text(self) -> str:
        """All that was fed."""
        if len(self._chunks) > 1:
            self._chunks = ["".join(self._chunks)]
        return self._chunks[0] if self._chunks else ""

    @property
    def pending(self) -> bool:
        """Whether `work` has something to do."""
        return bool(self._pending)

    def part(self) -> Prose | Thought:
        """What the part is so far, as a settled value."""
        return Prose(self.text) if self.kind == "text" else Thought(self.text, self.done)

    def feed(self, delta: str) -> None:
        """Take a delta; nothing is parsed yet."""
        self._chunks.append(delta)
        self._pending.append(delta)

    def restart(self, renderer: Renderer | None) -> None:
        """Begin again for another width, theme or fold; `work` then goes through all the text."""
        self._renderer = renderer
        self._splitter = Splitter()
        self._frozen: list[Line] = []
        self._carry = ""
        text = self.text
        self._pending = [text] if text else []
        self._words, self._between = 0, True

    def work(self, renderer: Renderer, deadline: float, clock: Callable[[], float]) -> bool:
        """Parse what is pending until `clock` passes `deadline`; whether all is done."""
        if self._renderer is None:
            self._renderer = renderer if self.kind == "text" else thinking(renderer)
        text = "".join(self._pending)
        self._pending = []
        at = 0
        while at < len(text):
            self._take(text[at : at + _SLICE])
            at += _SLICE
            if at < len(text) and clock() >= deadline:
                self._pending = [text[at:]]
                return False
        return True

    def lines(self, unfolded: bool, renderer: Renderer) -> list[Line]:
        """The lines so far, those of the tail last."""
        if self.kind == "text":
            return self._body()
        line = thought_line(self._words, self.done, self.index, unfolded, renderer.palette)
        return [line, *self._body()] if unfolded else [line]

    def _body(self) -> list[Line]:
        lines = list(self._frozen)
        tail = self._splitter.tail()
        if tail is not None and self._renderer is not None:
            self._renderer.extend(lines, tail)
            if self.kind == "thinking":
                as_thought(lines[len(self._frozen) :])
        return lines

    def close(self) -> list[Line] | None:
        """The final lines of a text that is complete; None for a thought, or if work is left."""
        if self._pending or self._carry or self._renderer is None or self.kind == "thinking":
            return None
        self._splitter.finish()
        for piece in self._splitter.take():
            self._renderer.extend(self._frozen, piece)
        return self._frozen

    def _take(self, text: str) -> None:
        assert self._renderer is not None
        text = self._carry + text
        # A carriage return may be half of a line end.
        self._carry = "\r" if text.endswith("\r") else ""
        text = safe(text.removesuffix("\r") if self._carry else text)
        if self.kind == "thinking":
            self._count(text)
        self._splitter.feed(text)
        for piece in self._splitter.take():
            added = len(self._frozen)
            self._renderer.extend(self._frozen, piece)
            if self.kind == "thinking":
                as_thought(self._frozen[added:])

    def _count(self, text: str) -> None:
        words = text.split()
        if words:
            joined = not self._between and not text[0].isspace()
            self._words += len(words) - joined
        if text:
            self._between = text[-1].isspace()


class LiveRow:
    """A tool use that is still being written: one line, made anew when it is looked at."""

    def __init__(self, index: int, source: GrowingRow) -> None:
        self.index = index
        self.done = False
        self.pending = True
        """Whether the row may have changed since it was painted."""
        self._source = source

    def part(self) -> ToolRow:
        """The row so far."""
        return self._source.row()

    def restart(self, renderer: Renderer | None) -> None:
        """Nothing was kept."""
        self.pending = True

    def work(self, renderer: Renderer, deadline: float, clock: Callable[[], float]) -> bool:
        """There is nothing to parse."""
        self.pending = False
        return True

    def lines(self, unfolded: bool, renderer: Renderer) -> list[Line]:
        """The line of the row."""
        return part_lines(self.part(), self.index, unfolded, renderer, "assistant")


Growing: TypeAlias = LivePart | LiveRow
