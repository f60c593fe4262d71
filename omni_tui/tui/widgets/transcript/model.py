"""What a transcript shows: plain values, no Textual, no tree, no agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

ToolStatus = Literal[
    "writing", "running", "asks", "done", "failed", "rejected", "cancelled", "interrupted"
]
NoticeKind = Literal["error", "info", "waits"]
DeltaKind = Literal["text", "thinking"]


class Prose(msgspec.Struct, frozen=True):
    """Markdown, of a person or a model."""

    text: str


class Thought(msgspec.Struct, frozen=True):
    """A model's thinking: one line until it is unfolded."""

    text: str
    done: bool = True


class ToolRow(msgspec.Struct, frozen=True):
    """One use of a tool: one line (`detail` at its right end), its output or diff under it.

    Output is folded by default, a diff is open.
    """

    id: str
    name: str
    title: str = ""
    status: ToolStatus = "done"
    detail: str = ""
    output: str = ""
    diff: str | None = None


class Folded(msgspec.Struct, frozen=True):
    """Something beside the talk: one line (`detail` at its right end), Markdown under it."""

    title: str
    detail: str
    text: str


class Notice(msgspec.Struct, frozen=True):
    """A line from the program itself, with a hint of what to do next."""

    kind: NoticeKind
    text: str
    hint: str = ""


Part = Prose | Thought | ToolRow | Folded | Notice


class Entry(msgspec.Struct, frozen=True):
    """One message as it is shown.

    `key` is unique in a session; `name` is "you" or the short name of a model; `position` is
    (which, of how many) among its siblings; a `live` entry is still being written.
    """

    key: int
    role: Literal["user", "assistant"]
    name: str
    meta: str = ""
    position: tuple[int, int] | None = None
    parts: tuple[Part, ...] = ()
    live: bool = False


class GrowingRow(Protocol):
    """A tool use that is still being written."""

    def row(self) -> ToolRow:
        """What of it can be shown by now."""


class Source(Protocol):
    """Where a transcript gets its messages from: the active path, root first."""

    @property
    def keys(self) -> Sequence[int]: ...

    def entry(self, key: int) -> Entry:
        """The message as it is now."""

    def size(self, key: int) -> tuple[int, int]:
        """(characters, newlines) of the message, cheap: asked for every message of the path."""


class CodeBlock(msgspec.Struct, frozen=True):
    """A fenced block of a message."""

    language: str
    text: str
