"""Model servers on this machine: what those that answer on their usual port offer."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING

from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.table import Endpoint

if TYPE_CHECKING:
    import httpx

PATIENCE = 0.5
"""Seconds a server has to answer: one on this machine is quick or absent."""


async def local_models(registry: ProviderRegistry) -> list[str]:
    """`server/model` for every model of every local server that answers; never raises."""
    httpx = await asyncio.to_thread(importlib.import_module, "httpx")
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
        found = await asyncio.gather(
            *(_models(client, endpoint) for endpoint in registry.local_endpoints())
        )
    return [model for models in found for model in models]


async def _models(client: httpx.AsyncClient, endpoint: Endpoint) -> list[str]:
    import httpx

    try:
        url = f"{endpoint.base_url.rstrip('/')}/models"
        answer = await client.get(url, headers=endpoint.headers)
        listed = answer.raise_for_status().json()["data"]
        return [f"{endpoint.name}/{model['id']}" for model in listed]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return []
