"""What the keys of the main screen do. Every rule is the session's; this only calls it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from omni_tui.agent.decisions import Answer
from omni_tui.core.errors import OmniError
from omni_tui.tui.answers import Allow, ApprovalResult, Later, Stop, Visit
from omni_tui.tui.joining import JoinActions
from omni_tui.tui.view import LIVE, versions

if TYPE_CHECKING:
    from omni_tui.agent.events import Paused
    from omni_tui.session.session import Session
    from omni_tui.tui.bridge import Bridge
    from omni_tui.tui.view import SessionView
    from omni_tui.tui.widgets.tree_pane import TreePane


class ChatActions(JoinActions):
    """The `action_*` methods of the chat screen, and what its widgets ask for."""

    if TYPE_CHECKING:
        view: SessionView
        bridge: Bridge
        tree_pane: TreePane

        @property
        def is_narrow(self) -> bool: ...
        def asks_for(self, pause: Paused) -> str | None: ...
        def refresh_tasks(self) -> None: ...
        def want_tree(self, wanted: bool | None) -> None: ...

    # Writing

    def action_composer_focus(self) -> None:
        """Go back to writing."""
        self._end_preview()
        if self.is_narrow:
            self.want_tree(None)
        self.composer.focus()

    def action_composer_quit(self) -> None:
        """Leave, when nothing is written."""
        if not self.composer.text and not self.chips:
            self.app.exit()

    # Running

    def action_run_interrupt(self) -> None:
        """One step outward: stop the run, else leave the composer, else go to the tree."""
        if self.editing is not None and self.focused is self.composer:
            self.editing = None
            self.take_up_draft()
            self.refresh_bars()
        elif self.session.active_run is None and self.unmark():
            pass
        elif self.focused is self.tree_pane:
            self.action_composer_focus()
        elif self._stop_active():
            pass
        elif self.focused is self.composer and self.view.keys:
            self.transcript.focus()
        elif self.focused is self.transcript:
            self.action_tree_focus()
        else:
            self.composer.focus()

    def _stop_active(self) -> bool:
        """Stop the run in view; whether there was one."""
        run = self.session.active_run
        if run is None or not self.session.cancel(run.run.id):
            return False
        beside = [each for each in self.session.runs_at(run.tip) if each is not run]
        if beside:
            self._say(f"{len(beside)} more at work on this · /stop stops all")
        return True

    def action_run_stop(self) -> None:
        """Stop every run of the session."""
        stopped = sum(self.session.cancel(run_id) for run_id in list(self.session.runs))
        runs = "1 run" if stopped == 1 else f"{stopped} runs"
        self._say(f"{runs} stopped" if stopped else "nothing is running")

    def action_run_halt(self) -> None:
        self.session.halt()

    def action_run_unhalt(self) -> None:
        self.session.unhalt()

    def action_run_again(self) -> None:
        """Ask the last question of the active path again."""
        if self.session.active_run is not None:
            self._say("this is still being answered")
        elif self.session.tree.head is not None:
            self._ask_again(self.session.tree.head)

    def action_interrupt(self) -> None:
        """Ctrl+C: copy a selection, else stop the run, else clear, else ask for a second press."""
        selected = self.composer.selected_text or self.get_selected_text()
        if selected:
            self.app.copy_to_clipboard(selected)
            self._say("copied")
        elif self._stop_active():
            pass
        elif self.composer.text:
            self.composer.write("")
        elif self.chips:
            self.detach("all")
        else:
            self.app.quit_on_second_press()

    def ask_if_needed(self) -> None:
        """Show the question the active branch waits with, if any."""
        run = self.session.active_run
        if run is None or run.paused is None or self.app.screen is not self:
            return
        pause, run_id = run.paused, run.run.id
        session, agent = self.session, self.asks_for(pause)
        self.refresh_tasks()

        def answered(result: ApprovalResult | None) -> None:
            if run.paused is pause or not isinstance(result, Answer | Allow):
                self._take_answer(session, run_id, result)
            else:  # what is asked now is another question
                self._say("this was answered meanwhile")

        from omni_tui.tui.dialogs.approval import ApprovalDialog
        from omni_tui.tui.dialogs.question import QuestionDialog

        if pause.reason == "question":
            self.app.push_screen(QuestionDialog(pause, agent), answered)
        else:
            cwd = session.setup.cwd or self.app.cwd
            self.app.push_screen(ApprovalDialog(pause, cwd, agent), answered)

    def _take_answer(self, session: Session, run_id: str, result: ApprovalResult | None) -> None:
        match result:
            case None:
                pass
            case Later(action=action):
                if action:
                    getattr(self, f"action_{action.replace('.', '_')}")()
            case Visit(session_id=id):
                self.app.load_session(id)
            case Stop():
                session.cancel(run_id)
            case Allow(rule=rule, scope=scope, answer=answer):
                session.allow(rule)
                if scope == "project":
                    self.app.remember_approval(rule)
                self._resume(session, run_id, answer)
            case _:
                self._resume(session, run_id, result)

    def _resume(self, session: Session, run_id: str, answer: Answer) -> None:
        try:
            session.resume(answer, run_id)
        except OmniError as error:
            self._say(str(error))

    # A message

    def _move(self, step: int) -> None:
        if self.view.keys:
            self.transcript.focus()
            self.transcript.move_cursor(step)

    def action_message_previous(self) -> None:
        """Go to the message above."""
        self._move(-1)

    def action_message_next(self) -> None:
        """Go to the message below."""
        self._move(1)

    action_message_up = action_message_previous
    action_message_down = action_message_next

    def action_message_regenerate(self) -> None:
        """Ask the turn's prompt again: another reply beside this one."""
        if (node := self._chosen()) is not None:
            self._ask_again(node.id)

    def _ask_again(self, node_id: int) -> None:
        prompt = self.session.tree.turn_prompt(node_id)
        unanswered = not self.session.tree.children(prompt.id)
        self._start(
            lambda: (self.session.proceed if unanswered else self.session.regenerate)(prompt.id)
        )

    def action_message_continue(self) -> None:
        """Let the model go on from here."""
        if (node := self._chosen()) is None:
            return
        tip = self.session.tree.path[-1]
        if node.id == tip or self.session.tree[tip].kind == "results":
            node = self.session.tree[tip]
        if self.session.tree.is_finished(node.id):
            self._say("this reply is whole: write what comes next, or press r for another")
            return
        if node.kind == "reply":
            self._start(lambda: self.session.prompt("Continue.", at=node.id))
        else:
            self._start(lambda: self.session.proceed(node.id))

    def action_message_edit(self) -> None:
        """Write the turn's prompt anew, in the composer."""
        if (node := self._chosen()) is None:
            return
        self.take_up(self.session.tree.turn_prompt(node.id))

    def action_message_sibling_previous(self) -> None:
        """Show the version before this one."""
        self._step_sibling(-1)

    def action_message_sibling_next(self) -> None:
        """Show the version after this one."""
        self._step_sibling(1)

    def _step_sibling(self, step: int) -> None:
        """Walk the versions of the message; where it has none, of its answer, then its question."""
        run = self.view.run if LIVE in self.view.keys else None
        if run is not None and self.transcript.cursor_key in (None, LIVE):
            beside = versions(self.session, run.tip, "assistant")
            if len(beside) > 1:
                self._show_version(beside, beside.index(run.run.id) + step)
                return
        chosen = self._chosen()
        if chosen is None:
            return
        tree = self.session.tree
        prompt = tree.turn_prompt(chosen.id)
        answer = [node_id for node_id in tree.path if tree[node_id].parent_id == prompt.id]
        own = [] if chosen.kind == "prompt" else [*answer, prompt.id]
        for node in (tree[node_id] for node_id in (chosen.id, *own)):
            beside = versions(self.session, node.parent_id, node.role)
            if len(beside) > 1:
                self._show_version(beside, beside.index(node.id) + step)
                return

    def _show_version(self, beside: Sequence[int | str], place: int) -> None:
        if not 0 <= place < len(beside):
            return
        wanted = beside[place]
        if isinstance(wanted, str):
            self._show_run(wanted)
            return
        self.switch_to(wanted, keep_focus=True)
        self.transcript.cursor_key = wanted
        self.transcript.scroll_to_entry(wanted)

    def _show_run(self, run_id: str) -> None:
        """Look at a reply that is still being written."""
        self._go(lambda: self.session.follow(run_id))
        self.transcript.cursor_key = LIVE
        self.transcript.action_go_end()
        self.ask_if_needed()

    def action_message_copy(self) -> None:
        """Copy the message as Markdown."""
        if (node := self._chosen()) is not None:
            self.app.copy_to_clipboard(self.transcript.copy_text(node.id))
            self._say("copied this message")

    # The tree

    def action_tree_focus(self) -> None:
        """Go to the tree."""
        self.want_tree(True)
        self.tree_pane.focus()

    def action_view_tree(self) -> None:
        """Show or hide the tree."""
        if self.tree_pane.display:
            self._end_preview()
            self.want_tree(None if self.is_narrow else False)
            self.composer.focus()
        else:
            self.want_tree(True)
            self.tree_pane.focus()

    def action_tree_switch(self) -> None:
        """Make the branch under the tree's cursor the active one."""
        self.tree_pane.action_switch()

    def look_at(self, node_id: int) -> None:
        """Preview the branch that holds this node, without going there."""
        on_path = self.session.tree.on_path(node_id)
        wanted = None if on_path else node_id
        if wanted != self.preview:
            self.preview = wanted
            self.refresh_conversation()
        self.transcript.scroll_to_entry(self._entry_of(node_id))

    def _entry_of(self, node_id: int) -> int:
        """The entry that shows a node: tool results stand with the message that asked for them."""
        node = self.session.tree[node_id]
        return node_id if node.kind != "results" or node.parent_id is None else node.parent_id

    def _go(self, move: Callable[[], None]) -> None:
        """Move to another branch: what is written stays with the one that is left."""
        if self.editing is None:
            self.keep_draft()
        self.editing = self.preview = None
        move()
        self.refresh_conversation()
        self.take_up_draft()

    def switch_to(self, node_id: int, *, keep_focus: bool = False) -> None:
        """Make the branch that holds this node the active one."""
        self._go(lambda: self.session.navigate(node_id))
        if not keep_focus:
            if self.is_narrow:
                self.want_tree(None)
            self.composer.focus()
        self.ask_if_needed()

    # The view

    def action_view_thinking(self) -> None:
        """Show or fold the model's thinking."""
        self.transcript.action_toggle_thoughts()

    def action_view_tools(self) -> None:
        """Show or fold what tools printed."""
        self.transcript.action_toggle_tools()

    def action_view_events(self) -> None:
        """Show what goes on inside."""
        from omni_tui.tui.screens.events import EventsScreen

        self.app.push_screen(EventsScreen(self.bridge), lambda _: self.ask_if_needed())

    # The application

    def action_app_help(self) -> None:
        """Show the keys."""
        self.app.show_help()

    def action_app_palette(self) -> None:
        """Find any command by name."""
        self.app.action_command_palette()

    def action_app_redraw(self) -> None:
        """Draw the screen again."""
        self.app.refresh(layout=True, repaint=True)

    def action_app_quit(self) -> None:
        """Leave."""
        self.app.exit()

    def action_session_new(self) -> None:
        """Start a session."""
        self.app.new_session()

    def action_session_list(self) -> None:
        """Find and open a session."""
        self.app.show_sessions()

    def action_model_choose(self) -> None:
        """Choose the model of this session, and how much it thinks."""
        self.app.choose_model()

    def action_model_effort(self) -> None:
        """Choose how much the model thinks before it answers."""
        self.app.choose_effort()

    def action_approval_next(self) -> None:
        """Take the next approval mode."""
        self.app.next_mode()

    def action_approval_choose(self) -> None:
        """Choose what runs unasked, and see the rules."""
        self.app.choose_permissions()

    def action_theme_choose(self) -> None:
        """Choose a theme and see it at once."""
        self.app.choose_theme()

    def action_theme_next(self) -> None:
        """Take the next theme."""
        self.app.next_theme()

    async def open_link(self, url: str) -> None:
        """Open a link of the conversation, after showing where it leads."""
        from omni_tui.tui.dialogs.confirm import ConfirmDialog

        if await self.app.push_screen_wait(ConfirmDialog("open this link?", url, "opens it")):
            self.app.open_url(url)
