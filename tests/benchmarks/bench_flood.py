"""Measures how the terminal takes floods: many small pieces, and one endless line. Never asserted.

For each flood: the time it took, the screens painted in a second, how long anything else (a key)
had to wait, and by how much memory grew. Run it:

    python tests/benchmarks/bench_flood.py [letters | line | words]
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from omni_tui.core.messages import Text
from omni_tui.core.stream import Done, StreamEvent, TextDelta, TextEnd, TextStart
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Model, Request
from omni_tui.session.manager import SessionManager
from omni_tui.session.store.memory import MemoryStore
from omni_tui.tui.app import OmniApp

PARAGRAPH = "One letter at a time, a **sentence** with `code` grows until it wraps.\n\n"

FLOODS: dict[str, list[str]] = {
    "letters": list((PARAGRAPH * 3_000)[:200_000]),
    "words": [f"word{number} " for number in range(200_000)],
    "line": ["x" * 8_000_000],
}


class Flood:
    """A provider that says pieces as fast as they are taken."""

    name = "flood"

    def __init__(self, pieces: Iterable[str]) -> None:
        self._pieces = list(pieces)

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        yield TextStart(index=0)
        for number, piece in enumerate(self._pieces):
            yield TextDelta(index=0, text=piece)
            if number % 16 == 0:
                await asyncio.sleep(0)  # as often as bytes come from a fast server
        yield TextEnd(index=0, block=Text(text="".join(self._pieces)))
        yield Done(stop_reason="stop")

    def prepare(self) -> None: ...

    async def close(self) -> None: ...


def memory() -> float:
    """MB of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def measure(name: str) -> None:
    """Play one flood and print what it cost."""
    model = Model(Flood(FLOODS[name]), "flood")
    manager = SessionManager(MemoryStore(), default_model=model, registry=ProviderRegistry())
    app = OmniApp(manager, manager.create())
    gaps: list[float] = []

    async def tick() -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.01)
            now = time.monotonic()
            gaps.append(now - last)
            last = now

    async with manager, app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        before, paints = memory(), 0
        display = app._display

        def count(*args: object, **named: object) -> None:
            nonlocal paints
            paints += 1
            display(*args, **named)  # type: ignore[arg-type]

        app._display = count  # type: ignore[method-assign]
        ticking = asyncio.create_task(tick())
        start, used = time.monotonic(), time.process_time()
        run = app.session.prompt("Flood me")
        await run.wait()
        took = time.monotonic() - start
        shown, peak = paints, memory()
        await pilot.pause()
        await asyncio.sleep(1)
        ticking.cancel()
        print(
            f"{name:8} {took:.1f} s, {time.process_time() - used:.1f} s of CPU,"
            f" {shown / took:.0f} screens a second,"
            f" waits {sorted(gaps)[len(gaps) * 95 // 100] * 1000:.0f} ms at p95,"
            f" {max(gaps) * 1000:.0f} at most,"
            f" memory {peak - before:+.0f} MB, settled {memory() - before:+.0f} MB"
        )


def main() -> None:
    """Play the floods that are named."""
    for name in sys.argv[1:] or FLOODS:
        asyncio.run(measure(name))


if __name__ == "__main__":
    main()
