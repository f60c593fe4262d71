"""Puts blocks together from a provider's pieces: what the three wire dialects have in common."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import Any, Literal

from omni_tui.core.errors import BrokenStreamError
from omni_tui.core.messages import Opaque, Text, Thinking
from omni_tui.core.stream import (
    Done,
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
from omni_tui.llm.providers.base import finish_tool_use

MAX_COUNT = 10**12


class OpenBlock:
    """A block that is still growing."""

    __slots__ = ("id", "index", "kind", "name", "parts", "signature")

    def __init__(self, kind: Literal["text", "thinking", "tool"], index: int) -> None:
        self.kind = kind
        self.index = index
        self.parts: list[str] = []
        self.id = ""
        self.name = ""
        self.signature: str | None = None


class Assembly(ABC):
    """One answer in the making.

    A dialect's subclass reads raw events in `feed` and calls `begin_*`, `add` and `end` with keys
    of its own choosing; the events to pass on gather in `out`. `signer` is noted with whatever is
    signed. Pure: no I/O and no clock.
    """

    def __init__(self, signer: str | None = None) -> None:
        self._signer = signer
        self.out: list[StreamEvent] = []
        self.usage = Usage()
        self.stop_reason: StopReason | None = None
        self.model: Any = None
        """What the provider calls the model that answers."""
        self.finished = False
        """The dialect's last event has come: nothing needs to be read any more."""
        self.blocks: dict[Hashable, OpenBlock] = {}
        """The open blocks."""
        self._count = 0
        self._ids: set[str] = set()

    @abstractmethod
    def feed(self, data: Any) -> None:
        """Take one raw event (decoded JSON). Raises anything when it makes no sense."""

    def conclude(self) -> Done:
        """The terminal event; raises `BrokenStreamError` when the answer is not whole."""
        if self.stop_reason is None:
            raise BrokenStreamError(
                "The answer broke off" if self._count else "The provider sent no answer",
                hint="try again",
            )
        if any(block.kind == "tool" for block in self.blocks.values()):
            raise BrokenStreamError("The answer broke off inside a tool call", hint="try again")
        reason = self.stop_reason
        if reason == "stop" and self._ids:
            reason = "tool_use"
        elif reason == "tool_use" and not self._ids:
            reason = "stop"
        self.end_words()
        model = self.model if isinstance(self.model, str) else None
        return Done(stop_reason=reason, usage=self.usage, model=model)

    def begin_text(self, key: Hashable, *, signature: str | None = None) -> None:
        """Open a text block."""
        block = self._begin("text", key)
        block.signature = signature
        self.out.append(TextStart(index=block.index))

    def begin_thinking(self, key: Hashable) -> None:
        """Open a thinking block."""
        self.out.append(ThinkingStart(index=self._begin("thinking", key).index))

    def begin_tool(
        self, key: Hashable, id: Any, name: Any, *, signature: str | None = None
    ) -> None:
        """Open a tool use; its id is made up when missing, and altered when already used.

        The same beginning sent twice is taken once.
        """
        known = self.blocks.get(key)
        if known is not None and known.kind == "tool" and known.id == id and not known.parts:
            return
        block = self._begin("tool", key)
        block.id = self._unique(id if isinstance(id, str) else "")
        block.name = name if isinstance(name, str) else ""
        block.signature = signature
        self.out.append(ToolUseStart(index=block.index, id=block.id, name=block.name))

    def redacted_thinking(self, data: str) -> None:
        """A whole block of reasoning whose words are withheld."""
        index = self._count
        self._count += 1
        block = Thinking(redacted=data, signed_by=self._signer)
        self.out.append(ThinkingStart(index=index))
        self.out.append(ThinkingEnd(index=index, block=block))

    def opaque(self, kind: str, data: dict[str, Any]) -> None:
        """A whole block of a kind unknown here."""
        block = Opaque(kind=kind, data=data, signed_by=self._signer)
        self.out.append(OpaqueEnd(index=self._count, block=block))
        self._count += 1

    def add(self, key: Hashable, piece: Any) -> None:
        """Append to the open block `key`; an empty piece and `None` add nothing."""
        if not piece:
            return
        if not isinstance(piece, str):
            raise _no_text(piece)
        block = self.blocks[key]
        block.parts.append(piece)
        if block.kind == "text":
            self.out.append(TextDelta(index=block.index, text=piece))
        elif block.kind == "thinking":
            self.out.append(ThinkingDelta(index=block.index, text=piece))
        else:
            self.out.append(ToolUseDelta(index=block.index, json=piece))

    def end(self, key: Hashable, *, arguments: str | None = None) -> None:
        """Close block `key`; `arguments` replace what the deltas of a tool use gave."""
        block = self.blocks.pop(key)
        text = "".join(block.parts)
        signature = block.signature
        signer = None if signature is None else self._signer
        if block.kind == "text":
            said = Text(text=text, signature=signature, signed_by=signer)
            self.out.append(TextEnd(index=block.index, block=said))
        elif block.kind == "thinking":
            thought = Thinking(text=text, signature=signature, signed_by=signer)
            self.out.append(ThinkingEnd(index=block.index, block=thought))
        else:
            use = finish_tool_use(
                block.id,
                block.name,
                text if arguments is None else arguments,
                signature=signature,
                signed_by=signer,
            )
            self.out.append(ToolUseEnd(index=block.index, block=use))

    def end_words(self) -> None:
        """Close every open text and thinking block with what has come; open tool uses stay open."""
        for key, block in list(self.blocks.items()):
            if block.kind != "tool":
                self.end(key)

    def take(self) -> list[StreamEvent]:
        """The events since the last call."""
        events, self.out = self.out, []
        return events

    def _begin(self, kind: Literal["text", "thinking", "tool"], key: Hashable) -> OpenBlock:
        open_block = self.blocks.get(key)
        if open_block is not None:
            if open_block.kind == "tool":
                raise ValueError("a block begins within a tool call")
            self.end(key)
        block = OpenBlock(kind, self._count)
        self._count += 1
        self.blocks[key] = block
        return block

    def _unique(self, id: str) -> str:
        if not id:
            id = f"call_{uuid.uuid4().hex[:16]}"
        candidate, number = id, 2
        while candidate in self._ids:
            candidate = f"{id}-{number}"
            number += 1
        self._ids.add(candidate)
        return candidate


def text_of(value: Any) -> str:
    """Text from JSON, empty when it is missing; raises `TypeError` when it is something else."""
    if value is None or isinstance(value, str):
        return value or ""
    raise _no_text(value)


def _no_text(value: Any) -> TypeError:
    return TypeError(f"{type(value).__name__} where text should be")


def count(value: Any) -> int:
    """A token count from JSON; 0 when it is missing or nonsense."""
    return value if isinstance(value, int) and 0 < value <= MAX_COUNT else 0


def reading(total: Any, cache_read: Any, cache_write: Any, output: Any) -> Usage:
    """Usage from a provider whose total of tokens read includes the cached ones."""
    read, written = count(cache_read), count(cache_write)
    return Usage(
        input=max(0, count(total) - read - written),
        output=count(output),
        cache_read=read,
        cache_write=written,
    )
