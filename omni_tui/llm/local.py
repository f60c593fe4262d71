"""Model servers on this machine: what those that answer on their usual port offer."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING

from omni_tui.llm.models import local_endpoints

if TYPE_CHECKING:
    import httpx

PATIENCE = 0.5
"""Seconds a server has to answer: one on this machine is quick or absent."""


async def local_models() -> list[str]:
    """`server/model` for every model of every local server that answers; never raises."""
    httpx = await asyncio.to_thread(importlib.import_module, "httpx")
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
        found = await asyncio.gather(
            *(_models(client, name, url) for name, url in local_endpoints().items())
        )
    return [model for models in found for model in models]


async def _models(client: httpx.AsyncClient, name: str, base_url: str) -> list[str]:
    import httpx

    try:
        answer = await client.get(f"{base_url}/models")
        listed = answer.raise_for_status().json()["data"]
        return [f"{name}/{model['id']}" for model in listed]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return []
