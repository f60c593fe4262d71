"""The unified diff a person sees for a change to a file."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import msgspec

MAX_DIFF = 64 * 1024
"""Characters of a diff that are kept."""
_MAX_COMPARED = 512 * 1024
_CONTEXT = 3

Operation: TypeAlias = tuple[Literal["replace", "delete", "insert", "equal"], int, int, int, int]
"""What `difflib` calls an opcode."""


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
    old_part, new_part = before[start : len(before) - end], after[start : len(after) - end]
    if sum(map(len, old_part)) + sum(map(len, new_part)) > _MAX_COMPARED:
        note = f"--- a/{name}\n+++ b/{name}\n(too large to show)\n"
        return Difference(text=note, added=len(new_part), removed=len(old_part))
    operations = difflib.SequenceMatcher(None, old_part, new_part).get_opcodes()
    rows = list(_rows(before, after, _placed(operations, start, end)))
    if rows:
        rows = [f"--- a/{name}", f"+++ b/{name}", *rows]
    added = sum(row.startswith("+") for row in rows[2:])
    removed = sum(row.startswith("-") for row in rows[2:])
    text = "\n".join([*rows, ""] if rows else [])
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


def _placed(operations: list[Operation], start: int, end: int) -> list[Operation]:
    """Operations on the parts that differ, as operations on the whole with its equal ends."""
    placed: list[Operation] = [("equal", 0, start, 0, start)] if start else []
    placed += [
        (kind, a + start, b + start, c + start, d + start) for kind, a, b, c, d in operations
    ]
    if end:
        _, _, old, _, new = placed[-1]
        placed.append(("equal", old, old + end, new, new + end))
    return placed


class _Known(difflib.SequenceMatcher[str]):
    """Operations that are known already, for `get_grouped_opcodes`."""

    def __init__(self, operations: list[Operation]) -> None:
        super().__init__(None, "", "")
        self._operations = operations

    def get_opcodes(self) -> list[Operation]:
        return self._operations


def _rows(before: list[str], after: list[str], operations: list[Operation]) -> Iterator[str]:
    """The hunks of a unified diff, with whole context also where the parts compared end."""
    for group in _Known(operations).get_grouped_opcodes(_CONTEXT):
        old = _range(group[0][1], group[-1][2])
        new = _range(group[0][3], group[-1][4])
        yield f"@@ -{old} +{new} @@"
        for kind, a, b, c, d in group:
            if kind == "equal":
                yield from (f" {line}" for line in before[a:b])
            else:
                yield from (f"-{line}" for line in before[a:b])
                yield from (f"+{line}" for line in after[c:d])


def _range(start: int, stop: int) -> str:
    """Lines of a file as a hunk's header counts them."""
    size = stop - start
    if size == 1:
        return str(start + 1)
    return f"{start + 1 if size else start},{size}"
