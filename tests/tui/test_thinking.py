"""How much a model thinks: chosen, shown, kept with its session."""

from __future__ import annotations

from typing import Any

import pytest
from screen_app import ShownApp, chat_is_up, press, press_to, say, text, until
from textual.pilot import Pilot

from omni_tui.llm.catalog import Catalog
from omni_tui.llm.model_info import ModelInfo
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Options
from omni_tui.llm.providers.scripted import ScriptedProvider
from omni_tui.session.manager import SessionManager
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore
from omni_tui.tui.dialogs.choose import ChooseDialog
from omni_tui.tui.dialogs.choose_model import ChooseModelDialog
from omni_tui.tui.screens.help import HelpScreen

MODELS: dict[str, dict[str, Any]] = {
    "demo/chat": {"reasoning": True},
    "demo/talker": {"reasoning": False},
}


def thinking_app(
    model: str = "demo/chat", options: Options | None = None
) -> tuple[ShownApp, ScriptedProvider]:
    provider = ScriptedProvider(lambda request: "Yes.", name="demo")
    manager = SessionManager(
        MemoryStore(),
        default_model=model,
        setup=Setup(options=options or Options()),
        registry=ProviderRegistry({"demo": lambda: provider}, Catalog(overrides=MODELS)),
    )
    app = ShownApp(manager, manager.create())
    app.dialog_grace = 0
    return app, provider


@pytest.fixture(autouse=True)
def _no_local_models(monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(registry: object) -> list[ModelInfo]:
        return []

    monkeypatch.setattr("omni_tui.llm.offers.local_models", none)


def title(pilot: Pilot[None]) -> str:
    return text(pilot).splitlines()[0].strip()


def toasts(app: ShownApp) -> list[str]:
    return [note.message for note in app._notifications]


async def effort(pilot: Pilot[None], level: str) -> None:
    await say(pilot, f"/effort {level}")
    workers = pilot.app.workers
    await until(pilot, lambda: all(each.is_finished for each in workers if each.group == "model"))


async def test_a_level_is_asked_for_shown_and_kept() -> None:
    app, provider = thinking_app()
    async with app.run_test(size=(120, 24)) as pilot:
        await chat_is_up(pilot)
        assert title(pilot).endswith("demo/chat")
        await effort(pilot, "High")
        assert title(pilot).endswith("demo/chat · thinking high")
        assert app.chat.composer.text == ""
        await say(pilot, "Hello")
        assert app.session.record.options == {"thinking": "high"}
        await pilot.resize_terminal(60, 20)
        await pilot.pause()
        assert title(pilot).endswith("demo/chat · high")
        await pilot.resize_terminal(120, 24)
        await effort(pilot, "default")
        assert title(pilot).endswith("demo/chat")
        await say(pilot, "Hello")
        assert [request.options.thinking for request in provider.requests] == ["high", None]
        assert app.session.record.options == {}


async def test_the_setting_counts_until_another_level_is_chosen() -> None:
    app, provider = thinking_app(options=Options(thinking="low"))
    async with app.run_test(size=(120, 24)) as pilot:
        await chat_is_up(pilot)
        assert title(pilot).endswith("thinking low")
        await effort(pilot, "off")
        assert title(pilot).endswith("thinking off")
        await say(pilot, "Hello")
        assert provider.requests[0].options.thinking == "off"
        await press(pilot, "ctrl+n")
        assert title(pilot).endswith("thinking off")
        assert app.session.record.options == {"thinking": "off"}
        await effort(pilot, "default")
        assert title(pilot).endswith("thinking low")


async def test_it_comes_back_with_its_session() -> None:
    app, _ = thinking_app()
    async with app.run_test(size=(120, 24)) as pilot:
        await chat_is_up(pilot)
        await effort(pilot, "max")
        await say(pilot, "Hello")
        thinking = app.session
        await press(pilot, "ctrl+n")
        await effort(pilot, "default")
        await app.manager.close(thinking.id)
        again, _ = await app.manager.open(thinking.id)
        app.open_session(again)
        await pilot.pause()
        assert again is not thinking
        assert title(pilot).endswith("thinking max")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("demo/talker", "demo/talker does not think before it answers"),
        ("demo/unheard-of", 'reasoning = true under [models."demo/unheard-of"]'),
    ],
)
async def test_a_model_that_is_not_known_to_think_is_offered_no_level(
    model: str, reason: str
) -> None:
    app, _ = thinking_app(model)
    async with app.run_test(size=(120, 24)) as pilot:
        await chat_is_up(pilot)
        await effort(pilot, "high")
        await say(pilot, "/effort")
        await until(pilot, lambda: len(toasts(app)) == 2)
        assert all(reason in toast for toast in toasts(app))
        assert app.screen is app.chat
        assert app.session.record.options == {}


async def test_a_server_on_this_machine_is_asked_whether_its_model_thinks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def answers(registry: object) -> list[ModelInfo]:
        return [ModelInfo(id="ollama/deep", reasoning=True)]

    monkeypatch.setattr("omni_tui.llm.offers.local_models", answers)
    app, _ = thinking_app("ollama/deep")
    async with app.run_test(size=(120, 24)) as pilot:
        await chat_is_up(pilot)
        await effort(pilot, "high")
        assert title(pilot).endswith("ollama/deep · thinking high")
        assert toasts(app) == []


async def test_a_setting_is_neither_sent_nor_shown_where_the_model_does_not_think() -> None:
    app, provider = thinking_app("demo/talker", Options(thinking="high"))
    async with app.run_test(size=(120, 24)) as pilot:
        await chat_is_up(pilot)
        await until(pilot, lambda: app.manager.registry.catalog.is_loaded)
        await until(pilot, lambda: title(pilot).endswith("demo/talker"))
        await say(pilot, "Hello")
        assert provider.requests[0].options.thinking is None
        await say(pilot, "/model demo/chat")
        assert title(pilot).endswith("demo/chat · thinking high")


async def test_a_level_nobody_knows_is_refused_with_those_there_are() -> None:
    app, _ = thinking_app()
    async with app.run_test(size=(120, 24)) as pilot:
        await chat_is_up(pilot)
        await effort(pilot, "\x1b[31m[b]huge")
        (toast,) = toasts(app)
        assert "\x1b" not in toast
        assert toast.endswith("there are default, off, low, medium, high, xhigh, max")


async def test_levels_are_chosen_from_a_list() -> None:
    app, _ = thinking_app(options=Options(thinking="low"))
    async with app.run_test(size=(120, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "/effort")
        await until(pilot, lambda: isinstance(app.screen, ChooseDialog))
        await pilot.pause()
        assert "● default" in text(pilot)
        await press(pilot, "end", "enter")
        assert app.session.options.thinking == "max"
        await say(pilot, "/model.effort")
        await until(pilot, lambda: isinstance(app.screen, ChooseDialog))
        await press(pilot, "home", "enter")
        assert app.session.record.options == {}


async def test_the_model_dialog_changes_the_level_alone() -> None:
    app, _ = thinking_app()
    async with app.run_test(size=(120, 24)) as pilot:
        await chat_is_up(pilot)
        await press_to(pilot, ChooseModelDialog, "f2")
        await press(pilot, "right", "right", "right", "enter")
        assert title(pilot).endswith("demo/chat · thinking medium")
        await press_to(pilot, ChooseModelDialog, "f2")
        await press(pilot, "right", "escape")
        assert title(pilot).endswith("demo/chat · thinking medium")


async def test_help_and_palette_know_the_new_actions() -> None:
    app, _ = thinking_app()
    async with app.run_test(size=(120, 90)) as pilot:
        await chat_is_up(pilot)
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert {"model: effort", "composer: attach", "composer: detach"} <= {*titles}
        await press_to(pilot, HelpScreen, "f1")
        await pilot.pause()
        shown = text(pilot)
        assert all(each in shown for each in ("/effort LEVEL", "/attach PATH", "/detach", "F4"))
