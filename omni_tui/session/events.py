"""What a session tells beside the events of its agents."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from omni_tui.core.errors import OmniError


class _Payload(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    pass


class TreeChanged(_Payload, frozen=True, kw_only=True, tag="tree"):
    """The tree grew, a node's facts changed, or the head moved."""

    new: tuple[int, ...] = ()
    """Ids of new nodes, parents first."""
    changed: tuple[int, ...] = ()
    """Ids of nodes whose facts changed."""


class Saved(_Payload, frozen=True, kw_only=True, tag="saved"):
    """Everything up to the `TreeChanged` before it is durable."""


class SaveFailed(_Payload, frozen=True, kw_only=True, tag="save_failed"):
    """The store refused; nothing is lost from memory and it will be tried again."""

    error: OmniError


class TitleChanged(_Payload, frozen=True, kw_only=True, tag="title"):
    """The session is called something else; `None` is no title."""

    title: str | None


class Compacted(_Payload, frozen=True, kw_only=True, tag="compacted"):
    """A summary was made: the branches through `covers` read it from their next turn on."""

    node_id: int
    """The summary."""
    covers: int
    """The last node it stands for."""
    before_tokens: int
    """Of the messages it stands for, estimated."""
    after_tokens: int
    """Of the summary, estimated."""


class CompactionFailed(_Payload, frozen=True, kw_only=True, tag="compaction_failed"):
    """A summary could not be made; told once for a branch until one is made. The talk goes on."""

    covers: int
    """The last node it should have stood for."""
    error: OmniError


SessionEvent: TypeAlias = (
    TreeChanged | Saved | SaveFailed | TitleChanged | Compacted | CompactionFailed
)
