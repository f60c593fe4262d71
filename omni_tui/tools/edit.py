"""The tool `edit_file`: replace an exact piece of a file."""

from __future__ import annotations

import asyncio
from pathlib import Path

from omni_tui.core.errors import ToolError
from omni_tui.core.messages import scrub
from omni_tui.core.tool import ToolContext, ToolReply, tool
from omni_tui.tools import disk
from omni_tui.tools.differences import compare
from omni_tui.tools.files import locate_for_change
from omni_tui.tools.paths import shown

MAX_SIZE = 10 * 1024 * 1024
"""Bytes of the largest file that can be edited."""


@tool
async def edit_file(
    path: str,
    old_string: str,
    new_string: str,
    context: ToolContext,
    replace_all: bool = False,
) -> ToolReply:
    """Replace a piece of a text file; the old text must fit exactly and occur once.

    Args:
        path: The file, relative to the working folder or absolute.
        old_string: The text to replace, as it stands in the file (without line numbers).
        new_string: The text to put in its place.
        replace_all: Replace every occurrence instead of demanding that there is one.
        context: Where it runs.
    """
    if not old_string:
        raise ToolError("old_string is empty; use write_file to write a whole file")
    if old_string == new_string:
        raise ToolError("old_string and new_string are the same")
    place = locate_for_change(path, context)
    name = shown(place, context.cwd)
    old, new = scrub(old_string), scrub(new_string)
    return await asyncio.to_thread(_edit, place, name, old, new, replace_all)


def _edit(place: Path, name: str, old: str, new: str, replace_all: bool) -> ToolReply:
    with disk.explained(name), disk.change(place) as target:
        data = target.read(MAX_SIZE + 1)
        if data is None:
            raise ToolError(f"Not found: {name}")
        if len(data) > MAX_SIZE:
            raise ToolError(f"Too large to edit (over {MAX_SIZE} bytes): {name}")
        if b"\0" in data[:8192]:
            raise ToolError(f"A binary file: {name}")
        # Bytes that are no UTF-8 come out again as they went in.
        before = data.decode("utf-8", "surrogateescape")
        after, count = replace_text(before, old, new, name=name, replace_all=replace_all)
        target.write(after.encode("utf-8", "surrogateescape"))
    difference = compare(scrub(before), scrub(after), name)
    times = "1 replacement" if count == 1 else f"{count} replacements"
    return ToolReply(
        text=f"Edited {name}: {times} (+{difference.added} −{difference.removed})",
        data=difference.facts(),
    )


def replace_text(
    text: str, old: str, new: str, *, name: str, replace_all: bool = False
) -> tuple[str, int]:
    """`text` with `old` replaced by `new`, and how often; the new lines end as the file's do.

    Raises `ToolError` when `old` does not occur, or occurs several times without `replace_all`.
    """
    windows = text.count("\r\n") * 2 > text.count("\n")
    plain = old.replace("\r\n", "\n")
    spellings = (old, plain.replace("\n", "\r\n"), plain)
    wanted = next((spelling for spelling in spellings if spelling in text), None)
    if wanted is None:
        hint = "only the whitespace around it differs" if old.strip() in text else "read it again"
        raise ToolError(f"old_string was not found in {name}; {hint}")
    count = text.count(wanted)
    if count > 1 and not replace_all:
        raise ToolError(
            f"old_string appears {count} times in {name}; give more of the text around it,"
            " or set replace_all"
        )
    new = new.replace("\r\n", "\n")
    return text.replace(wanted, new.replace("\n", "\r\n") if windows else new), count
