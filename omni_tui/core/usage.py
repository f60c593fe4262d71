"""Token counts and money, addable over steps, branches and trees."""

from __future__ import annotations

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one step (or a sum of steps) consumed.

    `input` excludes cached tokens: `input + cache_read + cache_write` is everything the model read.
    """

    input: int = 0
    """Tokens read at the full price."""
    output: int = 0
    """Tokens written, thinking included."""
    cache_read: int = 0
    """Tokens read from the provider's prompt cache."""
    cache_write: int = 0
    """Tokens written to the provider's prompt cache."""
    cost: float | None = None
    """US dollars; `None` when no price is known. A sum counts the steps whose price is known."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input=self.input + other.input,
            output=self.output + other.output,
            cache_read=self.cache_read + other.cache_read,
            cache_write=self.cache_write + other.cache_write,
            cost=other.cost if self.cost is None else self.cost + (other.cost or 0.0),
        )

    @property
    def read(self) -> int:
        """All tokens the model read, cached or not: the size of the context."""
        return self.input + self.cache_read + self.cache_write
