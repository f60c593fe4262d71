"""Two branches compared, as text with words marked, or as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from omni_tui.cli.output import has_colour, print_json, write_out
from omni_tui.core.messages import Attachment
from omni_tui.core.safe_text import safe, safe_line
from omni_tui.session.diff import Change, Pair, Side, Span, diff_branches
from omni_tui.session.export.outline import WORDS
from omni_tui.session.node import Node
from omni_tui.session.references import node_at
from omni_tui.session.tree import Tree
from omni_tui.tools.permissions import describe

CONTEXT = 3
"""Lines without a change that are shown around those with one."""

MARKS: dict[Change, tuple[str, str]] = {
    "same": ("", ""),
    "removed": ("[-", "-]"),
    "added": ("{+", "+}"),
}
COLOURS: dict[Change, tuple[str, str]] = {
    "same": ("", ""),
    "removed": ("\x1b[31m", "\x1b[0m"),
    "added": ("\x1b[32m", "\x1b[0m"),
}


def tip_at(tree: Tree, wanted: str, *, exact: bool = False) -> int:
    """The end of the branch a person names by one of its messages, or this very message.

    A summary stands for what it covers. Raises `NotFoundError` or `AmbiguousIdError`.
    """
    node = tree[node_at(tree, wanted, hidden=True)]
    place = node.id
    if node.kind == "summary" and node.parent_id is not None:
        place = node.parent_id
    return place if exact else tree.tip_of(place) or place


def write_diff(tree: Tree, left: int, right: int, *, as_json: bool) -> None:
    """Print how the branches to two tips differ, for people or programs."""
    if as_json:
        print_json(_json(tree, left, right))
    else:
        marks = COLOURS if has_colour() else MARKS
        write_out((f"{line}\n" for line in _lines(tree, left, right, marks)), None)


# For people


def _lines(
    tree: Tree, left: int, right: int, marks: dict[Change, tuple[str, str]]
) -> Iterator[str]:
    found = diff_branches(tree, left, right)
    yield f"--- {_named(tree[left])}"
    yield f"    {_facts(found.left)}"
    yield f"+++ {_named(tree[right])}"
    yield f"    {_facts(found.right)}"
    if found.ancestor is None:
        yield "=== nothing in common"
    else:
        shared = _messages(tree.depth(found.ancestor))
        yield f"=== {shared} in common, the last is {_named(tree[found.ancestor])}"

    def mark(change: Change, text: str) -> str:
        before, after = marks[change]
        return f"{before}{text}{after}"

    for pair in found.pairs:
        yield from _pair(pair, mark)


def _named(node: Node) -> str:
    label = f" [{safe_line(node.label, 40)}]" if node.label else ""
    words = safe_line(node.message.text, WORDS) or f"({node.kind})"
    return f"{node.id}{label} {words}"


def _messages(count: int) -> str:
    return f"{count} message{'' if count == 1 else 's'}"


def _facts(side: Side) -> str:
    usage = side.usage
    tools = (
        safe_line(name, 40) + (f" ×{times}" if times > 1 else "")
        for name, times in Counter(side.tools).items()
    )
    facts = (
        _messages(len(side.nodes)) + " of its own",
        ", ".join(safe_line(model, 80) for model in side.models),
        f"{side.duration_ms / 1000:.1f} s" if side.duration_ms else "",
        f"{usage.read:,} tokens in, {usage.output:,} out" if usage.read or usage.output else "",
        "" if usage.cost is None else f"${usage.cost:.4f}",
        ", ".join(tools),
    )
    return " · ".join(fact for fact in facts if fact)


def _pair(pair: Pair, mark: Callable[[Change, str], str]) -> Iterator[str]:
    node = pair.left or pair.right
    assert node is not None
    if node.kind == "results":  # the tool uses they answer are told of
        return
    ids = [str(each.id) if each is not None else "·" for each in (pair.left, pair.right)]
    head = f"@@ {node.kind} {ids[0]} {ids[1]} @@"
    if _is_equal(pair):
        yield f"{head} the same"
        return
    yield head
    # Foreign lines are indented: none can pass for one of ours.
    yield from (f"  {line}" if line else "" for line in _shortened(_marked(pair.spans, mark)))
    yield from (f"  {mark(span.change, span.text)}" for span in _note_spans(pair))


def _is_equal(pair: Pair) -> bool:
    if pair.left is None or pair.right is None:
        return False
    return pair.is_equal and _notes(pair.left) == _notes(pair.right)


def _marked(spans: Sequence[Span], mark: Callable[[Change, str], str]) -> list[tuple[bool, str]]:
    """The lines, each with whether anything changed on it; marks do not go over line ends."""
    lines = [(False, "")]
    for span in spans:
        changed = span.change != "same"
        for number, part in enumerate(safe(span.text).split("\n")):
            if number:
                lines.append((False, ""))
            was, line = lines[-1]
            lines[-1] = (was or changed, line + mark(span.change, part) if part else line)
    return lines if any(line for _, line in lines) else []


def _shortened(lines: Sequence[tuple[bool, str]]) -> Iterator[str]:
    """The lines near a change, and how many were left out."""
    near: set[int] = set()
    for place, (changed, _) in enumerate(lines):
        if changed:
            near.update(range(place - CONTEXT, place + CONTEXT + 1))
    left_out = 0
    for place, (_, line) in enumerate(lines):
        if place not in near:
            left_out += 1
            continue
        if left_out:
            yield _gap(left_out)
            left_out = 0
        yield line
    if left_out:
        yield _gap(left_out)


def _gap(count: int) -> str:
    return f"… {count} line{'' if count == 1 else 's'} the same"


def _notes(node: Node | None) -> list[str]:
    """What a message has beside words: files, tool uses, and how it ended if not well."""
    if node is None:
        return []
    notes = [
        f"file {safe_line(block.name or block.media_type, 80)}"
        for block in node.message.content
        if isinstance(block, Attachment)
    ]
    notes += [
        f"{safe_line(use.name, 60)} {safe_line(describe(use), 400)}"
        for use in node.message.tool_uses
    ]
    if node.status != "done":
        notes.append(f"{node.status}: {safe_line(node.error or 'no reason is known', 400)}")
    return notes


def _note_spans(pair: Pair) -> Iterator[Span]:
    left, right = _notes(pair.left), _notes(pair.right)
    yield from (Span("same" if note in right else "removed", note) for note in left)
    yield from (Span("added", note) for note in right if note not in left)


# For programs


def _json(tree: Tree, left: int, right: int) -> dict[str, Any]:
    found = diff_branches(tree, left, right)
    return {
        "ancestor": found.ancestor,
        "common": list(tree.path_to(found.ancestor)),
        "is_equal": all(_is_equal(pair) for pair in found.pairs),
        "left": _side(left, found.left),
        "right": _side(right, found.right),
        "pairs": [
            {
                "kind": (pair.left or pair.right).kind,  # type: ignore[union-attr]
                "left": pair.left.id if pair.left else None,
                "right": pair.right.id if pair.right else None,
                "is_equal": _is_equal(pair),
                "spans": [msgspec.structs.asdict(span) for span in pair.spans],
                "notes": [msgspec.structs.asdict(span) for span in _note_spans(pair)],
            }
            for pair in found.pairs
        ],
    }


def _side(tip: int, side: Side) -> dict[str, Any]:
    return {
        "tip": tip,
        "nodes": [node.id for node in side.nodes],
        "models": list(side.models),
        "duration_ms": side.duration_ms,
        "usage": msgspec.structs.asdict(side.usage),
        "tools": list(side.tools),
    }
