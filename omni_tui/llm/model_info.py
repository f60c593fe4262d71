"""What is known of a model: its limits, what it reads and writes, and its prices."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from omni_tui.core.usage import Usage

Modality: TypeAlias = Literal["text", "image", "pdf", "audio", "video"]

PER = 1_000_000
"""Tokens a price is for."""

Price: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]
Tokens: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class PriceTier(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The prices of a request that reads more than `above` tokens; they hold for all of it."""

    above: Tokens
    """Tokens read, cached or not, up to which this tier does not apply."""
    input: Price
    output: Price
    cache_read: Price | None = None
    cache_write: Price | None = None
    cache_write_long: Price | None = None


class Prices(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """US dollars for a million tokens."""

    input: Price
    """Tokens read."""
    output: Price
    """Tokens written, thinking included."""
    cache_read: Price | None = None
    """Tokens read from the prompt cache; `None` when no other price than `input` is known."""
    cache_write: Price | None = None
    """Tokens written to the prompt cache; `None` like `cache_read`."""
    cache_write_long: Price | None = None
    """Tokens written to be kept an hour; `None` when no other price than `cache_write` is known."""
    tiers: tuple[PriceTier, ...] = ()
    """What long requests cost, the lowest limit first."""

    def cost(self, usage: Usage, *, kept_long: bool = False) -> float:
        """US dollars for one request. A sum of requests has no price of its own: tiers differ.

        `kept_long` says that what was written to the prompt cache is kept for an hour.
        """
        applied: Prices | PriceTier = self
        for tier in self.tiers:
            if usage.read > tier.above:
                applied = tier
        read = applied.input if applied.cache_read is None else applied.cache_read
        written = applied.input if applied.cache_write is None else applied.cache_write
        if kept_long and applied.cache_write_long is not None:
            written = applied.cache_write_long
        total = (
            usage.input * applied.input
            + usage.output * applied.output
            + usage.cache_read * read
            + usage.cache_write * written
        )
        return total / PER


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model of one provider. `None` always means that it is not known."""

    id: str
    """`provider/name`, as one writes it to use the model."""
    name: str = ""
    """What people call it."""
    context: Tokens | None = None
    """Tokens that fit into the window."""
    max_output: Tokens | None = None
    """Tokens it can write in one answer."""
    inputs: tuple[Modality, ...] | None = None
    """What it can read."""
    outputs: tuple[Modality, ...] | None = None
    """What it can write."""
    reasoning: bool | None = None
    """Whether it thinks before it answers."""
    tools: bool | None = None
    """Whether it can ask for tools."""
    structured_output: bool | None = None
    """Whether its answers can be held to a JSON Schema."""
    prices: Prices | None = None
    released: str | None = None
    """The day it came out, as `2026-09-30`."""
    deprecated: bool = False
    """Whether its provider wants people to move on."""

    @property
    def provider(self) -> str:
        """The part of the id before the first slash."""
        return self.id.partition("/")[0]


class Snapshot(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One copy of the data, as it lies on disk. A provider's models are decoded when asked for."""

    made: str
    """When the data was current, as `2026-11-21T07:30:00Z`."""
    source: str
    """The address, or the packages, it came from."""
    etag: str | None = None
    """What the source calls this state."""
    providers: dict[str, msgspec.Raw]
    """By name: an object of `ModelInfo` by the name of the model."""


def count_of(tokens: int | None) -> str:
    """`1M`, `262k`; nothing when it is not known."""
    if tokens is None:
        return ""
    if tokens >= 1_000_000:
        return f"{tokens / 1_000_000:.1f}".removesuffix(".0") + "M"
    return f"{tokens / 1000:.0f}k" if tokens >= 1000 else str(tokens)


def prices_of(info: ModelInfo) -> tuple[str, str]:
    """What reading and writing a million tokens costs; nothing when it is not known.

    A `+` says that long requests cost more.
    """
    known = info.prices
    if known is None:
        return "", ""
    more = "+" if known.tiers else ""
    return f"{known.input:.2f}{more}", f"{known.output:.2f}{more}"
