"""Every key, from the table of actions."""

from __future__ import annotations

from collections.abc import Mapping

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from omni_tui.config.keymap import ACTIONS, CONTEXTS, Context, key_label
from omni_tui.tui.commands import COMMANDS, commands
from omni_tui.tui.widgets.rows import Hanging, Sheet

KEY_WIDTH = 24
"""Cells of the column of keys."""


class HelpScreen(ModalScreen[None]):
    """The keys, by the place where they count."""

    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        background: $background 60%;
        & > VerticalScroll {
            width: 84; max-width: 100%; height: auto; max-height: 90%;
            padding: 1 2; background: $panel; border: round $border;
            scrollbar-size-vertical: 1;
            border-title-color: $foreground; border-subtitle-color: $omni-muted;
        }
        & Static { height: auto; }
    }
    """
    BINDINGS = [Binding("escape,q,f1,question_mark,enter", "dismiss", show=False)]

    def __init__(self, keymap: Mapping[str, tuple[str, ...]]) -> None:
        super().__init__()
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        with VerticalScroll() as panel:
            panel.border_title = "keys"
            panel.border_subtitle = "↑↓ scroll · esc closes"
            yield Static(self._sheet())

    def _sheet(self) -> Sheet:
        lines: list[Content | Hanging] = []
        for context, words in CONTEXTS.items():
            if lines:
                lines.append(Content(""))
            lines.append(Content.styled(words, "bold $primary"))
            lines += self._group(context)
        lines += [
            Content(""),
            Content.styled("Commands", "bold $primary"),
            *(
                self._line(command, words)
                for command, words in (
                    *COMMANDS,
                    ("/new  /sessions  /theme", "And every action above by its name."),
                )
            ),
        ]
        return Sheet(lines)

    def _group(self, context: Context) -> list[Hanging]:
        slash = {id: f"/{name}" for name, id in commands().items()}
        return [
            self._line("  ".join(map(key_label, keys)) or slash.get(action.id, "—"), action.help)
            for action in ACTIONS
            if action.context == context
            for keys in [self._keymap[action.id]]
        ]

    def _line(self, keys: str, words: str) -> Hanging:
        return Hanging(
            Content.styled(f"  {keys}", "$accent"), Content.styled(words, "$foreground"), KEY_WIDTH
        )
