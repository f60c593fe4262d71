"""A modal that has a branch summed up, and lets a person read and change the note."""

from __future__ import annotations

from msgspec import structs
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static, TextArea

from omni_tui.core.errors import OmniError
from omni_tui.core.messages import Message
from omni_tui.core.safe_text import safe, safe_line
from omni_tui.session.merging import MergeNote, news
from omni_tui.session.session import Session
from omni_tui.tui.dialogs.text import TextDialog
from omni_tui.tui.safe_content import safe_content
from omni_tui.tui.tree_layout import plain_line

BEING_WRITTEN = "a model sums it up… · type to write it yourself"
READY = "read it before you send it: the model goes on with what it says"


class MergeDialog(TextDialog):
    """Gives the words to tell, or `None`; `note` says who wrote what they were made from.

    The model begins to write at once. What a person types meanwhile is not overwritten; where the
    model fails, the last reply of that branch stands in.

    Args:
        session: Where both branches are.
        source: The last message of the branch that is told of.
        onto: The last message of the branch that is told.
    """

    DEFAULT_CSS = """
    MergeDialog .about { color: $omni-muted; margin-bottom: 1; }
    """

    def __init__(self, session: Session, source: int, onto: int | None) -> None:
        super().__init__(
            "tell this branch of another", hint=BEING_WRITTEN, many_lines=True, verb="sends it"
        )
        self._session = session
        self._source = source
        self._onto = onto
        self.note = MergeNote(node_id=source, text="")

    def parts(self) -> ComposeResult:
        """Which branch it is, and the field."""
        yield Static(self._branch(), classes="about")
        yield from super().parts()

    def _branch(self) -> Content:
        tree = self._session.tree
        messages, _ = news(tree, self._source, self._onto)
        label = tree[self._source].label
        words = f'"{label}"' if label else plain_line(_first_words(messages))
        return safe_content(safe_line(f"{len(messages)} messages there: {words}", 200))

    def on_mount(self) -> None:
        super().on_mount()
        self.run_worker(self._draft(), exclusive=True)

    async def _draft(self) -> None:
        try:
            note = await self._session.draft_merge(self._source, onto=self._onto)
            hint = READY
        except OmniError as error:
            last = self._session.tree[self._source].message.text
            note = structs.replace(self.note, text=last)
            hint = f"it could not be summed up ({safe_line(str(error), 120)}): this is its end"
        area = self.query_one(TextArea)
        if area.text.strip():
            hint = READY  # they write it themselves
        else:
            self.note = note
            area.load_text(safe(note.text))
            area.move_cursor(area.document.end)
        self.query_one(".hint", Static).update(safe_content(hint))

    def accept(self) -> None:
        """Give back the words, if there are any."""
        if self.query_one(TextArea).text.strip():
            super().accept()


def _first_words(messages: tuple[Message, ...]) -> str:
    return next((message.text for message in messages if message.text.strip()), "…")
