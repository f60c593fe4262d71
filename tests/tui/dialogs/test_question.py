"""The model's question: the options hang under their marks, and the field is always there."""

from __future__ import annotations

import pytest
from screen_app import app_of, chat_is_up, press, rows, say, shown_app, text, until
from textual.events import Key

from omni_tui.llm.providers.scripted import Call, Reply
from omni_tui.tui.dialogs.question import QuestionDialog

OPTIONS = ["the sea", "山は静かにして", "x" * 200, "🏔️ and 👩‍🚀", *map(str, range(30))]


def replies(options: list[str] | None) -> list[Reply]:
    question = {"question": "Where to, " + "and why " * 30 + "?"}
    return [[Call("human", question | ({"options": options} if options else {}))], "Good."]


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (120, 40)])
@pytest.mark.parametrize("options", [OPTIONS, None], ids=["options", "free"])
async def test_the_question_and_the_field_are_visible(
    size: tuple[int, int], options: list[str] | None
) -> None:
    async with shown_app(replies(options)).run_test(size=size) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Plan a trip")
        assert isinstance(app_of(pilot).screen, QuestionDialog)
        assert "Where to, and why" in text(pilot)
        assert ("or in your own words" if options else "your answer") in text(pilot)
        if options:
            assert "· the sea" in text(pilot)


async def test_a_long_option_hangs_under_its_own_words() -> None:
    async with shown_app(replies(OPTIONS)).run_test(size=(120, 40)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Plan a trip")
        first, second = [row for row in rows(pilot) if "xxxx" in row][:2]
        assert first.index("x") == second.index("x") == first.index("·") + 2


async def test_an_option_far_down_can_be_chosen() -> None:
    async with shown_app(replies(OPTIONS)).run_test(size=(60, 20)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Plan a trip")
        await pilot.press("end")
        await pilot.pause()
        assert "· 29" in text(pilot)
        await press(pilot, "enter")
        (result,) = app_of(pilot).session.tree[3].message.tool_results
        assert result.content == "29"


async def test_words_typed_in_a_burst_are_all_in_the_answer() -> None:
    app = shown_app(replies(None))
    async with app.run_test(size=(80, 24)) as pilot:
        await chat_is_up(pilot)
        await say(pilot, "Plan a trip")
        for letter in "north":
            app.post_message(Key(letter, letter))
        app.post_message(Key("enter", None))
        await until(pilot, lambda: app.screen is app.chat)
        (result,) = app.session.tree[3].message.tool_results
        assert result.content == "north"
