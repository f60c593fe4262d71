"""The unified diff a person sees for a change to a file."""

from __future__ import annotations

import difflib
import re
from typing import Any

import msgspec

MAX_DIFF = 64 * 1024
"""Characters of a diff that are kept."""
_MAX_COMPARED = 512 * 1024
_CONTEXT = 3
_HEADER = re.compile(r"@@ -(\d+)((?:,\d+)?) \+(\d+)((?:,\d+)?) @@")


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What changed: the diff's text (at most `MAX_DIFF` characters) and the line counts."""

    text: str
    added: int
    removed: int

    def facts(self) -> dict[str, Any]:
        """The form kept with a tool's result."""
        return {"diff": self.text, "added": self.added, "removed": self.removed}


def compare(old: str, new: str, name: str) -> Difference:
    """Compare two texts of the file `name`; a changed part too large to compare is only counted."""
    before, after = _lines(old), _lines(new)
    start, end = _common(before, after)
    first = max(0, start - _CONTEXT)
    last = max(0, end - _CONTEXT)
    before, after = before[first : len(before) - last], after[first : len(after) - last]
    if sum(map(len, before)) + sum(map(len, after)) > _MAX_COMPARED:
        note = f"--- a/{name}\n+++ b/{name}\n(too large to show)\n"
        return Difference(
            text=note,
            added=len(after) - min(_CONTEXT, start) - min(_CONTEXT, end),
            removed=len(before) - min(_CONTEXT, start) - min(_CONTEXT, end),
        )
    rows = list(difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", lineterm=""))
    added = sum(row.startswith("+") for row in rows[2:])
    removed = sum(row.startswith("-") for row in rows[2:])
    text = "\n".join([*rows[:2], *(_shift(row, first) for row in rows[2:]), ""] if rows else [])
    if len(text) > MAX_DIFF:
        text = text[: text.rfind("\n", 0, MAX_DIFF) + 1] + "(the rest is not shown)\n"
    return Difference(text=text, added=added, removed=removed)


def _lines(text: str) -> list[str]:
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if lines[-1]:
        lines[-1] += "\n\\ No newline at end of file"
    else:
        lines.pop()
    return lines


def _common(before: list[str], after: list[str]) -> tuple[int, int]:
    """How many lines at the start and at the end are the same in both."""
    shorter = min(len(before), len(after))
    start = 0
    while start < shorter and before[start] == after[start]:
        start += 1
    end = 0
    while end < shorter - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return start, end


def _shift(row: str, lines: int) -> str:
    """A hunk header moved down by the lines left out above; other rows as they are."""
    match = _HEADER.match(row)
    if not match or not lines:
        return row
    return f"@@ -{int(match[1]) + lines}{match[2]} +{int(match[3]) + lines}{match[4]} @@"
