"""Measures the SQLite store: what a step costs to commit, and a long session to open and to hold.

Counts, ratios, and milliseconds of CPU; never asserted. Run it:

    python tests/benchmarks/bench_store.py [ROUNDS]
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

from omni_tui.core.messages import Message
from omni_tui.session.store import SessionRecord, SQLiteStore
from omni_tui.session.store.schema import side_files
from omni_tui.session.store.sqlite import READERS
from omni_tui.session.tree import Tree

LENGTHS = (100, 1_000, 10_000)
"""Nodes in a session."""

WORDS = "words of an answer as long as most of them are " * 10

STEPS = 50
"""Commits that are counted together: now and then one of them puts the index in order."""

FRAME = 4096 + 24
"""Bytes a page takes in the log."""


class CountingStore(SQLiteStore):
    """Counts the statements its connections run; its log only grows."""

    statements = 0

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.set_trace_callback(self._count)
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        return connection

    def _count(self, _: str) -> None:
        self.statements += 1


def grown(length: int) -> Tree:
    """A tree of one branch."""
    tree = Tree()
    for index in range(length):
        tree.push(Message.assistant(WORDS) if index % 2 else Message.user(WORDS))
    return tree


async def fill(path: Path, length: int) -> Tree:
    """Store a session `s` of this length, alone in a file."""
    tree = grown(length)
    async with SQLiteStore(path) as store:
        await store.create(SessionRecord(id="s"))
        await store.save_tree("s", tree.take_changes())
    return tree


async def commits(folder: Path) -> None:
    """Print what a step costs at each length."""
    print(f"{'a step committed, in a session of':36} statements   pages    CPU ms")
    for length in LENGTHS:
        path = folder / f"{length}.db"
        tree = await fill(path, length)
        log = side_files(path)[0]
        async with CountingStore(path) as store:
            await store.save_state("s", title="warm")
            begun, size = store.statements, log.stat().st_size
            start = time.process_time()
            for _ in range(STEPS):
                tree.push(Message.user(WORDS))
                await store.save_tree("s", tree.take_changes())
            taken = (time.process_time() - start) * 1000 / STEPS
            statements = (store.statements - begun) / STEPS
            pages = (log.stat().st_size - size) / FRAME / STEPS
        print(f"  {length:>8,} nodes {'':18} {statements:10.1f} {pages:7.1f} {taken:9.2f}")


def bytes_read() -> int:
    """What this process has read from files so far, from the disk or not."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return 0
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])


async def opening(folder: Path, rounds: int) -> None:
    """Print what it costs to open a session of each length and to hold it."""
    print(f"{'a session opened':36}     CPU ms    MB read    MB held   bytes a node")
    for length in LENGTHS:
        path = folder / f"{length}.db"
        taken, read = [], 0
        for _ in range(rounds):
            async with SQLiteStore(path) as store:
                await store.exists("s")
                before, start = bytes_read(), time.process_time()
                await store.load("s")
                taken.append((time.process_time() - start) * 1000)
                read = bytes_read() - before
        async with SQLiteStore(path) as store:
            await store.exists("s")
            gc.collect()
            tracemalloc.start()
            loaded = await store.load("s")
            gc.collect()
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        each = held / len(loaded.tree)
        median = statistics.median(taken)
        print(
            f"  {length:>8,} nodes {'':18} {median:10.1f} {read / 1e6:10.1f} "
            f"{held / 1e6:10.1f} {each:14,.0f}"
        )


async def readers(folder: Path, rounds: int) -> None:
    """Print how long a small read waits beside large ones, as a ratio to it alone."""
    async with SQLiteStore(folder / f"{LENGTHS[-1]}.db") as store:

        async def small() -> float:
            start = time.perf_counter()
            await store.exists("s")
            return time.perf_counter() - start

        await asyncio.gather(*(store.load("s") for _ in range(READERS)))
        alone = statistics.median([await small() for _ in range(rounds * 5)])
        start = time.perf_counter()
        await store.load("s")
        whole = time.perf_counter() - start
        waits = []
        for _ in range(rounds):
            large = asyncio.create_task(store.load("s"))
            await asyncio.sleep(whole / 10)
            waits.append(await small())
            await large
    beside = statistics.median(waits)
    print(
        f"a small read beside a large one: {beside / alone:.0f} times as long as alone, "
        f"{beside / whole:.0%} of the large one"
    )


async def measure(rounds: int) -> None:
    """Measure in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await commits(folder)
        await opening(folder, rounds)
        await readers(folder, rounds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak of the whole: {peak:.0f} MB")


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if sys.argv[1:] else 7))
