"""Choosing among many models, by keys."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from omni_tui.llm.model_info import ModelInfo, Prices
from omni_tui.llm.offers import Offer
from omni_tui.llm.providers.base import ThinkingLevel
from omni_tui.tui.dialogs.choose_model import AT_ONCE, ChooseModelDialog, ModelChoice
from omni_tui.tui.widgets.rows import RowList

NOTHING = "nothing was chosen yet"


def offer(id: str, **fields: object) -> Offer:
    return Offer(info=ModelInfo(id=id, **fields), ready=True)  # type: ignore[arg-type]


MANY = [offer(f"maker/model-{number:03}") for number in range(500)]


class Host(App[None]):
    """Shows the dialog and keeps what it gave."""

    dialog_grace = 0

    def __init__(
        self,
        offers: Sequence[Offer],
        current: str,
        *,
        level: ThinkingLevel | None = None,
        default: ThinkingLevel | None = None,
    ) -> None:
        super().__init__()
        self.dialog = ChooseModelDialog(offers, current, level=level, default=default)
        self.chosen: str | None = NOTHING
        self.level: ThinkingLevel | None = None

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {"omni-muted": "gray", "omni-warn": "yellow"}

    def on_mount(self) -> None:
        self.push_screen(self.dialog, self.keep)

    def keep(self, chosen: ModelChoice | None) -> None:
        self.chosen = None if chosen is None else chosen.model
        self.level = None if chosen is None else chosen.level

    def rows(self) -> int:
        return self.dialog.query_one(RowList).option_count

    def hint(self) -> str:
        (line,) = self.dialog.query(".hint")
        return str(line.render()) if line.display else ""

    def thinking(self) -> str:
        (line,) = self.dialog.query(".level")
        return str(line.render())


async def type_(pilot: Pilot[None], text: str) -> None:
    await pilot.press(*("slash" if each == "/" else each for each in text))
    await pilot.pause()


async def test_only_a_screenful_of_many_is_made_and_typing_finds_the_rest() -> None:
    app = Host(MANY, "maker/model-003")
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.rows() == AT_ONCE
        assert app.hint() == "400 more: type to find them"
        await type_(pilot, "49")
        assert app.rows() == 15
        assert app.hint() == ""
        await type_(pilot, "9")
        await pilot.press("enter")
        assert app.chosen == "maker/model-499"


async def test_the_model_in_use_stands_first_and_the_arrows_move_while_one_types() -> None:
    app = Host(MANY, "maker/model-003")
    async with app.run_test() as pilot:
        await pilot.pause()
        assert isinstance(app.focused or app.dialog.focused, Input)
        await pilot.press("down", "down", "up", "enter")
        assert app.chosen == "maker/model-000"


async def test_a_model_that_is_in_no_list_can_be_written() -> None:
    app = Host(MANY, "demo/chat")
    async with app.run_test() as pilot:
        await pilot.pause()
        await type_(pilot, "zz")
        assert (app.rows(), app.hint()) == (0, "nothing fits")
        await pilot.press("enter")
        assert app.chosen == NOTHING
        await type_(pilot, "/new")
        assert (app.rows(), app.hint()) == (1, "")
        await pilot.press("enter")
        assert app.chosen == "zz/new"


async def test_among_a_few_there_is_no_field_and_escape_chooses_none() -> None:
    app = Host(MANY[:3], "demo/chat")
    async with app.run_test() as pilot:
        await pilot.pause()
        assert not app.dialog.query_one(Input).display
        assert app.rows() == 4
        await pilot.press("escape")
        assert app.chosen is None


@pytest.mark.parametrize("width", [40, 80])
async def test_a_row_says_the_window_and_the_price_where_there_is_room(width: int) -> None:
    prices = Prices(input=3, output=15)
    app = Host([offer("maker/one", context=200_000, prices=prices)], "maker/one")
    async with app.run_test(size=(width, 24)) as pilot:
        await pilot.pause()
        lines = [strip.text for strip in app.dialog._compositor.render_strips()]
        (line,) = [line for line in lines if "maker/one" in line]
        assert ("200k" in line) == (width == 80)
        assert ("$3.00 / $15.00" in line) == (width == 80)


async def test_names_of_models_are_no_markup() -> None:
    app = Host([offer("maker/[b]bold[/b]"), offer("maker/\x1b]0;x\x07")], "demo/chat")
    async with app.run_test() as pilot:
        await pilot.pause()
        text = "\n".join(strip.text for strip in app.dialog._compositor.render_strips())
        assert "[b]bold[/b]" in text
        assert "\x1b" not in text


# How much it thinks

THINKER = offer("maker/thinker", reasoning=True)
TALKER = offer("maker/talker", reasoning=False)
STRANGER = offer("maker/stranger")


async def test_left_and_right_change_how_much_a_model_thinks() -> None:
    app = Host([THINKER, TALKER], "maker/thinker")
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.thinking() == "thinking  ‹ default ›   ←→"
        await pilot.press("left", "right", "right")
        assert "‹ low ›" in app.thinking()
        await pilot.press(*["right"] * 9)
        assert "‹ max ›" in app.thinking()
        await pilot.press("left", "enter")
        assert (app.chosen, app.level) == ("maker/thinker", "xhigh")


async def test_what_is_chosen_and_what_the_settings_say_is_shown() -> None:
    app = Host([THINKER, TALKER], "maker/thinker", level="off", default="high")
    async with app.run_test() as pilot:
        await pilot.pause()
        assert "‹ off ›" in app.thinking()
        await pilot.press("left")
        assert "‹ default, high ›" in app.thinking()
        await pilot.press("enter")
        assert (app.chosen, app.level) == ("maker/thinker", None)


@pytest.mark.parametrize("other", [TALKER, STRANGER])
async def test_only_a_model_known_to_think_is_offered_levels(other: Offer) -> None:
    app = Host([THINKER, other], "maker/thinker", level="low")
    async with app.run_test() as pilot:
        await pilot.pause()
        await pilot.press("right", "down")
        assert app.thinking() == ""
        await pilot.press("right", "enter")
        assert (app.chosen, app.level) == (other.id, "low")


async def test_the_level_follows_what_typing_finds() -> None:
    app = Host([TALKER, *MANY, THINKER], "maker/talker")
    async with app.run_test() as pilot:
        await pilot.pause()
        await type_(pilot, "thiker")
        await pilot.press("left", "left", "left")
        assert app.thinking() == ""
        await type_(pilot, "n")
        assert "‹ default ›" in app.thinking()
        await pilot.press("right", "enter")
        assert (app.chosen, app.level) == ("maker/thinker", "off")


@pytest.mark.parametrize("size", [(60, 20), (120, 40)])
async def test_the_level_is_seen_under_a_long_list(size: tuple[int, int]) -> None:
    app = Host([THINKER, *MANY], "maker/thinker", level="high")
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        lines = [strip.text for strip in app.dialog._compositor.render_strips()]
        (level,) = [place for place, line in enumerate(lines) if "‹ high ›" in line]
        (more,) = [place for place, line in enumerate(lines) if "401 more" in line]
        (last,) = [place for place, line in enumerate(lines) if "enter chooses" in line]
        assert more < level < last
        assert sum("maker/model" in line for line in lines[:more]) >= 4
