"""What a step costs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from omni_tui.core.errors import BrokenStreamError, OverloadedError
from omni_tui.core.messages import Message, Text
from omni_tui.core.stream import Done, Failed, StreamEvent, TextEnd, TextStart
from omni_tui.core.usage import Usage
from omni_tui.llm.api import stream_events
from omni_tui.llm.catalog import Catalog
from omni_tui.llm.model_info import Prices, PriceTier
from omni_tui.llm.pricing import with_cost
from omni_tui.llm.providers.base import CacheHint, Model, Options, Request
from omni_tui.llm.providers.table import ENDPOINTS
from omni_tui.llm.retry import RetryPolicy

MILLION = 1_000_000
FOUR = Prices(input=2, output=10, cache_read=0.2, cache_write=2.5)


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        (Usage(input=MILLION), 2),
        (Usage(output=MILLION), 10),
        (Usage(cache_read=MILLION), 0.2),
        (Usage(cache_write=MILLION), 2.5),
        (Usage(input=1000, output=200, cache_read=5000, cache_write=400), 0.006),
        (Usage(), 0),
    ],
)
def test_each_kind_of_token_has_its_price(usage: Usage, dollars: float) -> None:
    assert FOUR.cost(usage) == pytest.approx(dollars)


def test_a_cache_without_a_price_of_its_own_costs_what_reading_costs() -> None:
    prices = Prices(input=2, output=10)
    assert prices.cost(Usage(cache_read=MILLION, cache_write=MILLION)) == pytest.approx(4)
    free = Prices(input=2, output=10, cache_read=0, cache_write=0)
    assert free.cost(Usage(cache_read=MILLION, cache_write=MILLION)) == 0


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        (Usage(input=200_000, output=1000), 0.41),
        (Usage(input=200_001, output=1000), 0.820004),
        (Usage(input=1, cache_read=200_000), 0.080004),
        (Usage(input=500_001), 5.00001),
    ],
)
def test_a_long_request_is_priced_by_its_tier_as_a_whole(usage: Usage, dollars: float) -> None:
    prices = Prices(
        input=2,
        output=10,
        cache_read=0.2,
        tiers=(
            PriceTier(above=200_000, input=4, output=20, cache_read=0.4),
            PriceTier(above=500_000, input=10, output=50),
        ),
    )
    assert prices.cost(usage) == pytest.approx(dollars)


def test_what_is_kept_for_an_hour_costs_more_where_that_has_a_price() -> None:
    prices = Prices(
        input=2,
        output=10,
        cache_write=2.5,
        cache_write_long=4,
        tiers=(PriceTier(above=5 * MILLION, input=4, output=20, cache_write_long=8),),
    )
    written = Usage(cache_write=MILLION)
    assert prices.cost(written) == pytest.approx(2.5)
    assert prices.cost(written, kept_long=True) == pytest.approx(4)
    assert prices.cost(Usage(cache_write=6 * MILLION), kept_long=True) == pytest.approx(48)
    assert FOUR.cost(written, kept_long=True) == pytest.approx(2.5)


CATALOG = Catalog(
    overrides={
        "box/kept": {
            "prices": {"input": 2, "output": 10, "cache_write": 2.5, "cache_write_long": 4}
        },
        "box/priced": {"prices": {"input": 2, "output": 10, "cache_read": 0.2}},
        "box/free": {"prices": {"input": 0, "output": 0}},
        "box/known": {"context": 1000},
    }
)


class Box:
    """Answers with the events it was given."""

    name = "box"

    def __init__(self, *events: StreamEvent) -> None:
        self.events = events

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        for event in self.events:
            yield event

    def prepare(self) -> None:
        """Nothing to import."""

    async def close(self) -> None:
        """Nothing to close."""


def ended(usage: Usage) -> Done:
    return Done(stop_reason="stop", usage=usage)


async def cost(
    name: str,
    *events: StreamEvent,
    catalog: Catalog | None = CATALOG,
    cache: CacheHint | None = None,
) -> float | None:
    model = Model(Box(*events), name, catalog)
    request = Request(model=name, messages=(Message.user("hi"),), options=Options(cache=cache))
    seen = [e async for e in stream_events(model, request, retry=RetryPolicy(max_retries=0))]
    assert isinstance(seen[-1], Done | Failed)
    return seen[-1].usage.cost


SOME = Usage(input=1000, output=100, cache_read=10_000)


async def test_a_step_is_priced_where_it_ends() -> None:
    assert await cost("priced", ended(SOME)) == pytest.approx(0.005)


async def test_a_step_that_keeps_its_prompt_for_an_hour_is_priced_so() -> None:
    written = ended(Usage(cache_write=MILLION))
    assert await cost("kept", written, cache="short") == pytest.approx(2.5)
    assert await cost("kept", written, cache="long") == pytest.approx(4)
    failed = Failed(error=BrokenStreamError("cut"), usage=written.usage)
    assert await cost("kept", TextStart(index=0), failed, cache="long") == pytest.approx(4)


@pytest.mark.parametrize("name", ENDPOINTS["anthropic"].models)
def test_what_an_hour_costs_is_known_of_the_claude_models_of_today(name: str) -> None:
    info = Catalog().get(f"anthropic/{name}")
    assert info is not None
    assert info.prices is not None
    assert info.prices.cache_write_long == pytest.approx(2 * info.prices.input)


async def test_a_step_that_fails_after_it_began_is_priced_too() -> None:
    begun = (TextStart(index=0), TextEnd(index=0, block=Text(text="so far")))
    failed = Failed(error=BrokenStreamError("cut"), usage=SOME)
    assert await cost("priced", *begun, failed) == pytest.approx(0.005)


async def test_a_price_that_is_not_known_is_none_and_never_nothing() -> None:
    assert await cost("known", ended(SOME)) is None
    assert await cost("unknown", ended(SOME)) is None
    assert await cost("priced", ended(SOME), catalog=None) is None


async def test_a_free_model_costs_nothing() -> None:
    assert await cost("free", ended(SOME)) == 0


async def test_nothing_counted_has_no_cost() -> None:
    assert await cost("priced", ended(Usage())) is None
    failed = Failed(error=OverloadedError("busy"))
    assert await cost("priced", failed) is None


async def test_what_the_provider_says_stays() -> None:
    assert await cost("priced", ended(Usage(input=5, cost=0.25))) == 0.25
    assert await cost("priced", ended(Usage(input=5, cost=0.0))) == 0.0


def test_an_event_that_needs_no_cost_is_handed_back() -> None:
    done = ended(SOME)
    assert with_cost(Model(Box(), "unknown", CATALOG), done) is done
