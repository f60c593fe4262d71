"""What each recorded stream becomes, in files for people to read: `golden/*.json`.

To write them anew: `PYTHONPATH=tests:tests/llm/providers python -m wire.golden`; then read the
difference.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from wire_helpers import blocks_of, collect, make

from omni_tui.core.stream import Done, Failed, StreamEvent
from wire import recordings
from wire.server import Reply, sse_server

GOLDEN = Path(__file__).parent / "golden"


def render(events: Iterable[StreamEvent]) -> str:
    """The message, and how the answer ended."""
    seen = list(events)
    end = seen[-1]
    assert isinstance(end, Done | Failed)
    said: dict[str, Any] = {"content": msgspec.to_builtins(blocks_of(seen))}
    if isinstance(end, Done):
        said |= {"stop_reason": end.stop_reason, "model": end.model}
    else:
        error = end.error
        said["error"] = {"type": type(error).__name__, "message": error.message}
    said["usage"] = msgspec.to_builtins(end.usage)
    return json.dumps(said, indent=2, ensure_ascii=False) + "\n"


async def replay(name: str) -> list[StreamEvent]:
    """The events of a recorded stream, through the SDK and the adapter."""
    with sse_server(Reply(pieces=recordings.streams()[name])) as server:
        provider = make(recordings.dialect_of(name), server.url)
        events = await collect(provider)
        await provider.close()
    return events


async def write() -> None:
    """Write all golden files."""
    GOLDEN.mkdir(exist_ok=True)
    for name in recordings.streams():
        (GOLDEN / f"{name}.json").write_text(render(await replay(name)), "utf-8")


if __name__ == "__main__":
    asyncio.run(write())
