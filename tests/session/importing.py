"""Reads files and texts as an import does."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omni_tui.session.importers import Format, Source, read_sessions
from omni_tui.session.store.base import StoredSession

FILES = Path(__file__).parent / "importers" / "files"


def read_file(path: Path, format: Format | None = None) -> tuple[list[StoredSession], list[str]]:
    """The sessions of a file, and the warnings."""
    warnings: list[str] = []
    with Source(path) as source:
        return list(read_sessions(source, warnings.append, format=format)), warnings


def read_text(
    text: str | bytes, format: Format | None = None, limit: int = 2**20
) -> tuple[list[StoredSession], list[str]]:
    """The sessions of a text that is piped in, and the warnings."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    warnings: list[str] = []
    source = Source.of(io.BufferedReader(io.BytesIO(data)), "piped")
    found = list(read_sessions(source, warnings.append, format=format, limit=limit))
    return found, warnings


def read_lines(lines: Sequence[Any]) -> tuple[list[StoredSession], list[str]]:
    """The sessions of JSON Lines, and the warnings."""
    return read_text("".join(f"{json.dumps(line)}\n" for line in lines))


def shape(stored: StoredSession) -> list[tuple[int, int | None, str, str]]:
    """Each node: id, parent, kind, and the words or tools in it."""
    return [
        (node.id, node.parent_id, node.kind, node.message.text)
        for node in stored.tree.nodes.values()
    ]
