"""What can be done to the branches of a session, beside talking on one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from omni_tui.agent.run import Run
from omni_tui.core.errors import (
    BusyError,
    MisplacedError,
    NotAssistantNodeError,
    NotUserNodeError,
)
from omni_tui.core.messages import Content, Message, Text
from omni_tui.core.safe_text import safe_line
from omni_tui.llm.providers.base import Model
from omni_tui.session.node import How, Node, Origin
from omni_tui.session.runs import BranchRun
from omni_tui.session.store.base import SessionRecord, new_session_id
from omni_tui.session.tree import Parent, Tree

if TYPE_CHECKING:
    import asyncio

    from omni_tui.llm.models import ProviderRegistry
    from omni_tui.session.diff import BranchDiff

MAX_ALTERNATIVES = 16
"""Replies that may be asked for at once."""

LABEL_CHARS = 60
"""How long the name of a branch may be."""


class Branching:
    """The branch verbs of a `Session`."""

    if TYPE_CHECKING:
        tree: Tree
        runs: dict[str, BranchRun]
        _registry: ProviderRegistry

        def _start(
            self,
            tip: int | None,
            content: Content | None,
            *,
            go_there: bool = False,
            model: str | Model | None = None,
        ) -> Run: ...
        def require_writable(self) -> None: ...
        def tree_changed(
            self, *, new: tuple[int, ...] = (), changed: tuple[int, ...] = ()
        ) -> asyncio.Future[None] | None: ...

    # With an answer

    def branch(self, node_id: int | None, content: Content | None = None) -> Run:
        """Start another line.

        - `branch(user)` asks the same again: a sibling reply.
        - `branch(assistant, text)` asks something else after that reply.
        - `branch(None, text)` starts a new root.

        Raises:
            NotUserNodeError, NotAssistantNodeError: The node does not fit.
            BusyError: A run is about to follow the very reply that `content` should.
        """
        if content is None:
            if node_id is None or self.tree[node_id].kind != "prompt":
                raise NotUserNodeError(f"Node {node_id} is no prompt, so it cannot be asked again.")
        elif node_id is not None and self.tree[node_id].kind != "reply":
            raise NotAssistantNodeError(
                f"Node {node_id} is no reply that a message could follow.", node_id=node_id
            )
        return self._start(node_id, content, go_there=True)

    def regenerate(self, node_id: int) -> Run:
        """Ask the prompt of this node's turn again."""
        prompt = self.tree.turn_prompt(node_id)
        return self.branch(prompt.id)

    def edit(self, node_id: int, content: Content) -> Run:
        """Ask the prompt of this node's turn differently; the old line stays as it is."""
        return self._start(self.tree.turn_prompt(node_id).parent_id, content, go_there=True)

    def proceed(self, node_id: int) -> Run:
        """Go on where a run broke off: answer the prompt, or decide on its tools again.

        At a reply, its last step is asked anew: a sibling, without running the tools before it.

        Raises:
            BusyError: A run is at this very node.
            AgentError: There is nothing to go on from.
        """
        node = self.tree[node_id]
        if node.kind == "reply" and node.parent_id is not None:
            return self._start(node.parent_id, None, go_there=True)
        return self._start(node_id, None, go_there=True)

    def alternatives(
        self, node_id: int, *, models: Sequence[str | Model] = (), n: int = 1
    ) -> list[Run]:
        """Have the prompt of this node's turn answered several times at once: sibling replies.

        Args:
            node_id: Any node of the turn.
            models: Whom to ask; by default the model of the session.
            n: Replies from each of them.

        Raises:
            ValueError: That is none at all, or more than `MAX_ALTERNATIVES`.
            NotUserNodeError: The turn has no prompt.
            UnknownModelError: One of the models does not exist; then none was asked.
        """
        prompt = self.tree.turn_prompt(node_id)
        if prompt.kind != "prompt":
            raise NotUserNodeError(f"Node {prompt.id} is no prompt, so it cannot be asked again.")
        asked: list[str | Model | None] = [model for model in models or (None,) for _ in range(n)]
        if not 0 < len(asked) <= MAX_ALTERNATIVES:
            raise ValueError(
                f"{len(asked)} alternatives: there can be 1 to {MAX_ALTERNATIVES} at once"
            )
        for model in models:
            self._registry.resolve(model)
        return [self._start(prompt.id, None, go_there=True, model=model) for model in asked]

    # Without one

    def edit_reply(self, node_id: int, text: str) -> Node:
        """Put other words beside a reply, as if the model had said them, and go there.

        The reply stays as it is; the new one says where it came from, and no model wrote it.

        Raises:
            NotAssistantNodeError: The node is no reply.
            ValueError: There are no words.
        """
        self.require_writable()
        old = self.tree[node_id]
        if old.kind != "reply":
            raise NotAssistantNodeError(f"Node {node_id} is no reply.", node_id=node_id)
        if not text.strip():
            raise ValueError("a reply needs words")
        origin = Origin(node_id=node_id, how="edit")
        node = self.tree.add(
            Message.assistant([Text(text=text)]), parent=old.parent_id, origin=origin
        )
        self.tree.navigate(node.id)
        self.tree_changed(new=(node.id,))
        return node

    def label(self, node_id: int, text: str | None) -> None:
        """Name a point of the tree, and with it the branch it is on; `None` takes the name off.

        `omni-tui --load ID@name` opens the branch. Spaces are put in order, and the name is cut to
        `LABEL_CHARS`.
        """
        self.require_writable()
        name = safe_line(" ".join((text or "").split()), LABEL_CHARS) or None
        if name != self.tree[node_id].label:
            self.tree.update(node_id, label=name)
            self.tree_changed(changed=(node_id,))

    def prune(self, node_id: int) -> None:
        """Hide a node and all below it. `restore` shows it again: nothing is ever deleted.

        Raises `BusyError` while a run grows a branch below.
        """
        self.require_writable()
        for run in self.runs.values():
            if run.tip is not None and node_id in self.tree.path_to(run.tip):
                raise BusyError(
                    "This branch is still being answered.",
                    hint="stop it first",
                    status=run.agent.status,
                )
        self.tree.prune(node_id)
        self.tree_changed(changed=(node_id,))

    def restore(self, node_id: int) -> None:
        """Show again what `prune` hid."""
        self.require_writable()
        self.tree.restore(node_id)
        self.tree_changed(changed=(node_id,))

    def graft(
        self, node_id: int, onto: int | None, *, deep: bool = True, upto: int | None = None
    ) -> Node:
        """Copy a branch to another place of the tree, and go there; the copies know their origin.

        What the copied messages cost stays with the originals.

        Args:
            node_id: Where the branch begins: a prompt, a reply or a message with tool uses.
            onto: What it is to follow: a reply, or `None` for a new root, when a prompt is copied;
                else a prompt or tool results.
            deep: With all branches below; else only to the end of this turn, on the branch last
                used there.
            upto: The last message to copy, on a branch of which nothing else is taken.

        Raises `MisplacedError` when one cannot follow the other.
        """
        self.require_writable()
        copied = self._copied(node_id, deep, upto)
        self._require_fit(copied[0], onto)
        places: dict[int, Parent] = {}
        for node in copied:
            parent = onto if node is copied[0] else places[node.parent_id or 0]
            places[node.id] = copy_node(self.tree, node, parent, how="graft").id
        first = places[node_id]
        assert first is not None
        self.tree.switch(first)
        self.tree_changed(new=tuple(place for place in places.values() if place is not None))
        return self.tree[first]

    def _copied(self, node_id: int, deep: bool, upto: int | None) -> list[Node]:
        if deep and upto is None:
            return [*self.tree.subtree(node_id)]
        last = self.tree.end_of_turn(node_id) if upto is None else upto
        path = self.tree.path_to(last)
        if node_id not in path:
            raise MisplacedError(f"Node {last} does not come after node {node_id}.", node_id=last)
        return [self.tree[step] for step in path[path.index(node_id) :]]

    def _require_fit(self, node: Node, onto: int | None) -> None:
        above = None if onto is None else self.tree[onto]
        fits = {
            "prompt": above is None or above.kind == "reply",
            "reply": above is not None and above.kind in ("prompt", "results"),
            "calls": above is not None and above.kind in ("prompt", "results"),
        }
        if not fits.get(node.kind, False):
            place = "a root" if above is None else f"after node {above.id}, a {above.kind}"
            raise MisplacedError(
                f"Node {node.id}, a {node.kind}, cannot stand {place}.",
                hint="prompts follow replies, and replies follow prompts",
                node_id=node.id,
            )

    def diff(self, one: int, other: int) -> BranchDiff:
        """What two branches share, and word by word how they differ after that.

        They are the branches to these very nodes; take tips to compare the whole of them.
        """
        from omni_tui.session.diff import diff_branches

        return diff_branches(self.tree, one, other)


def forked(record: SessionRecord, tree: Tree, node_id: int) -> tuple[SessionRecord, Tree]:
    """What a session begins with that is made of the path to this node of another.

    What a person allowed there is not allowed here. The summary that is read there is read here
    too. A summary stands for the node it covers.

    Raises `NodeNotFoundError`.
    """
    if tree[node_id].kind == "summary":
        node_id = tree[node_id].parent_id or node_id
    copy = Tree()
    parent: Parent = None
    places: dict[int | None, int] = {}
    for step in tree.path_to(node_id):
        parent = copy_node(copy, tree[step], parent, how="fork", session_id=record.id).id
        places[step] = parent
    if (summary := tree.summary_for(node_id)) is not None:
        origin = Origin(node_id=summary.id, session_id=record.id, how="fork")
        copy.summarize(
            summary.message, covers=places[summary.parent_id], model=summary.model, origin=origin
        )
    begun = SessionRecord(
        id=new_session_id(),
        title=f"{record.title} (fork)" if record.title else None,
        model=record.model,
        system=record.system,
        options=record.options,
        cwd=record.cwd,
        origin_id=record.id,
        origin_node=node_id,
    )
    return begun, copy


def copy_node(
    tree: Tree, node: Node, parent: Parent, *, how: How, session_id: str | None = None
) -> Node:
    """Add a copy of a node under `parent`, with its origin and without what it cost.

    In the same tree it has no name: names tell branches apart.
    """
    return tree.add(
        node.message,
        parent=parent,
        model=node.model,
        stop_reason=node.stop_reason,
        status=node.status,
        error=node.error,
        created_at=node.created_at,
        duration_ms=node.duration_ms,
        label=node.label if session_id is not None else None,
        origin=Origin(node_id=node.id, session_id=session_id, how=how),
    )
