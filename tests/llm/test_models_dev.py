"""The data of models.dev, well formed and not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from omni_tui.llm.model_info import ModelInfo, Prices, PriceTier
from omni_tui.llm.models_dev import modalities, parse_api

FULL: dict[str, Any] = {
    "id": "grand-1",
    "name": "Grand 1",
    "family": "grand",
    "attachment": True,
    "reasoning": True,
    "tool_call": True,
    "structured_output": False,
    "temperature": True,
    "release_date": "2026-09-30",
    "last_updated": "2026-10-01",
    "open_weights": False,
    "modalities": {"input": ["pdf", "text", "smell", "image"], "output": ["text"]},
    "limit": {"context": 400_000, "input": 272_000, "output": 128_000},
    "cost": {
        "input": 2,
        "output": 10.5,
        "cache_read": 0.2,
        "cache_write": 2.5,
        "reasoning": 11,
        "context_over_200k": {"input": 99, "output": 99},
        "tiers": [
            {"input": 8, "output": 40, "tier": {"size": 300_000, "type": "context"}},
            {"input": 4, "output": 20, "cache_read": 0.4, "tier": {"size": 200_000}},
            {"input": 1, "output": 1, "tier": {"size": 5, "type": "batch"}},
        ],
    },
}


def api(*models: dict[str, Any], provider: str = "acme") -> bytes:
    rows = {model.get("id", f"row{place}"): model for place, model in enumerate(models)}
    return json.dumps({provider: {"id": provider, "models": rows}}).encode()


def one(**changes: Any) -> ModelInfo:
    return parse_api(api({**FULL, **changes}))["acme"]["grand-1"]


def test_every_field_arrives() -> None:
    assert one() == ModelInfo(
        id="acme/grand-1",
        name="Grand 1",
        context=400_000,
        max_output=128_000,
        inputs=("text", "image", "pdf"),
        outputs=("text",),
        reasoning=True,
        tools=True,
        structured_output=False,
        prices=Prices(
            input=2,
            output=10.5,
            cache_read=0.2,
            cache_write=2.5,
            tiers=(
                PriceTier(above=200_000, input=4, output=20, cache_read=0.4),
                PriceTier(above=300_000, input=8, output=40),
            ),
        ),
        released="2026-09-30",
    )


def test_a_bare_row_leaves_all_unknown() -> None:
    (info,) = parse_api(api({"id": "m"}))["acme"].values()
    assert info == ModelInfo(id="acme/m")
    assert (info.prices, info.inputs, info.tools, info.context) == (None, None, None, None)


def test_the_older_form_of_a_tier_counts_when_there_is_no_newer_one() -> None:
    cost = {"input": 1, "output": 2, "context_over_200k": {"input": 3, "output": 4}}
    prices = one(cost=cost).prices
    assert prices is not None
    assert prices.tiers == (PriceTier(above=200_000, input=3, output=4),)


@pytest.mark.parametrize(
    "cost",
    [
        {"input": -1, "output": 2},
        {"input": 1},
        {"input": "1", "output": 2},
        {"input": 1, "output": 2, "tiers": [{"input": 1}]},
        [],
        None,
    ],
)
def test_a_price_that_makes_no_sense_is_unknown(cost: Any) -> None:
    info = one(cost=cost)
    assert info.prices is None
    assert info.context == 400_000


def test_a_limit_of_nothing_is_unknown() -> None:
    info = one(limit={"context": 0, "output": -5})
    assert (info.context, info.max_output) == (None, None)


def test_only_deprecated_is_deprecated() -> None:
    assert one(status="deprecated").deprecated
    assert not one(status="beta").deprecated


def test_providers_get_the_names_used_here() -> None:
    tables = parse_api(api({"id": "accounts/x/models/y"}, provider="fireworks-ai"))
    assert tables["fireworks"]["accounts/x/models/y"].id == "fireworks/accounts/x/models/y"
    assert set(parse_api(api({"id": "k"}, provider="moonshotai"))) == {"moonshot"}


def test_a_row_that_does_not_fit_is_left_out_alone() -> None:
    tables = parse_api(api({"id": "good"}, {"name": "no id"}, {"id": "fine"}))
    assert set(tables["acme"]) == {"good", "fine"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<!doctype html><title>Just a moment</title>",
        b"[]",
        b"3",
        b'{"acme": 1}',
        b'{"acme": {"models": []}}',
        b"{}",
        b'{"acme": {"models": {}}}',
        api(FULL)[:-40],
        api({"name": "x"}, {"name": "y"}, {"id": "ok"}),
        b"\xff\xfe",
    ],
)
def test_what_is_no_catalogue_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_api(data)


def test_modalities_come_in_one_order_without_strangers() -> None:
    assert modalities(["video", "text", "taste"]) == ("text", "video")
    assert modalities([]) is None
