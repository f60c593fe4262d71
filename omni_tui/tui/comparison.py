"""Two branches as they are shown beside each other: what stands where, without a screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Literal, TypeAlias

import msgspec

from omni_tui.core.messages import Attachment, Text
from omni_tui.core.safe_text import safe, safe_line
from omni_tui.session import diff
from omni_tui.session.diff import BranchDiff, Pair
from omni_tui.session.node import Node
from omni_tui.session.tree import Tree
from omni_tui.tools.permissions import describe
from omni_tui.tui.attached import facts_of, name_of
from omni_tui.tui.tool_view import seconds
from omni_tui.tui.tree_layout import plain_line
from omni_tui.tui.view import count, short_model
from omni_tui.tui.word_marks import Stanza, Words, mark_words, plain_words

SideName: TypeAlias = Literal["left", "right"]
SIDES: tuple[SideName, SideName] = ("left", "right")

ENDS = "this branch ends here"
NAMED = 3
"""Models, or tools, that a heading names."""


class Prose(msgspec.Struct, frozen=True):
    """What a message says."""

    words: Words
    is_prompt: bool


class Note(msgspec.Struct, frozen=True):
    """One line beside the words: a tool that was used, a file, how it ended."""

    kind: Literal["tool", "file", "failed", "stopped", "end"]
    text: str
    name: str = ""
    """Stands before the text: of a tool."""


Item: TypeAlias = Prose | Note


class Heading(msgspec.Struct, frozen=True):
    """What stands over a side."""

    title: str
    facts: tuple[str, ...]


class Face(msgspec.Struct, frozen=True, dict=True):
    """Two messages that face each other; read and compared when they are first looked at."""

    pair: Pair
    ended: SideName | None = None
    """The side that says here that it has no more."""

    @cached_property
    def is_equal(self) -> bool:
        """Whether both say and do the same."""
        left, right = self.pair.left, self.pair.right
        if left is None or right is None or not self.pair.is_equal:
            return False
        return _files(left) == _files(right) and _doings(left) == _doings(right)

    def groups(self) -> Iterator[tuple[tuple[Item, ...], tuple[Item, ...]]]:
        """What is shown of each side, from top to bottom, cut where both sides meet."""
        left, right = self.pair.left, self.pair.right
        if left is None or right is None:
            end = (Note("end", ENDS),) if self.ended is not None else ()
            yield (_alone(left) if left else end, _alone(right) if right else end)
            return
        yield _files(left), _files(right)
        if self.is_equal:
            stanzas = [Stanza(plain_words(left.message.text), plain_words(right.message.text))]
        else:
            stanzas = mark_words(self.pair.spans)
        for stanza in stanzas:
            yield _prose(stanza.left, left), _prose(stanza.right, right)
        yield _doings(left), _doings(right)

    def is_new(self, note: Note, side: SideName) -> bool:
        """Whether the other side has no such line."""
        other = self.pair.right if side == "left" else self.pair.left
        return other is None or note not in (*_files(other), *_doings(other))

    @property
    def is_tools(self) -> bool:
        """Whether neither side says anything, but tools are used."""
        nodes = [node for node in (self.pair.left, self.pair.right) if node is not None]
        return self.ended is None and all(
            node.kind == "calls" and not node.message.text.strip() for node in nodes
        )

    def estimate(self, width: int) -> int:
        """About how many lines of this width it takes."""
        return max(_lines(node, width) for node in (self.pair.left, self.pair.right))


class Comparison:
    """Two branches of a tree, to these tips, from where they part."""

    def __init__(self, tree: Tree, left: int, right: int) -> None:
        found = diff.diff_branches(tree, left, right)
        self.tips: dict[SideName, int] = {"left": left, "right": right}
        self.diff = found
        self.common = _common(tree, found.ancestor)
        """The last prompt both have, in a line; empty where they share nothing."""
        self.faces = _faces(found)
        self.differing = sum(not face.is_equal for face in self.faces)
        """Pairs that do not say the same."""
        self.headings: dict[SideName, Heading] = {
            "left": _heading(found.left),
            "right": _heading(found.right),
        }

    def text(self, side: SideName) -> str:
        """All that one side says, safe to paste."""
        nodes = (self.diff.left if side == "left" else self.diff.right).nodes
        texts = (node.message.text.strip() for node in nodes)
        return safe("\n\n".join(text for text in texts if text))


class Versions(msgspec.Struct, frozen=True):
    """What stands beside the beginning of a side, itself included, oldest first."""

    nodes: tuple[int, ...]
    place: int
    """Where the side itself is in them, from 0."""

    @classmethod
    def at(cls, tree: Tree, ancestor: int | None, tip: int) -> Versions | None:
        """The versions of the branch to `tip` where it leaves the ancestor; `None` at its end."""
        path = tree.path_to(tip)
        depth = 0 if ancestor is None else tree.depth(ancestor)
        if depth >= len(path):
            return None
        nodes = beside(tree, path[depth])
        return cls(nodes, nodes.index(path[depth])) if path[depth] in nodes else None


def beside(tree: Tree, node_id: int) -> tuple[int, ...]:
    """The versions of a message, itself included unless it is hidden, oldest first."""
    node = tree[node_id]
    return tuple(id for id in tree.children(node.parent_id) if tree[id].role == node.role)


def tips_to_compare(tree: Tree, node_id: int) -> tuple[int, int] | None:
    """The tips of a message's version and of the next one, or of the one before the last.

    Where the message has none, those of its answer, then of its prompt; `None` if no one has.
    """
    step = tree[node_id]
    steps = [step]
    while step.kind != "prompt" and step.parent_id is not None:
        step = tree[step.parent_id]
        steps.append(step)
    for step in steps:
        versions = beside(tree, step.id)
        if len(versions) > 1 and step.id in versions:
            return _with_next(tree, versions, step.id, tree.tip_of(node_id))
    answers = tree.children(node_id) if tree[node_id].kind == "prompt" else ()
    if len(answers) > 1:
        chosen = tree.cursors.get(node_id, answers[-1])
        return _with_next(tree, answers, chosen, tree.tip_of(chosen))
    return None


def _with_next(
    tree: Tree, versions: tuple[int, ...], one: int, tip: int | None
) -> tuple[int, int] | None:
    place = versions.index(one)
    last = place == len(versions) - 1
    other = tree.tip_of(versions[place - 1 if last else place + 1])
    if tip is None or other is None:
        return None
    return (other, tip) if last else (tip, other)


# What is shown of a node


def _alone(node: Node) -> tuple[Item, ...]:
    return (*_files(node), *_prose(plain_words(node.message.text), node), *_doings(node))


def _prose(words: Words, node: Node) -> tuple[Prose, ...]:
    return (Prose(words, node.kind == "prompt"),) if words else ()


def _files(node: Node) -> tuple[Note, ...]:
    return tuple(
        Note("file", f"{safe_line(name_of(block), 60)} · {facts_of(block)}")
        for block in node.message.content
        if isinstance(block, Attachment)
    )


def _doings(node: Node) -> tuple[Note, ...]:
    """The tools a message asks for, and how it ended if not well."""
    notes = [
        Note("tool", safe_line(describe(use), 400), safe_line(use.name, 60))
        for use in node.message.tool_uses
    ]
    if node.status == "failed":
        notes.append(Note("failed", safe_line(node.error or "failed", 400)))
    elif node.status == "cancelled":
        notes.append(Note("stopped", safe_line(node.error or "stopped by you", 400)))
    return tuple(notes)


def _lines(node: Node | None, width: int) -> int:
    if node is None:
        return 1
    text, uses = node.message.text, len(node.message.tool_uses)
    return 1 + len(text) // max(1, width) + text.count("\n") + uses


def _faces(found: BranchDiff) -> list[Face]:
    """The pairs that show anything; a side that ends before the other says where."""
    pairs = [
        pair
        for pair in found.pairs
        if any(node is not None and node.kind != "results" for node in (pair.left, pair.right))
    ]
    ends: dict[int, SideName] = {}
    for side in SIDES:
        places = [place for place, pair in enumerate(pairs) if getattr(pair, side) is not None]
        ends[places[-1] + 1 if places else 0] = side
    return [Face(pair, ends.get(place)) for place, pair in enumerate(pairs)]


def _common(tree: Tree, ancestor: int | None) -> str:
    if ancestor is None:
        return ""
    return plain_line(tree.turn_prompt(ancestor).message.text) or "…"


def _heading(side: diff.Side) -> Heading:
    return Heading(_title(side), tuple(fact for fact in _facts(side) if fact))


def _title(side: diff.Side) -> str:
    labels = [node.label for node in side.nodes if node.label]
    if labels:
        return f"“{safe_line(labels[-1], 80)}”"
    for node in side.nodes:
        for block in node.message.content:
            if isinstance(block, Text) and (words := plain_line(block.text)):
                return words
    return ", ".join(map(safe_line, dict.fromkeys(side.tools))) or "…" if side.nodes else ENDS


def _facts(side: diff.Side) -> tuple[str, ...]:
    usage = side.usage
    models = [safe_line(short_model(model), 40) for model in side.models]
    tools = [
        safe_line(name, 40) + (f" ×{times}" if times > 1 else "")
        for name, times in Counter(side.tools).items()
    ]
    return (
        _named(models),
        seconds(side.duration_ms) if side.duration_ms else "",
        f"↑{count(usage.read)} ↓{count(usage.output)}" if usage.read or usage.output else "",
        f"${usage.cost:.3f}" if usage.cost else "",
        _named(tools),
    )


def _named(names: list[str]) -> str:
    more = [f"+{len(names) - NAMED}"] if len(names) > NAMED else []
    return ", ".join([*names[:NAMED], *more])
