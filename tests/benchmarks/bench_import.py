"""Measures an import and the exports: seconds of CPU and the most memory, never asserted.

The archive is one of ChatGPT's, made while it is read. Run it:

    python tests/benchmarks/bench_import.py [MEGABYTES [NODES]]
"""

from __future__ import annotations

import io
import json
import sys
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any, cast

from omni_tui.cli.markdown_html import markdown_renderer
from omni_tui.core.messages import Message
from omni_tui.session.export import branch_of, to_html, to_json, to_markdown
from omni_tui.session.importers import Source, read_sessions
from omni_tui.session.store.base import SessionRecord, StoredSession
from omni_tui.session.tree import Tree

WORDS = "the quick brown fox jumps over the lazy dog, and then it rests a while. " * 12
MESSAGES = 40


class Pieces(io.RawIOBase):
    """A stream of what an iterator gives."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        part = self._rest[: len(buffer)]
        self._rest = self._rest[len(part) :]
        buffer[: len(part)] = part
        return len(part)


def conversation(number: int) -> dict[str, Any]:
    """One with a fork at every fifth message."""
    mapping: dict[str, Any] = {}
    before: str | None = None
    for index in range(MESSAGES):
        key = f"{number}-{index}"
        role = "assistant" if index % 2 else "user"
        content = {"content_type": "text", "parts": [f"{index} {WORDS}"]}
        message = {"author": {"role": role}, "create_time": 1.7e9 + index, "content": content}
        mapping[key] = {"id": key, "message": message, "parent": before, "children": []}
        before = before if index % 5 == 4 else key
    return {"title": f"Number {number}", "conversation_id": str(number), "mapping": mapping}


def archive(size: int) -> Iterator[bytes]:
    """A JSON array of at least so many bytes."""
    written = number = 0
    while written < size:
        piece = json.dumps(conversation(number)).encode()
        yield (b"," if number else b"[") + piece
        written += len(piece)
        number += 1
    yield b"]"


def imports(megabytes: int) -> None:
    """Print what reading an archive costs."""
    size = megabytes * 1_000_000
    start = time.process_time()
    made = sum(len(piece) for piece in archive(size))
    making = time.process_time() - start
    for measured in ("seconds", "memory"):
        if measured == "memory":
            tracemalloc.start()
        raw = cast(io.RawIOBase, Pieces(archive(size)))
        source = Source.of(io.BufferedReader(raw), "made")
        start = time.process_time()
        nodes = sessions = 0
        for stored in read_sessions(source, print):
            nodes += len(stored.tree)
            sessions += 1
        if measured == "seconds":
            taken = time.process_time() - start - making
            print(
                f"import: {made / 1e6:.0f} MB, {sessions:,} sessions, {nodes:,} messages in "
                f"{taken:.1f} s ({made / 1e6 / taken:.0f} MB/s)"
            )
        else:
            print(f"        at most {tracemalloc.get_traced_memory()[1] / 1e6:.1f} MB at once")
            tracemalloc.stop()


def exports(nodes: int) -> None:
    """Print what writing a session of so many messages costs."""
    tree = Tree()
    for index in range(nodes):
        if index % 50 == 49:
            tree.navigate(index - 10)
        tree.push(Message.assistant(WORDS) if index % 2 else Message.user(WORDS))
    stored = StoredSession(SessionRecord(id="bench"), tree)
    render = markdown_renderer()
    forms = {
        "json": to_json(stored),
        "md": to_markdown(stored, branch_of(tree)),
        "html": to_html(stored, render=render),
    }
    for name, pieces in forms.items():
        start = time.process_time()
        size = sum(map(len, pieces))
        taken = time.process_time() - start
        print(f"export: {nodes:,} messages as {name:5} {size / 1e6:6.1f} MB in {taken:.2f} s")


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    imports(given[0] if given else 100)
    exports(given[1] if len(given) > 1 else 10_000)
