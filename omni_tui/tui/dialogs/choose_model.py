"""The models to choose from: as many as there are, found by typing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from omni_tui.llm.model_info import ModelInfo, count_of, prices_of
from omni_tui.llm.offers import Offer, matching
from omni_tui.llm.providers.base import THINKING_LEVELS, ThinkingLevel
from omni_tui.tui.dialogs.base import Dialog
from omni_tui.tui.safe_content import safe_label
from omni_tui.tui.widgets.rows import Row, RowList, column_widths

AT_ONCE = 100
"""Rows in the list; more are found by typing."""
FEW = 10
"""Models among which nobody needs to search."""


class ModelChoice(msgspec.Struct, frozen=True):
    """What was chosen."""

    model: str
    """Its id."""
    level: ThinkingLevel | None
    """How much it shall think; `None` leaves it to the settings, or to the model."""


class ChooseModelDialog(Dialog[ModelChoice | None]):
    """Gives the model that was chosen and how much it thinks, or `None`.

    Left and Right change the level, as long as the model under the cursor is known to think.

    Args:
        offers: What there is, in order.
        current: The id of the model in use; it stands first.
        level: How much it thinks now; `None` is the default.
        default: What the default stands for, if the settings say so.
    """

    DEFAULT_CSS = """
    ChooseModelDialog {
        & Input { border: none; height: 1; margin: 0 0 1 0; padding: 0 2; background: $panel; }
        & Input:focus { border: none; background-tint: $foreground 0%; }
        & RowList { max-height: 100%; }
        & .hint { height: 1; padding: 0 2; }
        & .level { height: 1; padding: 0 2; margin: 1 0 0 0; }
    }
    """
    BINDINGS = [
        Binding("escape", "back", show=False, priority=True),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("left", "level(-1)", show=False, priority=True),
        Binding("right", "level(1)", show=False, priority=True),
    ]

    def __init__(
        self,
        offers: Sequence[Offer],
        current: str,
        *,
        level: ThinkingLevel | None = None,
        default: ThinkingLevel | None = None,
    ) -> None:
        super().__init__("model", "enter chooses · esc goes back")
        used = next((offer for offer in offers if offer.id == current), None)
        first = used or Offer(info=ModelInfo(id=current), ready=True)
        self._current = current
        self._all = [first, *(offer for offer in offers if offer is not used)]
        self._shown: list[Offer] = []
        self._before = self._level = level
        self._default = default

    def parts(self) -> ComposeResult:
        """The field, the list, how much of it is not shown, and how much the model thinks."""
        field = Input(placeholder="type to find, or write provider/model", compact=True)
        field.cursor_blink = False
        field.display = len(self._all) > FEW
        yield field
        yield RowList()
        with Vertical(classes="foot"):
            yield Static(classes="hint")
            yield Static(classes="level")

    def on_mount(self) -> None:
        super().on_mount()
        self._show("")
        (self.query_one(Input) if len(self._all) > FEW else self.query_one(RowList)).focus()

    def _show(self, text: str) -> None:
        found = matching(self._all, text)
        self._shown = found[:AT_ONCE]
        facts = [_facts(offer) for offer in self._shown]
        widths = column_widths(facts)
        rows = self.query_one(RowList)
        rows.clear_options()
        rows.add_options(
            Option(self._row(offer, its, widths))
            for offer, its in zip(self._shown, facts, strict=True)
        )
        if self._shown:
            rows.highlighted = 0
        self._show_level()
        more = len(found) - len(self._shown)
        hint = self.query_one(".hint", Static)
        hint.display = more > 0 or not found
        hint.update(f"{more:d} more: type to find them" if more else "nothing fits")

    def _row(self, offer: Offer, facts: Sequence[str], widths: Sequence[int]) -> Row:
        is_current = offer.id == self._current
        return Row(
            safe_label(offer.id),
            mark=Content.styled("●", "$primary") if is_current else None,
            facts=facts,
            widths=widths,
        )

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._show(event.value)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        place = self.query_one(RowList).highlighted
        if place is not None:
            self._choose(place)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self._choose(event.option_index)

    @on(OptionList.OptionHighlighted)
    def _moved(self) -> None:
        self._show_level()

    def _choose(self, place: int) -> None:
        if place < len(self._shown) and not self.is_typed_ahead():
            level = self._level if self._thinks else self._before
            self.dismiss(ModelChoice(self._shown[place].id, level))

    @property
    def _thinks(self) -> bool:
        """Whether the model under the cursor is known to think."""
        place = self.query_one(RowList).highlighted
        known = place is not None and place < len(self._shown)
        return known and self._shown[place or 0].info.reasoning is True

    def _show_level(self) -> None:
        line = Content("")
        label = self.query_one(".level", Static)
        label.display = any(offer.info.reasoning for offer in self._shown)
        if self._thinks:
            word = self._level or (f"default, {self._default}" if self._default else "default")
            line = Content.assemble(
                ("thinking  ", "$omni-muted"),
                ("‹ ", "$primary"),
                word,
                (" ›", "$primary"),
                ("   ←→", "$omni-muted"),
            )
        label.update(line)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Left and Right belong to the field where there is no level to change."""
        return action != "level" or self._thinks

    def action_level(self, step: int) -> None:
        """Have the model think more or less."""
        levels = (None, *THINKING_LEVELS)
        place = levels.index(self._level) + step
        self._level = levels[max(0, min(place, len(levels) - 1))]
        self._show_level()

    def action_move(self, rows: int) -> None:
        """Move the cursor of the list, wherever the focus is."""
        if rows > 0:
            self.query_one(RowList).action_cursor_down()
        else:
            self.query_one(RowList).action_cursor_up()

    def action_back(self) -> None:
        """Choose nothing."""
        self.dismiss(None)


def _facts(offer: Offer) -> tuple[str, str, str]:
    """The window, what reading and writing cost, and whether it thinks."""
    read, written = prices_of(offer.info)
    thinks = "thinks" if offer.info.reasoning else ""
    return count_of(offer.info.context), f"${read} / ${written}" if read else "", thinks
