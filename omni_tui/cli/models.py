"""`omni-tui models`: what there is to choose from, and what it costs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from omni_tui.cli.arguments import Parser
from omni_tui.cli.exit_codes import DONE
from omni_tui.cli.output import print_json, tell
from omni_tui.config.paths import find_paths
from omni_tui.config.providers import make_registry
from omni_tui.config.settings import load_settings
from omni_tui.core.safe_text import safe_line
from omni_tui.llm.backends import ACP, BACKENDS
from omni_tui.llm.model_info import ModelInfo, count_of, prices_of
from omni_tui.llm.models import DEMO, ProviderRegistry
from omni_tui.llm.offers import Offer, find_offers
from omni_tui.llm.providers.table import ALIASES

HEADINGS = ("MODEL", "CONTEXT", "OUTPUT", "$ IN", "$ OUT", "READS", "NEEDS")
RIGHT = frozenset({"CONTEXT", "OUTPUT", "$ IN", "$ OUT"})


def parser() -> argparse.ArgumentParser:
    """The arguments of `omni-tui models`."""
    made = Parser(
        prog="omni-tui models",
        description="List the models that can be used now. Prices are US dollars for a million "
        "tokens; a + means that long requests cost more.",
        allow_abbrev=False,
    )
    made.add_argument(
        "action",
        nargs="?",
        choices=("list", "refresh"),
        default="list",
        help="refresh: fetch what is known of models from models.dev",
    )
    made.add_argument("--provider", metavar="NAME", help="only the models of this provider")
    made.add_argument(
        "--all", action="store_true", help="also what needs a key, and models without tools"
    )
    made.add_argument("--json", action="store_true", help="write JSON")
    return made


async def run(arguments: argparse.Namespace) -> int:
    """List, or refresh; raises `CatalogError`, `ConfigError` or `UnknownModelError`."""
    settings = load_settings()
    for notice in settings.notices:
        tell(notice)
    async with make_registry(settings, find_paths()) as registry:
        if arguments.action == "refresh":
            return await _refresh(registry, as_json=arguments.json)
        offers = await _found(registry, arguments)
    if arguments.json:
        print_json([_row(offer) for offer in offers])
    else:
        for line in table(registry, offers):
            print(line)
    return DONE


async def _refresh(registry: ProviderRegistry, *, as_json: bool) -> int:
    found = await registry.catalog.refresh()
    if as_json:
        print(json.dumps({"changed": found.changed, "models": found.models, "made": found.made}))
    else:
        news = "" if found.changed else ", nothing new"
        print(f"{found.models:,} models as of {safe_line(found.made)}{news}")
    return DONE


async def _found(registry: ProviderRegistry, arguments: argparse.Namespace) -> list[Offer]:
    """The models to list; what a person should know besides goes to standard error."""
    if arguments.provider is None:
        offers = await find_offers(registry, everything=arguments.all)
        if not any(offer.ready and offer.info.provider != DEMO for offer in offers):
            tell(
                "no API key found and no local server answers; "
                "`omni-tui models --all` shows what each provider needs"
            )
        return offers
    name = ALIASES.get(arguments.provider, arguments.provider)
    await registry.catalog.load()
    if name not in registry.names():
        known = [Offer(info=info, ready=False) for info in registry.catalog.list(name)]
        if not known:
            registry.get(name)  # raises, with the name that was meant
        tell(
            f"to use {safe_line(name)}, add [providers.{safe_line(name)}] with its "
            "base_url to config.toml"
        )
    else:
        everything = await find_offers(registry, everything=True)
        known = [offer for offer in everything if offer.info.provider == name]
        if name != DEMO and not any(offer.ready for offer in known):
            tell(f"{safe_line(name)} needs {_needs(registry, name)}")
    return [offer for offer in known if arguments.all or offer.info.tools is not False]


def table(registry: ProviderRegistry, offers: Sequence[Offer]) -> list[str]:
    """Aligned lines, a heading first."""
    rows = [
        (
            safe_line(offer.id),
            count_of(offer.info.context),
            count_of(offer.info.max_output),
            *prices_of(offer.info),
            " ".join(each for each in offer.info.inputs or () if each != "text"),
            "" if offer.ready else _needs(registry, offer.info.provider),
        )
        for offer in offers
    ]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if heading in RIGHT else cell.ljust(width)
            for heading, cell, width in zip(HEADINGS, row, widths, strict=True)
        ).rstrip()
        for row in (HEADINGS, *rows)
    ]


def _needs(registry: ProviderRegistry, name: str) -> str:
    """What is missing to use a provider: a variable, an answer, a program, or settings."""
    endpoint = registry.endpoints.get(name)
    if endpoint is None and name in BACKENDS:
        return f"the command {BACKENDS[name].program}"
    if endpoint is None and name == ACP and registry.acp:
        return "its command"
    if endpoint is None:
        return "config.toml"
    return " or ".join(endpoint.key_env) or "a running server"


def _row(offer: Offer) -> dict[str, Any]:
    """Every field, known or not, so that a script finds the same keys on each row."""
    row: dict[str, Any] = {"id": offer.id, "provider": offer.info.provider, "ready": offer.ready}
    for field in ModelInfo.__struct_fields__:
        row[field] = getattr(offer.info, field)
    if (known := offer.info.prices) is not None:
        fields = ("input", "output", "cache_read", "cache_write", "cache_write_long")
        row["prices"] = {field: getattr(known, field) for field in fields}
        row["prices"]["tiers"] = [
            {field: getattr(tier, field) for field in ("above", *fields)} for tier in known.tiers
        ]
    return row
