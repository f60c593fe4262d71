"""What the tests of whole screens share: the real application over a script and a fixed clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

import omni_tui.tui.app
from omni_tui.agent import execute, turn
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.scripted import Reply, ScriptedProvider
from omni_tui.session.manager import SessionManager
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore
from omni_tui.tools.builtin import builtin_tools
from omni_tui.tools.permissions import Permissions
from omni_tui.tui.app import OmniApp
from omni_tui.tui.dialogs.approval import ApprovalDialog
from omni_tui.tui.screens.chat import ChatScreen

CWD = Path("/srv/demo")
"""Stands in dialogs; nothing runs there."""

STEP = 1.2
"""Seconds every step and every tool takes on the clock of the tests."""


def stop_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every step and tool take `STEP` seconds, on any machine."""
    now = 0.0

    def monotonic() -> float:
        nonlocal now
        now += STEP
        return now

    for module in (turn, execute):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=monotonic))


class ShownApp(OmniApp):
    """The application; it closes its manager when it ends, as the command line does."""

    CSS_PATH = str(Path(omni_tui.tui.app.__file__).with_name("app.tcss"))

    async def on_unmount(self) -> None:
        await self.manager.shut_down()


def shown_app(
    replies: Iterable[Reply] | Callable[[Request], Reply] = (),
    *,
    cwd: Path = CWD,
    no_key: bool = False,
    max_depth: int = 1,
) -> ShownApp:
    """An application with an empty session whose model says `replies`."""
    provider = ScriptedProvider(replies, name="demo")
    manager = SessionManager(
        MemoryStore(),
        setup=Setup(
            tools=builtin_tools(), permissions=Permissions(cwd), cwd=cwd, max_depth=max_depth
        ),
        registry=ProviderRegistry({"demo": lambda: provider}),
    )
    app = ShownApp(manager, manager.create(), no_key=no_key)
    app.dialog_grace = 0
    return app


async def until(pilot: Pilot[None], reached: Callable[[], bool]) -> None:
    """Let the application go on until it is there; the test's time limit ends a vain wait."""
    while not reached():
        await pilot.pause()
        await asyncio.sleep(0)
    await pilot.pause()


async def until_still(pilot: Pilot[None]) -> None:
    """Wait until no run goes on: each has ended, or asks and its question is on screen."""
    app = app_of(pilot)

    def still() -> bool:
        active = app.session.active_run
        asks = active is None or app.screen is not app.chat
        if isinstance(app.screen, ApprovalDialog) and not app.screen.is_ready:
            return False
        return asks and all(run.paused is not None for run in app.session.runs.values())

    await until(pilot, still)


async def say(pilot: Pilot[None], text: str) -> None:
    """Write and send, and wait for what comes of it."""
    app = app_of(pilot)
    app.chat.composer.write(text)
    await pilot.press("enter")
    await pilot.pause()
    await until_still(pilot)


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys, and wait for what comes of them."""
    await pilot.press(*keys)
    await pilot.pause()
    await until_still(pilot)


async def press_to(pilot: Pilot[None], screen: type[Screen[Any]], *keys: str) -> None:
    """Press keys that lead to another screen."""
    await pilot.press(*keys)
    await until(pilot, lambda: isinstance(pilot.app.screen, screen))


def app_of(pilot: Pilot[None]) -> ShownApp:
    app = pilot.app
    assert isinstance(app, ShownApp)
    return app


async def chat_is_up(pilot: Pilot[None]) -> None:
    """Wait for the first screen."""
    await until(pilot, lambda: isinstance(pilot.app.screen, ChatScreen))


def rows(pilot: Pilot[None]) -> list[str]:
    """The screen as it stands, line by line."""
    app = pilot.app
    strips = app.screen._compositor.render_strips(app.size)
    return ["".join(segment.text for segment in strip) for strip in strips]


def text(pilot: Pilot[None]) -> str:
    """The screen as one text."""
    return "\n".join(rows(pilot))
