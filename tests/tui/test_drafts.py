"""What is attached to a message: added, seen, taken off, sent, and never lost."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from screen_app import ShownApp, chat_is_up, press, press_to, say, text, until, until_still
from textual.pilot import Pilot
from textual.widgets import Static, TextArea

from omni_tui.core.messages import Attachment, Text
from omni_tui.llm.catalog import Catalog
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.scripted import Reply, Say, ScriptedProvider, Wait
from omni_tui.session.manager import SessionManager
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore
from omni_tui.tui.dialogs.text import TextDialog

PNG = b"\x89PNG\r\n\x1a\n"
MODELS: dict[str, dict[str, Any]] = {"demo/blind": {"inputs": ["text"]}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cat.png").write_bytes(PNG)
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "notes.md").write_text("# Notes")
    return tmp_path


def attaching_app(
    folder: Path, model: str = "demo/chat", replies: list[Reply] | None = None
) -> tuple[ShownApp, ScriptedProvider]:
    provider = ScriptedProvider(replies or (lambda request: "Seen."), name="demo")
    manager = SessionManager(
        MemoryStore(),
        default_model=model,
        setup=Setup(cwd=folder),
        registry=ProviderRegistry({"demo": lambda: provider}, Catalog(overrides=MODELS)),
    )
    app = ShownApp(manager, manager.create())
    app.dialog_grace = 0
    return app, provider


async def settled(pilot: Pilot[None]) -> None:
    """Wait until nothing is being read."""
    workers = pilot.app.workers
    await until(pilot, lambda: all(each.is_finished for each in workers if each.group == "attach"))


async def attach(pilot: Pilot[None], *paths: str) -> None:
    for path in paths:
        await say(pilot, f"/attach {path}")
        await settled(pilot)


def names(app: ShownApp) -> list[str]:
    return [chip.name for chip in app.chat.chips]


def toasts(app: ShownApp) -> list[str]:
    return [note.message for note in app._notifications]


async def test_what_is_attached_is_seen_and_goes_with_the_message(folder: Path) -> None:
    app, provider = attaching_app(folder)
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        assert not app.chat.chip_line.display
        await attach(pilot, "cat.png", "notes.md", "https://example.com/paper.pdf")
        line = "▪ cat.png image · 8 B   ▪ notes.md text · 7 B   ▪ paper.pdf pdf · link"
        assert line in text(pilot)
        await say(pilot, "What is this?")
        assert provider.requests[0].messages[-1].content == (
            Attachment(media_type="image/png", data=PNG, name="cat.png"),
            Attachment(media_type="text/markdown", data=b"# Notes", name="notes.md"),
            Attachment(
                media_type="application/pdf", url="https://example.com/paper.pdf", name="paper.pdf"
            ),
            Text(text="What is this?"),
        )
        assert not app.chat.chip_line.display
        shown = text(pilot)
        for row in ("▪ cat.png · image · 8 B", "▪ notes.md · text · 7 B", "▪ paper.pdf · pdf"):
            assert row in shown
        await say(pilot, "And now?")
        assert provider.requests[1].messages[-1].content == (Text(text="And now?"),)


async def test_a_file_alone_is_a_message(folder: Path) -> None:
    app, provider = attaching_app(folder)
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await attach(pilot, "cat.png")
        await press(pilot, "enter")
        (block,) = provider.requests[0].messages[-1].content
        assert isinstance(block, Attachment)
        assert app.chat.asked_before() == []


async def test_backspace_takes_off_the_last_only_while_nothing_is_written(folder: Path) -> None:
    app, _ = attaching_app(folder)
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await attach(pilot, "cat.png", "notes.md")
        assert "Backspace detach" in text(pilot)
        await press(pilot, "a")
        assert "Backspace" not in text(pilot)
        await press(pilot, "backspace")
        assert names(app) == ["cat.png", "notes.md"]
        await press(pilot, "backspace")
        assert names(app) == ["cat.png"]
        await press(pilot, "backspace", "backspace")
        assert names(app) == []
        assert not app.chat.chip_line.display
        assert toasts(app) == ["nothing is attached"]


async def test_detach_takes_off_the_last_one_by_name_or_all(folder: Path) -> None:
    app, _ = attaching_app(folder)
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await attach(pilot, "cat.png", "notes.md", "paper.pdf", "cat.png")
        await say(pilot, "/detach")
        assert names(app) == ["cat.png", "notes.md", "paper.pdf"]
        await say(pilot, "/detach notes.md")
        assert names(app) == ["cat.png", "paper.pdf"]
        await say(pilot, "/detach dog.png")
        assert toasts(app) == ["nothing attached is called dog.png"]
        await say(pilot, "/detach all")
        assert names(app) == []


async def test_ctrl_c_clears_words_then_files_and_ctrl_d_leaves_only_then(folder: Path) -> None:
    app, _ = attaching_app(folder)
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await attach(pilot, "cat.png")
        await press(pilot, "h", "i", "ctrl+c")
        assert (app.chat.composer.text, names(app)) == ("", ["cat.png"])
        await press(pilot, "ctrl+d")
        assert app.is_running
        await press(pilot, "ctrl+c")
        assert names(app) == []
        await press(pilot, "h", "left", "ctrl+d")
        assert app.is_running
        assert app.chat.composer.text == ""
        await pilot.press("ctrl+d")
        await until(pilot, lambda: app._exit)


async def test_what_cannot_be_attached_is_said_and_the_command_comes_back(folder: Path) -> None:
    app, _ = attaching_app(folder)
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await attach(pilot, "cat.png", "dog.png")
        assert names(app) == ["cat.png"]
        assert app.chat.composer.text == "/attach dog.png"
        (toast,) = toasts(app)
        assert toast.endswith("dog.png cannot be read: No such file or directory")


async def test_a_hostile_name_is_inert(folder: Path) -> None:
    name = "\x1b]0;owned\x07[b]\u202egnp.\nx.txt"
    (folder / name).write_text("x")
    app, provider = attaching_app(folder)
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        app.chat.attach(str(folder / name))
        await settled(pilot)
        app.chat.attach(str(folder / f"not {name}"))
        await settled(pilot)
        app.chat.detach(f"no {name}")
        await pilot.pause()
        assert "▪ �]0;owned�[b]�gnp. x.txt text · 1 B" in text(pilot)
        app.chat.composer.write("What is it?")
        await press(pilot, "enter")
        assert len(provider.requests) == 1
        shown = text(pilot)
        assert "�]0;owned�[b]�gnp. x.txt · text" in shown
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)


async def test_what_the_model_cannot_read_stays_where_it_was(folder: Path) -> None:
    app, provider = attaching_app(folder, "demo/blind")
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await attach(pilot, "notes.md", "cat.png")
        await say(pilot, "What is this?")
        (toast,) = toasts(app)
        assert "cat.png: demo/blind cannot read image/png" in toast
        assert app.chat.composer.text == "What is this?"
        assert names(app) == ["notes.md", "cat.png"]
        assert (len(app.session.tree), provider.requests) == (0, [])
        app.use_model("demo/chat")
        await press(pilot, "enter")
        assert len(provider.requests[0].messages[-1].content) == 3


async def test_nothing_is_sent_while_a_file_is_being_read(folder: Path) -> None:
    app, provider = attaching_app(folder)
    gate = asyncio.Event()
    look_up = app.look_up_model

    async def held() -> Any:
        await gate.wait()
        return await look_up()

    app.look_up_model = held  # type: ignore[method-assign]
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "/attach cat.png")
        await until(pilot, lambda: "▪ cat.png reading" in text(pilot))
        await say(pilot, "What is this?")
        assert toasts(app) == ["still reading cat.png"]
        assert app.chat.composer.text == "What is this?"
        await press(pilot, "ctrl+c")
        await say(pilot, "/attach notes.md")
        await say(pilot, "/detach cat.png")
        gate.set()
        await settled(pilot)
        assert names(app) == ["notes.md"]
        assert provider.requests == []


async def test_a_file_belongs_to_the_branch_it_was_attached_on(folder: Path) -> None:
    app, _ = attaching_app(folder)
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "one")
        await press(pilot, "escape", "r", "i")
        assert app.session.tree.path == (1, 3)
        await attach(pilot, "cat.png")
        app.chat.composer.write("half a thought")
        app.chat.switch_to(2)
        await pilot.pause()
        assert (app.chat.composer.text, names(app)) == ("", [])
        assert not app.chat.chip_line.display
        await attach(pilot, "notes.md")
        app.chat.switch_to(3)
        await pilot.pause()
        assert (app.chat.composer.text, names(app)) == ("half a thought", ["cat.png"])
        app.chat.switch_to(2)
        await pilot.pause()
        assert names(app) == ["notes.md"]


async def test_a_file_read_meanwhile_arrives_at_the_branch_that_asked(folder: Path) -> None:
    app, _ = attaching_app(folder)
    gate = asyncio.Event()

    async def held() -> None:
        await gate.wait()

    app.look_up_model = held  # type: ignore[method-assign]
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "/attach cat.png")
        before = app.session
        await press(pilot, "ctrl+n")
        assert names(app) == []
        gate.set()
        await settled(pilot)
        assert names(app) == []
        app.open_session(before)
        await pilot.pause()
        assert names(app) == ["cat.png"]
        assert "▪ cat.png image · 8 B" in text(pilot)


async def test_what_was_attached_goes_with_its_session(folder: Path) -> None:
    app, _ = attaching_app(folder)
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await attach(pilot, "cat.png")
        gone = app.session.id
        await press(pilot, "ctrl+n")
        assert [*app.chat.kept_chips] == [(gone, 0)]
        app.session_deleted(gone)
        assert app.chat.kept_chips == {}


async def test_a_question_written_anew_keeps_its_files(folder: Path) -> None:
    app, provider = attaching_app(folder)
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await attach(pilot, "cat.png", "notes.md")
        await say(pilot, "What is this?")
        await attach(pilot, "paper.pdf")
        app.chat.composer.write("and this")
        await press(pilot, "escape", "e")
        assert (app.chat.composer.text, names(app)) == ("What is this?", ["cat.png", "notes.md"])
        await press(pilot, "escape")
        assert (app.chat.composer.text, names(app)) == ("and this", ["paper.pdf"])
        await press(pilot, "escape", "e")
        await press(pilot, "ctrl+c", "backspace")
        await say(pilot, "Who is this?")
        first, second = (app.session.tree[root].message for root in app.session.tree.roots)
        assert len(first.content) == 3
        assert second.content == (first.content[0], Text(text="Who is this?"))
        assert provider.requests[-1].messages[-1].content == second.content
        app.chat.switch_to(2)
        assert (app.chat.composer.text, names(app)) == ("and this", ["paper.pdf"])


async def test_slash_edit_does_not_clear_what_it_brings_back(folder: Path) -> None:
    app, _ = attaching_app(folder)
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "What is this?")
        await say(pilot, "/edit")
        assert app.chat.composer.text == "What is this?"


def is_waiting(app: Any) -> bool:
    return bool(app.chat.wait_line.display)


async def test_what_is_sent_while_a_run_goes_on_waits_for_the_end_of_its_turn(
    folder: Path,
) -> None:
    waiting = asyncio.Event()
    app, _ = attaching_app(folder, replies=[[Say("I start"), Wait(until=waiting)], "A cat."])
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        app.chat.composer.write("Hello")
        await pilot.press("enter")
        await until(pilot, lambda: len(app.session.tree) == 1)
        app.chat.attach("cat.png")
        await settled(pilot)
        app.chat.composer.write("and this?")
        await pilot.press("enter")
        await pilot.pause()
        assert (app.chat.composer.text, names(app)) == ("", [])
        assert is_waiting(app)
        app.chat.composer.write("and that?")
        await pilot.press("enter")
        await pilot.pause()
        assert "and this? and that?" in str(app.chat.wait_line.render_line(0).text)
        waiting.set()
        await until(pilot, lambda: len(app.session.tree) == 4)
        await until_still(pilot)
        assert not is_waiting(app)
    sent = [node.message for node in app.session.tree.nodes.values() if node.kind == "prompt"][1]
    assert [type(block).__name__ for block in sent.content] == ["Attachment", "Text", "Text"]
    assert sent.text == "and this?\n\nand that?"


async def test_what_waits_can_be_taken_back_and_comes_back_when_the_run_is_stopped(
    folder: Path,
) -> None:
    app, _ = attaching_app(folder, replies=[[Say("I start"), Wait(until=asyncio.Event())]])
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        app.chat.composer.write("Hello")
        await pilot.press("enter")
        await until(pilot, lambda: len(app.session.tree) == 1)
        app.chat.attach("cat.png")
        await settled(pilot)
        app.chat.composer.write("and this?")
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("up")
        assert (app.chat.composer.text, names(app)) == ("and this?", ["cat.png"])
        await pilot.pause()
        assert not is_waiting(app)
        await pilot.press("enter")
        await pilot.pause()
        assert app.chat.composer.text == ""
        await pilot.press("escape")
        await until(pilot, lambda: not app.session.runs)
        await until(pilot, lambda: bool(app.chat.composer.text))
        assert (app.chat.composer.text, names(app)) == ("and this?", ["cat.png"])
        assert app.session.draft(app.session.tree.head) == "and this?"


async def test_a_file_is_asked_for_without_touching_what_is_written(folder: Path) -> None:
    app, _ = attaching_app(folder)
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        app.chat.composer.write("half a thought")
        await press_to(pilot, TextDialog, "f4")
        first = app.screen
        first.query_one(TextArea).text = "dog.png"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, TextDialog) and app.screen is not first)
        await pilot.pause()
        problem = app.screen.query_one(".warn", Static)
        assert str(problem.render()).endswith("dog.png cannot be read: No such file or directory")
        area = app.screen.query_one(TextArea)
        assert area.text == "dog.png"
        area.text = "cat.png"
        await pilot.press("enter")
        await until(pilot, lambda: names(app) == ["cat.png"] and app.screen is app.chat)
        assert app.chat.composer.text == "half a thought"
        await press_to(pilot, TextDialog, "f4")
        assert app.chat.transcript.region.bottom <= app.screen.query_one(".panel").region.y
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat)
        assert names(app) == ["cat.png"]


async def test_a_picture_is_not_taken_for_pages_of_text(folder: Path) -> None:
    (folder / "large.png").write_bytes(PNG + os.urandom(400_000))
    app, _ = attaching_app(folder)
    async with app.run_test(size=(100, 24)) as pilot:
        await chat_is_up(pilot)
        await attach(pilot, "large.png")
        await say(pilot, "What\nis this?")
        assert app.chat.view.size(1) == (len("What\nis this?"), 1)
