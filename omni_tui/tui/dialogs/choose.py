"""A modal list to choose one thing from, with a preview of each while the cursor moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from omni_tui.tui.dialogs.base import Dialog
from omni_tui.tui.safe_content import safe_label
from omni_tui.tui.widgets.rows import Row, RowList, column_widths


class Choice(msgspec.Struct, frozen=True):
    """One line of the list."""

    id: str
    label: str
    note: str = ""


class ChooseDialog(Dialog[str | None]):
    """Gives the id of what was chosen, or `None`.

    Args:
        title: What is chosen.
        choices: In order.
        current: The id under the cursor at first.
        preview: Called with each id the cursor comes to.
    """

    DEFAULT_CSS = """
    ChooseDialog RowList { max-height: 100%; }
    """
    BINDINGS = [Binding("escape", "back", show=False)]

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        current: str | None = None,
        preview: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(title, "enter chooses · esc goes back")
        self._choices = list(choices)
        self._current = current
        self._preview = preview

    def parts(self) -> ComposeResult:
        """The list."""
        widths = column_widths([(choice.note,) for choice in self._choices])
        yield RowList(*(Option(self._row(choice, widths)) for choice in self._choices))

    def _row(self, choice: Choice, widths: Sequence[int]) -> Row:
        is_current = choice.id == self._current
        return Row(
            safe_label(choice.label),
            mark=Content.styled("●", "$primary") if is_current else None,
            facts=(choice.note,),
            widths=widths,
        )

    def on_mount(self) -> None:
        super().on_mount()
        options = self.query_one(OptionList)
        ids = [choice.id for choice in self._choices]
        if self._current in ids:
            options.highlighted = ids.index(self._current)
        options.focus()

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if self._preview is not None:
            self._preview(self._choices[event.option_index].id)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        if not self.is_typed_ahead():
            self.dismiss(self._choices[event.option_index].id)

    def action_back(self) -> None:
        """Choose nothing."""
        self.dismiss(None)
