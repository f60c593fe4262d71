"""The main screen: tree, transcript, composer, and the bars that say where one is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import DescendantFocus, Resize
from textual.screen import Screen
from textual.timer import Timer

from omni_tui.agent.events import Event, Retrying, RunFailed, ToolFinished, ToolStarted
from omni_tui.core.safe_text import safe_line
from omni_tui.session.session import Session
from omni_tui.tui.actions import ChatActions
from omni_tui.tui.bridge import Bridge
from omni_tui.tui.context_actions import SUMMARY_HINTS, ContextActions
from omni_tui.tui.drafts import words
from omni_tui.tui.finding import FindActions
from omni_tui.tui.keys import bindings, hints
from omni_tui.tui.marks import mark_of
from omni_tui.tui.tasks import TaskActions
from omni_tui.tui.view import LIVE, SessionView, count
from omni_tui.tui.widgets.bars import Bar, Piece, Rule
from omni_tui.tui.widgets.chips import ChipLine
from omni_tui.tui.widgets.composer import Composer
from omni_tui.tui.widgets.transcript import Transcript
from omni_tui.tui.widgets.tree_pane import TreePane
from omni_tui.tui.widgets.wait_line import WaitLine

if TYPE_CHECKING:
    from omni_tui.tui.app import OmniApp

WIDE = 100
"""Columns from which the tree stands beside the transcript."""

COMPOSER_HINTS = ("composer.send", "run.interrupt", "session.list", "app.palette", "app.help")
MESSAGE_HINTS = (
    "message.regenerate",
    "message.edit",
    "composer.focus",
    "message.sibling_previous",
    "message.sibling_next",
    "message.continue",
    "message.copy",
)
TREE_HINTS = (
    "tree.switch",
    "branch.label",
    "branch.prune",
    "session.search",
    "composer.focus",
    "app.help",
)


class Talk(Transcript):
    """The transcript with the keys of a message."""

    BINDINGS = [*bindings("transcript"), *bindings("branch")]


class ChatScreen(FindActions, ContextActions, TaskActions, ChatActions, Screen[None]):
    """Shows one session at a time."""

    BINDINGS = bindings("app")
    AUTO_FOCUS = "Composer"

    app: OmniApp

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.view = SessionView(session)
        self.editing: int | None = None
        """The prompt being written anew in the composer."""
        self.preview: int | None = None
        """The node of another branch now looked at."""
        self.chips = []
        self.kept_chips = {}
        self.autos = []
        self.hidden = {}
        self.auto_ends = {}
        self.bridge = Bridge(self)
        self._clock: Timer | None = None
        self._retry: tuple[float, Retrying] | None = None
        self._tree_wanted: bool | None = None

    def compose(self) -> ComposeResult:
        yield Bar(id="title")
        with Horizontal(id="body"):
            yield TreePane(id="tree")
            with Vertical(id="talk"):
                yield Talk(id="transcript")
        yield Rule(id="rule")
        yield WaitLine(id="waiting")
        yield ChipLine(id="chips")
        yield Composer(id="composer")
        yield Bar(id="status")

    def on_mount(self) -> None:
        self.tree_pane = self.query_one(TreePane)
        self.transcript = self.query_one(Transcript)
        self.composer = self.query_one(Composer)
        self._body = self.query_one("#body")
        self._title = self.query_one("#title", Bar)
        self._rule = self.query_one(Rule)
        self.chip_line = self.query_one(ChipLine)
        self.wait_line = self.query_one(WaitLine)
        self._status = self.query_one("#status", Bar)
        self.tree_pane.ascii = self.app.settings.ui.ascii
        self.composer.asked_before = self.asked_before
        self.composer.take_back = self.take_back
        self.composer.set_keys(self.app.keymap)
        self.show(self.session)

    # Showing a session

    def show(self, session: Session) -> None:
        """Look at this session."""
        self.session = session
        self.editing = self.preview = self._retry = None
        self.bridge.attach(session)
        self.refresh_conversation(fresh=True)
        self.transcript.cursor_key = None  # it was on a message of another session
        self.take_up_draft()
        self.composer.focus()
        self.call_after_refresh(self.ask_if_needed)

    def refresh_conversation(self, *, fresh: bool = False) -> None:
        """Show the tree and the active path (or the branch previewed) as they are now."""
        session = self.session
        path = None
        if self.preview is not None and self.preview in session.tree:
            path = session.tree.path_to(session.tree.tip_of(self.preview))
        self.view = SessionView(session, path)
        self.follow_head()
        self.bridge.look(self.view)
        if not self.view.keys:
            self.transcript.set_empty(self.app.welcome())
        self.transcript.show(self.view, keep=not fresh)
        if fresh:
            self.tree_pane.show(session.tree, lambda node_id: mark_of(session, node_id))
        else:
            self.tree_pane.refresh_tree()
        self.refresh_bars()

    def is_in_view(self, run_id: str | None) -> bool:
        """Whether this run writes the live entry now shown."""
        run = self.view.run
        return run is not None and run.run.id == run_id and LIVE in self.view.keys

    def drop_live(self) -> None:
        """The text in the live entry is another's: begin anew."""
        self.transcript.finish(LIVE)

    def settle_live(self, node_id: int) -> None:
        """The text in the live entry is now this node's."""
        self.transcript.settle(LIVE, node_id)

    def run_changed(self, event: Event) -> None:
        """A run began, ended, paused or went on."""
        self._retry = None
        self.refresh_conversation()
        if isinstance(event.payload, RunFailed) and event.run_id not in self.session.runs:
            self._tell_of_failure(event.payload)

    def _tell_of_failure(self, failed: RunFailed) -> None:
        shown = self.view.keys and self.session.tree.head is not None
        head = self.session.tree.head
        if not shown or head is None or self.session.tree[head].status != "failed":
            self.app.notify(
                safe_line(str(failed.error)), title="no answer", severity="error", markup=False
            )

    def tool_changed(self, event: Event) -> None:
        """A tool started, printed or finished: its row says so."""
        run = self.session.runs.get(event.run_id or "")
        if run is not None and run.tip is not None and run.tip in self.view.keys:
            self.transcript.refresh_entry(run.tip)
        if isinstance(event.payload, ToolStarted | ToolFinished):
            self.refresh_bars()

    def show_retry(self, retrying: Retrying) -> None:
        """Count down to the next try, or say which other model is asked."""
        if retrying.fallback is not None:
            text = f"{retrying.error.message} Asking {retrying.fallback}."
            self.app.notify(safe_line(text, 300), severity="warning", markup=False)
            return
        self._retry = (time.monotonic() + retrying.delay, retrying)
        self.refresh_bars()

    # The bars

    def refresh_bars(self) -> None:
        """Say where one is, what runs, what waits and what it costs."""
        session = self.session
        run = session.active_run
        self.settle_autos()
        self._keep_time(run is not None)
        title = safe_line(session.title or "new conversation", 80)
        left = [*self.breadcrumb(), Piece(f" {title}", "title")]
        if self.preview is not None:
            left.append(Piece("   preview", "accent"))
        elif self.is_narrow and session.tree.head is not None:
            active, every = self.tree_pane.counts
            left.append(Piece(f"   {active}/{every}"))
        left += self.mark_pieces()
        right = [Piece(safe_line(str(session.model), 60))]
        if level := self.app.level:
            right.append(Piece(f" · {level}" if self.is_narrow else f" · thinking {level}"))
        self._title.show(left, right)
        self.show_waiting()
        self._show_rule()
        self._show_status()

    def show_waiting(self) -> None:
        """Show the text that waits for the end of the turn under way."""
        run = self.session.active_run
        steer = run.agent.steering if run is not None else None
        self.wait_line.show_text(words(steer.content) if steer is not None else "")

    def _mode_piece(self) -> Piece:
        if self.editing:
            return Piece("editing", "accent")
        mode = self.session.permissions.mode if self.session.permissions else "ask"
        return Piece(mode, "warn" if mode in ("auto-edit", "yolo") else "accent")

    def _show_rule(self) -> None:
        session, run = self.session, self.session.active_run
        left = [Piece("─ ", "faint"), self._mode_piece()]
        if session.is_halted:
            left.append(Piece(" halted · /unhalt goes on", "warn"))
        left.append(Piece(" ", "faint"))
        right = self.auto_pieces()
        if run is not None and run.paused is not None:
            right.append(Piece(" ? waits for you · enter answers ", "warn"))
        elif run is not None:
            waited = int(time.monotonic() - run.started)
            beside = session.runs_at(run.tip)
            which = f" · {beside.index(run) + 1} of {len(beside)}" if len(beside) > 1 else ""
            doing = f" ◐ {waited} s{which} · esc stops "
            if self._retry is not None:
                left_over = max(0, round(self._retry[0] - time.monotonic()))
                doing = f" retrying in {left_over} s ({self._retry[1].attempt}) · esc stops "
            right.append(Piece(doing, "accent"))
        self._rule.show(left, right)

    def _show_status(self) -> None:
        session = self.session
        tree = session.tree
        running = sum(branch.paused is None for branch in session.runs.values())
        asking = len(session.runs) - running
        left: list[Piece] = [Piece(" ")]
        if running:
            left.append(Piece(f"◐ {running} running  ", "accent"))
        if asking:
            left.append(Piece(f"? {asking} {'asks' if asking == 1 else 'ask'}  ", "warn"))
        if session.saver is not None and session.saver.error is not None:
            left.append(Piece("unsaved  ", "error"))
        if session.is_read_only:
            left.append(Piece("read only  ", "warn"))
        whole = tree.usage()
        if len(tree):
            left += self.meter()
            branch = tree.path_usage
            left.append(Piece(f"↑{count(branch.read)} ↓{count(branch.output)}"))
            if whole.cost:
                left.append(Piece(f" · branch ${branch.cost or 0.0:.3f} · tree ${whole.cost:.3f}"))
        keys = [
            (Piece(key, "accent"), Piece(f" {verb}   "))
            for key, verb in hints(self.app.keymap, self._hints(), self._words())
        ]
        self._status.show(left, hints=keys)

    def _hints(self) -> tuple[str, ...]:
        """The actions whose keys matter now; a dialog shows its own."""
        if self.app.screen is not self:
            return ()
        if self.focused is self.tree_pane:
            return TREE_HINTS
        running = self.session.active_run is not None
        again = ("run.again",) if not running and self._is_unanswered() else ()
        back = ("session.parent",) if self.session.record.parent_id is not None else ()
        if self.focused is self.transcript:
            if self.chosen_summary() is not None:
                return SUMMARY_HINTS
            down = ("message.open",) if self.task_node() is not None else ()
            return (*back, *down, *(("run.interrupt",) if running else ()), *MESSAGE_HINTS)
        return (*back, *again, *COMPOSER_HINTS)

    def _is_unanswered(self) -> bool:
        """Whether the active path ends in a turn that failed or was stopped."""
        tree = self.session.tree
        return tree.head is not None and not tree.is_finished(tree.head)

    def _words(self) -> dict[str, str]:
        """What Esc does now."""
        if self.session.active_run is not None:
            return {}
        if self.editing is not None:
            return {"run.interrupt": "back"}
        return {"run.interrupt": "messages" if self.view.keys else ""}

    def _keep_time(self, running: bool) -> None:
        """A clock ticks once a second while a run is in view, and only then."""
        if running and self._clock is None:
            self._clock = self.set_interval(1.0, self._tick)
        elif not running and self._clock is not None:
            self._clock.stop()
            self._clock = None

    def _tick(self) -> None:
        self._show_rule()
        self.refresh_tasks()

    # Layout

    @property
    def is_narrow(self) -> bool:
        """Whether tree and transcript take turns."""
        return self.size.width < WIDE

    def on_resize(self, event: Resize) -> None:
        self.lay_out()

    def make_room(self, rows: int) -> None:
        """End the conversation above a dialog of this many rows in the composer's place."""
        self.composer.styles.max_height = 1 if rows else None
        # The rule, one line, and those above it that are shown
        covered = 2 + sum(line.display for line in (self.chip_line, self.wait_line))
        self._body.styles.margin = (0, 0, max(0, rows - covered), 0)

    def on_screen_suspend(self) -> None:
        self._show_status()

    def on_screen_resume(self) -> None:
        self.make_room(0)
        self.refresh_bars()

    def lay_out(self) -> None:
        """Tree beside the transcript, or one of them."""
        wanted = self._tree_wanted
        shown = (wanted is True) if self.is_narrow else (wanted is not False)
        self.tree_pane.display = shown
        self.query_one("#talk").display = not (self.is_narrow and shown)
        self.set_class(self.is_narrow, "-narrow")
        self.tree_pane.styles.width = "1fr" if self.is_narrow else self.app.settings.ui.tree_width
        if not shown and self.focused is self.tree_pane:
            self.composer.focus()
        self.refresh_bars()

    def want_tree(self, wanted: bool | None) -> None:
        """Show or hide the tree; `None` leaves it to the width."""
        self._tree_wanted = wanted
        self.lay_out()

    @on(DescendantFocus)
    def _focus_moved(self) -> None:
        self.refresh_bars()

    # What the widgets say

    @on(Composer.Submitted)
    def _submitted(self, event: Composer.Submitted) -> None:
        self.submit(event.text)

    @on(Composer.Changed)
    def _written(self) -> None:
        self.draft_changed()
        if self.chips:
            self.show_chips()

    @on(TreePane.Previewed)
    def _previewed(self, event: TreePane.Previewed) -> None:
        self.look_at(event.node_id)

    @on(TreePane.Switched)
    def _switched(self, event: TreePane.Switched) -> None:
        self.switch_to(event.node_id)

    @on(Transcript.LinkClicked)
    def _link(self, event: Transcript.LinkClicked) -> None:
        self.run_worker(self.open_link(event.url), exclusive=True, group="link")
