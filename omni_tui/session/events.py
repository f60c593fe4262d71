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


SessionEvent: TypeAlias = TreeChanged | Saved | SaveFailed | TitleChanged
