"""Titles made from what was said."""

from __future__ import annotations

from collections.abc import Iterable

from omni_tui.core.messages import Message

MAX_CHARS = 50


def heuristic_title(messages: Iterable[Message]) -> str | None:
    """The first words of the first message that has any, cut at a word to 50 characters."""
    for message in messages:
        words = " ".join(message.text[:1000].split())
        if not words:
            continue
        if len(words) <= MAX_CHARS:
            return words
        head = words[: MAX_CHARS - 1]
        cut = head.rsplit(" ", 1)[0] if " " in head[MAX_CHARS // 2 :] else head
        return cut.rstrip(" ,;:.") + "…"
    return None
