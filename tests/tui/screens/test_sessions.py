"""The list of sessions: one line each, the facts in columns, whatever a session is called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rich.cells import cell_len
from screen_app import app_of, chat_is_up, press, press_to, rows, say, shown_app, text, until
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from omni_tui.llm.providers.scripted import Call, Reply, Say, Wait
from omni_tui.session.store.base import SessionRecord
from omni_tui.session.store.favourites import favourites_of
from omni_tui.session.store.feed import Inbox, StoreChange
from omni_tui.session.store.jsonl import JSONLStore
from omni_tui.session.store.memory import MemoryStore
from omni_tui.tui.dialogs.confirm import ConfirmDialog
from omni_tui.tui.screens.chat import ChatScreen
from omni_tui.tui.screens.sessions import SessionsScreen

NAMES = ["山は静かにして性をやしなひ、水はうごいて情を慰す", "x" * 200, "👩‍🚀 🏔️ ✅", "plain"]


async def listed(pilot: Pilot[None], count: int) -> None:
    for session in app_of(pilot).manager.list_open():
        assert session.saver is not None
        await session.saver.flush()
    await press_to(pilot, SessionsScreen, "ctrl+s")
    options = pilot.app.screen.query_one(OptionList)
    await until(pilot, lambda: options.option_count == count)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40)])
async def test_every_session_has_one_line_and_its_facts_a_column(size: tuple[int, int]) -> None:
    async with shown_app(["one", "two", "three", "four"]).run_test(size=size) as pilot:
        await chat_is_up(pilot)
        for number, name in enumerate(NAMES):
            await press(pilot, *(["ctrl+n"] if number else []))
            await say(pilot, name)
        await listed(pilot, len(NAMES))
        assert pilot.app.screen.query_one(OptionList).virtual_size.height == len(NAMES)
        facts = [row for row in rows(pilot) if " messages" in row and "just now" in row]
        assert len(facts) == len(NAMES)
        assert len({cell_len(row[: row.index("just now")]) for row in facts}) == 1


async def test_a_session_stopped_in_its_first_turn_has_a_name() -> None:
    app = shown_app([[Wait(until=asyncio.Event())]])
    async with app.run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        app.chat.composer.write("Name three mountains")
        await pilot.press("enter")
        await until(pilot, lambda: len(app.session.tree) == 1)
        await press(pilot, "escape")
        await listed(pilot, 1)
        assert "● Name three mountains" in text(pilot)
        assert "1 message " in text(pilot)
        assert "untitled" not in text(pilot)


async def test_a_question_over_the_list_leaves_it_around_itself() -> None:
    async with shown_app(["one"]).run_test(size=(120, 40)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Hello")
        await listed(pilot, 1)
        await press_to(pilot, ConfirmDialog, "down", "f8")
        await pilot.pause()
        screen = rows(pilot)
        top = next(place for place, row in enumerate(screen) if "delete a session" in row)
        assert screen[top].strip().startswith("│")  # the frame of the list, on both sides
        assert screen[top].strip().endswith("│")
        assert "enter opens" in text(pilot)


def row_with(pilot: Pilot[None], words: str) -> str:
    """The row of the list with these words, without its frame."""
    found = [row for row in rows(pilot) if words in row and "│" in row]
    return found[0].strip().strip("│").strip() if found else ""


async def test_what_goes_on_elsewhere_is_seen_while_the_list_is_open() -> None:
    go_on = asyncio.Event()
    replies: list[Reply] = ["ready", [Say("I "), Wait(until=go_on), Say("am done")], "hello"]
    async with shown_app(replies).run_test(size=(100, 30)) as pilot:
        await chat_is_up(pilot)
        app = app_of(pilot)
        await say(pilot, "First")
        app.chat.composer.write("Work for long")
        await pilot.press("enter")
        await until(pilot, lambda: app.session.is_busy)
        busy = app.session
        await pilot.press("ctrl+n")
        await until(pilot, lambda: app.session is not busy)
        app.chat.composer.write("Second")
        await pilot.press("enter")
        await until(pilot, lambda: len(app.session.tree) == 2 and not app.session.is_busy)
        await listed(pilot, 2)
        shown, options = pilot.app.screen, pilot.app.screen.query_one(OptionList)
        assert isinstance(shown, SessionsScreen)
        options.highlighted = [each.id for each in shown._shown].index(busy.id)
        assert row_with(pilot, "First").startswith("◐ First")
        assert " running " in row_with(pilot, "First")
        go_on.set()
        await until(pilot, lambda: row_with(pilot, "First").startswith("• First"))
        assert " new " in row_with(pilot, "First")
        # It was read anew, and the cursor is on the session it was on.
        await until(pilot, lambda: "4 messages" in row_with(pilot, "First"))
        place = options.highlighted
        assert place is not None
        assert shown._shown[place].id == busy.id
        await pilot.press("enter")
        await until(pilot, lambda: app.session is busy)
        await press_to(pilot, SessionsScreen, "ctrl+s")
        await until(pilot, lambda: row_with(pilot, "First").startswith("● First"))
        await press(pilot, "escape")
        assert app.watch_sessions.news_of(busy.id) is None


async def test_a_session_that_asks_and_one_that_is_halted_say_so() -> None:
    replies: list[Reply] = [["I tidy up.", Call("bash", {"command": "rm -r build"})], "hello"]
    async with shown_app(replies).run_test(size=(100, 30)) as pilot:
        await chat_is_up(pilot)
        app = app_of(pilot)
        await say(pilot, "Tidy up")
        await pilot.press("ctrl+n")
        await until(pilot, lambda: app.screen is app.chat and not len(app.session.tree))
        await say(pilot, "Hello")
        app.session.halt()
        await listed(pilot, 2)
        await until(pilot, lambda: " asks " in row_with(pilot, "I tidy up"))
        assert row_with(pilot, "I tidy up").startswith("? I tidy up")
        assert " halted " in row_with(pilot, "Hello")


async def test_a_star_puts_a_session_first_and_stays() -> None:
    async with shown_app(["one", "two", "three"]).run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        app = app_of(pilot)
        for number, name in enumerate(("first", "second", "third")):
            await press(pilot, *(["ctrl+n"] if number else []))
            await say(pilot, name)
        oldest = app.manager.list_open()[0].id
        await listed(pilot, 3)
        await pilot.press(*"first")
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "★ first" in text(pilot))
        assert pilot.app.screen.query_one(Input).value == "first"
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat)
        await listed(pilot, 3)
        await until(pilot, lambda: "★ first" in text(pilot))
        order = [row for row in rows(pilot) if " messages " in row]
        assert [name in row for row, name in zip(order, ("first", "third", "second"), strict=True)]
        assert await favourites_of(app.manager.store).list() == (oldest,)
        await pilot.press("down", "s")
        await until(pilot, lambda: "★ first" not in text(pilot))
        await pilot.press("asterisk")
        await until(pilot, lambda: "★ first" in text(pilot))


async def test_a_store_without_stars_says_so_in_one_line(tmp_path: Path) -> None:
    app = shown_app()
    app.manager.store = JSONLStore(tmp_path / "sessions")
    await app.manager.store.create(SessionRecord(id="s", title="Plain"))
    async with app.run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        await press_to(pilot, SessionsScreen, "ctrl+s")
        await until(pilot, lambda: "Plain" in text(pilot))
        assert not app._notifications
        await pilot.press("ctrl+t")
        await until(pilot, lambda: bool(app._notifications))
        (told,) = app._notifications
        assert told.message.startswith("A JSONLStore keeps no favourites.")
        assert "Plain" in text(pilot)


async def test_a_fork_says_where_it_came_from() -> None:
    async with shown_app(["one", "two"]).run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        app = app_of(pilot)
        await say(pilot, "Mountains")
        await press(pilot, "escape", "f")
        await until(pilot, lambda: app.session.record.origin_id is not None)
        await listed(pilot, 2)
        assert "fork of Mountains" in row_with(pilot, "(fork)")
        origin = app.session.record.origin_id
        assert origin is not None
        await press_to(pilot, ChatScreen, "escape")
        await app.manager.delete(origin)
        await listed(pilot, 1)
        assert row_with(pilot, "(fork)").startswith("● Mountains (fork)  fork")


class SharedStore(MemoryStore):
    """One of a store that several machines share: it tells what another one does."""

    def __init__(self) -> None:
        super().__init__()
        self.inboxes: list[Inbox] = []

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[StoreChange]]:
        inbox = Inbox()
        self.inboxes.append(inbox)
        try:
            yield inbox
        finally:
            self.inboxes.remove(inbox)


async def test_what_another_machine_does_is_seen_while_the_list_is_open() -> None:
    app = shown_app(["one"])
    store = app.manager.store = SharedStore()
    await store.create(SessionRecord(id="a", title="Ours"))
    async with app.run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        await press_to(pilot, SessionsScreen, "ctrl+s")
        await until(pilot, lambda: "Ours" in text(pilot) and bool(store.inboxes))
        await store.create(SessionRecord(id="b", title="Theirs"))
        assert "Theirs" not in text(pilot)
        store.inboxes[0].put(StoreChange("created", "b", "another"))
        await until(pilot, lambda: "Theirs" in text(pilot))
        await store.delete("a")
        store.inboxes[0].put(StoreChange("resync"))
        await until(pilot, lambda: "Ours" not in text(pilot))
        await press_to(pilot, ChatScreen, "escape")
        await until(pilot, lambda: not store.inboxes)
