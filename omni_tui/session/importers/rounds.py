"""Tool rounds: other programs keep calls and results in one message, or in many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from omni_tui.core.messages import Block, ToolResult, ToolUse
from omni_tui.session.importers.entries import Content, Entry


def split_rounds(entry: Entry, blocks: Sequence[Block]) -> Iterator[Entry]:
    """A reply that holds results as well, as the messages it stands for, each under the one before.

    The last one has the key of `entry`, so that what follows it follows them all.
    """
    parts = [
        (has_results, tuple(part))
        for has_results, part in groupby(blocks, lambda block: isinstance(block, ToolResult))
    ]
    above = entry.parent
    for number, (has_results, part) in enumerate(parts, 1):
        is_last = number == len(parts)
        has_calls = any(isinstance(block, ToolUse) for block in part)
        made = msgspec.structs.replace(
            entry,
            key=entry.key if is_last else f"{entry.key}\0{number}",
            parent=above,
            role="user" if has_results else "assistant",
            content=part,
            model=None if has_results else entry.model,
            usage=entry.usage if is_last else None,
            label=entry.label if is_last else None,
            stop_reason=None if has_results else "tool_use" if has_calls else entry.stop_reason,
            status=entry.status if is_last else "done",
            error=entry.error if is_last else None,
        )
        above = made.key
        yield made
    if not parts:
        yield entry


def join_results(first: Entry, second: Entry) -> Content | None:
    """Results that follow each other are one message; `None` where one is something else."""
    if not _is_results(first) or not _is_results(second):
        return None
    joined = list(first.content)
    for block in second.content:
        joined = _with(joined, block)
    return tuple(joined)


def _is_results(entry: Entry) -> bool:
    return any(isinstance(block, ToolResult) for block in entry.content)


def _with(blocks: list[Block], block: Block) -> list[Block]:
    """`blocks` and one more; what a tool says again is added to what it said."""
    if isinstance(block, ToolResult):
        for place, other in enumerate(blocks):
            if isinstance(other, ToolResult) and other.tool_use_id == block.tool_use_id:
                blocks[place] = msgspec.structs.replace(
                    other,
                    content=f"{other.content}\n\n{block.content}",
                    is_error=other.is_error or block.is_error,
                )
                return blocks
    return [*blocks, block]
