"""A session as the transcript shows it: the active path as entries, and the reply on its way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType

from omni_tui.agent.completion import NUDGE
from omni_tui.core.messages import Attachment, Opaque, Role, Text, Thinking, ToolResult, ToolUse
from omni_tui.core.safe_text import safe_line
from omni_tui.core.usage import Usage
from omni_tui.session.node import How
from omni_tui.session.runs import BranchRun
from omni_tui.session.session import Session
from omni_tui.session.tree import Node, Tree
from omni_tui.tui.attached import facts_of, name_of
from omni_tui.tui.tool_view import seconds, task_row, tool_row
from omni_tui.tui.widgets.transcript.model import (
    Entry,
    Folded,
    Notice,
    Part,
    Prose,
    Thought,
    ToolStatus,
)

LIVE = 0
"""The key of the entry still being written; node ids begin at 1."""

UNREAD = (600, 6)
"""The size a message is taken to have while it is still on its way from the disk."""

LONG_PROMPT = 50_000
"""Bytes of a stored prompt from which it probably holds a file."""

ORIGINS: Mapping[How, str] = MappingProxyType(
    {
        "edit": "reworded by you",
        "graft": "copied from another branch",
        "merge": "of another branch",
        "fork": "copied from another session",
        "import": "imported",
    }
)
"""What a heading says of words that were first said elsewhere."""


class SessionView:
    """The entries of a session's active path, built when they are asked for.

    `frozen` at a path shows that path instead: the preview of another branch.
    """

    def __init__(self, session: Session, path: Sequence[int] | None = None) -> None:
        self.session = session
        tree = session.tree
        self._path = tuple(path) if path is not None else tree.path
        self.is_preview = path is not None
        nodes = self._nodes = tree.nodes
        tip = self._path[-1] if self._path else None
        self.run = session.run_at(tip)
        keys = [node_id for node_id in self._path if nodes[node_id].kind != "results"]
        live = [LIVE] if self.run is not None and is_writing(self.run) else []
        self._last = (keys + live)[-1] if keys or live else None
        """The entry of the last message."""
        if tree.summary_for(tip) is not None:
            keys = with_summaries(tree, self._path)
        self.keys: Sequence[int] = keys + live

    def size(self, key: int) -> tuple[int, int]:
        """(characters, newlines), from the stored form: hardly a message is decoded for it."""
        if key == LIVE:
            return (200, 4)
        node = self._nodes[key]
        if node.kind == "summary":
            return (60, 0)  # it is folded
        if not node.is_read:
            return UNREAD
        if node.kind == "prompt" and len(node.raw) > LONG_PROMPT:
            text = node.message.text  # most of it may be a picture, of which no line is shown
            return len(text), text.count("\n")
        return len(node.raw), node.raw.count(b"\\n")

    def entry(self, key: int) -> Entry:
        """The message with its surroundings, as it is now; of the live one, only its header."""
        if key == LIVE:
            return self._live()
        node = self.session.tree[key]
        if node.kind == "summary":
            return summary_entry(self.session, node)
        return self._prompt(node) if node.role == "user" else self._answer(node)

    def _live(self) -> Entry:
        run = self.run
        assert run is not None
        name = short_model(str(run.agent.model)) if self._is_first(None) else ""
        position = self._position(run.run.id, run.tip, "assistant")
        return Entry(key=LIVE, role="assistant", name=name, position=position, live=True)

    def _prompt(self, node: Node) -> Entry:
        parts: list[Part] = []
        for is_file, blocks in groupby(node.message.content, lambda b: isinstance(b, Attachment)):
            if is_file:
                parts.append(_files(blocks))
            else:
                parts += [part for block in blocks for part in _plain_part(block)]
        return Entry(
            key=node.id,
            role="user",
            name="auto" if node.message.text == NUDGE else "you",
            meta=origin_of(self.session.tree, node),
            position=self._position(node.id, node.parent_id, node.role),
            parts=(*parts, *self._ending(node)),
        )

    def _answer(self, node: Node) -> Entry:
        results = {result.tool_use_id: result for result in self._results(node)}
        parts: list[Part] = []
        for block in node.message.content:
            if isinstance(block, ToolUse):
                parts.append(self._tool(node, block, results.get(block.id)))
            else:
                parts.extend(_plain_part(block))
        first = self._is_first(node)
        return Entry(
            key=node.id,
            role="assistant",
            name=short_model(node.model or "") if first else "",
            meta=self._meta(node) if first else "",
            position=self._position(node.id, node.parent_id, node.role),
            parts=(*parts, *self._ending(node)),
        )

    def _tool(self, node: Node, use: ToolUse, result: ToolResult | None) -> Part:
        waiting: ToolStatus = "interrupted"
        output = ""
        run = self.run
        if result is None and run is not None and run.tip == node.id:
            waiting = "running"
            running = run.tools.get(use.id)
            if running is not None:
                result, output = running.result, running.output
                if result is None and (child := self._child(node, use)) is not None:
                    return task_row(use, child, running)
            elif run.paused is not None:
                waiting = "asks"
        return tool_row(use, result, waiting, output)

    def _child(self, node: Node, use: ToolUse) -> Session | None:
        """The session of the sub-agent that works on this use."""
        place = (node.id, use.id)
        for child in self.session.children:
            if (child.record.parent_node, child.record.parent_use) == place:
                return child
        return None

    def _results(self, node: Node) -> tuple[ToolResult, ...]:
        after = self._after(node)
        return after.message.tool_results if after is not None and after.kind == "results" else ()

    def _after(self, node: Node) -> Node | None:
        place = self.session.tree.depth(node.id)
        return self._nodes[self._path[place]] if place < len(self._path) else None

    def _is_first(self, node: Node | None) -> bool:
        """Whether this assistant message opens its turn's answer."""
        tree = self.session.tree
        before = self._path[-1] if node is None else node.parent_id
        if before is None or tree.nodes[before].kind != "results":
            return True
        return node is not None and len(tree.children(before)) > 1

    def _position(
        self, version: int | str, parent: int | None, role: Role
    ) -> tuple[int, int] | None:
        found = versions(self.session, parent, role)
        return (found.index(version) + 1, len(found)) if len(found) > 1 else None

    def _meta(self, node: Node) -> str:
        """What the answer of this turn took, all its steps together."""
        usage, duration = Usage(), 0
        each: Node | None = node
        while each is not None and each.kind != "prompt":
            usage += each.usage or Usage()
            duration += each.duration_ms or 0
            each = self._after(each)
        parts = [origin_of(self.session.tree, node), seconds(duration) if duration else ""]
        if usage.output:
            parts.append(f"{count(usage.output)} tok")
        if usage.cost:
            parts.append(f"${usage.cost:.3f}")
        return " · ".join(filter(None, parts))

    def _ending(self, node: Node) -> list[Part]:
        """What to say under the last message of the path."""
        if node.status == "failed" and (error := node.error):
            ending: list[Part] = [Notice("error", error, "ctrl+r tries again")]
        elif node.status == "cancelled":
            ending = [
                Notice("info", node.error or "stopped by you", "ctrl+r asks again · c goes on")
            ]
        elif node.stop_reason == "length":
            ending = [
                Notice("info", "cut off: the limit of tokens is reached", "ctrl+r asks again")
            ]
        elif node.stop_reason == "refusal":
            ending = [Notice("info", "the model declined to answer", "e asks differently")]
        else:
            ending = []
        if not self._is_last(node):
            return ending if node.kind == "reply" else []
        tip = self.session.tree.nodes[self._path[-1]]
        if tip.id != node.id and tip.status == "failed" and tip.error:
            ending = [Notice("error", tip.error, "ctrl+r tries again")]
        if self.run is None and self.session.tree.is_interrupted(tip.id):
            reason = "interrupted before it was answered"
            decisions = [(result.data or {}).get("decision") for result in tip.message.tool_results]
            if "limit" in decisions:
                reason = "the limit of steps is reached"
            ending.append(Notice("info", reason, "c goes on"))
        if other := self._elsewhere():
            messages = "message continues" if other == 1 else "messages continue"
            ending.append(Notice("info", f"⑂ {other} {messages} on other branches", "t tree"))
        return ending

    def _is_last(self, node: Node) -> bool:
        """Whether nothing but tool results follows on the path, and nothing is being written."""
        return self._last == node.id

    def _elsewhere(self) -> int:
        """How many messages stand on branches that leave the path at its last turn."""
        tree = self.session.tree
        if not self._path:
            return 0
        prompt = tree.turn_prompt(self._path[-1])
        place = tree.depth(prompt.id) - 1
        first = self._path[place + 1 : place + 2]
        beside = [*tree.siblings(prompt.id)]
        beside += [child for child in tree.children(prompt.id) if child not in first]
        return sum(1 + tree.descendants(node_id) for node_id in beside) if first else 0


def versions(session: Session, parent: int | None, role: Role) -> list[int | str]:
    """What stands beside each other under a node: messages, then replies still being written.

    Messages are told by the ids of their nodes, those being written by the ids of their runs.
    """
    tree = session.tree
    found: list[int | str] = [id for id in tree.children(parent) if tree.nodes[id].role == role]
    if role == "assistant":
        found += [run.run.id for run in session.runs_at(parent) if is_writing(run)]
    return found


def with_summaries(tree: Tree, path: Sequence[int]) -> list[int]:
    """The messages of a path with its summaries, each after the last message it stands for."""
    keys: list[int] = []
    for node_id in path:
        if tree.nodes[node_id].kind != "results":
            keys.append(node_id)
        keys += [id for id in tree.summaries(node_id) if not tree.nodes[id].is_pruned]
    return keys


def summary_entry(session: Session, summary: Node) -> Entry:
    """The row of a summary: what it stands for, and how much shorter it is."""
    covered = session.tree.depth(summary.id) - 1
    before = count(session.compactor.before(summary))
    after = count(session.compactor.meter.size(summary.id))
    row = Folded(
        f"summary of {covered} message{'' if covered == 1 else 's'}",
        f"{before} → {after} tokens",
        summary.message.text,
    )
    return Entry(key=summary.id, role="assistant", name="", parts=(row,))


def origin_of(tree: Tree, node: Node) -> str:
    """Where the words of a message came from, if they were not said here first.

    Of messages copied together, the first one tells.
    """
    if node.origin is None:
        return ""
    how = node.origin.how
    above = None if node.parent_id is None else tree.nodes[node.parent_id].origin
    if how in ("graft", "fork", "import") and above is not None and above.how == how:
        return ""
    return ORIGINS[how]


def is_writing(run: BranchRun) -> bool:
    """Whether the model is at work, rather than its tools or a person who was asked."""
    if run.tip is None or (run.tip == run.start and run.run.prompt is not None):
        return False  # what was asked is not in the tree yet
    return run.session.tree.nodes[run.tip].kind in ("prompt", "results")


def _files(blocks: Iterable[object]) -> Notice:
    """What is attached, one line each."""
    files = [block for block in blocks if isinstance(block, Attachment)]
    return Notice(
        "info", "\n".join(f"▪ {safe_line(name_of(file), 60)} · {facts_of(file)}" for file in files)
    )


def _plain_part(block: object) -> list[Part]:
    match block:
        case Text(text=text):
            return [Prose(text)]
        case Thinking(text=text) if text:
            return [Thought(text)]
        case Opaque(kind=kind):
            return [Notice("info", f"{safe_line(kind, 60)} · done by the provider")]
        case _:
            return []


def short_model(model: str) -> str:
    """The part of a model string a person knows it by."""
    return model.rsplit("/", 1)[-1]


def count(number: int) -> str:
    """A number in few characters: `840`, `3.1k`, `1.2M`."""
    if number < 1000:
        return str(number)
    if number < 1_000_000:
        return f"{number / 1000:.1f}k"
    return f"{number / 1_000_000:.1f}M"
