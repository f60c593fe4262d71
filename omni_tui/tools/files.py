"""The tools `read_file` and `write_file`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

from msgspec import Meta

from omni_tui.core.errors import ToolError
from omni_tui.core.messages import scrub
from omni_tui.core.tool import ToolContext, ToolReply, tool
from omni_tui.tools import disk
from omni_tui.tools.differences import compare
from omni_tui.tools.paths import locate_allowed, shown, spelled

MAX_LINE = 2000
"""Characters of a line that are shown."""
MAX_OUTPUT = 100_000
"""Characters one call returns; the footer says where to go on."""
_SNIFF = 8192
_MAX_COMPARED = 1024 * 1024


@tool(read_only=True)
async def read_file(
    path: str,
    context: ToolContext,
    offset: Annotated[int, Meta(ge=1)] = 1,
    limit: Annotated[int, Meta(ge=1)] = 2000,
) -> str:
    """Read a text file; every line comes with its number.

    Args:
        path: The file, relative to the working folder or absolute.
        offset: The first line to read, counted from 1.
        limit: How many lines to read at most.
        context: Where it runs.
    """
    place = locate_allowed(path, context)
    return await asyncio.to_thread(_read, place, shown(place, context.cwd), offset, limit)


def _read(place: Path, name: str, offset: int, limit: int) -> str:
    with disk.explained(name), disk.open_regular(place) as file:
        if is_binary(file):
            raise ToolError(f"A binary file: {name}")
        rows, total = _numbered(file, offset, limit)
    if not total:
        return "(empty file)"
    if not rows:
        raise ToolError(f"offset {offset} is past the end: {name} has {total} lines")
    last = offset + len(rows) - 1
    if last < total:
        rows.append(f"(lines {offset}–{last} of {total}; next offset {last + 1})")
    return "\n".join(rows)


def is_binary(file: BinaryIO) -> bool:
    """Whether a file just opened holds a NUL in its first 8 KiB; leaves it at its start."""
    found = b"\0" in file.read(_SNIFF)
    file.seek(0)
    return found


def _numbered(file: BinaryIO, offset: int, limit: int) -> tuple[list[str], int]:
    """The lines asked for, with their numbers, and how many lines the file has."""
    rows: list[str] = []
    number = room = 0
    for number, line in enumerate(_lines(file), 1):
        if number < offset:
            continue
        text = line.decode("utf-8-sig" if number == 1 else "utf-8", "replace")
        text = text.removesuffix("\n").removesuffix("\r")
        if len(text) > MAX_LINE:
            text = text[:MAX_LINE] + "… (line cut)"
        rows.append(f"{number:6}\t{text}")
        room += len(rows[-1])
        if len(rows) == limit or room > MAX_OUTPUT:
            return rows, number + sum(1 for _ in _lines(file))
    return rows, number


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, each cut a little past what is shown; memory stays small."""
    size = MAX_LINE * 4 + 4
    while line := file.readline(size):
        rest = line
        while rest and not rest.endswith(b"\n") and len(rest) >= size:
            rest = file.readline(size)
        yield line


@tool
async def write_file(path: str, content: str, context: ToolContext) -> ToolReply:
    """Write a text file, replacing what was there; missing folders are made.

    Args:
        path: The file, relative to the working folder or absolute.
        content: The whole new text.
        context: Where it runs.
    """
    place = locate_for_change(path, context)
    name = shown(place, context.cwd)
    return await asyncio.to_thread(_write, place, name, scrub(content))


def locate_for_change(path: str, context: ToolContext) -> Path:
    """Like `locate_allowed`, but a path that is itself a link is refused with `ToolError`."""
    place = locate_allowed(path, context)
    if spelled(path, context.cwd).is_symlink():
        raise ToolError(f"A link is not written through; the file is {shown(place, context.cwd)}")
    return place


def _write(place: Path, name: str, content: str) -> ToolReply:
    data = content.encode()
    with disk.explained(name), disk.change(place, create_folders=True) as target:
        before = target.read(_MAX_COMPARED + 1)
        target.write(data)
    verb = "Created" if before is None else "Overwrote"
    lines = content.count("\n") + (not content.endswith("\n") and bool(content))
    facts: dict[str, object] = {"created": before is None}
    old = before or b""
    if b"\0" not in old[:_SNIFF] and len(old) + len(data) <= _MAX_COMPARED:
        facts |= compare(old.decode(errors="replace"), content, name).facts()
    return ToolReply(text=f"{verb} {name} ({lines} lines, {len(data)} bytes)", data=facts)
