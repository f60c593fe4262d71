from __future__ import annotations

import sys

import pytest
from hostile_text import HOSTILE
from msgspec import structs
from textual.geometry import Offset
from textual.selection import SELECT_ALL, Selection
from transcript_app import ListSource, TranscriptApp, flushed, message, screen, settled

from omni_tui.core.safe_text import safe
from omni_tui.tui.widgets.transcript import (
    CodeBlock,
    Entry,
    Notice,
    Prose,
    Thought,
    ToolRow,
    Transcript,
)

TOOL = ToolRow("t", "read_file", "notes.md", "done", "2 lines · 3 ms", "line one\nline two")
EDIT = ToolRow("e", "edit_file", "notes.md", "done", "+1 −1", diff="- old\n+ new")


def long_talk(count: int) -> list[Entry]:
    return [
        message(
            n, f"message {n}\n\n" + "words " * (n % 7 * 20), role="user" if n % 2 else "assistant"
        )
        for n in range(count)
    ]


async def test_an_empty_transcript_says_what_the_app_gave_it() -> None:
    app = TranscriptApp()
    async with app.run_test(size=(40, 12)) as pilot:
        app.transcript.set_empty(["omni-tui", "", "every conversation is a tree"])
        await pilot.pause()
        lines = [line for line in screen(app) if line]
        assert lines == [" " * 16 + "omni-tui", " " * 6 + "every conversation is a tree"]


async def test_opening_a_long_conversation_renders_only_what_is_in_view() -> None:
    app = TranscriptApp(long_talk(10_000))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "message 9999" in "\n".join(screen(app))
        assert len(set(app.source.asked)) < 40
        await pilot.press("home")
        assert "message 0" in "\n".join(screen(app))
        assert len(set(app.source.asked)) < 80


async def test_pages_up_and_down_come_back_to_the_same_lines() -> None:
    app = TranscriptApp(long_talk(200))
    async with app.run_test(size=(60, 20)) as pilot:
        for _ in range(5):
            await pilot.press("pageup")
        there = screen(app)
        for _ in range(12):
            await pilot.press("pageup")
        for _ in range(12):
            await pilot.press("pagedown")
        assert screen(app) == there


async def test_every_line_is_reached_once_when_scrolling_line_by_line() -> None:
    app = TranscriptApp(long_talk(12))
    async with app.run_test(size=(60, 10)) as pilot:
        await pilot.press("g")
        seen = screen(app)
        while not app.transcript._window.following:
            before = screen(app)
            await pilot.press("down")
            assert screen(app)[:-1] == before[1:]
            seen.append(screen(app)[-1])
        assert [line for line in seen if "message" in line] == [
            f"  {'▌' if n % 2 else ' '} message {n}" for n in range(12)
        ]


async def test_the_view_follows_the_end_until_the_user_scrolls_up() -> None:
    app = TranscriptApp([*long_talk(20), message(20, live=True)])
    async with app.run_test(size=(60, 10)) as pilot:
        widget = app.transcript
        widget.feed(20, 0, "text", "\n\n".join(f"line {n}" for n in range(30)))
        await settled(pilot)
        widget.feed(20, 0, "text", "\n\nthe newest")
        await flushed(pilot)
        assert "the newest" in "\n".join(screen(app))
        await pilot.press("up", "up", "up")
        there = screen(app)
        for n in range(20):
            widget.feed(20, 0, "text", f"\n\nmore {n}")
        await flushed(pilot)
        assert screen(app) == there
        await pilot.press("end")
        assert "more 19" in "\n".join(screen(app))


async def test_what_grows_above_the_view_moves_nothing() -> None:
    entries = long_talk(40)
    app = TranscriptApp(entries)
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press("pageup")
        there = screen(app)
        app.source.entries[3] = message(3, "much\n\nlonger\n\nthan\n\nbefore", role="user")
        app.transcript.refresh_entry(3)
        await pilot.pause()
        assert screen(app) == there


async def test_a_switch_of_branch_renders_only_what_differs() -> None:
    app = TranscriptApp(long_talk(8))
    async with app.run_test(size=(80, 60)) as pilot:
        await pilot.pause()
        kept = app.transcript._shelf.layout(2).lines
        other = [*long_talk(6), message(90, "another line")]
        app.transcript.show(ListSource(other))
        await pilot.pause()
        assert app.transcript._shelf.layout(2).lines is kept
        text = "\n".join(screen(app))
        assert "another line" in text
        assert "message 7" not in text


async def test_streaming_ends_in_what_reading_back_shows() -> None:
    text = "# Head\n\nSome *text* and\n\n```py\nx = 1\n```\n\n- a\n- b"
    app = TranscriptApp([message(0, "hi", role="user"), message(1, live=True)])
    async with app.run_test(size=(60, 24)) as pilot:
        for character in text:
            app.transcript.feed(1, 0, "text", character)
        await settled(pilot)
        app.source.entries[1] = message(1, text)
        app.transcript.finish(1)
        await settled(pilot)
        after = screen(app)
        assert app.transcript._flush_timer is None
    again = TranscriptApp([message(0, "hi", role="user"), message(1, text)])
    async with again.run_test(size=(60, 24)) as pilot:
        await settled(pilot)
        assert screen(again) == after


async def test_the_lines_of_a_finished_message_are_not_rendered_again() -> None:
    app = TranscriptApp([message(1, live=True)])
    async with app.run_test(size=(60, 24)) as pilot:
        app.transcript.feed(1, 0, "text", "first\n\nsecond\n\n")
        await flushed(pilot)
        line = app.transcript._shelf.lines(0)[2]
        app.source.entries[1] = message(1, "first\n\nsecond\n\n")
        app.transcript.finish(1)
        await pilot.pause()
        assert app.transcript._shelf.lines(0)[2] is line


async def test_live_text_survives_looking_at_another_branch() -> None:
    app = TranscriptApp([message(1, live=True)])
    async with app.run_test(size=(60, 12)) as pilot:
        app.transcript.feed(1, 0, "text", "on the first ")
        there = app.source
        app.transcript.show(ListSource([message(2, "the other branch")]))
        app.transcript.feed(1, 0, "text", "branch")
        await flushed(pilot)
        assert "first" not in "\n".join(screen(app))
        app.transcript.show(there)
        await flushed(pilot)
        assert "on the first branch" in "\n".join(screen(app))


async def test_resizing_while_streaming_wraps_again() -> None:
    app = TranscriptApp([message(1, live=True)])
    async with app.run_test(size=(80, 24)) as pilot:
        app.transcript.feed(1, 0, "text", "word " * 60)
        await flushed(pilot)
        await pilot.resize_terminal(30, 24)
        app.transcript.feed(1, 0, "text", "end")
        await flushed(pilot)
        text = screen(app)
        assert max(map(len, text)) <= 30
        assert " ".join(" ".join(text).split()).count("word") == 60


async def test_nothing_runs_when_nothing_happens() -> None:
    app = TranscriptApp([message(1, "hello")])
    async with app.run_test(size=(60, 12)) as pilot:
        app.transcript.feed(1, 0, "text", "delta")
        await flushed(pilot)
        assert app.transcript._flush_timer is None
        assert not app.transcript._timers


async def test_only_changed_lines_are_painted_while_text_grows() -> None:
    app = TranscriptApp([message(0, "hello", role="user"), message(1, live=True)])
    async with app.run_test(size=(60, 24)) as pilot:
        app.transcript.feed(1, 0, "text", "a block\n\nthe tail")
        await flushed(pilot)
        regions: list[int] = []
        refresh = app.transcript.refresh

        def spy(*areas: object, **options: bool) -> object:
            regions.append(len(areas))
            return refresh(*areas, **options)  # type: ignore[arg-type]

        app.transcript.refresh = spy  # type: ignore[assignment,method-assign]
        app.transcript.feed(1, 0, "text", " grows")
        await flushed(pilot)
        assert regions == [1]


async def test_the_cursor_moves_and_tells() -> None:
    app = TranscriptApp(long_talk(30))
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press("k", "k", "k", "j")
        await pilot.pause()
        assert app.moves == [29, 28, 27, 28]
        assert app.transcript.cursor_key == 28
        await pilot.press(*["k"] * 15)
        assert "message 13" in "\n".join(screen(app))
        app.transcript.show(ListSource(long_talk(5)))
        assert app.transcript.cursor_key is None


async def test_a_click_puts_the_cursor_on_its_message() -> None:
    app = TranscriptApp([message(7, "one", role="user"), message(8, "two")])
    async with app.run_test(size=(60, 12)) as pilot:
        at = next(y for y, line in enumerate(screen(app)) if "one" in line)
        await pilot.click(offset=(10, at))
        await pilot.pause()
        assert app.transcript.cursor_key == 7


async def test_a_tool_row_opens_on_a_click_and_a_diff_is_open() -> None:
    app = TranscriptApp([message(1, "text", TOOL, EDIT)])
    async with app.run_test(size=(80, 20)) as pilot:
        text = screen(app)
        assert any("▸ ✓ read_file  notes.md" in line and line.endswith("3 ms") for line in text)
        assert not any("line one" in line for line in text)
        assert any("+ new" in line for line in text)
        at = next(y for y, line in enumerate(text) if "read_file" in line)
        await pilot.click(offset=(12, at))
        await pilot.pause()
        assert any("line one" in line for line in screen(app))
        await pilot.press("enter")
        assert not any("line one" in line or "+ new" in line for line in screen(app))
        await pilot.press("enter")
        assert any("line one" in line for line in screen(app))


async def test_all_tools_and_all_thoughts_toggle() -> None:
    app = TranscriptApp([message(1, Thought("deep thinking here"), TOOL, EDIT)])
    async with app.run_test(size=(80, 20)) as pilot:
        assert any("▸ thought · 3 words" in line for line in screen(app))
        await pilot.press("ctrl+t", "ctrl+o")
        text = "\n".join(screen(app))
        assert "deep thinking here" in text
        assert "line one" in text
        await pilot.press("ctrl+t", "ctrl+o")
        text = "\n".join(screen(app))
        assert "deep thinking here" not in text
        assert "+ new" not in text


async def test_an_error_notice_has_a_hint() -> None:
    app = TranscriptApp([message(1, Notice("error", "It broke.", "r retries"))])
    async with app.run_test(size=(60, 12)):
        assert [line for line in screen(app) if "▌" in line] == ["  ▌ It broke.", "  ▌ r retries"]


async def test_a_selection_crosses_messages_and_leaves_the_layout_out() -> None:
    asked = Entry(1, "user", "you", "", (2, 2), (Prose("the question " * 8),))
    app = TranscriptApp([asked, message(2, "> quoted\n\n- item\n\n```py\nx = 1\n```", TOOL)])
    async with app.run_test(size=(60, 30)) as pilot:
        await settled(pilot)
        copied = app.transcript.get_selection(SELECT_ALL)
        assert copied is not None
        assert copied[0] == (
            "you\n" + ("the question " * 8).strip() + "\n\nmodel\nquoted\n\n• item\n\n\nx = 1\n\n"
            "read_file  notes.md"
        )


async def test_dragging_selects_what_is_under_the_pointer() -> None:
    app = TranscriptApp([message(1, "alpha beta gamma", role="user"), message(2, "delta epsilon")])
    async with app.run_test(size=(60, 14)) as pilot:
        text = screen(app)
        top = next(y for y, line in enumerate(text) if "alpha" in line)
        bottom = next(y for y, line in enumerate(text) if "delta" in line)
        await pilot.mouse_down(offset=(text[top].index("beta"), top))
        await pilot.hover(offset=(text[bottom].index("epsilon") - 2, bottom))
        await pilot.mouse_up(offset=(text[bottom].index("epsilon") - 2, bottom))
        assert app.screen.get_selected_text() == "beta gamma\n\nmodel\ndelta"
        assert app.transcript.cursor_key is None
        assert screen(app) == text


async def test_a_double_click_selects_a_word_and_a_triple_one_the_message() -> None:
    app = TranscriptApp([message(1, "alpha beta-two gamma"), message(2, "other")])
    async with app.run_test(size=(60, 14)) as pilot:
        at = next(y for y, line in enumerate(screen(app)) if "beta" in line)
        x = screen(app)[at].index("two")
        await pilot.click(Transcript, offset=(x, at), times=2)
        assert app.screen.get_selected_text() == "beta-two"
        await pilot.click(Transcript, offset=(x, at), times=3)
        assert app.screen.get_selected_text() == "model\nalpha beta-two gamma"


async def test_a_selection_of_a_long_conversation_does_not_lay_it_out() -> None:
    app = TranscriptApp(long_talk(3_000))
    async with app.run_test(size=(60, 14)) as pilot:
        await pilot.pause()
        copied = app.transcript.get_selection(Selection(Offset(0, 0), None))
        assert copied is not None
        assert copied[0].count("message ") == 3_000
        assert app.transcript._shelf._lines < 1_000


async def test_copying_gives_safe_markdown_and_code_blocks() -> None:
    text = "**bold** \x1b[2J\n\n```py\nx = '\x07'\n```\n\n- item\n  ```sh\n  ls\n  ```"
    app = TranscriptApp([message(1, text, TOOL), message(2, TOOL)])
    async with app.run_test(size=(60, 14)):
        assert app.transcript.copy_text(1) == safe(text)
        assert app.transcript.copy_text(2) == "line one\nline two"
        assert app.transcript.code_blocks(1) == [
            CodeBlock("py", "x = '\N{REPLACEMENT CHARACTER}'\n"),
            CodeBlock("sh", "ls\n"),
        ]


async def test_a_click_on_a_link_posts_it_if_it_may_be_opened() -> None:
    text = "[good](https://x.y) [bad](javascript:alert(1)) [file](file:///etc/passwd)"
    app = TranscriptApp([message(1, text)])
    async with app.run_test(size=(90, 14)) as pilot:
        at = next(y for y, line in enumerate(screen(app)) if "good" in line)
        for word in ("good", "bad", "file"):
            await pilot.click(offset=(screen(app)[at].index(word) + 1, at))
        await pilot.pause()
        assert app.links == ["https://x.y"]


async def test_a_theme_switches_live() -> None:
    app = TranscriptApp([message(1, "hello", role="user")])
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.pause()
        dark = app.transcript.render_line(2)
        app.theme = "textual-light"
        await pilot.pause()
        light = app.transcript.render_line(2)
        assert light.text == dark.text
        assert [s.style for s in light] != [s.style for s in dark]


@pytest.mark.parametrize("size", [(80, 24), (20, 10), (1, 1), (3, 2)])
async def test_hostile_text_is_shown_and_never_obeyed(size: tuple[int, int]) -> None:
    entries = []
    for key, payload in enumerate(HOSTILE):
        parts = (
            payload,
            Thought(payload),
            ToolRow("x", payload, payload, "failed", payload, payload, payload),
            Notice("error", payload, payload),
        )
        entry = message(key, *parts)
        entries.append(structs.replace(entry, name=payload, meta=payload, position=(1, 2)))
    app = TranscriptApp(entries)
    async with app.run_test(size=size) as pilot:
        await pilot.press("ctrl+t", "ctrl+o", "home")
        app.transcript.set_empty(HOSTILE)
        for key, payload in enumerate(HOSTILE):
            for character in payload:
                app.transcript.feed(key, 0, "text", character)
            app.transcript.scroll_to_entry(key)
            await pilot.pause()
            for line in screen(app):
                assert safe(line) == line
                assert "\n" not in line
                assert "\t" not in line


async def test_text_after_the_end_of_a_message_is_not_lost_when_it_is_not_on_the_path_yet() -> None:
    app = TranscriptApp([message(1, "hi", role="user")])
    async with app.run_test(size=(60, 12)) as pilot:
        app.transcript.feed(2, 0, "text", "early")
        app.source.entries[2] = message(2, live=True)
        app.transcript.show(app.source)
        await flushed(pilot)
        assert "early" in "\n".join(screen(app))


async def test_a_message_that_grows_again_before_its_end_is_painted_keeps_what_is_new() -> None:
    app = TranscriptApp([message(1, live=True)])
    async with app.run_test(size=(60, 12)) as pilot:
        app.transcript.feed(1, 0, "text", "before")
        app.transcript.feed(1, 0, "text", "hand")  # waits for the next frame
        app.transcript.finish(1)
        app.transcript.feed(1, 0, "text", "again")
        await flushed(pilot)
        assert "again" in "\n".join(screen(app))
        assert "beforehand" not in "\n".join(screen(app))


def test_nothing_slow_is_imported_with_the_widget() -> None:
    import subprocess

    code = (
        "import sys, omni_tui.tui.widgets.transcript;"
        "print([m for m in ('pygments.lexers', 'rich.markdown', 'markdown_it', 'linkify_it')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
