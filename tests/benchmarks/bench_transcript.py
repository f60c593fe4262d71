"""Measures the transcript: CPU seconds of a flood and of opening, never asserted.

Run it: python tests/benchmarks/bench_transcript.py [flood N | paced N RATE | open N]
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from textwrap import dedent

from textual.app import App, ComposeResult
from textual.widgets import Input

from omni_tui.tui.widgets.transcript import Entry, Prose, Transcript

UNIT = dedent("""\
    ## Step {i}

    Here is **paragraph {i}** with some `code`, a [link](https://x.y/{i}) and a longer sentence
    that has to wrap somewhere at the edge of the window.

    - item one of the list
    - item two of the list

    ```python
    def step_{i}(values):
        return [value for value in values if value % {i}]
    ```

    """)


def cpu() -> float:
    """CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def tokens(count: int) -> list[str]:
    """`count` tokens of about four characters."""
    text = "".join(UNIT.format(i=i) for i in range(1, count // 60 + 2))
    return [text[at : at + 4] for at in range(0, len(text), 4)][:count]


class Talk:
    """`count` messages made on demand; the last one is live where nothing is `settled`."""

    def __init__(self, count: int, settled: str | None = None, live: bool = False) -> None:
        self.keys: Sequence[int] = range(count)
        self.settled = settled
        self.live = live

    def entry(self, key: int) -> Entry:
        if self.live and key == len(self.keys) - 1:
            parts = (Prose(self.settled),) if self.settled is not None else ()
            return Entry(key, "assistant", "model", parts=parts, live=self.settled is None)
        text = UNIT.format(i=key) if key % 2 else f"question {key}"
        return Entry(key, "assistant" if key % 2 else "user", "x", parts=(Prose(text),))

    def size(self, key: int) -> tuple[int, int]:
        return (300, 13) if key % 2 else (12, 0)


class Bench(App[None]):
    """A transcript above an input."""

    def compose(self) -> ComposeResult:
        yield Transcript()
        yield Input()


async def flood(count: int, rate: float = 0) -> None:
    """Feed `count` tokens, as fast as they are taken or at `rate` a second."""
    app, all_tokens, lags = Bench(), tokens(count), list[float]()
    async with app.run_test(size=(120, 40)) as pilot:
        widget = app.query_one(Transcript)
        talk = Talk(2, live=True)
        widget.show(talk)
        await pilot.pause()

        async def watch() -> None:
            while True:
                start = time.monotonic()
                await asyncio.sleep(0.01)
                lags.append(time.monotonic() - start - 0.01)

        watcher = asyncio.create_task(watch())
        used, start = cpu(), time.monotonic()
        for index, token in enumerate(all_tokens):
            widget.feed(1, 0, "text", token)
            if rate:
                await asyncio.sleep(max(0.0, start + index / rate - time.monotonic()))
            elif index % 8 == 0:
                await asyncio.sleep(0)
        talk.settled = "".join(all_tokens)
        widget.finish(1)
        while widget._flush_timer is not None:
            await asyncio.sleep(0.005)
        await pilot.pause()
        used, wall = cpu() - used, time.monotonic() - start
        watcher.cancel()
        lags.sort()
        print(
            f"{count} tokens{f' at {rate:.0f}/s' if rate else ''}: {wall:.2f} s,"
            f" CPU {used / count * 1000:.4f} s per 1,000, loop stalls p95"
            f" {lags[int(len(lags) * 0.95)] * 1e3:.0f} max {lags[-1] * 1e3:.0f} ms"
        )


async def opened(count: int) -> None:
    """Open `count` messages at their end, go up by pages and to the beginning."""
    app = Bench()
    async with app.run_test(size=(120, 40)) as pilot:
        widget = app.query_one(Transcript)
        await pilot.pause()
        start = cpu()
        widget.show(Talk(count))
        shown = cpu() - start
        await pilot.pause()
        widget.focus()
        pages = []
        for _ in range(30):
            start = cpu()
            await pilot.press("pageup")
            await pilot.pause()
            pages.append(cpu() - start)
        start = cpu()
        await pilot.press("home")
        await pilot.pause()
        home = cpu() - start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{count} messages: show {shown * 1e3:.0f} ms CPU, page up median"
            f" {statistics.median(pages) * 1e3:.0f} max {max(pages) * 1e3:.0f} ms,"
            f" home {home * 1e3:.0f} ms, {memory:.0f} MB"
        )


def main(arguments: list[str]) -> None:
    """Run what was asked for, or all of it."""
    if arguments[:1] == ["flood"]:
        asyncio.run(flood(int(arguments[1])))
    elif arguments[:1] == ["paced"]:
        asyncio.run(flood(int(arguments[1]), float(arguments[2])))
    elif arguments[:1] == ["open"]:
        asyncio.run(opened(int(arguments[1])))
    else:
        for count in (10, 10_000):
            asyncio.run(opened(count))
        for count in (1_000, 10_000, 50_000):
            asyncio.run(flood(count))
        asyncio.run(flood(1_000, 100))


if __name__ == "__main__":
    main(sys.argv[1:])
