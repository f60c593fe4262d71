"""What the keys do to bring two branches together: copies, and notes of one told on the other."""

from __future__ import annotations

from msgspec import structs

from omni_tui.core.errors import OmniError
from omni_tui.session.session import Session
from omni_tui.session.tree import Node
from omni_tui.tui.branches import BranchActions

TURN = "turn"
BELOW = "below"
"""What can be copied: a turn, or it with all that follows."""


class JoinActions(BranchActions):
    """The keys that bring something of another branch to the one in view; part of the screen."""

    def action_branch_merge(self) -> None:
        """Have another branch summed up, read the note, and tell it on the branch in view."""
        if (there := self._from_elsewhere("m")) is None:
            return
        head = self.session.tree.head
        if not self._is_ready():
            return
        source = self.session.tree.tip_of(there.id) or there.id
        self.run_worker(self._merge(self.session, source, head), group="merge", exclusive=True)

    async def _merge(self, session: Session, source: int, onto: int | None) -> None:
        from omni_tui.tui.dialogs.merge import MergeDialog

        dialog = MergeDialog(session, source, onto)
        text = await self.app.push_screen_wait(dialog)
        if text is None:
            return
        note = structs.replace(dialog.note, text=text)

        def send() -> None:
            self.marked = None
            session.merge(note, onto=onto)

        self._start(send)

    def action_branch_graft(self) -> None:
        """Copy a turn of another branch to the end of the branch in view."""
        if (there := self._from_elsewhere("p")) is None or not self._is_ready():
            return
        tree = self.session.tree
        first, last = tree.turn_prompt(there.id).id, tree.end_of_turn(there.id)
        turn, whole = tree.depth(last) - tree.depth(first) + 1, tree.descendants(first) + 1
        if tree.on_path(first) or whole == turn:
            self._graft(first, last)
        else:
            self.run_worker(self._choose_graft(first, last, turn, whole), group="graft")

    async def _choose_graft(self, first: int, last: int, turn: int, whole: int) -> None:
        from omni_tui.tui.dialogs.choose import Choice, ChooseDialog

        choices = [
            Choice(TURN, "this turn", _messages(turn)),
            Choice(BELOW, "this turn and all that follows it", _messages(whole)),
        ]
        chosen = await self.app.push_screen_wait(ChooseDialog("copy to this branch", choices))
        if chosen is not None:
            self._graft(first, last if chosen == TURN else None)

    def _graft(self, first: int, last: int | None) -> None:
        before = len(self.session.tree)
        try:
            self.session.graft(first, self.session.tree.head, upto=last)
        except OmniError as error:
            self._say(str(error))
            return
        self.marked = None
        self._show_tip()
        copied = _messages(len(self.session.tree) - before)
        self._say(f"{copied} copied to this branch")

    def _from_elsewhere(self, key: str) -> Node | None:
        """The message chosen on another branch, else the one that was marked there."""
        tree, chosen, mark = self.session.tree, self._chosen(), self._mark()
        marked = None if mark is None else tree[mark]
        for node in (chosen, marked):
            if node is not None and not tree.on_path(node.id):
                return node
        self._say(f"go to a message of another branch in the tree, and press {key} there")
        return None

    def _is_ready(self) -> bool:
        """Whether the branch in view ends in a reply that something can follow."""
        tree = self.session.tree
        if self.session.run_at(tree.head) is not None:
            self._say("this branch is still being answered")
        elif tree.head is not None and tree[tree.head].kind != "reply":
            self._say("this branch has no answer yet: r asks for one")
        else:
            return True
        return False


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"
