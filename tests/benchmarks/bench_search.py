"""Measures search over many messages in a SQLite file: milliseconds of CPU, never asserted.

The words have the frequencies of a language (Zipf), so that the commonest stands in nearly every
message. Run it:

    python tests/benchmarks/bench_search.py [MESSAGES [ROUNDS]]
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from itertools import accumulate
from pathlib import Path

from omni_tui.core.messages import Message
from omni_tui.session.store import SessionRecord, SQLiteStore
from omni_tui.session.tree import Tree

VOCABULARY = 20_000
LENGTH = 70
"""Words in a message: 490 characters or so."""

PER_SESSION = 100

RARE_MODEL = "rare/model"
"""Wrote one of the messages, the oldest but one."""


class Language:
    """Made-up words, the commonest first."""

    def __init__(self) -> None:
        self._chance = random.Random(1)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self.words = list(
            dict.fromkeys(
                "".join(self._chance.choices(letters, k=self._chance.randint(3, 9)))
                for _ in range(VOCABULARY)
            )
        )
        self._weights = list(accumulate(1 / (rank + 1) for rank in range(len(self.words))))

    def text(self, length: int) -> str:
        """So many words, as often as they are common."""
        return " ".join(self._chance.choices(self.words, cum_weights=self._weights, k=length))


async def fill(store: SQLiteStore, language: Language, count: int) -> None:
    """Store sessions with so many messages between them; every tenth has two branches."""
    for number in range(count // PER_SESSION):
        tree = Tree()
        for index in range(PER_SESSION):
            if number % 10 == 0 and index == PER_SESSION // 2:
                tree.navigate(10)
            text = language.text(LENGTH)
            if index % 2:
                model = RARE_MODEL if number == 0 and index == 1 else "demo/chat"
                tree.push(Message.assistant(text), model=model)
            else:
                tree.push(Message.user(text))
        id = f"session-{number:06}"
        await store.create(SessionRecord(id=id, title=language.text(6)))
        await store.save_tree(id, tree.take_changes())


async def measure(store: SQLiteStore, name: str, query: str, rounds: int, **more: str) -> None:
    """Print the median and the slowest of some rounds."""
    taken = []
    found = 0
    for _ in range(rounds):
        start = time.process_time()
        found = len(await store.search(query, limit=20, **more))  # type: ignore[arg-type]
        taken.append((time.process_time() - start) * 1000)
    print(f"{name:36} {statistics.median(taken):7.1f} ms  (max {max(taken):.1f})  {found} hits")


async def filtered(store: SQLiteStore, words: list[str], rounds: int) -> None:
    """Measure filters: those that fit soon, and those for which everything is looked at."""
    for name, query in (
        ("a common word, of a common model", f"{words[50]} model:demo"),
        ("a common word, of a rare model", f"{words[50]} model:rare"),
        ("the commonest, of a rare model", f"{words[0]} model:rare"),
        ("the commonest, with a label", f"{words[0]} label:best"),
        ("the commonest, before everything", f"{words[0]} before:1999"),
        ("the commonest, in a title", f"{words[0]} title:{words[5]}"),
        ("a role alone", "role:user"),
        ("a common model alone", "model:demo"),
        ("a rare model alone", "model:rare"),
        ("a label alone", "label:best"),
        ("a tool alone", "tool:bash"),
    ):
        await measure(store, name, query, rounds)


async def commits(store: SQLiteStore, language: Language, rounds: int) -> None:
    """Print what a step costs in a file of this size."""
    await store.create(SessionRecord(id="steps"))
    tree = Tree()
    taken = []
    for _ in range(rounds * 20):
        tree.push(Message.user(language.text(LENGTH)))
        changes = tree.take_changes()
        start = time.process_time()
        await store.save_tree("steps", changes)
        taken.append((time.process_time() - start) * 1000)
    slow = sorted(taken)[len(taken) * 99 // 100]
    print(f"{'a step committed':36} {statistics.median(taken):7.1f} ms  (p99 {slow:.1f})")


async def compare(folder: Path, count: int, rounds: int) -> None:
    """Fill a file and search it."""
    language = Language()
    words = language.words
    path = folder / "sessions.db"
    async with SQLiteStore(path) as store:
        start = time.process_time()
        await fill(store, language, count)
        print(f"{count:,} messages stored in {time.process_time() - start:.1f} s")
        middle = f"session-{count // PER_SESSION // 2:06}"
        await measure(store, "a rare word", words[15_000] + " ", rounds)
        await measure(store, "a common word", words[50] + " ", rounds)
        await measure(store, "the commonest word", words[0] + " ", rounds)
        await measure(store, "the two commonest", f"{words[0]} {words[1]} ", rounds)
        await measure(store, "the two commonest, side by side", f'"{words[0]} {words[1]}"', rounds)
        await measure(store, "the commonest and a rare one", f"{words[0]} {words[15_000]} ", rounds)
        await measure(store, "three letters of a rare word", words[15_000][:3], rounds)
        await measure(store, "three letters of the commonest", words[0][:3], rounds)
        await measure(store, "the commonest, which may go on", words[0], rounds)
        await measure(
            store, "the commonest, in one session", words[0] + " ", rounds, session_id=middle
        )
        await measure(store, "no message", "qqqqqqqqqqq ", rounds)
        await filtered(store, words, rounds)
        await commits(store, language, rounds)
    print(f"file {path.stat().st_size / 1e6:.0f} MB")


def main(arguments: list[str]) -> None:
    """Measure in a folder that is removed afterwards."""
    count = int(arguments[0]) if arguments else 100_000
    rounds = int(arguments[1]) if arguments[1:] else 15
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(Path(folder), count, rounds))


if __name__ == "__main__":
    main(sys.argv[1:])
