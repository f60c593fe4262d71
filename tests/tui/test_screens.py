"""How every screen looks, in a small and in a large terminal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import pytest
from screen_app import (
    app_of,
    chat_is_up,
    press,
    press_to,
    say,
    shown_app,
    stop_clocks,
    until,
    until_still,
)
from textual.pilot import Pilot
from textual.widgets import OptionList

from omni_tui.core.errors import OverloadedError
from omni_tui.llm.model_info import ModelInfo
from omni_tui.llm.providers.scripted import Call, Fail, Reply, Say, Think
from omni_tui.llm.providers.table import ENDPOINTS
from omni_tui.tui.dialogs.approval import ApprovalDialog
from omni_tui.tui.dialogs.choose import ChooseDialog
from omni_tui.tui.dialogs.choose_model import ChooseModelDialog
from omni_tui.tui.dialogs.confirm import ConfirmDialog
from omni_tui.tui.dialogs.question import QuestionDialog
from omni_tui.tui.dialogs.text import TextDialog
from omni_tui.tui.screens.help import HelpScreen
from omni_tui.tui.screens.sessions import SessionsScreen

Scene: TypeAlias = Callable[[Pilot[None]], Awaitable[None]]
Size: TypeAlias = tuple[int, int]
SnapCompare = Callable[..., bool]

PEAKS = """\
Three that stand **unclimbed**:

| mountain | 漢字 | height |
|:---------|:----:|-------:|
| Gangkhar Puensum | 崗卡彭孫 | 7,570 m |
| Kailash | 冈仁波齐 | 6,638 m |

```python
peaks = sorted(heights, key=heights.get)
```
"""

TALK: tuple[Reply, ...] = (
    [Think("Unclimbed, or climbed by nobody we know of?"), Say(PEAKS)],
    "The highest is *Gangkhar Puensum*, 7,570 m.",
    "Climbing above 6,000 m is forbidden there since 1994.",
)

EDIT = Call(
    "edit_file",
    {
        "path": "notes.md",
        "old_string": "# Peaks\n\n- Everest\n",
        "new_string": "# Unclimbed peaks\n\n- Gangkhar Puensum\n",
    },
)

WRITE = Call(
    "write_file",
    {
        "path": "山/plan.md",
        "content": "# 計画 🏔️\n\n" + "".join(f"- [ ] day {n}: 山に登る\n" for n in range(1, 31)),
    },
)


@pytest.fixture(params=[(80, 24), (120, 40)], ids=["80x24", "120x40"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Size:
    stop_clocks(monkeypatch)
    given: Size = request.param
    return given


async def talk(pilot: Pilot[None]) -> None:
    """A question answered twice, and another after the second answer."""
    await chat_is_up(pilot)
    await say(pilot, "Which mountains has nobody climbed?")
    await press(pilot, "escape", "r")
    await press(pilot, "i")
    await say(pilot, "Why not?")


def looks(
    snap_compare: SnapCompare, size: Size, scene: Scene, replies: Iterable[Reply] = TALK
) -> bool:
    return snap_compare(shown_app(replies), terminal_size=size, run_before=scene)


# The conversation


def test_a_first_start_without_a_key(snap_compare: SnapCompare, size: Size) -> None:
    app = shown_app(no_key=True)
    assert snap_compare(app, terminal_size=size, run_before=chat_is_up)


def test_an_empty_conversation(snap_compare: SnapCompare, size: Size) -> None:
    assert looks(snap_compare, size, chat_is_up)


def test_a_conversation_with_a_fork(snap_compare: SnapCompare, size: Size) -> None:
    assert looks(snap_compare, size, talk)


def test_the_first_of_two_answers(snap_compare: SnapCompare, size: Size) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await talk(pilot)
        await press(pilot, "alt+up", "k", "k", "left")

    assert looks(snap_compare, size, scene)


def test_a_question_written_anew(snap_compare: SnapCompare, size: Size) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await talk(pilot)
        await press(pilot, "escape", "e")

    assert looks(snap_compare, size, scene)


def test_the_tree_with_the_keys_in_it(snap_compare: SnapCompare, size: Size) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await talk(pilot)
        await press(pilot, "escape", "escape")

    assert looks(snap_compare, size, scene)


def test_a_preview_of_another_branch(snap_compare: SnapCompare, size: Size) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await talk(pilot)
        await press(pilot, "escape", "escape", "up", "up", "up")

    assert looks(snap_compare, size, scene)


def test_an_answer_that_failed(snap_compare: SnapCompare, size: Size) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await chat_is_up(pilot)
        await say(pilot, "Which mountains has nobody climbed?")

    error = OverloadedError("demo: overloaded (529).", hint="this one is on purpose")
    assert looks(snap_compare, size, scene, [[Say("I start, and then "), Fail(error)]])


def test_an_edit_with_its_difference(snap_compare: SnapCompare, size: Size, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Peaks\n\n- Everest\n- Fuji\n")

    async def scene(pilot: Pilot[None]) -> None:
        await chat_is_up(pilot)
        await say(pilot, "Put it into notes.md")
        await press(pilot, "y")

    app = shown_app([["I will write it down.", EDIT], "It is in `notes.md`."], cwd=tmp_path)
    assert snap_compare(app, terminal_size=size, run_before=scene)
    assert "Gangkhar" in (tmp_path / "notes.md").read_text()


# Questions


@pytest.mark.parametrize(
    "call",
    [Call("bash", {"command": "git log --oneline | head -n 3 && rm -r build"}), EDIT, WRITE],
    ids=["bash", "edit", "write"],
)
def test_the_question_before_a_tool(snap_compare: SnapCompare, size: Size, call: Call) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await chat_is_up(pilot)
        await say(pilot, "Tidy up")
        assert isinstance(pilot.app.screen, ApprovalDialog)

    assert looks(snap_compare, size, scene, [["I would like to do this:", call]])


def test_a_no_and_its_reason(snap_compare: SnapCompare, size: Size) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await chat_is_up(pilot)
        await say(pilot, "Tidy up")
        await press_to(pilot, TextDialog, "n")
        await pilot.press(*"keep it")

    assert looks(snap_compare, size, scene, [[Call("bash", {"command": "rm -r build"})]])


def test_a_question_of_the_model(snap_compare: SnapCompare, size: Size) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await chat_is_up(pilot)
        await say(pilot, "Plan a trip")
        assert isinstance(pilot.app.screen, QuestionDialog)

    options = ["the sea", "the mountains, as long as the way is not too steep " * 3, "山と海 🏔️"]
    asks = Call("human", {"question": "Sea or mountains?", "options": options})
    assert looks(snap_compare, size, scene, [["One question.", asks]])


# Choosing


async def test_a_new_session_opens_over_a_long_one_with_a_message_chosen() -> None:
    app = shown_app([PEAKS * 8, "It is calm."])
    async with app.run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Which mountains has nobody climbed?")
        await press(pilot, "escape", "ctrl+n")
        assert not app.chat.view.keys
        await say(pilot, "And the sea?")
        assert app.session.tree.path == (1, 2)


def test_no_sessions_yet(snap_compare: SnapCompare, size: Size) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await chat_is_up(pilot)
        await press_to(pilot, SessionsScreen, "ctrl+s")

    assert looks(snap_compare, size, scene)


async def three_sessions(pilot: Pilot[None]) -> None:
    await talk(pilot)
    for prompt in ("山は静かにして", "A second talk, about the sea and all that swims in it"):
        await press(pilot, "ctrl+n")
        await say(pilot, prompt)
    for session in app_of(pilot).manager.list_open():
        assert session.saver is not None
        await session.saver.flush()
    await press_to(pilot, SessionsScreen, "ctrl+s")
    options = pilot.app.screen.query_one(OptionList)
    await until(pilot, lambda: options.option_count == 3)


SESSIONS: tuple[Reply, ...] = (*TALK, "It is calm.", "There is much.")


def test_sessions_to_choose_from(snap_compare: SnapCompare, size: Size) -> None:
    assert looks(snap_compare, size, three_sessions, SESSIONS)


def test_the_question_before_a_session_is_deleted(snap_compare: SnapCompare, size: Size) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await three_sessions(pilot)
        await press_to(pilot, ConfirmDialog, "down", "f8")

    assert looks(snap_compare, size, scene, SESSIONS)


def test_the_keys(snap_compare: SnapCompare, size: Size) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await chat_is_up(pilot)
        await press_to(pilot, HelpScreen, "f1")

    assert looks(snap_compare, size, scene)


def test_a_theme_under_the_cursor_is_seen_at_once(snap_compare: SnapCompare, size: Size) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await talk(pilot)
        app = app_of(pilot)
        app.choose_theme()
        await until(pilot, lambda: isinstance(app.screen, ChooseDialog))
        await pilot.press("end")
        await until_still(pilot)

    assert looks(snap_compare, size, scene)


def test_models_to_choose_from(
    snap_compare: SnapCompare, size: Size, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def found(registry: object) -> list[ModelInfo]:
        return [ModelInfo(id="ollama/llama3.2")]

    for endpoint in ENDPOINTS.values():
        for variable in endpoint.key_env:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("omni_tui.llm.offers.local_models", found)

    async def scene(pilot: Pilot[None]) -> None:
        await chat_is_up(pilot)
        await press_to(pilot, ChooseModelDialog, "f2")

    assert looks(snap_compare, size, scene)


@pytest.mark.parametrize("theme", ["omni-light", "omni-contrast"])
def test_other_themes(snap_compare: SnapCompare, size: Size, theme: str) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        app_of(pilot).theme = theme
        await talk(pilot)

    assert looks(snap_compare, size, scene)
