"""From the messages of a foreign file, in any order and state, to a tree.

Each format says what its entries are; what all have in common is done once, here: parents that are
missing, circles, ids used twice, entries that say nothing, and the order of things.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec

from omni_tui.core.messages import Block, Message, Role
from omni_tui.core.safe_text import safe_line
from omni_tui.core.stream import StopReason
from omni_tui.core.usage import Usage
from omni_tui.session.importers.reading import Warn, fingerprint
from omni_tui.session.tree import Facts, Status, Tree

Content: TypeAlias = tuple[Block, ...]

Join: TypeAlias = Callable[["Entry", "Entry"], Content | None]
"""Gives the content of two entries as one message, or `None` where they are two. The second is the
only one under the first."""

MAX_JOINED = 1000
"""Entries that become one message, at most: each costs what there is already."""

EPOCH = datetime.fromtimestamp(0, UTC)


class Entry(msgspec.Struct, kw_only=True):
    """One message of a foreign file; without content it stands for its parent."""

    key: str
    parent: str | None
    """The key of the entry it follows; `None` for a root."""
    role: Role = "user"
    content: Content = ()
    created_at: datetime | None = None
    """`None`: as its parent."""
    model: str | None = None
    usage: Usage | None = None
    stop_reason: StopReason | None = None
    status: Status = "done"
    error: str | None = None
    label: str | None = None
    is_summary: bool = False
    """It sums up the path to its parent; what follows it follows its parent."""


def grow(
    entries: Iterable[Entry],
    warn: Warn,
    *,
    head: str | None = None,
    began: datetime | None = None,
    join: Join | None = None,
) -> Tree:
    """The tree of these entries; ids count up in the order of their times.

    Args:
        entries: In the order of the file, which decides where times do not.
        warn: Told of what had to be put right.
        head: The entry in view; without it the newest.
        began: The time of a root that has none.
        join: Makes one message of neighbours; by default none are joined.
    """
    known = _known(entries, warn)
    _cut_circles(known, warn)
    order = _in_order(known, began or EPOCH)
    stands_for = _stand_ins(order)
    if join is not None:
        _join_neighbours(order, stands_for, join)
    return _grown(order, stands_for, head)


def digest_of(entries: Iterable[Entry]) -> str:
    """Stands for the id of a file that has none; to be asked for before they `grow`."""
    return fingerprint(
        part
        for entry in entries
        for part in (entry.key, entry.parent, repr(msgspec.to_builtins(entry.content)))
    )


def _known(entries: Iterable[Entry], warn: Warn) -> dict[str, Entry]:
    known: dict[str, Entry] = {}
    for entry in entries:
        if entry.key in known:
            warn(f"message {_shown(entry)} is there twice: the second one is left out")
        else:
            known[entry.key] = entry
    for entry in known.values():
        if entry.parent is not None and entry.parent not in known:
            warn(f"message {_shown(entry)} follows one that is missing: it begins a branch")
            entry.parent = None
    return known


def _cut_circles(known: dict[str, Entry], warn: Warn) -> None:
    safe: set[str] = set()
    for entry in known.values():
        walk: dict[str, None] = {}
        here: Entry | None = entry
        while here is not None and here.key not in safe:
            if here.key in walk:
                warn(f"message {_shown(here)} follows itself in a circle: it begins a branch")
                here.parent = None
                break
            walk[here.key] = None
            here = None if here.parent is None else known[here.parent]
        safe.update(walk)


def _in_order(known: dict[str, Entry], began: datetime) -> list[Entry]:
    """Parents before children, else by time, else as in the file; all have a time then."""
    below: dict[str | None, list[tuple[int, Entry]]] = {}
    for place, entry in enumerate(known.values()):
        below.setdefault(entry.parent, []).append((place, entry))
    waiting: list[tuple[datetime, int, Entry]] = []

    def admit(parent: str | None, time: datetime) -> None:
        for place, entry in below.get(parent, ()):
            if entry.created_at is None:
                entry.created_at = time
            heapq.heappush(waiting, (entry.created_at, place, entry))

    admit(None, began)
    order: list[Entry] = []
    while waiting:
        time, _, entry = heapq.heappop(waiting)
        order.append(entry)
        admit(entry.key, time)
    return order


def _stand_ins(order: Sequence[Entry]) -> dict[str, str | None]:
    """For each key the entry that stands for it in the tree: its own, or one above it."""
    stands_for: dict[str, str | None] = {}
    for entry in order:
        above = None if entry.parent is None else stands_for[entry.parent]
        entry.parent = above
        if above is None:
            entry.is_summary = False  # what it sums up is not in the file: it opens the branch
        says_nothing = not entry.content or entry.is_summary
        stands_for[entry.key] = above if says_nothing else entry.key
    return stands_for


def _join_neighbours(order: Sequence[Entry], stands_for: dict[str, str | None], join: Join) -> None:
    known = {entry.key: entry for entry in order if stands_for[entry.key] == entry.key}
    below = dict.fromkeys(known, 0)
    for entry in known.values():
        if entry.parent is not None:
            below[entry.parent] += 1
    into: dict[str, str] = {}
    joined = dict.fromkeys(known, 0)
    for entry in known.values():
        if entry.parent is None:
            continue
        entry.parent = into.get(entry.parent, entry.parent)
        above = known[entry.parent]
        if below[above.key] != 1 or joined[above.key] >= MAX_JOINED:
            continue
        if (content := join(above, entry)) is None:
            continue
        joined[above.key] += 1
        above.content = content
        above.model = entry.model or above.model
        above.stop_reason = entry.stop_reason or above.stop_reason
        below[above.key] = below[entry.key]
        into[entry.key] = above.key
        entry.content = ()
    for key, own in stands_for.items():
        if own is not None:
            stands_for[key] = into.get(own, own)


def _grown(order: Sequence[Entry], stands_for: dict[str, str | None], head: str | None) -> Tree:
    tree = Tree()
    ids: dict[str | None, int] = {}
    newest: int | None = None
    for entry in order:
        if not entry.content:
            continue
        parent = None if entry.parent is None else stands_for[entry.parent]
        message = Message(
            role=entry.role, content=entry.content, created_at=entry.created_at or EPOCH
        )
        if entry.is_summary:
            if parent is not None:
                tree.summarize(message, covers=ids[parent], **_facts(entry))
            continue
        node = tree.add(
            message, parent=None if parent is None else ids[parent], follow=False, **_facts(entry)
        )
        ids[entry.key] = newest = node.id
    tree.navigate(ids.get(None if head is None else stands_for.get(head), newest))
    return tree


def _facts(entry: Entry) -> Facts:
    return Facts(
        usage=entry.usage,
        model=entry.model,
        stop_reason=entry.stop_reason,
        status=entry.status,
        error=entry.error,
        label=entry.label,
    )


def _shown(entry: Entry) -> str:
    return repr(safe_line(entry.key, 60))
