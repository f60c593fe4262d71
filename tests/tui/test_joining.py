"""The keys that bring something of another branch here: copies, and notes that sum it up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import pytest
from hostile_text import HOSTILE
from screen_app import (
    ShownApp,
    app_of,
    chat_is_up,
    press,
    press_to,
    say,
    shown_app,
    stop_clocks,
    text,
    until,
)
from textual.pilot import Pilot
from textual.widgets import TextArea

from omni_tui.agent.summary import REPORT_LINE
from omni_tui.core.errors import AuthError
from omni_tui.core.messages import Message
from omni_tui.core.safe_text import safe
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.scripted import Fail, Reply, Wait
from omni_tui.session.node import Origin
from omni_tui.session.tree import Tree
from omni_tui.tui.dialogs.choose import ChooseDialog
from omni_tui.tui.dialogs.merge import BEING_WRITTEN, READY, MergeDialog

Size: TypeAlias = tuple[int, int]

NOTE = "Bhutan closed its peaks above 6,000 m in 1994; Gangkhar Puensum (崗卡彭孫) is one of them."


class Model:
    """Answers by number, and sums up."""

    def __init__(self, note: Reply = NOTE) -> None:
        self.note = note
        self.told: list[str] = []
        self.asked = 4

    def __call__(self, request: Request) -> Reply:
        if "<record>" in request.messages[-1].text:
            return self.note
        self.told.append(request.messages[-1].text)
        self.asked += 1
        return f"reply {self.asked}"


def texts(tree: Tree) -> list[str]:
    return [tree[node_id].message.text for node_id in tree.path]


def notices(app: ShownApp) -> str:
    return "\n".join(note.message for note in app._notifications)


async def two_branches(pilot: Pilot[None]) -> None:
    """`Which`, then on one branch `Why` and `Since when`, and on the one in view `Who`."""
    await chat_is_up(pilot)
    chat = app_of(pilot).chat
    tree = chat.session.tree
    talk = [
        (None, "Which mountains has nobody climbed?"),
        (2, "Why is the first one closed?"),
        (4, "Since when?"),
        (2, "Who tried the others?"),
    ]
    for number, (parent, words) in enumerate(talk, 1):
        prompt = tree.add(Message.user(words), parent=parent)
        reply = tree.add(Message.assistant(f"reply {number}"), parent=prompt.id, model="demo/chat")
    tree.navigate(reply.id)
    chat.refresh_conversation(fresh=True)
    await pilot.pause()


async def go_to(pilot: Pilot[None], node_id: int) -> None:
    """Put the cursor of the tree on the row of a message."""
    app = app_of(pilot)
    app.chat.action_tree_focus()
    await pilot.pause()
    pane = app.chat.tree_pane
    for key in [*["up"] * 20, *["down"] * 20]:
        row = pane.cursor_row
        if row is not None and row.tip == node_id:
            return
        await pilot.press(key)
    raise AssertionError("the tree has no such row")


async def drafted(pilot: Pilot[None]) -> TextArea:
    """The field of the dialog, when the note is there."""
    screen = pilot.app.screen
    assert isinstance(screen, MergeDialog)
    area = screen.query_one(TextArea)
    await until(pilot, lambda: BEING_WRITTEN not in text(pilot))
    return area


async def test_a_branch_is_summed_up_and_told_here() -> None:
    model = Model()
    app = shown_app(model)
    async with app.run_test(size=(120, 36)) as pilot:
        await two_branches(pilot)
        await go_to(pilot, 6)
        await press_to(pilot, MergeDialog, "m")
        area = await drafted(pilot)
        assert area.text == f"{REPORT_LINE}\n\n{NOTE}"
        assert READY in text(pilot)
        assert "4 messages there: Why is the first one closed?" in text(pilot)
        await pilot.press(*"!")
        await press(pilot, "ctrl+s")
        await until(pilot, lambda: not app.session.runs and len(app.session.tree) == 10)
        assert model.told[-1] == f"{REPORT_LINE}\n\n{NOTE}!"
        told = app.session.tree[9]
        assert told.origin == Origin(node_id=6, how="merge")
        assert app.session.tree.path[-2:] == (9, 10)
        assert "you · of another branch" in text(pilot)


async def test_nothing_is_told_when_the_person_goes_back() -> None:
    app = shown_app(Model())
    async with app.run_test(size=(120, 36)) as pilot:
        await two_branches(pilot)
        await go_to(pilot, 6)
        await press_to(pilot, MergeDialog, "m")
        await drafted(pilot)
        await press(pilot, "escape")
        assert len(app.session.tree) == 8
        assert app.screen is app.chat


async def test_what_is_typed_meanwhile_is_not_overwritten() -> None:
    gate = asyncio.Event()
    app = shown_app(Model([Wait(until=gate), NOTE]))
    async with app.run_test(size=(120, 36)) as pilot:
        await two_branches(pilot)
        await go_to(pilot, 6)
        await press_to(pilot, MergeDialog, "m")
        assert BEING_WRITTEN in text(pilot)
        await pilot.press("ctrl+s")  # there is nothing to send yet
        await pilot.press(*"mine")
        gate.set()
        area = await drafted(pilot)
        assert area.text == "mine"
        await press(pilot, "ctrl+s")
        await until(pilot, lambda: not app.session.runs and len(app.session.tree) == 10)
        assert app.session.tree[9].message.text == "mine"
        assert app.session.tree[9].model is None


async def test_leaving_while_it_is_written_stops_the_model() -> None:
    app = shown_app(Model([Wait(60), NOTE]))
    async with app.run_test(size=(120, 36)) as pilot:
        await two_branches(pilot)
        await go_to(pilot, 6)
        await press_to(pilot, MergeDialog, "m")
        await press(pilot, "escape")
        assert app.screen is app.chat
        assert not [worker for worker in app.workers if "_draft" in worker.name]


async def test_a_model_that_fails_leaves_the_end_of_the_branch_to_tell() -> None:
    app = shown_app(Model([Fail(AuthError("the [b]key[/b] was refused"))]))
    async with app.run_test(size=(120, 36)) as pilot:
        await two_branches(pilot)
        await go_to(pilot, 6)
        await press_to(pilot, MergeDialog, "m")
        area = await drafted(pilot)
        assert area.text == "reply 3"
        assert "it could not be summed up (the [b]key[/b] was refused" in text(pilot)


async def test_a_hostile_note_is_shown_inert() -> None:
    app = shown_app(Model("\n".join(HOSTILE)))
    async with app.run_test(size=(120, 36)) as pilot:
        await two_branches(pilot)
        await go_to(pilot, 6)
        await press_to(pilot, MergeDialog, "m")
        area = await drafted(pilot)
        assert safe(area.text) == area.text


async def test_a_marked_branch_is_told_too() -> None:
    app = shown_app(Model())
    async with app.run_test(size=(120, 36)) as pilot:
        await two_branches(pilot)
        await go_to(pilot, 6)
        await press(pilot, "x")
        app.chat.transcript.focus()
        await press_to(pilot, MergeDialog, "m")
        await drafted(pilot)
        await press(pilot, "ctrl+s")
        await until(pilot, lambda: not app.session.runs and len(app.session.tree) == 10)
        assert "x compares with" not in text(pilot)


@pytest.mark.parametrize("key", ["m", "p"])
async def test_a_message_of_this_branch_cannot_come_from_elsewhere(key: str) -> None:
    app = shown_app(Model())
    async with app.run_test(size=(120, 36)) as pilot:
        await two_branches(pilot)
        await press(pilot, "escape", key)
        assert app.screen is app.chat
        assert f"another branch in the tree, and press {key} there" in notices(app)
        assert len(app.session.tree) == 8


@pytest.mark.parametrize("key", ["m", "p"])
async def test_a_branch_that_is_being_answered_takes_nothing(key: str) -> None:
    replies: list[Reply] = [["half", Wait(60)]]
    app = shown_app(replies)
    async with app.run_test(size=(120, 36)) as pilot:
        await two_branches(pilot)
        app.chat.composer.write("E")
        await pilot.press("enter")
        await until(pilot, lambda: len(app.session.tree) == 9)
        await go_to(pilot, 4)
        await pilot.press(key)
        await pilot.pause()
        assert app.screen is app.chat
        assert "still being answered" in notices(app)
        app.session.cancel()
        await until(pilot, lambda: not app.session.runs)


async def test_a_turn_is_copied_alone_or_with_all_below() -> None:
    app = shown_app(Model())
    async with app.run_test(size=(120, 36)) as pilot:
        await two_branches(pilot)
        await go_to(pilot, 4)
        await press_to(pilot, ChooseDialog, "p")
        assert "2 messages" in text(pilot)
        assert "4 messages" in text(pilot)
        await press(pilot, "enter")
        assert texts(app.session.tree)[4:] == ["Why is the first one closed?", "reply 2"]
        assert "2 messages copied" in notices(app)
        assert "you · copied from another branch" in text(pilot)
        await go_to(pilot, 4)
        await press_to(pilot, ChooseDialog, "p")
        await press(pilot, "down", "enter")
        assert len(app.session.tree) == 14
        assert texts(app.session.tree)[-1] == "reply 3"


async def test_a_last_turn_is_copied_at_once() -> None:
    app = shown_app(Model())
    async with app.run_test(size=(120, 36)) as pilot:
        await two_branches(pilot)
        await go_to(pilot, 6)
        await press(pilot, "p")
        assert texts(app.session.tree)[4:] == ["Since when?", "reply 3"]


async def test_another_answer_to_the_same_question_is_copied_with_it() -> None:
    app = shown_app(Model())
    async with app.run_test(size=(120, 36)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "A")
        await press(pilot, "escape", "r")
        await until(pilot, lambda: not app.session.runs and len(app.session.tree) == 3)
        assert texts(app.session.tree) == ["A", "reply 6"]
        await go_to(pilot, 2)
        await press(pilot, "p")
        assert texts(app.session.tree) == ["A", "reply 6", "A", "reply 5"]


async def test_both_are_commands_too() -> None:
    app = shown_app(Model())
    async with app.run_test(size=(120, 36)) as pilot:
        await two_branches(pilot)
        await go_to(pilot, 6)
        await press(pilot, "x")
        app.chat.composer.focus()
        await say(pilot, "/graft")
        assert texts(app.session.tree)[4:] == ["Since when?", "reply 3"]


@pytest.fixture(params=[(80, 24), (120, 40)], ids=["small", "wide"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Size:
    stop_clocks(monkeypatch)
    given: Size = request.param
    return given


def test_the_note_before_it_is_told(snap_compare: Callable[..., bool], size: Size) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await two_branches(pilot)
        await go_to(pilot, 6)
        await press_to(pilot, MergeDialog, "m")
        await drafted(pilot)

    assert snap_compare(shown_app(Model()), terminal_size=size, run_before=scene)


def test_a_branch_that_was_told(snap_compare: Callable[..., bool], size: Size) -> None:
    app = shown_app(Model())

    async def scene(pilot: Pilot[None]) -> None:
        await two_branches(pilot)
        await go_to(pilot, 6)
        await press_to(pilot, MergeDialog, "m")
        await drafted(pilot)
        await press(pilot, "ctrl+s")
        await until(pilot, lambda: not app.session.runs and len(app.session.tree) == 10)

    assert snap_compare(app, terminal_size=size, run_before=scene)
