"""Choosing the theme, the model of a session and how much it thinks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from omni_tui.core.errors import OmniError
from omni_tui.core.safe_text import safe_line
from omni_tui.llm.model_info import ModelInfo
from omni_tui.llm.providers.base import THINKING_LEVELS, ThinkingLevel

if TYPE_CHECKING:
    from textual.app import App

    from omni_tui.session.manager import SessionManager
    from omni_tui.session.session import Session
    from omni_tui.tui.screens.chat import ChatScreen

    Base = App[None]
else:
    Base = object

DEFAULT = "default"
"""Stands for what the settings say, or the model itself."""


class Choosing(Base):
    """What the application offers to choose from; part of it."""

    if TYPE_CHECKING:
        manager: SessionManager
        session: Session
        chat: ChatScreen
        omni_themes: tuple[str, ...]

        def _import_provider(self) -> None: ...

    # The theme

    def choose_theme(self) -> None:
        """Choose a theme and see it at once."""
        from omni_tui.tui.dialogs.choose import Choice, ChooseDialog

        before = self.theme

        def preview(name: str) -> None:
            self.theme = name

        def chosen(name: str | None) -> None:
            self.theme = name or before

        choices = [Choice(name, name) for name in self.omni_themes]
        self.push_screen(ChooseDialog("theme", choices, before, preview), chosen)

    def next_theme(self) -> None:
        """Take the next theme."""
        names = self.omni_themes
        place = names.index(self.theme) + 1 if self.theme in names else 0
        self.theme = names[place % len(names)]

    # The model

    def choose_model(self) -> None:
        """Choose the model this session uses from now on, and how much it thinks."""
        self.run_worker(self._choose_model(), group="model", exclusive=True)

    async def _choose_model(self) -> None:
        from omni_tui.llm.offers import find_offers
        from omni_tui.tui.dialogs.choose_model import ChooseModelDialog

        session = self.session
        current = str(session.model)
        offers = await find_offers(self.manager.registry)
        dialog = ChooseModelDialog(
            offers, current, level=own_level(session), default=default_level(session)
        )
        chosen = await self.push_screen_wait(dialog)
        if chosen is None:
            return
        if chosen.model != current:
            self.use_model(chosen.model)
        self.use_level(chosen.level)

    def use_model(self, name: str) -> None:
        """Use this model in the session from the next run on."""
        try:
            self.session.set_model(self.manager.registry.resolve(name))
        except OmniError as error:
            self.notify(safe_line(str(error), 300), severity="error", markup=False)
            return
        self.chat.refresh_bars()
        self._import_provider()

    async def look_up_model(self) -> ModelInfo | None:
        """What is known of the session's model, looked up in a thread."""
        try:
            model = self.manager.registry.resolve(self.session.model)
        except OmniError:
            return None
        return await asyncio.to_thread(lambda: model.info)

    # How much it thinks

    @property
    def level(self) -> ThinkingLevel | None:
        """How much the session's model is asked to think; `None` where that is left to it."""
        level = self.session.options.thinking_level
        if level is None or not self.manager.registry.catalog.is_loaded:
            return level
        info = self.manager.registry.catalog.get(str(self.session.model))
        return None if info is not None and info.reasoning is False else level

    def choose_effort(self) -> None:
        """Choose how much the session's model thinks before it answers."""
        self.run_worker(self._choose_effort(), group="model", exclusive=True)

    async def _choose_effort(self) -> None:
        from omni_tui.tui.dialogs.choose import Choice, ChooseDialog

        if not await self._may_think():
            return
        session = self.session
        choices = [Choice(DEFAULT, DEFAULT, default_level(session) or "")]
        choices += [Choice(level, level) for level in THINKING_LEVELS]
        dialog = ChooseDialog("thinking", choices, own_level(session) or DEFAULT)
        chosen = await self.push_screen_wait(dialog)
        if chosen is not None:
            self.use_level(level_of(chosen))

    def use_effort(self, word: str) -> None:
        """Have the session's model think this much: a level, or `default`."""
        wanted = word.casefold()
        if wanted == DEFAULT:
            self.use_level(None)
        elif (level := level_of(wanted)) is not None:
            self.run_worker(self._use_effort(level), group="model", exclusive=True)
        else:
            there = ", ".join((DEFAULT, *THINKING_LEVELS))
            words = f"there is no level {safe_line(word, 40)}; there are {there}"
            self.notify(safe_line(words), severity="error", markup=False)

    async def _use_effort(self, level: ThinkingLevel) -> None:
        if await self._may_think():
            self.use_level(level)

    def use_level(self, level: ThinkingLevel | None) -> None:
        """Have the session's model think this much from the next run on; `None` as it was set."""
        self.session.set_options(thinking=level or msgspec.UNSET)
        self.chat.refresh_bars()

    async def _may_think(self) -> bool:
        """Whether the session's model has levels; says so if it has not."""
        from omni_tui.llm.offers import find_offers

        info = await self.look_up_model()
        if info is None:
            await find_offers(self.manager.registry)  # a server on this machine may know it
            info = await self.look_up_model()
        if info is not None and info.reasoning:
            return True
        model = safe_line(str(self.session.model), 60)
        words = f"{model} does not think before it answers"
        if info is None or info.reasoning is None:
            words = (
                f"nobody knows whether {model} thinks; if it does, write"
                f' reasoning = true under [models."{model}"] in config.toml'
            )
        self.notify(safe_line(words, 300), markup=False, timeout=8)
        return False


def level_of(word: str) -> ThinkingLevel | None:
    """The level of this name; `None` for any other word."""
    return next((level for level in THINKING_LEVELS if level == word), None)


def own_level(session: Session) -> ThinkingLevel | None:
    """What was chosen for this session."""
    return session.options.thinking_level if "thinking" in session.record.options else None


def default_level(session: Session) -> ThinkingLevel | None:
    """What counts where nothing is chosen; `None` leaves it to the model."""
    return session.setup.options.thinking_level
