"""The question before a tool: its answers are always all there, and nothing else is in the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from screen_app import app_of, chat_is_up, press, press_to, rows, say, shown_app, text, until
from textual.pilot import Pilot
from textual.widgets import TextArea

from omni_tui.llm.providers.scripted import Call, Reply
from omni_tui.tui.dialogs.approval import ApprovalDialog
from omni_tui.tui.dialogs.base import Reading
from omni_tui.tui.dialogs.text import TextDialog

SIZES = [(80, 24), (60, 20), (120, 40), (40, 18)]
ANSWERS = ["n  no", "y  yes, once", "s  yes, for", "a  always", "e  edit", "p  give"]

LONG = Call(
    "edit_file",
    {
        "path": "notes.md",
        "old_string": "".join(f"the old line {number}\n" for number in range(40)),
        "new_string": "".join(f"the new line {number}\n" for number in range(40)),
    },
)
WRITE = Call("write_file", {"path": "notes.md", "content": "# 山\n" + "x" * 200 + "\n🏔️\n"})
BASH = Call("bash", {"command": "rm -r build"})


async def asked(pilot: Pilot[None]) -> ApprovalDialog:
    await chat_is_up(pilot)
    await say(pilot, "Tidy up")
    screen = app_of(pilot).screen
    assert isinstance(screen, ApprovalDialog)
    return screen


def replies(call: Call) -> list[Reply]:
    return [["I would like to do this:", call], "Done."]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("call", [LONG, WRITE], ids=["long", "write"])
async def test_every_answer_is_visible_however_much_there_is_to_read(
    size: tuple[int, int], call: Call, tmp_path: Path
) -> None:
    (tmp_path / "notes.md").write_text("# Notes\n")
    async with shown_app(replies(call), cwd=tmp_path).run_test(size=size) as pilot:
        await asked(pilot)
        for answer in ANSWERS:
            assert answer in text(pilot)


async def test_a_mark_says_how_much_is_left_to_read_and_the_keys_it_names_work() -> None:
    async with shown_app(replies(LONG)).run_test(size=(80, 24)) as pilot:
        dialog = await asked(pilot)
        reading = dialog.query_one(Reading)
        left = reading.max_scroll_y
        assert left > 0
        assert f"▾ {left} more · PgDn" in text(pilot)
        assert "- the old line 0" in text(pilot)
        await pilot.press("pagedown")
        await pilot.pause()
        assert 0 < reading.scroll_y < left
        assert f"▾ {left - round(reading.scroll_y)} more · PgDn" in text(pilot)
        await pilot.press(*["pagedown"] * 30)
        await pilot.pause()
        assert "the new line 39" in text(pilot)
        assert f"▴ {left} above · PgUp" in text(pilot)


async def test_nothing_is_said_of_more_when_all_is_there() -> None:
    async with shown_app(replies(BASH)).run_test(size=(80, 24)) as pilot:
        await asked(pilot)
        assert "PgDn" not in text(pilot)
        assert "PgUp" not in text(pilot)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_the_composer_and_its_keys_are_out_of_sight(size: tuple[int, int]) -> None:
    async with shown_app(replies(BASH)).run_test(size=size) as pilot:
        await asked(pilot)
        assert "commands" not in text(pilot)
        assert "─ ask" not in text(pilot)
        assert "waits for you" not in text(pilot)
        assert "Enter send" not in rows(pilot)[-1]
        assert "Esc" not in rows(pilot)[-1]
        await press(pilot, "y")
        assert "commands" in text(pilot)
        assert "Enter send" in rows(pilot)[-1]


async def test_what_led_to_the_question_stands_above_it() -> None:
    words = "\n\n".join(f"paragraph {number}" for number in range(40)) + "\n\nthe last words"
    async with shown_app([[words, LONG], "Done."]).run_test(size=(80, 24)) as pilot:
        await asked(pilot)
        screen = rows(pilot)
        panel = next(place for place, row in enumerate(screen) if "wants to run" in row)
        assert any("edit_file" in row for row in screen[:panel])
        await press(pilot, "y")
        assert "Done." in text(pilot)


async def test_the_talk_comes_back_where_a_dialog_got_smaller() -> None:
    words = "\n\n".join(f"paragraph {number}" for number in range(40))
    async with shown_app([[words, LONG], "Done."]).run_test(size=(120, 40)) as pilot:
        await asked(pilot)
        await press_to(pilot, TextDialog, "e")
        app = app_of(pilot)
        await until(pilot, lambda: app.chat.transcript.size.height > 15)
        screen = rows(pilot)
        panel = next(place for place, row in enumerate(screen) if "╭" in row)
        shown = app.chat.transcript.region.bottom
        assert panel - 1 <= shown <= panel
        assert all("│" in row[:40] for row in screen[2:shown])  # the rule beside the tree


async def test_a_long_draft_is_out_of_sight_and_comes_back() -> None:
    async with shown_app(replies(BASH)).run_test(size=(80, 24)) as pilot:
        app = app_of(pilot)
        await chat_is_up(pilot)
        app.chat.composer.write("Tidy up")
        await pilot.press("enter")
        app.chat.composer.write("a draft\n" * 5)
        await until(pilot, lambda: isinstance(app.screen, ApprovalDialog))
        await press_to(pilot, TextDialog, "e")
        await pilot.pause()
        assert "a draft" not in text(pilot)
        await press_to(pilot, ApprovalDialog, "escape")
        await press(pilot, "y")
        assert text(pilot).count("a draft") == 5


@pytest.mark.parametrize("key", ["n", "p"])
async def test_words_are_asked_for_in_place_of_the_answers(key: str) -> None:
    async with shown_app(replies(BASH)).run_test(size=(80, 24)) as pilot:
        await asked(pilot)
        await press_to(pilot, TextDialog, key)
        assert "wants to run" not in text(pilot)
        assert "yes, once" not in text(pilot)
        assert text(pilot).count("rm -r build") == 2  # in the talk, and in the dialog
        assert sum("╭" in row for row in rows(pilot)) == 1
        await press_to(pilot, ApprovalDialog, "escape")
        assert "bash wants to run" in text(pilot)
        assert "y  yes, once" in text(pilot)


async def test_the_text_of_a_file_is_edited_as_it_is(tmp_path: Path) -> None:
    call = Call("write_file", {"path": "a.txt", "content": "one\ntwo\n"})
    async with shown_app(replies(call), cwd=tmp_path).run_test(size=(80, 24)) as pilot:
        await asked(pilot)
        assert "e  edit the content" in text(pilot)
        await press_to(pilot, TextDialog, "e")
        assert pilot.app.screen.query_one(TextArea).text == "one\ntwo\n"
        await press(pilot, *"three", "ctrl+s")
        assert (tmp_path / "a.txt").read_text() == "one\ntwo\nthree"


async def test_text_a_field_would_alter_is_edited_as_json(tmp_path: Path) -> None:
    call = Call("write_file", {"path": "a.txt", "content": "one\u202e\n"})
    async with shown_app(replies(call), cwd=tmp_path).run_test(size=(80, 24)) as pilot:
        await asked(pilot)
        await press_to(pilot, TextDialog, "e")
        assert "\\u202e" in pilot.app.screen.query_one(TextArea).text
        await press(pilot, "ctrl+s")
        assert isinstance(pilot.app.screen, ApprovalDialog)  # unchanged: still asked


async def test_a_write_is_shown_against_the_file(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Notes\n\n- kept\n- gone\n")
    call = Call("write_file", {"path": "notes.md", "content": "# Notes\n\n- kept\n- come\n"})
    async with shown_app(replies(call), cwd=tmp_path).run_test(size=(120, 40)) as pilot:
        await asked(pilot)
        assert "- - gone" in text(pilot)
        assert "+ - come" in text(pilot)
        assert "+ - kept" not in text(pilot)


async def test_nothing_is_allowed_before_it_is_shown(tmp_path: Path) -> None:
    async with shown_app(replies(WRITE), cwd=tmp_path).run_test(size=(80, 24)) as pilot:
        dialog = await asked(pilot)
        dialog._arguments = None
        await pilot.press("y", "s", "a", "enter")
        await pilot.pause()
        assert pilot.app.screen is dialog
        assert not (tmp_path / "notes.md").exists()


async def test_the_rule_that_would_be_kept_is_shown_whole() -> None:
    async with shown_app(replies(LONG)).run_test(size=(60, 20)) as pilot:
        await asked(pilot)
        assert "s and a would allow  edit_file(**)" in text(pilot)


async def test_the_room_is_given_back_when_the_question_is_left_open() -> None:
    async with shown_app(replies(BASH)).run_test(size=(80, 24)) as pilot:
        await asked(pilot)
        app = app_of(pilot)
        small = app.chat.transcript.size.height
        await pilot.press("f3")
        await until(pilot, lambda: app.screen is app.chat)
        assert app.chat.tree_pane.size.height > small
