"""Model servers on this machine: what those that answer on their usual port offer."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from omni_tui.llm.local_facts import from_listing, from_llamacpp, from_lmstudio, from_ollama
from omni_tui.llm.model_info import ModelInfo
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.table import Endpoint

if TYPE_CHECKING:
    import httpx

PATIENCE = 0.5
"""Seconds a server has to list its models, and again to say more of them: one on this machine is
quick or absent, and what it has not said by then stays unknown."""
MAX_BYTES = 4 * 1024 * 1024
"""More than this is no answer to such a question."""
MAX_ASKED = 64
"""Models of one server that are asked after one by one."""


async def local_models(registry: ProviderRegistry) -> list[ModelInfo]:
    """What is known of every model of every local server that answers; never raises.

    The window is the one the server works with, where it says so.
    """
    httpx = await asyncio.to_thread(importlib.import_module, "httpx")
    limits = httpx.Limits(max_connections=16)
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False, limits=limits) as client:
        servers = [_Server(client, endpoint) for endpoint in registry.local_endpoints()]
        found = await asyncio.gather(*(server.models() for server in servers))
    return [model for models in found for model in models]


class _Server:
    """One server and the questions it takes."""

    def __init__(self, client: httpx.AsyncClient, endpoint: Endpoint) -> None:
        self._client = client
        self._endpoint = endpoint
        self._base = endpoint.base_url.rstrip("/")

    async def models(self) -> Iterable[ModelInfo]:
        """All its models that can be talked to."""
        found: dict[str, ModelInfo] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                listed = await self._ask("GET", f"{self._base}/models")
                for row in _rows(listed):
                    id = f"{self._endpoint.name}/{row['id']}"
                    found[id] = from_listing(id, row)
        if found:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._say_more(found)
        return found.values()

    async def _say_more(self, found: dict[str, ModelInfo]) -> None:
        """Put what the server says beyond its list into `found`."""
        root = self._base.removesuffix("/v1")
        match self._endpoint.facts:
            case "ollama":
                running = await self._ask("GET", f"{root}/api/ps")
                asked = list(found)[:MAX_ASKED]
                await asyncio.gather(*(self._show(found, root, id, running) for id in asked))
            case "lmstudio":
                listed = await self._ask("GET", f"{root}/api/v0/models")
                for id, known in list(found.items()):
                    _settle(found, id, from_lmstudio(known, listed))
            case "llamacpp" if len(found) == 1:
                (known,) = found.values()
                found[known.id] = from_llamacpp(known, await self._ask("GET", f"{root}/props"))

    async def _show(self, found: dict[str, ModelInfo], root: str, id: str, running: Any) -> None:
        name = id.partition("/")[2]
        shown = await self._ask("POST", f"{root}/api/show", {"model": name})
        _settle(found, id, from_ollama(found[id], shown, running))

    async def _ask(self, method: str, url: str, body: Any = None) -> Any:
        """The JSON of an answer; `None` when there is none, or it is too large."""
        import httpx

        data = bytearray()
        headers = {"accept-encoding": "identity", **self._endpoint.headers}
        try:
            request = self._client.stream(method, url, json=body, headers=headers)
            async with request as answer:
                answer.raise_for_status()
                async for piece in answer.aiter_bytes():
                    data += piece
                    if len(data) > MAX_BYTES:
                        return None
            return msgspec.json.decode(data)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError):
            return None


def _rows(listed: Any) -> Iterable[dict[str, Any]]:
    rows = listed.get("data") if isinstance(listed, dict) else None
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and isinstance(row.get("id"), str) and row["id"]:
            yield row


def _settle(found: dict[str, ModelInfo], id: str, known: ModelInfo | None) -> None:
    if known is None:
        del found[id]
    else:
        found[id] = known
