"""An archive of any size takes no more memory than its longest conversation."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omni_tui.session.importers import Source, read_sessions

COUNT = 60
BOUND = 24_000_000
"""Bytes: a conversation of a megabyte as bytes, text, values and tree, and what else is needed."""


def conversations() -> Iterator[str]:
    """Sixty of a megabyte each, in ten messages."""
    chance = random.Random(1)
    for number in range(COUNT):
        words = chance.randbytes(2_000).hex() * 25
        mapping: dict[str, Any] = {
            f"{number}-{index}": {
                "message": {
                    "author": {"role": "assistant" if index % 2 else "user"},
                    "content": {"parts": [words]},
                },
                "parent": f"{number}-{index - 1}" if index else None,
            }
            for index in range(10)
        }
        yield json.dumps({"id": str(number), "title": f"T{number}", "mapping": mapping})


def test_sixty_megabytes_in_a_zip_are_read_in_a_small_bound(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("conversations.json", "w") as binary,
        io.TextIOWrapper(binary, "utf-8") as member,
    ):
        for number, text in enumerate(conversations()):
            member.write(f"{',' if number else '['}{text}")
        member.write("]")
    positions = []
    warnings: list[str] = []
    tracemalloc.start()
    try:
        with Source(path) as source:
            for stored in read_sessions(source, warnings.append):
                assert len(stored.tree) == 10
                positions.append(source.position)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert warnings == []
    assert len(positions) == COUNT
    assert positions == sorted(positions)
    assert 0 < positions[-1] <= source.size
    assert peak < BOUND
