"""The model asks the person something."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import OptionList, Static, TextArea
from textual.widgets.option_list import Option

from omni_tui.agent.decisions import Provide, Reject
from omni_tui.agent.events import Paused
from omni_tui.core.safe_text import safe
from omni_tui.tui.answers import Later
from omni_tui.tui.dialogs.base import Dialog
from omni_tui.tui.safe_content import safe_content

DECLINED = "User declined to answer."


class QuestionDialog(Dialog[Provide | Reject | Later]):
    """Offers the model's options, if it gave any, and a field for other words."""

    DEFAULT_CSS = """
    QuestionDialog {
        & > .panel { border: round $omni-warn; border-title-color: $omni-warn; }
        & .question { margin: 1 0; }
        & OptionList, & TextArea {
            height: auto; max-height: 10; border: none; padding: 0; background: $panel;
            margin-bottom: 1;
            &:focus { border: none; }
        }
    }
    """
    BINDINGS = [
        Binding("escape", "decline", show=False, priority=True),
        Binding("enter", "accept", show=False, priority=True),
        Binding("ctrl+s", "later('session.list')", show=False, priority=True),
        Binding("ctrl+n", "later('session.new')", show=False, priority=True),
    ]

    def __init__(self, pause: Paused) -> None:
        super().__init__()
        arguments = pause.tool_use.input
        self._question = str(arguments.get("question", ""))
        options = arguments.get("options")
        self._options = [str(option) for option in options] if isinstance(options, list) else []

    def compose(self) -> ComposeResult:
        with Vertical(classes="panel") as panel:
            panel.border_title = "? the model asks"
            panel.border_subtitle = "enter answers · esc declines"
            yield Static(safe_content(self._question), classes="question")
            if self._options:
                yield OptionList(
                    *(Option(safe_content(option)) for option in self._options), markup=False
                )
            area = TextArea(
                soft_wrap=True,
                compact=True,
                highlight_cursor_line=False,
                placeholder="or in your own words" if self._options else "your answer",
            )
            area.cursor_blink = False
            yield area

    def on_mount(self) -> None:
        super().on_mount()
        (self.query_one(OptionList) if self._options else self.query_one(TextArea)).focus()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        if not self.is_typed_ahead():
            self.dismiss(Provide(self._options[event.option_index], by="you"))

    def action_accept(self) -> None:
        """Answer with the chosen option or the words written."""
        if self.is_typed_ahead():
            return
        words = self.query_one(TextArea).text.strip()
        if self.query_one(TextArea).has_focus or not self._options:
            if words:
                self.dismiss(Provide(safe(words), by="you"))
            return
        self.query_one(OptionList).action_select()

    def action_decline(self) -> None:
        """Do not answer."""
        if not self.is_typed_ahead():
            self.dismiss(Provide(DECLINED, is_error=True, by="you"))

    def action_later(self, action: str) -> None:
        """Leave the question open and do something else."""
        self.dismiss(Later(action))
