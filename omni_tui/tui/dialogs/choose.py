"""A modal list to choose one thing from, with a preview of each while the cursor moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from omni_tui.tui.dialogs.base import Dialog
from omni_tui.tui.safe_content import safe_content


@dataclass(frozen=True, slots=True)
class Choice:
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
    ChooseDialog OptionList {
        height: auto; max-height: 18; border: none; padding: 0; background: $panel; margin: 1 0;
        &:focus { border: none; }
    }
    """
    BINDINGS = [Binding("escape", "back", show=False)]

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        current: str | None = None,
        preview: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self._title = title
        self._choices = list(choices)
        self._current = current
        self._preview = preview

    def compose(self) -> ComposeResult:
        with Vertical(classes="panel") as panel:
            panel.border_title = safe_content(self._title)
            panel.border_subtitle = "enter chooses · esc goes back"
            yield OptionList(
                *(Option(self._line(choice)) for choice in self._choices), markup=False
            )

    def _line(self, choice: Choice) -> Content:
        width = max((len(each.label) for each in self._choices), default=0)
        line = safe_content(choice.label)
        if choice.note:
            line = line.pad_right(max(2, width - len(choice.label) + 3)).append(
                safe_content(choice.note).stylize("$omni-muted")
            )
        return line

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
