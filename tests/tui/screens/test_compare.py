"""The screen that compares two branches: what opens it, what its keys do, and how it looks."""

from __future__ import annotations

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
    rows,
    say,
    shown_app,
    stop_clocks,
    text,
    until,
)
from textual.events import MouseScrollDown
from textual.pilot import Pilot

from omni_tui.core.messages import Message
from omni_tui.llm.providers.scripted import Call, Reply, Say
from omni_tui.session import diff
from omni_tui.session.diff import Span, word_diff
from omni_tui.tui.screens.chat import ChatScreen
from omni_tui.tui.screens.compare import CompareScreen
from omni_tui.tui.widgets.compare_view import CompareView

Size: TypeAlias = tuple[int, int]
SnapCompare = Callable[..., bool]

WIDE = (120, 30)


def screen(pilot: Pilot[None]) -> CompareScreen:
    found = pilot.app.screen
    assert isinstance(found, CompareScreen)
    return found


def view(pilot: Pilot[None]) -> CompareView:
    return screen(pilot).query_one(CompareView)


def tips(pilot: Pilot[None]) -> tuple[int, int]:
    """The tips that are compared, left and right."""
    found = screen(pilot).comparison.tips
    return found["left"], found["right"]


def told(app: ShownApp) -> str:
    return "\n".join(note.message for note in app._notifications)


def answered(*answers: str) -> ShownApp:
    """An application whose session has a prompt with these answers."""
    app = shown_app()
    app.session.tree.push(Message.user("Name a mountain"))
    for answer in answers:
        app.session.tree.add(Message.assistant(answer), parent=1)
    app.session.tree.navigate(2)
    return app


async def compared(pilot: Pilot[None], left: int, right: int) -> None:
    """Show this comparison."""
    app = app_of(pilot)
    await chat_is_up(pilot)
    app.push_screen(CompareScreen(app.session, left, right))
    await until(pilot, lambda: isinstance(app.screen, CompareScreen))


# Coming


async def test_x_compares_a_version_with_the_next_one() -> None:
    async with answered("It is the Eiger.", "It is Fuji.").run_test(size=WIDE) as pilot:
        await chat_is_up(pilot)
        await press_to(pilot, CompareScreen, "escape", "x")
        assert tips(pilot) == (2, 3)
        shown = text(pilot)
        assert "common: “Name a mountain”" in shown
        assert "1/2 │" in shown
        assert "-  It is the Eiger." in shown
        assert "+  It is Fuji." in shown


async def test_the_last_version_is_compared_with_the_one_before() -> None:
    async with shown_app(["one", "two"]).run_test(size=WIDE) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Name it")
        await press(pilot, "escape", "r")
        await press_to(pilot, CompareScreen, "x")
        assert tips(pilot) == (2, 3)


async def test_a_command_and_the_palette_open_it() -> None:
    async with answered("one", "two").run_test(size=WIDE) as pilot:
        await chat_is_up(pilot)
        app_of(pilot).chat.composer.write("/compare")
        await press_to(pilot, CompareScreen, "enter")
        await press_to(pilot, ChatScreen, "q")
        commands = app_of(pilot).get_system_commands(pilot.app.screen)
        (command,) = [each for each in commands if each.title == "branch: compare"]
        command.callback()
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))


async def test_nothing_happens_where_nothing_is_said() -> None:
    async with shown_app().run_test(size=WIDE) as pilot:
        await chat_is_up(pilot)
        app_of(pilot).chat.action_branch_compare()
        await pilot.pause()
        assert isinstance(pilot.app.screen, ChatScreen)


# A mark


def two_talks() -> ShownApp:
    """Two answers, the first gone on from twice, once to a question and an answer."""
    app = answered("Eiger", "Fuji")
    tree = app.session.tree
    high = tree.add(Message.user("How high?"), parent=2)
    tree.add(Message.assistant("3,967 m"), parent=high.id)
    old = tree.add(Message.user("How old?"), parent=3)
    tree.add(Message.assistant("Very"), parent=old.id)
    tree.navigate(5)
    return app


async def test_x_marks_a_message_without_versions_and_compares_the_next_with_it() -> None:
    app = two_talks()
    async with app.run_test(size=WIDE) as pilot:
        await chat_is_up(pilot)
        await press(pilot, "escape", "x")
        assert isinstance(app.screen, ChatScreen)
        assert "x on another branch compares with this one" in told(app)
        assert "x compares with 3,967 m" in rows(pilot)[0]
        app.chat.switch_to(7, keep_focus=True)
        app.chat.transcript.cursor_key = 6
        await press_to(pilot, CompareScreen, "x")
        assert tips(pilot) == (5, 7)
        await press_to(pilot, ChatScreen, "escape")
        assert "x compares with" not in rows(pilot)[0]


async def test_x_marks_rows_of_the_tree_as_well() -> None:
    app = two_talks()
    async with app.run_test(size=WIDE) as pilot:
        await chat_is_up(pilot)
        await press(pilot, "escape", "x", "t")
        await press(pilot, "G")
        row = app.chat.tree_pane.cursor_row
        assert row is not None
        await press_to(pilot, CompareScreen, "x")
        assert tips(pilot) == (5, row.tip)


@pytest.mark.parametrize("key", ["x", "escape"])
async def test_the_same_key_and_escape_take_the_mark_off(key: str) -> None:
    app = two_talks()
    async with app.run_test(size=WIDE) as pilot:
        await chat_is_up(pilot)
        await press(pilot, "escape", "x", key)
        assert "no longer marked" in told(app)
        assert app.chat.focused is app.chat.transcript
        await press(pilot, "x")
        assert isinstance(app.screen, ChatScreen)
        assert "x compares with" in rows(pilot)[0]


async def test_a_message_of_the_same_branch_is_nothing_to_compare_with() -> None:
    app = two_talks()
    async with app.run_test(size=WIDE) as pilot:
        await chat_is_up(pilot)
        await press(pilot, "escape", "x", "k", "k", "x")
        assert isinstance(app.screen, ChatScreen)
        assert "both are on one branch" in told(app)
        assert "x compares with" in rows(pilot)[0]


async def test_a_mark_in_another_session_or_on_what_was_hidden_counts_no_more() -> None:
    app = two_talks()
    async with app.run_test(size=WIDE) as pilot:
        await chat_is_up(pilot)
        await press(pilot, "escape", "x")
        app.session.prune(4)
        app.chat.refresh_conversation()
        await pilot.pause()
        assert "x compares with" not in rows(pilot)[0]
        app.session.navigate(5)
        app.chat.refresh_conversation()
        await pilot.pause()
        assert "x compares with" in rows(pilot)[0]
        await press(pilot, "ctrl+n")
        assert "x compares with" not in rows(pilot)[0]


# Inside


async def test_left_and_right_walk_the_versions_but_the_one_on_the_other_side() -> None:
    async with answered("one", "two", "three", "four").run_test(size=WIDE) as pilot:
        await compared(pilot, 3, 4)
        seen = []
        for key in ("right", "right", "left", "left", "left"):
            await pilot.press(key)
            seen.append(tips(pilot))
        assert seen == [(3, 5), (3, 5), (3, 4), (3, 2), (3, 2)]
        assert "1/4" in text(pilot)
        await pilot.press("tab", "right")
        assert tips(pilot) == (4, 2)


async def test_a_version_seen_before_comes_back_with_its_own_tip() -> None:
    app = two_talks()
    tree = app.session.tree
    tree.add(Message.user("Where?"), parent=3)
    tree.add(Message.assistant("Kailash"), parent=1)
    async with app.run_test(size=WIDE) as pilot:
        await compared(pilot, 5, 8)
        await pilot.press("right")
        assert tips(pilot) == (5, 9)
        await pilot.press("left")
        assert tips(pilot) == (5, 8)


async def test_tab_and_a_click_make_the_other_heading_bright() -> None:
    async with answered("one", "two").run_test(size=WIDE) as pilot:
        await compared(pilot, 2, 3)
        assert rows(pilot)[2].startswith("    one")
        assert "│  ▸ two" in rows(pilot)[2]
        await pilot.press("tab")
        assert rows(pilot)[2].startswith("  ▸ one")
        await pilot.click(CompareView, offset=(100, 3))
        assert "│  ▸ two" in rows(pilot)[2]


@pytest.mark.parametrize(("keys", "tip"), [(("enter",), 3), (("tab", "enter"), 2)])
async def test_enter_goes_to_the_branch_of_the_bright_side(keys: tuple[str, ...], tip: int) -> None:
    app = answered("one", "two")
    app.session.tree.navigate(5 - tip)
    async with app.run_test(size=WIDE) as pilot:
        await chat_is_up(pilot)
        await press_to(pilot, CompareScreen, "escape", "x")
        await press_to(pilot, ChatScreen, *keys)
        assert app.session.tree.head == tip


@pytest.mark.parametrize("key", ["escape", "q"])
async def test_closing_it_moves_nothing(key: str) -> None:
    app = answered("one", "two")
    async with app.run_test(size=WIDE) as pilot:
        await chat_is_up(pilot)
        await press_to(pilot, CompareScreen, "escape", "x")
        await press_to(pilot, ChatScreen, key)
        assert app.session.tree.head == 2
        assert app.focused is app.chat.transcript


async def test_y_copies_what_the_bright_side_says() -> None:
    app = answered("one\x1b]52;c;AAAA\x07", "two")
    async with app.run_test(size=WIDE) as pilot:
        await compared(pilot, 2, 3)
        await pilot.press("y")
        assert app.clipboard == "two"
        await pilot.press("tab", "y")
        assert app.clipboard == "one�]52;c;AAAA�"


async def test_a_branch_that_ends_where_the_other_goes_on_says_so() -> None:
    app = two_talks()
    async with app.run_test(size=WIDE) as pilot:
        await compared(pilot, 2, 5)
        assert text(pilot).count("this branch ends here") == 2
        await pilot.press("tab", "left", "right", "y")
        assert tips(pilot) == (2, 5)


async def test_a_question_that_came_meanwhile_is_asked_on_the_way_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = answered("one", "two")
    asked: list[None] = []
    async with app.run_test(size=WIDE) as pilot:
        await chat_is_up(pilot)
        await press_to(pilot, CompareScreen, "escape", "x")
        monkeypatch.setattr(app.chat, "ask_if_needed", lambda: asked.append(None))
        await press_to(pilot, ChatScreen, "escape")
        assert asked


# Scrolling


def long_branches(turns: int) -> ShownApp:
    """Two branches of so many turns, each turn a prompt and an answer of several lines."""
    app = shown_app()
    tree = app.session.tree
    root = tree.push(Message.user("Begin"))
    for name in ("left", "right"):
        above = root.id
        for turn in range(turns):
            words = f"turn {turn} is told at length on the {name} side " * (1 + turn % 7)
            above = tree.add(Message.assistant(f"{words}\n\nend {turn}"), parent=above).id
            above = tree.add(Message.user(f"and {turn}?"), parent=above).id
    return app


async def test_only_what_is_in_view_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    app = long_branches(1000)
    compares: list[str] = []

    def counted(old: str, new: str) -> list[Span]:
        compares.append(old)
        return word_diff(old, new)

    monkeypatch.setattr(diff, "word_diff", counted)
    async with app.run_test(size=WIDE) as pilot:
        await compared(pilot, 2001, 4001)
        assert "1,000 of 2,000 differ" in rows(pilot)[0]
        await pilot.press("G")
        await pilot.pause()
        assert "and 999?" in rows(pilot)[-3]
        await pilot.press("g")
        await pilot.pause()
        assert "turn 0 is told" in rows(pilot)[5]
        assert 0 < len(compares) < 60


async def test_keys_scroll_line_by_line_the_same_way_down_and_up() -> None:
    async with long_branches(12).run_test(size=(120, 20)) as pilot:
        await compared(pilot, 25, 49)

        async def walk(key: str) -> list[list[str]]:
            """What is in view after each press, until nothing moves any more."""
            seen: list[list[str]] = []
            while True:
                now = [row[:-1] for row in rows(pilot)[4:-1]]  # without the scroll bar
                if seen and now == seen[-1]:
                    return seen
                seen.append(now)
                await pilot.press(key)

        down = await walk("j")
        up = await walk("k")
        told = [*down[0], *(screen[-1] for screen in down[1:])]
        assert [*reversed([screen[0] for screen in up[1:]]), *up[0]] == told
        ends = [line.split("│")[0].split() for line in told if "end " in line]
        assert ends == [["end", str(turn)] for turn in range(12)]


async def test_pages_and_the_wheel_scroll_too() -> None:
    async with long_branches(30).run_test(size=(120, 20)) as pilot:
        await compared(pilot, 61, 121)
        await pilot.press("pagedown")
        assert view(pilot).scroll_y == 13
        await pilot.press("space", "pageup", "pageup")
        assert view(pilot).scroll_y == 0
        await pilot._post_mouse_events([MouseScrollDown], CompareView)
        await until(pilot, lambda: view(pilot).scroll_y > 0)


async def test_another_width_keeps_the_pair_at_the_top() -> None:
    async with long_branches(30).run_test(size=(120, 20)) as pilot:
        await compared(pilot, 61, 121)
        await pilot.press(*["pagedown"] * 3)
        index = view(pilot)._window.index
        assert index > 0
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert view(pilot)._window.index == index
        assert " │ " not in text(pilot)


async def test_another_theme_has_other_colours() -> None:
    app = answered("It is the Eiger.", "It is Fuji.")
    async with app.run_test(size=WIDE) as pilot:
        await compared(pilot, 2, 3)

        def colours() -> set[str]:
            strips = [view(pilot).render_line(y) for y in range(3)]
            styles = [part.style for strip in strips for part in strip]
            return {style.color.name for style in styles if style and style.color}

        before = colours()
        app.theme = "omni-light"
        await until(pilot, lambda: not colours() & before)


# Hostile text


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_hostile_text_is_inert(size: Size) -> None:
    hostile = "\n".join(HOSTILE)
    app = answered(f"a {hostile} b", f"c {hostile} d")
    app.session.tree.update(3, label=HOSTILE[0])
    async with app.run_test(size=size) as pilot:
        await compared(pilot, 2, 3)
        for _ in range(12):
            shown = text(pilot)
            assert all(char.isprintable() or char in "\n\u200d" for char in shown)
            await pilot.press("pagedown")
        assert isinstance(app.screen, CompareScreen)


# How it looks

EIGER = """\
Gangkhar Puensum is the highest unclimbed mountain on Earth, 7,570 m. Bhutan closed its peaks to
climbers in 1994, so nobody may try.

- **Gangkhar Puensum**, 崗卡彭孫, 7,570 m
- Karjiang, 卡热疆, 7,221 m
- Kailash, 冈仁波齐, 6,638 m

```python
peaks = sorted(heights, key=heights.get)
```"""
FUJI = """\
Gangkhar Puensum is the highest mountain that nobody has climbed, 7,570 m. Bhutan closed its peaks
above 6,000 m in 1994, out of respect for those who live below.

- **Gangkhar Puensum**, 崗卡彭孫山, 7,570 m 👩‍🚀
- Muchu Chhish, 7,453 m
- Kailash, 冈仁波齐, 6,638 m

```python
peaks = sorted(heights, key=heights.get, reverse=True)
```"""
TALK: tuple[Reply, ...] = (
    EIGER,
    [Say("Let me look."), Call("glob", {"pattern": "notes/*.md"})],
    "It is closed since 1994.",
    FUJI,
    [Call("glob", {"pattern": "*.md"})],
    "It is closed since 2003.",
    "Nobody knows: hills everywhere are nameless.",
)


@pytest.fixture(params=[(80, 24), (120, 40)], ids=["80x24", "120x40"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Size:
    stop_clocks(monkeypatch)
    given: Size = request.param
    return given


async def three_versions(pilot: Pilot[None]) -> None:
    """A question answered three times; the first two answers are gone on from."""
    await chat_is_up(pilot)
    chat = app_of(pilot).chat
    await say(pilot, "Name three mountains nobody has climbed.")
    await say(pilot, "Which of them is closed?")
    await press(pilot, "escape")
    chat.transcript.cursor_key = 2
    await press(pilot, "r", "i")
    await say(pilot, "Which of them is closed?")
    await press(pilot, "escape")
    chat.transcript.cursor_key = 7
    await press(pilot, "r")
    chat.switch_to(2, keep_focus=True)
    chat.transcript.cursor_key = 2
    await press_to(pilot, CompareScreen, "x")


@pytest.mark.parametrize("theme", ["omni-dark", "omni-light", "omni-contrast"])
def test_two_versions(snap_compare: SnapCompare, size: Size, theme: str) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        app_of(pilot).theme = theme
        await three_versions(pilot)

    assert snap_compare(shown_app(TALK), terminal_size=size, run_before=scene)


def test_versions_with_nothing_in_common(snap_compare: SnapCompare, size: Size) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await three_versions(pilot)
        await pilot.press("right", "tab")

    assert snap_compare(shown_app(TALK), terminal_size=size, run_before=scene)


def test_a_message_marked_to_be_compared(snap_compare: SnapCompare, size: Size) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await chat_is_up(pilot)
        await say(pilot, "Name three mountains nobody has climbed.")
        await press(pilot, "escape", "x")
        app_of(pilot).clear_notifications()

    assert snap_compare(shown_app(TALK), terminal_size=size, run_before=scene)
