"""The application: themes, keys, sessions and screens, wired together."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich.text import Text
from textual import events
from textual.app import App, SystemCommand
from textual.screen import Screen
from textual.theme import Theme

from omni_tui.config.approvals import store_approval
from omni_tui.config.keymap import ACTIONS, resolve_keymap
from omni_tui.config.paths import Paths
from omni_tui.config.settings import Settings
from omni_tui.config.themes import DEFAULT_THEME, ThemeFile, load_themes
from omni_tui.core.errors import ConfigError, OmniError
from omni_tui.core.safe_text import safe, safe_line
from omni_tui.session.manager import SessionManager
from omni_tui.session.session import Session
from omni_tui.tui.answers import GRACE
from omni_tui.tui.approvals import Approvals
from omni_tui.tui.choosing import Choosing, own_level
from omni_tui.tui.keys import method
from omni_tui.tui.opening import Opening
from omni_tui.tui.screens.chat import ChatScreen
from omni_tui.tui.watch import SessionWatch

log = logging.getLogger(__name__)

QUIT_WITHIN = 2.0
"""Seconds between two presses of Ctrl+C that leave."""


class OmniApp(Approvals, Choosing, Opening, App[None]):
    """Runs inside the session manager, which outlives it."""

    TITLE = "omni-tui"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+backslash"  # the action table names the real key

    def __init__(
        self,
        manager: SessionManager,
        session: Session,
        *,
        settings: Settings | None = None,
        paths: Paths | None = None,
        notices: Sequence[str] = (),
        no_key: bool = False,
        log_file: Path | None = None,
        opening: str | None = None,
    ) -> None:
        super().__init__()
        self.manager = manager
        self.session = session
        self.watch_sessions = SessionWatch(manager, lambda: self.session.id)
        self.settings = settings or Settings()
        self.paths = paths
        self.keymap = resolve_keymap(self.settings.keymap)
        self.cwd = manager.setup.cwd or Path.cwd()
        self.no_key = no_key
        self.log_file = log_file
        """Where the log goes, to be told."""
        self._opening = opening
        """The session to open as soon as there is a screen to ask on."""
        self._end_log: Callable[[], None] | None = None
        self.dialog_grace = GRACE
        self._notices = list(notices)
        self._quit_at = 0.0
        self._use_themes()

    def _use_themes(self) -> None:
        themes, notices = load_themes(self.paths.themes_dir if self.paths else None)
        self._notices += notices
        self.omni_themes = tuple(themes)
        for theme in themes.values():
            self.register_theme(as_theme(theme))
        wanted = self.settings.theme
        if wanted not in themes:
            known = ", ".join(themes)
            self._notices.append(f"There is no theme {safe_line(wanted, 40)}; there are {known}.")
            wanted = DEFAULT_THEME
        self.theme = wanted

    def get_default_screen(self) -> ChatScreen:
        """The chat screen: a blank one under it would be styled for nothing."""
        self.chat = ChatScreen(self.session)
        return self.chat

    def on_mount(self) -> None:
        self.set_keymap({id: ",".join(keys) for id, keys in self.keymap.items()})
        for notice in self._notices:
            self.notify(safe_line(notice, 300), severity="warning", markup=False, timeout=8)
        self.call_after_refresh(self._after_first_paint)

    async def on_event(self, event: events.Event) -> None:
        """What is pasted comes from anywhere: it is made safe before any field shows it."""
        if isinstance(event, events.Paste) and not event.is_forwarded:
            event.text = safe(event.text)
        await super().on_event(event)

    def _fatal_error(self) -> None:
        """Leave with one line instead of a traceback with everybody's values in it."""
        error = sys.exc_info()[1] or self._exception
        log.critical("the screen failed", exc_info=error)
        self._exit_renderables.append(
            Text(
                f"omni-tui: the screen failed: {type(error).__name__}: "
                f"{safe_line(str(error), 200)}\n"
                "  Everything answered so far is saved; the command above or `-c` opens it again."
            )
        )
        self._close_messages_no_wait()

    def _after_first_paint(self) -> None:
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        self._note_log()
        self._import_provider()
        self.run_worker(self.watch_sessions.follow(), group="watch")
        self.load_session(self._opening)

    def _note_log(self) -> None:
        """Have the trace hold what is logged, too."""
        from omni_tui.tui.trace import note_log

        self._end_log = note_log(self.chat.bridge.trace)

    async def on_unmount(self) -> None:
        if self._end_log is not None:
            self._end_log()

    def _import_provider(self) -> None:
        """Load the provider's SDK in a thread now, so that no one waits for it on Enter."""
        self.run_worker(self._prepare_provider(), group="import", exit_on_error=False)

    async def _prepare_provider(self) -> None:
        try:
            provider = self.manager.registry.resolve(self.session.model).provider
        except OmniError:
            return
        await asyncio.to_thread(provider.prepare)
        if self.session.options.thinking is not None or len(self.session.tree):
            await self.look_up_model()  # to say how much it thinks, and how full its window is
            self.chat.refresh_bars()

    # Sessions

    def open_session(self, session: Session) -> None:
        """Look at another session; the one before closes when no run needs it."""
        before = self.session
        if session is before:
            return
        self.chat.keep_draft()
        self.session = session
        self.manager.keep(session.id)
        self.watch_sessions.seen(session.id)
        self.chat.show(session)
        self.manager.leave(before.id)
        self._import_provider()

    def new_session(self) -> None:
        """Start a session with the model, the thinking and the system prompt of this one."""
        before = self.session
        level = own_level(before)
        options = {} if level is None else {"thinking": level}
        system = before.record.system
        self.open_session(self.manager.create(model=before.model, system=system, options=options))

    def show_sessions(self) -> None:
        """Find and open a session."""
        from omni_tui.tui.screens.sessions import SessionsScreen

        current = self.session.record.parent_id or self.session.id
        screen = SessionsScreen(self.manager, self.watch_sessions, current)
        self.push_screen(screen, self.load_session)

    def session_deleted(self, id: str) -> None:
        """A session is gone; if it, or a sub-agent of it, was in view, start another."""
        self.chat.forget_drafts(id)
        if self.session not in self.manager.list_open():
            self.session = self.manager.create(system=self.session.record.system)
            self.chat.show(self.session)

    def remember_approval(self, rule: str) -> None:
        """Store a rule for this project."""
        self.run_worker(self._store_approval(rule), group="approvals")

    async def _store_approval(self, rule: str) -> None:
        if self.paths is None:
            return
        try:
            await asyncio.to_thread(store_approval, self.cwd, rule, self.paths.approvals_file)
        except (ConfigError, OSError) as error:
            self.notify(
                safe_line(f"the rule counts for this session only: {error}", 300),
                severity="warning",
                markup=False,
            )

    def show_help(self) -> None:
        """Show the keys."""
        from omni_tui.tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.keymap))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: every action that has a meaning anywhere."""
        for action in ACTIONS:
            if action.context != "tree" and hasattr(self.chat, f"action_{method(action.id)}"):
                title = f"{action.group}: {action.label}"
                yield SystemCommand(
                    title, action.help, getattr(self.chat, f"action_{method(action.id)}")
                )

    def quit_on_second_press(self) -> None:
        """Leave when asked twice in a row."""
        if time.monotonic() - self._quit_at < QUIT_WITHIN:
            self.exit()
        self._quit_at = time.monotonic()
        self.notify("press Ctrl+C again to leave", timeout=QUIT_WITHIN, markup=False)

    def welcome(self) -> list[str]:
        """What an empty conversation says."""
        lines = ["omni-tui", "", "every conversation is a tree", ""]
        if self.no_key:
            lines += [
                "No API key found, so this is the built-in demo model.",
                'It is a script: try  "plan a trip and save it to plan.md"',
                "",
                "set ANTHROPIC_API_KEY or OPENAI_API_KEY, or  F2  to choose a local model",
            ]
        else:
            lines += ["Write something, or press  F1  to see the keys."]
        return lines


def as_theme(file: ThemeFile) -> Theme:
    """The framework's theme for one of ours."""
    return Theme(
        name=file.name,
        dark=file.dark,
        primary=file.primary,
        secondary=file.secondary,
        accent=file.accent,
        foreground=file.foreground,
        background=file.background,
        surface=file.surface,
        panel=file.panel,
        success=file.success,
        warning=file.warning,
        error=file.error,
        variables=dict(file.variables),
    )
