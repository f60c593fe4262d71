"""Two branches side by side: what they share, what each cost, and which words differ."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Literal, TypeAlias

import msgspec

from omni_tui.core.usage import Usage
from omni_tui.session.node import Node
from omni_tui.session.tree import Tree

MAX_COMPARED = 1_000_000
"""Word pairs of one changed passage that are compared; a larger one counts as all changed."""

# Scripts without spaces are compared character by character, like everything that is no word.
_NO_SPACES = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"(\s*)([{_NO_SPACES}]|[^\W{_NO_SPACES}]+|[^\w\s]|\Z)")
"""A word with the space before it; the last one is empty."""

Change: TypeAlias = Literal["same", "removed", "added"]


class Span(msgspec.Struct, frozen=True):
    """A passage that both texts have, or only the one or the other."""

    change: Change
    text: str


class Pair(msgspec.Struct, frozen=True, dict=True):
    """Two messages at the same place of their branches; `None` where one branch has none."""

    left: Node | None
    right: Node | None

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """The left text turned into the right one, compared when first asked for.

        In order the spans that are not `added` give the left text, and those that are not
        `removed` the right one.
        """
        return tuple(word_diff(_text(self.left), _text(self.right)))

    @property
    def is_equal(self) -> bool:
        """Whether both say the same; compares no words."""
        return _text(self.left) == _text(self.right)


class Side(msgspec.Struct, frozen=True):
    """One branch after the point where the two part."""

    nodes: tuple[Node, ...]
    usage: Usage
    duration_ms: int
    """Milliseconds its steps took together."""
    models: tuple[str, ...]
    """Who wrote on it, in order of appearance."""
    tools: tuple[str, ...]
    """The names of the tools it used, one for each use."""


class BranchDiff(msgspec.Struct, frozen=True):
    """How two branches differ."""

    ancestor: int | None
    """The last message they share."""
    left: Side
    right: Side
    pairs: tuple[Pair, ...]


def diff_branches(tree: Tree, one: int, other: int) -> BranchDiff:
    """Compare the paths to two nodes, from their common ancestor on."""
    ancestor = tree.common_ancestor(one, other)
    shared = 0 if ancestor is None else tree.depth(ancestor)
    left = [tree[step] for step in tree.path_to(one)[shared:]]
    right = [tree[step] for step in tree.path_to(other)[shared:]]
    return BranchDiff(ancestor, _side(left), _side(right), tuple(_pairs(left, right)))


def _side(nodes: Sequence[Node]) -> Side:
    usage = Usage()
    for node in nodes:
        if node.usage is not None:
            usage += node.usage
    return Side(
        nodes=tuple(nodes),
        usage=usage,
        duration_ms=sum(node.duration_ms or 0 for node in nodes),
        models=tuple(dict.fromkeys(node.model for node in nodes if node.model)),
        tools=tuple(use.name for node in nodes for use in node.message.tool_uses),
    )


def _pairs(left: Iterable[Node], right: Iterable[Node]) -> Iterator[Pair]:
    """Turn by turn; in a turn prompts face prompts, replies replies, and tool rounds each other."""
    nothing: list[Node] = []
    for one, other in itertools.zip_longest(_turns(left), _turns(right), fillvalue=nothing):
        places = _places(one)
        facing = _places(other)
        for place in sorted({*places, *facing}):
            yield Pair(places.get(place), facing.get(place))


def _turns(nodes: Iterable[Node]) -> list[list[Node]]:
    turns: list[list[Node]] = []
    for node in nodes:
        if node.kind == "prompt" or not turns:
            turns.append([])
        turns[-1].append(node)
    return turns


def _places(turn: Iterable[Node]) -> dict[tuple[int, int, str], Node]:
    """The nodes of a turn by where they stand: prompt, tool rounds by number, then the reply."""
    order = {"prompt": 0, "reply": 2}
    seen: dict[str, int] = {}
    found: dict[tuple[int, int, str], Node] = {}
    for node in turn:
        seen[node.kind] = number = seen.get(node.kind, 0) + 1
        found[(order.get(node.kind, 1), number, node.kind)] = node
    return found


def _text(node: Node | None) -> str:
    return "" if node is None else node.message.text


def word_diff(old: str, new: str) -> list[Span]:
    """The words of `old` that are gone and those of `new` that came, in reading order.

    Lines are compared first, then the words of those that changed (Python's `difflib`).
    """
    spans: list[Span] = []
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    for tag, i1, i2, j1, j2 in _opcodes(before, after):
        gone, came = "".join(before[i1:i2]), "".join(after[j1:j2])
        if tag == "replace":
            _add_words(spans, _WORD.findall(gone), _WORD.findall(came))
        else:
            _add(spans, "same" if tag == "equal" else "removed", gone)
            if tag == "insert":
                _add(spans, "added", came)
    return spans


def _add_words(spans: list[Span], gone: list[tuple[str, str]], came: list[tuple[str, str]]) -> None:
    """Compare words, each told from the space before it: else one blank would match all others."""
    words, others = [word for _, word in gone], [word for _, word in came]
    for tag, i1, i2, j1, j2 in _opcodes(words, others):
        if tag == "equal":
            for (space, word), (other, _) in zip(gone[i1:i2], came[j1:j2], strict=True):
                _add_either(spans, space, other)
                _add(spans, "same", word)
            continue
        old, new = _joined(gone[i1:i2]), _joined(came[j1:j2])
        space = gone[i1][0] if tag == "replace" and gone[i1][0] == came[j1][0] else ""
        _add(spans, "same", space)
        _add_either(spans, old.removeprefix(space), new.removeprefix(space))


def _joined(words: Iterable[tuple[str, str]]) -> str:
    return "".join(itertools.chain.from_iterable(words))


def _add_either(spans: list[Span], old: str, new: str) -> None:
    if old == new:
        _add(spans, "same", old)
    else:
        _add(spans, "removed", old)
        _add(spans, "added", new)


def _add(spans: list[Span], change: Change, text: str) -> None:
    if not text:
        return
    if spans and spans[-1].change == change:
        spans[-1] = Span(change, spans[-1].text + text)
    else:
        spans.append(Span(change, text))


def _opcodes(before: list[str], after: list[str]) -> list[tuple[str, int, int, int, int]]:
    if len(before) * len(after) > MAX_COMPARED:
        # `difflib` is quadratic: what the ends share is found in one pass, the middle is not read.
        start = _shared(zip(before, after, strict=False))
        room = min(len(before), len(after)) - start
        end = min(room, _shared(zip(reversed(before), reversed(after), strict=False)))
        a, b = len(before) - end, len(after) - end
        middle = [
            ("equal", 0, start, 0, start),
            ("replace", start, a, start, b),
            ("equal", a, len(before), b, len(after)),
        ]
        return [each for each in middle if each[1] < each[2] or each[3] < each[4]]
    return list(difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes())


def _shared(pairs: Iterable[tuple[str, str]]) -> int:
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
