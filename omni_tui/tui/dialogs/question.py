"""The model asks the person something."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static, TextArea
from textual.widgets.option_list import Option

from omni_tui.agent.decisions import Provide, Reject
from omni_tui.agent.events import Paused
from omni_tui.core.safe_text import safe, safe_line
from omni_tui.tui.answers import Later
from omni_tui.tui.dialogs.base import Dialog, Reading
from omni_tui.tui.safe_content import safe_content
from omni_tui.tui.widgets.rows import Hanging, RowList

DECLINED = "User declined to answer."


class QuestionDialog(Dialog[Provide | Reject | Later]):
    """Offers the model's options, if it gave any, and a field for other words."""

    DEFAULT_CSS = """
    QuestionDialog {
        & .panel { border: round $omni-warn; border-title-color: $omni-warn; }
        &.-choice Reading { dock: top; max-height: 40%; padding-bottom: 1; }
        & RowList { max-height: 100%; }
    }
    """
    BINDINGS = [
        Binding("escape", "decline", show=False, priority=True),
        Binding("enter", "accept", show=False, priority=True),
        Binding("ctrl+s", "later('session.list')", show=False, priority=True),
        Binding("ctrl+n", "later('session.new')", show=False, priority=True),
    ]

    def __init__(self, pause: Paused, agent: str | None = None) -> None:
        arguments = pause.tool_use.input
        self._question = str(arguments.get("question", ""))
        options = arguments.get("options")
        self._options = [str(option) for option in options] if isinstance(options, list) else []
        other = " · tab your own words" if self._options else ""
        who = f"the sub-agent {safe_line(agent, 60)}" if agent else "the model"
        super().__init__(f"? {who} asks", f"enter answers{other} · esc declines")
        self.set_class(bool(self._options), "-choice")

    def parts(self) -> ComposeResult:
        """The question, its options, and the field."""
        with Reading():
            yield Static(safe_content(self._question))
        if self._options:
            yield RowList(*(Option(self._row(option)) for option in self._options))
        with Vertical(classes="foot"):
            yield Static(classes="more")
            area = TextArea(
                soft_wrap=True,
                compact=True,
                highlight_cursor_line=False,
                placeholder="or in your own words" if self._options else "your answer",
            )
            area.cursor_blink = False
            yield area

    def _row(self, option: str) -> Hanging:
        return Hanging(Content.styled("·", "$omni-muted"), safe_content(option), 2)

    def on_mount(self) -> None:
        super().on_mount()
        (self.query_one(OptionList) if self._options else self.query_one(TextArea)).focus()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        if not self.is_typed_ahead():
            self.dismiss(Provide(self._options[event.option_index], by="you"))

    def action_accept(self) -> None:
        """Answer with the chosen option or the words written."""
        if not self.is_typed_ahead():
            self.after_typing(self._answer)

    def _answer(self) -> None:
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
