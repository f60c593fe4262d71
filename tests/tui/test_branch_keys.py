"""The keys of branches: several replies at once, names, hiding and showing again, forks."""

from __future__ import annotations

import asyncio

from screen_app import app_of, chat_is_up, press, say, shown_app, text, until
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import TextArea

from omni_tui.llm.providers.scripted import Reply, Wait
from omni_tui.session.tree import Tree
from omni_tui.tui.dialogs.text import TextDialog


def texts(tree: Tree) -> list[str]:
    return [tree[node_id].message.text for node_id in tree.path]


def tree_lines(pilot: Pilot[None]) -> str:
    pane = app_of(pilot).chat.tree_pane
    return "\n".join(pane.render_line(line).text for line in range(pane.size.height))


async def write(pilot: Pilot[None], text: str, key: str = "enter") -> None:
    """Fill in the dialog on top, and press the key that accepts it."""
    app = app_of(pilot)
    await until(pilot, lambda: isinstance(app.screen, TextDialog))
    app.screen.query_one(TextArea).text = text
    await pilot.press(key)
    await until(pilot, lambda: app.screen is app.chat)


async def test_several_replies_are_written_at_once_and_walked_with_the_arrows() -> None:
    gate = asyncio.Event()
    others: list[Reply] = [[Wait(until=gate), f"other {number}"] for number in range(3)]
    replies: list[Reply] = ["one", *others]
    app = shown_app(replies)
    async with app.run_test(size=(120, 30)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Name it")
        await press(pilot, "escape", "R")
        await write(pilot, "3")
        await until(pilot, lambda: len(app.session.runs) == 3)
        gate.set()
        await until(pilot, lambda: not app.session.runs)
        assert len(app.session.tree.children(1)) == 4
        before = app.session.tree.head
        await press(pilot, "left")
        assert app.session.tree.head != before


async def test_replies_that_are_written_at_once_are_looked_at_one_by_one() -> None:
    gates = [asyncio.Event() for _ in range(3)]
    others: list[Reply] = [
        [f"begun {number}", Wait(until=gate), f"ended {number}"]
        for number, gate in enumerate(gates)
    ]
    app = shown_app(["one", *others])
    async with app.run_test(size=(120, 30)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Name it")
        await press(pilot, "escape", "R")
        await write(pilot, "3")
        await until(pilot, lambda: "begun 2" in text(pilot))
        assert "‹ 4/4 ›" in text(pilot)
        assert "s · 3 of 3 · esc stops" in text(pilot)
        for number, place in ((1, 3), (0, 2)):
            await pilot.press("left")
            await until(pilot, lambda now=number: f"begun {now}" in text(pilot))  # type: ignore[misc]
            assert f"‹ {place}/4 ›" in text(pilot)
            assert "begun 2" not in text(pilot)
        await pilot.press("right")
        await until(pilot, lambda: "begun 1" in text(pilot))
        gates[2].set()  # another one ends: what is looked at stays in view
        await until(pilot, lambda: len(app.session.runs) == 2)
        await pilot.pause()
        assert "begun 1" in text(pilot)
        assert "ended 2" not in text(pilot)
        assert "‹ 4/4 ›" in text(pilot)  # those that are whole come first
        gates[1].set()
        await until(pilot, lambda: "ended 1" in text(pilot))
        assert texts(app.session.tree) == ["Name it", "begun 1\n\nended 1"]
        await pilot.press("right")
        await until(pilot, lambda: "begun 0" in text(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: not app.session.runs)
        assert "begun 0" in text(pilot)
        await pilot.press("left")
        await until(pilot, lambda: "ended 1" in text(pilot))


async def test_escape_stops_one_of_several_and_a_command_all() -> None:
    others: list[Reply] = [[f"begun {number}", Wait(60)] for number in range(3)]
    app = shown_app(["one", *others])
    async with app.run_test(size=(120, 30)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Name it")
        await press(pilot, "escape", "R")
        await write(pilot, "3")
        await until(pilot, lambda: "begun 2" in text(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: len(app.session.runs) == 2)
        assert any("2 more at work" in note.message for note in app._notifications)
        app.chat.composer.write("/stop")
        app.chat.composer.focus()
        await press(pilot, "enter")
        await until(pilot, lambda: not app.session.runs)
        assert any("2 runs stopped" in note.message for note in app._notifications)
        assert len(app.session.tree.children(1)) == 4
        await say(pilot, "/stop")
        assert any("nothing is running" in note.message for note in app._notifications)


async def test_models_are_named_and_one_that_is_not_there_is_told() -> None:
    app = shown_app(["one"])
    async with app.run_test(size=(120, 30)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Name it")
        await press(pilot, "escape", "R")
        await write(pilot, "nobody/nothing, demo/chat")
        await pilot.pause()
        assert not app.session.runs
        assert len(app.session.tree) == 2
        assert any("nobody" in note.message for note in app._notifications)


async def test_a_branch_gets_a_name_that_the_tree_shows() -> None:
    app = shown_app(["one"])
    async with app.run_test(size=(120, 30)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Name it")
        await press(pilot, "escape", "b")
        await write(pilot, "the [b]good[/b] one")
        assert app.session.tree[2].label == "the [b]good[/b] one"
        await pilot.pause()
        assert '"the [b]good[/b] one"' in tree_lines(pilot)
        app.chat.composer.focus()
        await say(pilot, "/label another")
        assert app.session.tree[2].label == "another"


async def test_a_version_is_hidden_and_comes_back() -> None:
    app = shown_app(["one", "two"])
    async with app.run_test(size=(120, 30)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Name it")
        await press(pilot, "escape", "r")
        await until(pilot, lambda: not app.session.runs and len(app.session.tree) == 3)
        await press(pilot, "d")
        assert texts(app.session.tree) == ["Name it", "one"]
        assert app.session.tree.pruned(1) == (3,)
        assert "two" not in tree_lines(pilot)
        await press(pilot, "u")
        assert texts(app.session.tree) == ["Name it", "two"]
        await pilot.pause()
        assert "two" in tree_lines(pilot)


async def test_the_only_answer_is_hidden_with_its_question_and_all_below() -> None:
    app = shown_app(["one", "two"])
    async with app.run_test(size=(120, 30)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "A")
        await say(pilot, "B")
        await press(pilot, "escape", "d")
        assert texts(app.session.tree) == ["A", "one"]
        await press(pilot, "d")
        assert app.session.tree.head is None
        await press(pilot, "u", "u")
        assert texts(app.session.tree) == ["A", "one", "B", "two"]
        await press(pilot, "u")
        assert any("nothing is hidden" in note.message for note in app._notifications)


async def test_the_tree_has_the_same_keys_for_the_row_under_its_cursor() -> None:
    app = shown_app(["one", "two"])
    async with app.run_test(size=(120, 30)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "A")
        await say(pilot, "B")
        await press(pilot, "escape", "t", "g", "b")
        await write(pilot, "start")
        assert app.session.tree[1].label == "start"


async def test_what_is_being_answered_is_not_hidden() -> None:
    app = shown_app([["half", Wait(60)]])
    async with app.run_test(size=(120, 30)) as pilot:
        await chat_is_up(pilot)
        app.chat.composer.write("A")
        await pilot.press("enter")
        app.chat.action_branch_prune()
        await pilot.pause()
        assert app.session.tree.head == 1
        assert any("still being answered" in note.message for note in app._notifications)
        app.session.cancel()
        await until(pilot, lambda: not app.session.runs)


async def test_a_fork_is_opened_and_the_other_session_stays() -> None:
    app = shown_app(["one", "two", "three"])
    async with app.run_test(size=(120, 30)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "A")
        await say(pilot, "B")
        first = app.session
        app.chat.transcript.cursor_key = 2
        await press(pilot, "escape", "f")
        await until(pilot, lambda: app.session is not first)
        assert texts(app.session.tree) == ["A", "one"]
        assert app.session.record.origin_id == first.id
        await say(pilot, "C")
        assert texts(app.session.tree) == ["A", "one", "C", "three"]
        assert texts(first.tree) == ["A", "one", "B", "two"]


async def test_a_reply_is_reworded_beside_the_old_one() -> None:
    app = shown_app(["one"])
    async with app.run_test(size=(120, 30)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "A")
        await press(pilot, "escape", "E")
        await write(pilot, "better", "ctrl+s")
        await until(pilot, lambda: len(app.session.tree) == 3)
        assert texts(app.session.tree) == ["A", "better"]
        await press(pilot, "left")
        assert texts(app.session.tree) == ["A", "one"]


async def test_letters_typed_in_a_burst_are_all_there_when_enter_accepts() -> None:
    app = shown_app(["one"])
    async with app.run_test(size=(120, 30)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "A")
        await press(pilot, "escape", "b")
        for letter in "quick":
            app.post_message(Key(letter, letter))
        app.post_message(Key("enter", None))
        await until(pilot, lambda: app.screen is app.chat)
        assert app.session.tree[2].label == "quick"
