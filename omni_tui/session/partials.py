"""Replies that are being written, kept every second: a killed process loses no more than that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from omni_tui.core.messages import Message, Text, Thinking
from omni_tui.session.store.base import SessionRecord
from omni_tui.session.tree import Node, Tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from omni_tui.session.runs import BranchRun

INTERVAL = 1.0
"""Seconds from the first words that are not kept yet until they are."""

INTERRUPTED = "The program ended while this was being written."


class Partial(msgspec.Struct, frozen=True, kw_only=True):
    """One reply on its way; a value of `SessionRecord.partials`, by run id."""

    parent_id: int | None
    """The node it is going to follow."""
    model: str
    message: Message


class Partials:
    """Keeps what the runs of one session are writing; `keep` writes the whole of it."""

    def __init__(self, keep: Callable[[dict[str, Any]], None]) -> None:
        self._keep = keep
        self._kept: dict[str, Any] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._settling: set[str] = set()
        """Those whose step is a node that is not durable yet."""

    def grew(self, branch: BranchRun) -> None:
        """Words came; they are kept within a second."""
        id = branch.run.id
        if id not in self._timers:
            loop = asyncio.get_running_loop()
            self._timers[id] = loop.call_later(INTERVAL, self._write, id, branch)

    def settled(self, id: str, saved: asyncio.Future[None] | None) -> None:
        """The step of this run is a node now: forget its part as soon as that is durable."""
        if (timer := self._timers.pop(id, None)) is not None:
            timer.cancel()
        if id not in self._kept or id in self._settling:
            return
        if saved is None:
            self._forget(id)
        else:
            self._settling.add(id)
            saved.add_done_callback(lambda _: self._forget(id))

    def _forget(self, id: str) -> None:
        self._settling.discard(id)
        if self._kept.pop(id, None) is not None:
            self._keep(dict(self._kept))

    def _write(self, id: str, branch: BranchRun) -> None:
        del self._timers[id]
        written = branch.agent.partial
        blocks = written.blocks() if written is not None else ()
        said = tuple(block for block in blocks if isinstance(block, Text | Thinking))
        if written is None or not any(isinstance(block, Text) for block in said):
            return
        message = Message(role="assistant", content=said, created_at=written.created_at)
        partial = Partial(parent_id=branch.tip, model=str(branch.agent.model), message=message)
        self._kept[id] = msgspec.to_builtins(partial)
        self._keep(dict(self._kept))

    def close(self) -> None:
        """Keep nothing more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()


def recover(record: SessionRecord, tree: Tree) -> list[Node]:
    """Add what was being written when the process ended to the tree, each as a broken-off reply.

    A part whose step was stored after all is left out, as is one that cannot be read or has lost
    the node it followed.
    """
    nodes = []
    for run_id, stored in record.partials.items():
        try:
            partial = msgspec.convert(stored, Partial)
        except msgspec.ValidationError:
            continue
        parent = partial.parent_id
        is_lost = parent is not None and parent not in tree
        if is_lost or any(tree[child].run_id == run_id for child in tree.children(parent)):
            continue
        nodes.append(
            tree.add(
                partial.message,
                parent=parent,
                model=partial.model,
                stop_reason="cancelled",
                status="cancelled",
                error=INTERRUPTED,
                run_id=run_id,
            )
        )
    return nodes
