"""Reads the data of models.dev: the `api.json` of its site.

Rows come from a site anyone may write to, so each is checked by itself: one that does not fit is
left out, and values that make no sense (a negative price, a window of 0 tokens) count as unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

import msgspec

from omni_tui.llm.model_info import Modality, ModelInfo, Prices

MODALITIES: frozenset[str] = frozenset(get_args(Modality))

NAMES = {"fireworks-ai": "fireworks", "moonshotai": "moonshot"}
"""Where this project calls a provider something else."""


class _Size(msgspec.Struct):
    size: int
    type: str = "context"


class _Cost(msgspec.Struct):
    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None


class _Tier(_Cost, kw_only=True):
    tier: _Size


class _Costs(_Cost):
    tiers: list[_Tier] = []
    context_over_200k: _Cost | None = None


class _Limit(msgspec.Struct):
    context: int | None = None
    output: int | None = None


class _Modalities(msgspec.Struct):
    input: list[str] = []
    output: list[str] = []


class _Model(msgspec.Struct):
    id: str
    name: str = ""
    reasoning: bool | None = None
    tool_call: bool | None = None
    structured_output: bool | None = None
    release_date: str | None = None
    status: str | None = None
    limit: _Limit = msgspec.field(default_factory=_Limit)
    modalities: _Modalities = msgspec.field(default_factory=_Modalities)
    cost: msgspec.Raw = msgspec.Raw(b"null")


class _Provider(msgspec.Struct):
    models: dict[str, msgspec.Raw]


def parse_api(data: bytes) -> dict[str, dict[str, ModelInfo]]:
    """The models by provider and name.

    Raises `ValueError` when the data is no JSON object of providers, or when most of its rows do
    not fit: then it is something else.
    """
    try:
        providers = msgspec.json.decode(data, type=dict[str, _Provider])
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    tables: dict[str, dict[str, ModelInfo]] = {}
    count = fitting = 0
    for source, provider in providers.items():
        owner = NAMES.get(source, source)
        table: dict[str, ModelInfo] = {}
        for name, row in provider.models.items():
            count += 1
            info = _info(owner, name, row)
            if info is not None:
                table[name] = info
        fitting += len(table)
        if table:
            tables[owner] = table
    if fitting * 2 < max(count, 1):
        raise ValueError(f"only {fitting} of {count} models can be read")
    return tables


def _info(owner: str, name: str, row: msgspec.Raw) -> ModelInfo | None:
    try:
        model = msgspec.json.decode(row, type=_Model)
    except msgspec.DecodeError:
        return None
    return ModelInfo(
        id=f"{owner}/{name}",
        name=model.name,
        context=_tokens(model.limit.context),
        max_output=_tokens(model.limit.output),
        inputs=modalities(model.modalities.input),
        outputs=modalities(model.modalities.output),
        reasoning=model.reasoning,
        tools=model.tool_call,
        structured_output=model.structured_output,
        prices=_prices(model.cost),
        released=model.release_date,
        deprecated=model.status == "deprecated",
    )


def modalities(named: Iterable[str]) -> tuple[Modality, ...] | None:
    """Those of `named` that there are, in one order; `None` when none is left."""
    known = set(named) & MODALITIES
    return tuple(each for each in get_args(Modality) if each in known) or None


def _tokens(count: int | None) -> int | None:
    return count if count is not None and count > 0 else None


def _prices(raw: msgspec.Raw) -> Prices | None:
    try:
        costs = msgspec.json.decode(raw, type=_Costs | None)
        if costs is None:
            return None
        tiers = [(each.tier.size, each) for each in costs.tiers if each.tier.type == "context"]
        if not costs.tiers and costs.context_over_200k is not None:
            tiers = [(200_000, costs.context_over_200k)]
        fields = [{"above": above, **_four(cost)} for above, cost in tiers]
        return msgspec.convert(
            {**_four(costs), "tiers": sorted(fields, key=lambda tier: tier["above"])}, Prices
        )
    except msgspec.DecodeError:
        return None


def _four(cost: _Cost) -> dict[str, Any]:
    return {
        "input": cost.input,
        "output": cost.output,
        "cache_read": cost.cache_read,
        "cache_write": cost.cache_write,
    }
