"""What a step costs, when its provider does not say."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from omni_tui.core.stream import Done, Failed
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.base import CacheHint, Model

End = TypeVar("End", Done, Failed)


def with_cost(model: Model, event: End, cache: CacheHint | None = None) -> End:
    """`event` with the cost of its usage, from the prices of the catalogue.

    `cache` is what the request said of the prompt cache: keeping it for an hour costs more.

    A cost the provider reported stays. It stays unknown (`None`, never 0) when the model's prices
    are, or when nothing was counted.
    """
    usage = event.usage
    if usage.cost is not None or usage == Usage():
        return event
    info = model.info
    if info is None or info.prices is None:
        return event
    priced = msgspec.structs.replace(usage, cost=info.prices.cost(usage, kept_long=cache == "long"))
    return msgspec.structs.replace(event, usage=priced)
