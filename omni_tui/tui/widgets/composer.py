"""Where a person writes: Enter sends, the rest is a text editor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.widgets import TextArea

from omni_tui.core.safe_text import safe
from omni_tui.tui.keys import method

WHEN_EMPTY = ("composer.detach", "composer.quit")
"""Actions whose keys are the editor's as soon as there is anything to edit."""

ALWAYS = ("session.search",)
"""Actions whose keys the editor has a use for too; those that write something stay its own."""


class Composer(TextArea):
    """A text area that submits.

    At the first and the last line, Up and Down walk through what was asked before.
    """

    DEFAULT_CSS = """
    Composer {
        height: auto;
        min-height: 1;
        max-height: 33vh;
        border: none;
        padding: 0 2;
        background: $background;
        &:focus { border: none; background: $background; }
        & .text-area--placeholder { color: $omni-muted; }
    }
    """

    class Submitted(Message):
        """The person sends `text`."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            id=id,
            soft_wrap=True,
            show_line_numbers=False,
            compact=True,
            highlight_cursor_line=False,
            placeholder="Ask anything.   / commands",
            tab_behavior="focus",
        )
        self.cursor_blink = False
        self.asked_before: Callable[[], Sequence[str]] = lambda: ()
        """What was asked before, oldest first."""
        self.take_back: Callable[[], bool] = lambda: False
        """Takes up what waits to be sent; says whether anything did."""
        self._send = self._newline = frozenset[str]()
        self._when_empty: Mapping[str, str] = {}
        self._always: Mapping[str, str] = {}
        self._recalled: int | None = None
        self._kept = ""

    def set_keys(self, keymap: Mapping[str, Sequence[str]]) -> None:
        """Bind the keys that send, that start a line, and that count while nothing is written."""
        self._send = frozenset(keymap["composer.send"])
        self._newline = frozenset(keymap["composer.newline"])
        self._when_empty = {
            key: f"screen.{method(action)}" for action in WHEN_EMPTY for key in keymap[action]
        }
        self._always = {
            key: f"screen.{method(action)}"
            for action in ALWAYS
            for key in keymap[action]
            if "+" in key
        }

    BINDINGS = [
        Binding("ctrl+c", "screen.interrupt", show=False),
    ]

    async def _on_key(self, event: events.Key) -> None:
        if event.key in self._newline:
            event.prevent_default().stop()
            self.insert("\n")
        elif event.key in self._send:
            event.prevent_default().stop()
            if self.text.endswith("\\") and self.cursor_at_end_of_text:
                # For terminals that cannot tell Shift+Enter from Enter.
                self.action_delete_left()
                self.insert("\n")
            else:
                self.post_message(self.Submitted(self.text))
        elif (action := self._own_action(event.key)) is not None:
            event.prevent_default().stop()
            await self.run_action(action)
        elif (event.key == "up" and not self.text and self.take_back()) or (
            self._is_at_edge(event.key) and self._recall(-1 if event.key == "up" else 1)
        ):
            event.prevent_default().stop()

    def _own_action(self, key: str) -> str | None:
        """What a key does here instead of editing, if anything."""
        return self._always.get(key) or (None if self.text else self._when_empty.get(key))

    def _is_at_edge(self, key: str) -> bool:
        return (key == "up" and self.cursor_at_first_line) or (
            key == "down" and self.cursor_at_last_line
        )

    def write(self, text: str) -> None:
        """Put `text` in place of what is there, with the cursor behind it."""
        self._recalled = None
        self.load_text(safe(text))
        self.move_cursor(self.document.end)

    def _recall(self, step: int) -> bool:
        past = self.asked_before()
        at = len(past) if self._recalled is None else min(self._recalled, len(past))
        wanted = at + step
        if not 0 <= wanted <= len(past) or (step > 0 and self._recalled is None):
            return False
        if self._recalled is None:
            self._kept = self.text
        self.load_text(safe(past[wanted]) if wanted < len(past) else self._kept)
        self.move_cursor(self.document.end if step < 0 else (0, 0))
        self._recalled = wanted if wanted < len(past) else None
        return True
