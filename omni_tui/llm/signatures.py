"""Whose signatures go into a request: only those its reader made, for it refuses all others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from omni_tui.core.messages import Block, Message, Opaque, Text, Thinking, ToolUse


def keep_own(messages: Iterable[Message], signer: str) -> tuple[Message, ...]:
    """The messages without what others than `signer` signed; the words stay.

    Reasoning that is sealed whole is left out with its seal, and so are blocks of kinds unknown
    here. What is stored without a signer (from before they were noted, or made by a caller) stays:
    its dialect alone tells whose it is.
    """
    return tuple(
        msgspec.structs.replace(message, content=tuple(_own(message.content, signer)))
        if any(_is_foreign(block, signer) for block in message.content)
        else message
        for message in messages
    )


def _own(content: Iterable[Block], signer: str) -> Iterator[Block]:
    for block in content:
        if not _is_foreign(block, signer):
            yield block
        elif isinstance(block, Opaque):
            continue
        elif isinstance(block, Thinking):
            if block.text:
                yield Thinking(text=block.text)
        else:
            yield msgspec.structs.replace(block, signature=None, signed_by=None)


def _is_foreign(block: Block, signer: str) -> bool:
    return (
        isinstance(block, Text | Thinking | ToolUse | Opaque)
        and block.signed_by is not None
        and block.signed_by != signer
    )
