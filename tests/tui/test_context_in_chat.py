"""The meter of the window and the rows of summaries, in the real application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hostile_text import HOSTILE
from screen_app import CWD, ShownApp, chat_is_up, press, rows, say, stop_clocks, text, until
from textual.pilot import Pilot

from omni_tui.agent.summary import FIRST_LINE
from omni_tui.config.settings import Settings, Ui
from omni_tui.core.errors import AuthError
from omni_tui.core.messages import Message
from omni_tui.core.safe_text import safe
from omni_tui.core.usage import Usage
from omni_tui.llm.catalog import Catalog
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.scripted import Fail, Reply, ScriptedProvider, Wait
from omni_tui.session.context import ContextPolicy, ContextUse
from omni_tui.session.manager import SessionManager
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore
from omni_tui.session.titles import TitlePolicy
from omni_tui.tui.context_actions import meter_pieces
from omni_tui.tui.widgets.bars import Bar

SUMMARY = f"""{FIRST_LINE}

## What the user wants

To know which **mountains** nobody has climbed, and why: *Gangkhar Puensum* (7,570 m) and Kailash.

## What is open

- the rivers of Bhutan"""


class Model:
    """Answers, sums up and names; each can be changed while it runs."""

    def __init__(self) -> None:
        self.reply: Reply = "It is sacred to those who live there."
        self.summary: Reply = SUMMARY
        self.title: Reply = "Mountains of Bhutan"

    def __call__(self, request: Request) -> Reply:
        if "You name conversations" in (request.system or ""):
            return self.title
        is_record = "<record>" in request.messages[-1].text
        return self.summary if is_record else self.reply


def app_with(
    model: Model,
    *,
    window: int | None = 2000,
    ascii: bool = False,
    context: ContextPolicy | None = None,
    title: TitlePolicy | None = None,
) -> ShownApp:
    provider = ScriptedProvider(model, name="demo")
    fields: dict[str, Any] = {} if window is None else {"context": window}
    registry = ProviderRegistry(
        {"demo": lambda: provider}, catalog=Catalog(overrides={"demo/chat": fields})
    )
    setup = Setup(
        cwd=CWD,
        context=context or ContextPolicy(strategy="off"),
        title=title or TitlePolicy(),
    )
    manager = SessionManager(MemoryStore(), setup=setup, registry=registry)
    return ShownApp(manager, manager.create(), settings=Settings(ui=Ui(ascii=ascii)))


def status(app: ShownApp) -> str:
    return app.chat.query_one("#status", Bar).render_line(0).text


async def compacted(pilot: Pilot[None], app: ShownApp) -> int:
    """Sum up by command; the summary."""
    app.chat.composer.write("/compact")
    await pilot.press("enter")
    await until(pilot, lambda: app.session.tree.summary_for(app.session.tree.head) is not None)
    await until(pilot, lambda: not app.session.compactor.is_at_work)
    summary = app.session.tree.summary_for(app.session.tree.head)
    assert summary is not None
    await until(pilot, lambda: summary.id in app.chat.view.keys)
    return summary.id


async def three_turns(pilot: Pilot[None]) -> None:
    await chat_is_up(pilot)
    for question in ("Which mountains has nobody climbed?", "Why not?", "And the rivers?"):
        await say(pilot, question)


# The meter


@pytest.mark.parametrize(
    ("used", "estimated", "narrow", "ascii", "shown", "kind"),
    [
        (0, False, False, False, "ctx ▱▱▱▱▱ 0%", "muted"),
        (380, False, False, False, "ctx ▰▰▱▱▱ 38%", "muted"),
        (380, True, True, False, "ctx ~38%", "muted"),
        (380, False, False, True, "ctx ##--- 38%", "muted"),
        (749, False, True, False, "ctx 75%", "muted"),
        (750, False, True, False, "ctx 75%", "warn"),
        (899, False, True, False, "ctx 90%", "warn"),
        (900, False, False, False, "ctx ▰▰▰▰▱ 90%", "error"),
        (2500, False, False, False, "ctx ▰▰▰▰▰ 250%", "error"),
    ],
)
def test_the_meter_says_how_full_the_window_is(
    used: int, estimated: bool, narrow: bool, ascii: bool, shown: str, kind: str
) -> None:
    use = ContextUse(used=used, window=1000, estimated=estimated)
    meter, rest = meter_pieces(use, narrow=narrow, ascii=ascii)
    assert (meter.text, meter.kind, rest.text) == (shown, kind, " · ")


def test_without_a_window_there_is_no_meter() -> None:
    use = ContextUse(used=100, window=None, estimated=False)
    assert meter_pieces(use, narrow=False, ascii=False) == []


async def test_the_meter_grows_with_the_conversation_and_goes_with_its_model() -> None:
    model = Model()
    app = app_with(model, window=1000)
    async with app.run_test(size=(120, 40)) as pilot:
        await chat_is_up(pilot)
        assert "ctx" not in status(app)
        model.reply = "x" * 1200
        await say(pilot, "Hello")
        assert "ctx ▰▰▱▱▱ 30%" in status(app)
        await say(pilot, "Hello again")
        assert "ctx ▰▰▰▱▱ 60%" in status(app)
        await pilot.press("ctrl+n")
        await until(pilot, lambda: not app.chat.view.keys)
        assert "ctx" not in status(app)


async def test_a_session_that_is_opened_shows_its_meter_when_the_catalogue_is_read() -> None:
    app = app_with(Model(), window=1000)
    app.session.tree.push(Message.user("Hello"))
    app.session.tree.push(Message.assistant("Ho"), usage=Usage(input=500, output=20))
    async with app.run_test(size=(120, 40)) as pilot:
        await chat_is_up(pilot)
        await until(pilot, lambda: "ctx ▰▰▰▱▱ 52%" in status(app))


async def test_no_token_is_measured_while_text_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = asyncio.Event()
    model = Model()
    app = app_with(model)
    async with app.run_test(size=(120, 40)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Hello")
        model.reply = [Wait(until=gate), "word " * 200]
        app.chat.composer.write("Go on")
        await pilot.press("enter")
        await until(pilot, lambda: app.session.active_run is not None)
        await pilot.pause(0.05)
        asked = 0
        measure = app.session.compactor.meter._measure

        def counted(*arguments: Any) -> Any:
            nonlocal asked
            asked += 1
            return measure(*arguments)

        monkeypatch.setattr(app.session.compactor.meter, "_measure", counted)
        gate.set()
        await until(pilot, lambda: app.session.active_run is None)
        assert asked <= 1  # for the message that was added


# A summary


async def test_a_summary_by_command_is_a_row_at_its_place_and_can_be_opened() -> None:
    app = app_with(Model())
    async with app.run_test(size=(120, 40)) as pilot:
        await three_turns(pilot)
        summary = await compacted(pilot, app)
        assert app.chat.view.keys == [1, 2, 3, 4, summary, 5, 6]
        shown = [row for row in rows(pilot) if "summary of 4 messages" in row]
        assert len(shown) == 1
        assert "→" in shown[0]
        assert "tokens" in shown[0]
        assert FIRST_LINE not in text(pilot)
        await press(pilot, "escape", "k", "k", "k")
        assert app.chat.transcript.cursor_key == summary
        await press(pilot, "enter")
        assert "the rivers of Bhutan" in text(pilot)
        await press(pilot, "enter")
        assert "the rivers of Bhutan" not in text(pilot)


async def test_u_on_a_summary_takes_it_back() -> None:
    model = Model()
    app = app_with(model)
    async with app.run_test(size=(120, 40)) as pilot:
        await three_turns(pilot)
        before = app.session.context_use(6)
        summary = await compacted(pilot, app)
        await press(pilot, "escape", "k", "k", "k", "u")
        assert summary not in app.chat.view.keys
        assert app.session.tree[summary].is_pruned
        assert app.chat.transcript.cursor_key == 4
        assert app.session.context_use(6) == before
        assert app.session.tree.path == (1, 2, 3, 4, 5, 6)


async def test_d_on_a_summary_hides_no_message() -> None:
    app = app_with(Model())
    async with app.run_test(size=(120, 40)) as pilot:
        await three_turns(pilot)
        summary = await compacted(pilot, app)
        await press(pilot, "escape", "k", "k", "k", "d")
        assert app.session.tree[summary].is_pruned
        assert app.session.tree.path == (1, 2, 3, 4, 5, 6)


async def test_other_keys_on_a_summary_mean_the_message_above_it() -> None:
    app = app_with(Model())
    async with app.run_test(size=(120, 40)) as pilot:
        await three_turns(pilot)
        summary = await compacted(pilot, app)
        await press(pilot, "escape", "k", "k", "k", "y")
        assert app.clipboard == SUMMARY
        await press(pilot, "r")
        assert app.session.tree[app.session.tree.path[-1]].parent_id == 3
        assert summary not in app.chat.view.keys


async def test_a_summary_of_all_stands_at_the_end_and_the_last_message_keeps_its_notes() -> None:
    model = Model()
    app = app_with(model)
    async with app.run_test(size=(120, 40)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Hello")
        await press(pilot, "escape", "r", "i")
        summary = await compacted(pilot, app)
        assert app.chat.view.keys == [1, 3, summary]
        assert "on other branches" in text(pilot)
        await press(pilot, "ctrl+r")
        assert app.session.tree.path == (1, 5)


async def test_a_hostile_summary_is_inert() -> None:
    model = Model()
    model.summary = "\n\n".join([FIRST_LINE, *HOSTILE])
    app = app_with(model)
    async with app.run_test(size=(120, 40)) as pilot:
        await three_turns(pilot)
        await compacted(pilot, app)
        await press(pilot, "escape", "k", "k", "k", "enter")
        assert "evil" in text(pilot)
        assert safe(text(pilot)) == text(pilot)


async def test_what_goes_wrong_is_said_and_the_talk_goes_on() -> None:
    model = Model()
    model.summary = [Fail(AuthError("the key was [red]refused[/red]"))]
    app = app_with(model, context=ContextPolicy(threshold=30))
    async with app.run_test(size=(120, 40)) as pilot:
        await three_turns(pilot)
        said = [note.message for note in app._notifications]
        assert [each for each in said if "no summary could be made" in each] == [
            "no summary could be made: the key was [red]refused[/red]"
        ]
        app.chat.composer.write("/compact")
        await pilot.press("enter")
        await until(
            pilot,
            lambda: any("nothing was summed up" in note.message for note in app._notifications),
        )
        await say(pilot, "And now?")
        assert len(app.session.tree.path) == 8


async def test_nothing_to_sum_up_is_said() -> None:
    app = app_with(Model())
    async with app.run_test(size=(120, 40)) as pilot:
        await chat_is_up(pilot)
        app.chat.composer.write("/compact")
        await pilot.press("enter")
        await until(pilot, lambda: bool(len(app._notifications)))
        (note,) = app._notifications
        assert "nothing to sum up yet" in note.message


async def test_the_status_says_that_a_summary_is_being_made() -> None:
    gate = asyncio.Event()
    model = Model()
    model.summary = [Wait(until=gate), SUMMARY]
    app = app_with(model)
    async with app.run_test(size=(120, 40)) as pilot:
        await three_turns(pilot)
        app.chat.composer.write("/compact")
        await pilot.press("enter")
        await until(pilot, lambda: "summing up" in status(app))
        gate.set()
        await until(pilot, lambda: "summing up" not in status(app))


# The title


async def test_title_without_a_text_asks_again_and_with_one_renames() -> None:
    model = Model()
    app = app_with(model, title=TitlePolicy(strategy="model"))
    async with app.run_test(size=(120, 40)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Which mountains has nobody climbed?")
        await until(pilot, lambda: "Mountains of Bhutan" in rows(pilot)[0])
        for command, title in (("/title Mine", "Mine"), ("/title", "Peaks and Rivers")):
            model.title = "Peaks and Rivers"
            app.chat.composer.write(command)
            await pilot.press("enter")
            await until(pilot, lambda title=title: title in rows(pilot)[0])  # type: ignore[misc]
            assert app.chat.composer.text == ""


# Pictures


Size = tuple[int, int]


@pytest.fixture(params=[(80, 24), (120, 40)], ids=["80x24", "120x40"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Size:
    stop_clocks(monkeypatch)
    given: Size = request.param
    return given


def test_a_summary_in_a_conversation(snap_compare: Callable[..., bool], size: Size) -> None:
    app = app_with(Model(), window=200)

    async def scene(pilot: Pilot[None]) -> None:
        await three_turns(pilot)
        await compacted(pilot, app)
        app.clear_notifications()
        await press(pilot, "escape", "k", "k", "k")

    assert snap_compare(app, terminal_size=size, run_before=scene)


def test_a_summary_unfolded(snap_compare: Callable[..., bool], size: Size) -> None:
    app = app_with(Model(), window=200)

    async def scene(pilot: Pilot[None]) -> None:
        await three_turns(pilot)
        await compacted(pilot, app)
        app.clear_notifications()
        await press(pilot, "escape", "k", "k", "k", "enter")

    assert snap_compare(app, terminal_size=size, run_before=scene)


@pytest.mark.parametrize("window", [50, 45], ids=["nearly", "full"])
def test_a_window_that_fills_up(snap_compare: Callable[..., bool], size: Size, window: int) -> None:
    assert snap_compare(
        app_with(Model(), window=window), terminal_size=size, run_before=three_turns
    )
