"""Where everything of a tree stands in its picture: rows and guide lines, without a screen.

A prompt is a row; an answer is a row, whatever tool rounds it took. A talk without forks stays in
its column however long it is. At a fork one child goes on in that column, the main line; the other
versions of its row hang right under it, oldest first, each a level further in and with all that
follows it. Several roots are the children of one fork.

The main line is the one last written to, at each fork: it leads to the youngest prompt, or to the
youngest child where nothing more was asked. So a talk that was mended many times is a straight
line that ends where it last grew, and a switch moves no row. To let the branch in view be the main
line would turn the picture around under the eyes of who looks for something in it; the longest
might change in the middle of a reply, and the oldest would push a mended talk ever further right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias, overload

from omni_tui.core.messages import Attachment, Message, Text
from omni_tui.core.safe_text import safe_line
from omni_tui.session.tree import Parent, Tree

Mark: TypeAlias = Literal["running", "asks", "failed", "interrupted", "unread"]
"""What may be going on at a node; `asks` waits for a person."""

State: TypeAlias = Mark | Literal["labelled", "active", "elsewhere"]
"""What the sign before a row's words tells."""

GuideKind: TypeAlias = Literal["rail", "tee", "corner", "blank", "fold"]


class Guide(NamedTuple):
    """One level of indentation in front of a row."""

    kind: GuideKind
    """`tee` and `corner` open a line (the corner the last one), `rail` and `blank` go past;
    `fold` stands for all the levels that had no room."""
    active: bool
    """Whether the active path runs along it."""


class Line:
    """Rows in one column, from a fork on: each fork on the way goes on in it."""

    __slots__ = ("beside", "depth", "first", "last", "parent")

    def __init__(self, first: int, beside: Row | None = None, last: bool = True) -> None:
        self.first = first
        """Its first node."""
        self.beside = beside
        """The row whose other version it begins with; `None` for the outermost line, which has
        no guides."""
        self.parent: Line | None = beside.line if beside is not None else None
        """The line it branched off."""
        self.last = last
        """Whether the parent neither has another branch nor goes on under it."""
        self.depth: int = 0 if self.parent is None else self.parent.depth + 1


class Row:
    """A prompt or an answer in the picture."""

    __slots__ = ("first", "index", "is_prompt", "line", "tip")

    def __init__(self, first: int, line: Line, is_prompt: bool) -> None:
        self.first = first
        """The node it begins with; it tells rows apart for good."""
        self.tip = first
        """The node to switch to: the last one of an answer."""
        self.line = line
        self.is_prompt = is_prompt
        self.index = 0
        """Its place among the rows, from 0."""

    @property
    def opens(self) -> bool:
        """Whether it is the first row of its line."""
        return self.line.first == self.first

    def __repr__(self) -> str:
        return f"Row({self.first}..{self.tip}, depth={self.line.depth})"


class Rows(Sequence[Row]):
    """The rows of a tree from top to bottom, kept up with it by `update`.

    Building them costs O(n) and reads no message.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._rows: list[Row] = []
        self._row_of: dict[int, Row] = {}
        self._path: tuple[int, ...] = tree.path
        self._active_count: int | None = None
        self._hides = tree.hides
        self._build()

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def row_of(self, node_id: int | None) -> Row | None:
        """The row that shows this node, a tool round by its answer's; `None` if none does."""
        return None if node_id is None else self._row_of.get(node_id)

    @property
    def active_count(self) -> int:
        """How many rows the active path has; O(depth) after a change."""
        if self._active_count is None:
            self._active_count = len({self._row_of[node_id].first for node_id in self._path})
        return self._active_count

    def is_active(self, row: Row) -> bool:
        """Whether the active path goes through this row."""
        return self.tree.on_path(row.first)

    @property
    def is_stale(self) -> bool:
        """Whether nodes came or went, or the head moved, since the last `update`."""
        nodes = self.tree.shown()
        return (
            len(nodes) != len(self._row_of)
            or (bool(nodes) and nodes[-1].id not in self._row_of)
            or self.tree.path != self._path
            or self.tree.hides != self._hides
        )

    def update(self) -> bool:
        """Catch up with the tree; returns whether rows may have come, gone or moved.

        A switch moves none. Growth at a tip costs O(1) at the bottom of the picture and a
        renumbering of the rows below it elsewhere; a new fork, a removal or a prompt on another
        line than the main one lays out all rows again.
        """
        self._path = self.tree.path
        self._active_count = None
        if self.tree.hides != self._hides:
            self._build()
            return True
        nodes = self.tree.shown()
        new: list[int] = []
        for node in reversed(nodes):
            if node.id in self._row_of:
                break
            new.append(node.id)
        if len(nodes) == len(self._row_of) and not new:
            return False
        if len(nodes) != len(self._row_of) + len(new) or not all(map(self._grow, reversed(new))):
            self._build()
        return True

    def _build(self) -> None:
        prompts: set[int] = set()
        below: dict[Parent, int] = {}
        forks: dict[Parent, list[int]] = {}
        self._hides = self.tree.hides
        for node in self.tree.shown():
            if node.kind == "prompt":
                prompts.add(node.id)
            parent = node.parent_id
            if parent not in below:
                below[parent] = node.id
            elif parent in forks:
                forks[parent].append(node.id)
            else:
                forks[parent] = [below[parent], node.id]
        below.update(_main_children(self.tree, forks))
        versions = {
            below[fork]: [child for child in children if child != below[fork]]
            for fork, children in forks.items()
        }
        self._rows, self._row_of = [], {}
        stack = [(below[None], Line(below[None]))] if below else []
        while stack:
            first, line = stack.pop()
            while True:
                row = Row(first, line, first in prompts)
                self._append(row)
                onward = below.get(first)
                while onward is not None and row.tip not in forks:
                    if row.is_prompt or onward in prompts:
                        break
                    self._row_of[onward] = row
                    row.tip = onward
                    onward = below.get(onward)
                if first in versions:
                    if onward is not None:
                        stack.append((onward, line))
                    stack += _branches(row, versions[first], goes_on=onward is not None)
                    break
                if onward is None:
                    break
                first = onward

    def _append(self, row: Row) -> None:
        row.index = len(self._rows)
        self._rows.append(row)
        self._row_of[row.first] = row

    def _grow(self, node_id: int) -> bool:
        """Show a new node if it just lengthens a line; false if more has to move."""
        node = self.tree[node_id]
        above = self.row_of(node.parent_id)
        is_prompt = node.kind == "prompt"
        if above is None or above.tip != node.parent_id or len(self.tree.children(above.tip)) > 1:
            return False
        if not (is_prompt or above.is_prompt):
            above.tip = node_id
            self._row_of[node_id] = above
            return True
        if is_prompt and above.line.depth:
            return False  # its line is the main one now
        if len(self.tree.children(self.tree[above.first].parent_id)) > 1:
            return False  # the branches beside the row above come between
        row = Row(node_id, above.line, is_prompt)
        self._row_of[node_id] = row
        self._rows.insert(above.index + 1, row)
        for index in range(above.index + 1, len(self._rows)):
            self._rows[index].index = index
        return True

    def parent(self, row: Row) -> Row | None:
        """The row above this one in the talk; `None` for a root."""
        return self.row_of(self.tree[row.first].parent_id)

    def child(self, row: Row) -> Row | None:
        """The row below it on the branch last chosen there, else on the oldest."""
        below = self.tree.children(row.tip)
        if not below:
            return None
        return self.row_of(self.tree.cursors.get(row.tip, below[0]))

    def versions(self, row: Row) -> list[int]:
        """The first nodes of what could stand in the row's place, its own included, oldest first.

        The edits of a prompt and the answers to one are counted apart.
        """
        parent_id = self.tree[row.first].parent_id
        return [
            node_id
            for node_id in self.tree.children(parent_id)
            if (self.tree[node_id].kind == "prompt") == row.is_prompt
        ]

    def guides(self, row: Row, levels: int) -> list[Guide]:
        """What stands in front of the row, outermost first: at most `levels` (1 or more) guides.

        Where the picture is deeper, the outer levels are folded away several at a time, so that
        neighbouring rows mostly keep their columns.
        """
        depth = row.line.depth
        hidden = 0
        if depth > levels:
            step = max(1, levels // 2)
            hidden = -(-(depth - levels + 1) // step) * step
            hidden = min(hidden, depth)
        guides: list[Guide] = []
        line: Line | None = row.line
        opens = row.opens
        while line is not None and line.depth > hidden:
            guides.append(self._guide(line, opens))
            line, opens = line.parent, False
        if hidden:
            guides.append(Guide("fold", False))
        guides.reverse()
        return guides

    def _guide(self, line: Line, opens: bool) -> Guide:
        if line.last and not opens:
            return Guide("blank", False)
        kind: GuideKind = "rail" if not opens else "corner" if line.last else "tee"
        beside = line.beside
        assert beside is not None
        chosen = self._chosen(self.tree[line.first].parent_id)
        if chosen is None:
            return Guide(kind, False)
        if chosen == beside.first:
            return Guide(kind, self._chosen(beside.tip) is not None)
        return Guide(kind, chosen > line.first or (opens and chosen == line.first))

    def _chosen(self, fork: Parent) -> int | None:
        """The child of a fork through which the active path goes on; `None` if it does not."""
        place = 0 if fork is None else self.tree.depth(fork)
        below = place < len(self._path) and (not place or self._path[place - 1] == fork)
        return self._path[place] if below else None


def _main_children(tree: Tree, forks: Mapping[Parent, Sequence[int]]) -> dict[Parent, int]:
    """The child with which the main line goes on, at least of every fork; O(n) if there is one."""
    if not forks:
        return {}
    main: dict[Parent, int] = {}
    nodes = tree.nodes
    for node in reversed(tree.shown()):
        child, parent = node.id, node.parent_id
        if node.kind == "prompt":
            while parent not in main:
                main[parent] = child
                if parent is None:
                    break
                child, parent = parent, nodes[parent].parent_id
    return {fork: children[-1] for fork, children in forks.items()} | main


def _branches(row: Row, others: Sequence[int], *, goes_on: bool) -> Iterator[tuple[int, Line]]:
    """What hangs beside a row of a main line, for the stack: the oldest on top."""
    for first in reversed(others):
        yield first, Line(first, row, last=not goes_on and first == others[-1])


def row_state(rows: Rows, row: Row, mark: Mark | None) -> State:
    """What to say of a row whose tip's branch has this mark, the most pressing thing only."""
    if mark is not None and mark != "unread":
        return mark
    tip = rows.tree[row.tip]
    if tip.status == "failed":
        return "failed"
    waits = rows.tree.is_interrupted(tip.id) and not rows.tree.children(tip.id)
    if waits or tip.status == "cancelled":
        return "interrupted"
    if mark is not None:
        return mark
    if row_label(rows.tree, row) is not None:
        return "labelled"
    return "active" if rows.is_active(row) else "elsewhere"


# The words of a row

_READ_AHEAD = 2_000
_LONGEST_LINE = 400
_LOOK_BACK = 16

_SKIPPED = re.compile(r"\s*(?:```|~~~|-{3,}\s*$|\*{3,}\s*$|_{3,}\s*$|={3,}\s*$|\|?[\s:|-]+\|?\s*$)")
_LEADING = re.compile(r"\s*(?:(?:>|#{1,6}|[-*+]|\d{1,9}[.)])\s+|\[[ xX]\]\s+)*")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\s+\"[^\"]*\")?\)")
_CODE = re.compile(r"(`+)(.+?)\1")
_STRONG = re.compile(r"(\*\*\*|\*\*|~~|\*)(?=\S)(.+?)(?<=\S)\1")
_UNDERSCORE = re.compile(r"(?<!\w)(__?)(?=\S)(.+?)(?<=\S)\1(?!\w)")


def plain_line(text: str) -> str:
    """The first line of Markdown that has words, as one safe line without the markup.

    Empty if there is none in the first 2,000 characters.
    """
    for line in text[:_READ_AHEAD].splitlines():
        if not line.strip() or _SKIPPED.match(line):
            continue
        line = _LEADING.sub("", line, count=1)[:_LONGEST_LINE].strip(" |")
        line = _LINK.sub(r"\1", line)
        line = _CODE.sub(r"\2", line)
        line = _STRONG.sub(r"\2", line)
        line = _UNDERSCORE.sub(r"\2", line)
        if words := safe_line(line):
            return words
    return ""


def row_text(tree: Tree, row: Row) -> str:
    """The words of a row, safe to show: its label in quotes, else the first line of its message.

    An answer is told by its last words (the final reply, if it has come), one without any by the
    tools it asked for. Reads as few messages as it can.
    """
    label = row_label(tree, row)
    if label is not None:
        return f'"{safe_line(label)}"'
    tools = ""
    for message in _from_tip(tree, row):
        for block in message.content:
            if isinstance(block, Text) and (words := plain_line(block.text)):
                return words
        tools = tools or ", ".join(dict.fromkeys(use.name for use in message.tool_uses))
    return safe_line(tools) or _attached(tree[row.tip].message) or "…"


def row_label(tree: Tree, row: Row) -> str | None:
    """The name a person gave a node of this row, the last one's if several have one."""
    node = tree[row.tip]
    while node.label is None and node.id != row.first and node.parent_id is not None:
        node = tree[node.parent_id]
    return node.label


def _from_tip(tree: Tree, row: Row) -> list[Message]:
    """The last messages of a row, the tip's first."""
    node = tree[row.tip]
    messages = [node.message]
    while node.id != row.first and node.parent_id is not None and len(messages) < _LOOK_BACK:
        node = tree[node.parent_id]
        messages.append(node.message)
    return messages


def _attached(message: Message) -> str:
    names = [b.name or b.media_type for b in message.content if isinstance(b, Attachment)]
    return safe_line(", ".join(names))
