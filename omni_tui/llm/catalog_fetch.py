"""Fetches the data of models.dev and keeps it: one bounded request, one atomic write."""

from __future__ import annotations

import asyncio
import importlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from omni_tui.core.errors import CatalogError
from omni_tui.core.files import write_atomically
from omni_tui.core.safe_text import safe_line
from omni_tui.llm.model_info import Snapshot
from omni_tui.llm.models_dev import parse_api

if TYPE_CHECKING:
    import httpx

MODELS_DEV = "https://models.dev/api.json"
MAX_BYTES = 16 * 1024 * 1024
"""More than this is not the catalogue, which has some 2 MB."""

KEPT = "The copy from before is still used."


async def fetch(url: str, before: Snapshot | None = None, *, timeout: float = 30.0) -> Snapshot:
    """The data as it is now; `before` with a new date when the site says it is still that.

    `timeout` is in seconds, for the whole request. Raises `CatalogError` when the site cannot be
    reached in that time or answers with anything else.
    """
    httpx = await asyncio.to_thread(importlib.import_module, "httpx")
    headers = {"accept": "application/json", "user-agent": "omni-tui"}
    if before is not None and before.etag is not None:
        headers["if-none-match"] = before.etag
    try:
        async with asyncio.timeout(timeout):
            client = await asyncio.to_thread(httpx.AsyncClient, follow_redirects=True, timeout=None)
            async with client, client.stream("GET", url, headers=headers) as reply:
                if reply.status_code == httpx.codes.NOT_MODIFIED and before is not None:
                    return msgspec.structs.replace(before, made=_now())
                reply.raise_for_status()
                data = await _body(reply)
                etag = reply.headers.get("etag")
    except TimeoutError:
        raise _failed(url, f"no answer within {timeout:g} s") from None
    except httpx.HTTPStatusError as error:
        raise _failed(url, f"HTTP status {error.response.status_code}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _failed(url, str(error) or type(error).__name__) from None
    return await asyncio.to_thread(_snapshot, url, data, etag)


def save(snapshot: Snapshot, file: Path) -> None:
    """Put `snapshot` in the place of `file`, whole or not at all; blocking.

    Raises `CatalogError` when the file cannot be written.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(file, msgspec.json.encode(snapshot))
    except OSError as error:
        reason = error.strerror or str(error)
        raise CatalogError(f"{file}: {reason.lower()}", hint=KEPT) from error


async def _body(reply: httpx.Response) -> bytes:
    data = bytearray()
    async for piece in reply.aiter_bytes():
        data += piece
        if len(data) > MAX_BYTES:
            raise _failed(str(reply.url), f"the answer is larger than {MAX_BYTES // 2**20} MiB")
    return bytes(data)


def _snapshot(url: str, data: bytes, etag: str | None) -> Snapshot:
    try:
        tables = parse_api(data)
    except ValueError as error:
        page = data.lstrip()[:1] == b"<"
        reason = "it is a web page" if page else safe_line(str(error), 200)
        raise _failed(url, f"the answer is no catalogue: {reason}") from None
    return Snapshot(
        made=_now(),
        source=url,
        etag=etag,
        providers={
            name: msgspec.Raw(msgspec.json.encode(table)) for name, table in sorted(tables.items())
        },
    )


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _failed(url: str, reason: str) -> CatalogError:
    return CatalogError(f"Cannot fetch {safe_line(url, 200)}: {safe_line(reason, 200)}", hint=KEPT)
