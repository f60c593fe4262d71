"""How attachments and levels of thinking look, in a small and in a large terminal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from screen_app import CWD, ShownApp, app_of, chat_is_up, press_to, say, stop_clocks
from textual.pilot import Pilot

from omni_tui.core.messages import Attachment
from omni_tui.llm.catalog import Catalog
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.scripted import ScriptedProvider
from omni_tui.llm.providers.table import ENDPOINTS
from omni_tui.session.manager import SessionManager
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore
from omni_tui.tui.attached import Chip
from omni_tui.tui.dialogs.choose_model import ChooseModelDialog
from omni_tui.tui.dialogs.text import TextDialog

SnapCompare = Callable[..., bool]

FILES = (
    Attachment(media_type="text/markdown", data=b"# Notes", name="notes.md"),
    Attachment(
        media_type="application/pdf",
        data=b"%" * 2_345_678,
        name="Everything that is known about unclimbed mountains.pdf",
    ),
    Attachment(media_type="image/png", url="https://example.com/peak.png", name="peak.png"),
    Attachment(media_type="image/jpeg", data=b"%" * 123_456, name="崗卡彭孫 🏔️.jpg"),
)


@pytest.fixture(params=[(60, 20), (80, 24), (120, 40)], ids=["60x20", "80x24", "120x40"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    stop_clocks(monkeypatch)
    given: tuple[int, int] = request.param
    return given


def shown() -> ShownApp:
    provider = ScriptedProvider(["Two of them are mountains."], name="demo")
    catalog = Catalog(
        overrides={
            "demo/chat": {
                "reasoning": True,
                "context": 200_000,
                "prices": {"input": 3, "output": 15},
            }
        }
    )
    manager = SessionManager(
        MemoryStore(),
        setup=Setup(cwd=CWD),
        registry=ProviderRegistry({"demo": lambda: provider}, catalog),
    )
    app = ShownApp(manager, manager.create(options={"thinking": "high"}))
    app.dialog_grace = 0
    return app


def put_on(pilot: Pilot[None], *files: Attachment) -> None:
    chat = app_of(pilot).chat
    chat.chips.extend(map(Chip.of, files))
    chat.show_chips()


def test_one_file_on_an_empty_message(snap_compare: SnapCompare, size: tuple[int, int]) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await chat_is_up(pilot)
        put_on(pilot, FILES[0])
        await pilot.pause()

    assert snap_compare(shown(), terminal_size=size, run_before=scene)


def test_files_sent_and_files_to_send(snap_compare: SnapCompare, size: tuple[int, int]) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await chat_is_up(pilot)
        put_on(pilot, *FILES)
        await say(pilot, "Which of these are mountains?")
        put_on(pilot, *FILES)
        await pilot.pause()
        app_of(pilot).chat.composer.write("And of these?")
        await pilot.pause()

    assert snap_compare(shown(), terminal_size=size, run_before=scene)


def test_the_question_for_a_file(snap_compare: SnapCompare, size: tuple[int, int]) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await chat_is_up(pilot)
        put_on(pilot, FILES[0])
        await press_to(pilot, TextDialog, "f4")
        await pilot.press(*"peak")
        await pilot.pause()

    assert snap_compare(shown(), terminal_size=size, run_before=scene)


def test_how_much_the_model_thinks(
    snap_compare: SnapCompare, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def found(registry: object) -> list[object]:
        return []

    monkeypatch.setattr("omni_tui.llm.offers.local_models", found)
    for variable in (name for endpoint in ENDPOINTS.values() for name in endpoint.key_env):
        monkeypatch.delenv(variable, raising=False)

    async def scene(pilot: Pilot[None]) -> None:
        await chat_is_up(pilot)
        await press_to(pilot, ChooseModelDialog, "f2")
        await pilot.press("right")
        await pilot.pause()

    assert snap_compare(shown(), terminal_size=size, run_before=scene)
