"""What the keys do to branches beside switching: several replies, names, hiding, forks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from omni_tui.core.errors import OmniError
from omni_tui.core.safe_text import safe_line
from omni_tui.session.tree import Node, Tree
from omni_tui.tui.auto import AutoActions
from omni_tui.tui.comparison import tips_to_compare
from omni_tui.tui.tree_layout import plain_line
from omni_tui.tui.view import LIVE
from omni_tui.tui.widgets.bars import Piece, clip

if TYPE_CHECKING:
    from omni_tui.tui.view import SessionView
    from omni_tui.tui.widgets.tree_pane import TreePane

SEVERAL_HINT = "how many, or models with commas between them"
"""Under the field where a person says what to ask for at once."""


class BranchActions(AutoActions):
    """The branch verbs of the chat screen; part of it."""

    if TYPE_CHECKING:
        view: SessionView
        tree_pane: TreePane

        def switch_to(self, node_id: int, *, keep_focus: bool = False) -> None: ...

    hidden: dict[str, list[int]]
    """What was hidden here, by session, the last at the end."""

    # Several replies

    def action_branch_alternatives(self) -> None:
        """Ask how many replies, or of which models, and have them written at once."""
        if (node := self._chosen()) is not None:
            self.run_worker(self._ask_for_several(node.id), group="several", exclusive=True)

    async def _ask_for_several(self, node_id: int) -> None:
        from omni_tui.tui.dialogs.text import TextDialog

        dialog = TextDialog("several replies at once", "3", hint=SEVERAL_HINT)
        wanted = await self.app.push_screen_wait(dialog)
        if wanted is not None and wanted.strip():
            self.ask_for(wanted, node_id)

    def ask_for(self, wanted: str, node_id: int | None = None) -> None:
        """Have so many replies written at once, or one by each of the models named."""
        node = self._chosen() if node_id is None else self.session.tree[node_id]
        if node is None:
            self._say("there is nothing to answer yet")
            return
        names = [name.strip() for name in wanted.split(",") if name.strip()]
        count = int(wanted) if wanted.strip().isascii() and wanted.strip().isdigit() else 0

        def begin() -> None:
            if count:
                self.session.alternatives(node.id, n=count)
            else:
                self.session.alternatives(node.id, models=names)

        self._start(begin)

    # Names

    def action_branch_label(self) -> None:
        """Ask for the name of this branch."""
        if (node := self._chosen()) is not None:
            self.run_worker(self._ask_for_label(node), group="label", exclusive=True)

    async def _ask_for_label(self, node: Node) -> None:
        from omni_tui.tui.dialogs.text import TextDialog

        hint = "--load ID@name opens it; an empty name takes it off"
        dialog = TextDialog("name this branch", node.label or "", hint=hint)
        name = await self.app.push_screen_wait(dialog)
        if name is not None:
            self._label(node.id, name)

    def label(self, name: str) -> None:
        """Name the branch at the message under the cursor."""
        if (node := self._chosen()) is not None:
            self._label(node.id, name)

    def _label(self, node_id: int, name: str) -> None:
        self.session.label(node_id, name)
        self.refresh_conversation()

    # Hiding

    def action_branch_prune(self) -> None:
        """Hide this version of an answer; where it is the only one, the turn and what follows."""
        if (node := self._chosen()) is None:
            return
        tree = self.session.tree
        target = _branch_start(tree, node)
        count = tree.descendants(target)
        try:
            self.session.prune(target)
        except OmniError as error:
            self._say(str(error))
            return
        self.hidden.setdefault(self.session.id, []).append(target)
        self._show_tip()
        below = f" with {count} below it" if count else ""
        self._say(f"hidden{below} · u shows it again")

    def action_branch_undo(self) -> None:
        """Show again what was hidden last, and go there."""
        tree = self.session.tree
        hidden = [
            node.id for node in tree.nodes.values() if node.is_pruned and node.kind != "summary"
        ]
        here = [each for each in self.hidden.get(self.session.id, ()) if each in hidden]
        if not hidden:
            self._say("nothing is hidden")
            return
        self.session.navigate((here or hidden)[-1])
        self._show_tip()

    def _show_tip(self) -> None:
        self.editing = self.preview = None
        self.refresh_conversation()
        self.take_up_draft()

    # Beside each other

    marked: tuple[str, int] | None = None
    """The session and the message that the next one is to be compared with."""

    def action_branch_compare(self) -> None:
        """Compare two branches: from this message and one marked before, or of two versions."""
        if (node := self._chosen()) is None:
            return
        tree, mark = self.session.tree, self._mark()
        here = tree.tip_of(node.id) or node.id
        if mark == node.id:
            self.unmark()
        elif mark is not None and (there := tree.tip_of(mark) or mark) != here:
            self._compare(there, here)
        elif mark is not None:
            self._say("both are on one branch: x on another compares with it")
        elif (versions := tips_to_compare(tree, node.id)) is not None:
            self._compare(*versions)
        else:
            self.marked = (self.session.id, node.id)
            self._say("x on another branch compares with this one")
            self.refresh_bars()

    def _mark(self) -> int | None:
        """The marked message, if it is still there to be seen."""
        session_id, node_id = self.marked or ("", 0)
        tree = self.session.tree
        there = session_id == self.session.id and node_id in tree and not tree.is_hidden(node_id)
        return node_id if there else None

    def unmark(self) -> bool:
        """Take the mark off; whether there was one."""
        was_marked = self._mark() is not None
        self.marked = None
        if was_marked:
            self._say("no longer marked")
            self.refresh_bars()
        return was_marked

    def _compare(self, left: int, right: int) -> None:
        from omni_tui.tui.screens.compare import CompareScreen

        self.marked = None

        def closed(tip: int | None) -> None:
            if tip is not None and tip in self.session.tree:
                self.switch_to(tip)
            else:
                self.ask_if_needed()

        self.app.push_screen(CompareScreen(self.session, left, right), closed)

    def mark_pieces(self) -> list[Piece]:
        """What the title says of the mark."""
        if (mark := self._mark()) is None:
            return []
        words = plain_line(self.session.tree[mark].message.text) or "…"
        return [Piece("   x compares with ", "accent"), Piece(clip(words, 30))]

    # Copies

    def action_branch_fork(self) -> None:
        """Go on from this message in a session of its own."""
        if (node := self._chosen()) is not None:
            self.run_worker(self._fork(node.id), group="fork", exclusive=True)

    async def _fork(self, node_id: int) -> None:
        try:
            fork = await self.app.manager.fork(self.session.id, node_id)
        except OmniError as error:
            self._say(str(error))
            return
        self.app.open_session(fork)
        self._say("this is a session of its own now; the other stays as it is")

    def action_branch_rewrite(self) -> None:
        """Put other words beside this reply, as if the model had said them."""
        node = self._chosen()
        if node is None or node.kind != "reply":
            self._say("only a reply can be reworded; e edits a question")
            return
        self.run_worker(self._rewrite(node), group="rewrite", exclusive=True)

    async def _rewrite(self, node: Node) -> None:
        from omni_tui.tui.dialogs.text import TextDialog

        hint = "the reply stays as it is; this stands beside it"
        dialog = TextDialog("say it for the model", node.message.text, hint=hint, many_lines=True)
        text = await self.app.push_screen_wait(dialog)
        if text is not None and text.strip() and text != node.message.text:
            self.session.edit_reply(node.id, text)
            self._show_tip()

    # What all of these share

    def _chosen(self) -> Node | None:
        """The node under the cursor of the tree or of the messages, else the last of the path."""
        if self.focused is self.tree_pane and (row := self.tree_pane.cursor_row) is not None:
            return self.session.tree[row.tip]
        key = self.transcript.cursor_key
        if key is None or key == LIVE or key not in self.session.tree:
            key = next((key for key in reversed(self.view.keys) if key != LIVE), None)
        return self.session.tree[key] if key is not None else None

    def _start(self, begin: Callable[[], object]) -> None:
        """Start a run and show it."""
        self._end_preview()
        try:
            begin()
        except (OmniError, ValueError) as error:
            self._say(str(error))
            return
        self.refresh_conversation()
        self.transcript.scroll_end(animate=False)

    def _end_preview(self) -> None:
        if self.preview is not None:
            self.preview = None
            self.refresh_conversation()

    def _say(self, text: str) -> None:
        self.app.notify(safe_line(text, 300), markup=False, timeout=4)


def _branch_start(tree: Tree, node: Node) -> int:
    """Where what a person means by this branch begins: the answer if it is one of many."""
    prompt = tree.turn_prompt(node.id)
    while node.id != prompt.id and node.parent_id not in (None, prompt.id):
        node = tree[node.parent_id]
    return node.id if len(tree.children(prompt.id)) > 1 else prompt.id
