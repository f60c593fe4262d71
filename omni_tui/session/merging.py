"""What another branch found, told on this one: summed up by a model, read by a person, then sent.

Nothing of the other branch is copied or hidden. The note is a prompt that knows where it came from,
and the model on this branch answers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from omni_tui.agent.run import Run
from omni_tui.agent.summary import REPORT
from omni_tui.core.errors import AgentError, MisplacedError
from omni_tui.core.messages import Content, Message
from omni_tui.core.usage import Usage
from omni_tui.llm.backends import LoopOwner
from omni_tui.session.context import covered
from omni_tui.session.node import Origin
from omni_tui.session.tree import Tree

if TYPE_CHECKING:
    from omni_tui.session.compaction import Compactor


class MergeNote(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be told of a branch, before anybody was told."""

    node_id: int
    """The last message of the branch it is about."""
    text: str
    usage: Usage | None = None
    """What writing it took; counted with the message it becomes."""
    model: str | None = None
    """Who wrote it, as `provider/model`; `None` for a person."""

    @property
    def origin(self) -> Origin:
        """Where the message it becomes came from."""
        return Origin(node_id=self.node_id, how="merge")


class Merging:
    """The side of a `Session` that tells one branch of another."""

    if TYPE_CHECKING:
        tree: Tree
        compactor: Compactor

        def _start(
            self,
            tip: int | None,
            content: Content | None,
            *,
            go_there: bool = False,
            note: MergeNote | None = None,
        ) -> Run: ...

    async def draft_merge(
        self, node_id: int, *, onto: int | msgspec.UnsetType | None = msgspec.UNSET
    ) -> MergeNote:
        """Have a model sum up what was said on the way to a node, for another branch.

        The first turn that the branches do not share in whole is summed up from its prompt on. It
        changes nothing; give the note to `merge`, with other words if need be
        (`msgspec.structs.replace(note, text=…)`). The model is the one that writes summaries.

        Args:
            node_id: The last message of the branch that is told of.
            onto: The last message of the branch that is told; by default the head.

        Raises:
            MisplacedError: It is on the path to `onto` already.
            AgentError: The model keeps an account of its own and can sum up nothing else.
            OmniError: What the model failed with.
        """
        onto = self.tree.head if onto is msgspec.UNSET else onto
        messages, earlier = news(self.tree, node_id, onto)
        writer = self.compactor.writer
        if isinstance(writer.provider, LoopOwner):
            raise AgentError(
                f"{writer} keeps its own account of the conversation, and sums up nothing else.",
                hint="set [context] model, or write the note yourself",
            )
        made = await self.compactor.sum_up(messages, earlier, REPORT)
        return MergeNote(
            node_id=node_id, text=made.message.text, usage=made.usage, model=made.model
        )

    def merge(
        self, note: MergeNote, *, onto: int | msgspec.UnsetType | None = msgspec.UNSET
    ) -> Run:
        """Tell a branch of another, go there, and have its model go on with what it was told.

        Args:
            note: What is told; `draft_merge` writes one, and so can you.
            onto: The last message of the branch that is told; by default the head.

        Raises:
            ValueError: The note has no words.
            MisplacedError: What it is about is on the path to `onto` already, or a prompt cannot
                stand there.
            BusyError: A run grows that branch.
        """
        onto = self.tree.head if onto is msgspec.UNSET else onto
        if not note.text.strip():
            raise ValueError("a note needs words")
        parting(self.tree, note.node_id, onto)
        if onto is not None and self.tree[onto].kind != "reply":
            raise MisplacedError(
                f"Node {onto} is no reply that a message could follow.",
                hint="have it answered first",
                node_id=onto,
            )
        return self._start(onto, note.text, go_there=True, note=note)


def parting(tree: Tree, node_id: int, onto: int | None) -> int:
    """How many messages the paths to two nodes share, before `node_id` goes a way of its own.

    Raises:
        NodeNotFoundError: There is no such node.
        MisplacedError: It is on the path to `onto`.
    """
    path = tree.path_to(node_id)
    ancestor = None if onto is None else tree.common_ancestor(node_id, onto)
    shared = 0 if ancestor is None else tree.depth(ancestor)
    if shared == len(path):
        raise MisplacedError(
            f"Node {node_id} is on this branch already.",
            hint="choose a message of another branch",
            node_id=node_id,
        )
    return shared


def news(tree: Tree, node_id: int, onto: int | None) -> tuple[tuple[Message, ...], Message | None]:
    """What a branch says that another does not: its messages, and the summary of what is left out.

    They begin with a prompt, also where the branches part within its turn.

    Raises as `parting`.
    """
    shared = parting(tree, node_id, onto)
    path = tree.path_to(node_id)
    start = tree.depth(tree.turn_prompt(path[shared]).id) - 1
    summary = tree.summary_for(node_id)
    if summary is not None and covered(tree, summary) > start:
        return tree.messages(node_id)[covered(tree, summary) :], summary.message
    return tree.messages(node_id)[start:], None
