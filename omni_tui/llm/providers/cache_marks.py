"""How Claude models are told which beginning of a prompt to keep, whoever serves them."""

from __future__ import annotations

from omni_tui.llm.providers.base import CacheHint


def cache_mark(hint: CacheHint) -> dict[str, str]:
    """The `cache_control` of the last part to keep: for five minutes, or for an hour."""
    return {"type": "ephemeral", "ttl": "1h"} if hint == "long" else {"type": "ephemeral"}
