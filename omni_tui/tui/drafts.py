"""What is being written: the text, what is attached to it, and the branch it is for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from omni_tui.core.errors import AttachmentError, OmniError
from omni_tui.core.messages import Attachment, Block, Text
from omni_tui.core.safe_text import safe_line
from omni_tui.tui.attached import Chip, read_attachment
from omni_tui.tui.commands import run_command
from omni_tui.tui.keys import hints
from omni_tui.tui.widgets.bars import Piece

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.timer import Timer

    from omni_tui.session.node import Node
    from omni_tui.session.session import Session
    from omni_tui.tui.app import OmniApp
    from omni_tui.tui.widgets.chips import ChipLine
    from omni_tui.tui.widgets.composer import Composer
    from omni_tui.tui.widgets.transcript import Transcript

    Base = Screen[None]
else:
    Base = object

HISTORY = 200
"""How many earlier prompts Up can bring back."""

STORED_AFTER = 0.5
"""Seconds after which what is written is stored, though nobody presses Enter."""

ATTACH_HINT = "an image, a PDF or a text file: its path, or an http(s) address"


class DraftActions(Base):
    """Writes, attaches and sends; part of the chat screen.

    The text of a branch's draft is the session's; what is attached to it is kept here, and ends
    with the application.
    """

    if TYPE_CHECKING:
        app: OmniApp
        session: Session
        editing: int | None
        preview: int | None
        composer: Composer
        transcript: Transcript
        chip_line: ChipLine

        def refresh_conversation(self, *, fresh: bool = False) -> None: ...
        def refresh_bars(self) -> None: ...
        def ask_if_needed(self) -> None: ...

    chips: list[Chip]
    """What goes with the message in the composer."""
    kept_chips: dict[tuple[str, int], list[Chip]]
    """What goes with the drafts of other branches, by session and head."""

    written_at: tuple[Session, int | None] | None = None
    """The session and the head that what is written was last put away with."""
    draft_timer: Timer | None = None
    """Runs while something is written that may not be stored yet."""

    # Coming and going

    def draft_changed(self) -> None:
        """Store what is written soon, for the program may be killed."""
        if self.draft_timer is None and self.editing is None:
            self.draft_timer = self.set_timer(STORED_AFTER, self._store_draft)

    def _store_draft(self) -> None:
        self.draft_timer = None
        if self.editing is None:
            self.keep_draft()

    def follow_head(self) -> None:
        """The branch grew while something was written on it: that belongs to its new end."""
        if self.composer.text and self.written_at != (self.session, self.session.tree.head):
            self.draft_changed()

    def on_unmount(self) -> None:
        """Leave nothing unstored behind."""
        if self.draft_timer is not None:
            self._store_draft()

    def keep_draft(self) -> None:
        """Put what is written away with the branch it is for."""
        head = self.session.tree.head
        self._leave_older_place(head)
        self.session.set_draft(self.composer.text, head)
        if self.chips:
            self.kept_chips[self.session.id, head or 0] = self.chips

    def take_up_draft(self) -> None:
        """Go on with what was written on this branch."""
        head = self.session.tree.head
        self.written_at = self.session, head
        self.composer.write(self.session.draft(head))
        self.chips = self.kept_chips.pop((self.session.id, head or 0), [])
        self.show_chips()

    def _leave_older_place(self, head: int | None) -> None:
        """Forget what was put away of the same text before the branch grew."""
        before, self.written_at = self.written_at, (self.session, head)
        if before is not None and before[0] is self.session and before[1] != head:
            self.session.set_draft("", before[1])

    def take_up(self, prompt: Node) -> None:
        """Write this prompt anew; what was written on the branch is put away."""
        if self.editing is None:
            self.keep_draft()
        self.editing = prompt.id
        blocks = prompt.message.content
        self.chips = [Chip.of(block) for block in blocks if isinstance(block, Attachment)]
        self.composer.write(prompt.message.text)
        self.composer.focus()
        self.show_chips()
        self.refresh_bars()

    def forget_drafts(self, session_id: str) -> None:
        """Let go of what was attached in a session that is gone."""
        for key in [key for key in self.kept_chips if key[0] == session_id]:
            del self.kept_chips[key]

    def asked_before(self) -> Sequence[str]:
        """The prompts of this session that have words, oldest first."""
        nodes = self.session.tree.nodes
        prompts = [node for node in nodes.values() if node.kind == "prompt"]
        return [text for node in prompts[-HISTORY:] if (text := node.message.text)]

    # Sending

    def submit(self, text: str) -> None:
        """Send what is written, or do what it commands."""
        session = self.session
        run = session.active_run
        is_empty = not text.strip() and not self.chips
        if is_empty and run is not None and run.paused is not None:
            self.ask_if_needed()
        if is_empty or run_command(self.app, text):
            return
        content = self._content(text)
        if content is None:
            return
        try:
            if self.editing is not None:
                session.edit(self.editing, content)
            else:
                session.prompt([*self._steering(), *content], when_busy="steer")
        except OmniError as error:
            self.app.notify(safe_line(f"{error} Nothing you wrote is lost.", 400), markup=False)
            return
        self.sent()

    def sent(self) -> None:
        """What was written is sent: begin with nothing, at the end of the conversation."""
        head = self.session.tree.head
        if self.editing is None:
            self._leave_older_place(head)
        self.written_at = self.session, head
        self.editing = self.preview = None
        self.session.set_draft("", head)
        self.composer.write("")
        self.chips = []
        self.show_chips()
        self.refresh_conversation()
        self.transcript.scroll_end(animate=False)

    def _steering(self) -> tuple[Block, ...]:
        """What waits for the end of the turn under way already: more is added to it."""
        run = self.session.active_run
        steer = run.agent.steering if run is not None else None
        return steer.content if steer is not None else ()

    def take_back(self) -> bool:
        """Write the text that waits anew; says whether there was one."""
        run = self.session.active_run
        content = run.agent.unsteer() if run is not None else None
        if content is None:
            return False
        self.composer.write(words(content))
        self.chips = [Chip.of(block) for block in content if isinstance(block, Attachment)]
        self.show_chips()
        return True

    def given_back(self, content: Sequence[Block]) -> None:
        """A text that waited was not sent: it is in the composer, or in the draft of its branch."""
        if not self.composer.text and not self.chips:
            self.take_up_draft()
            self.chips = [Chip.of(block) for block in content if isinstance(block, Attachment)]
            self.show_chips()
        elif self.editing is None and self._is_draft(content):
            self.composer.write(f"{words(content)}\n\n{self.composer.text}".rstrip("\n"))
        text = safe_line(words(content), 60)
        self.app.notify(f"not sent, kept as a draft: {text}", markup=False)

    def _is_draft(self, content: Sequence[Block]) -> bool:
        """Whether this is in what was put away for the branch in view, and not yet written."""
        stored = self.session.draft(self.session.tree.head)
        texts = [block.text for block in content if isinstance(block, Text)]
        return all(each in stored and each not in self.composer.text for each in texts)

    def _content(self, text: str) -> list[Block] | None:
        """What is sent; `None`, and a word about it, while some of it is still being read."""
        content: list[Block] = []
        for chip in self.chips:
            if chip.attachment is None:
                name = safe_line(chip.name, 60)
                self.app.notify(safe_line(f"still reading {name}", 100), markup=False, timeout=3)
                return None
            content.append(chip.attachment)
        return [*content, Text(text=text)] if text.strip() else content

    # Attaching

    def action_composer_attach(self) -> None:
        """Ask for a file, and attach it to the message being written."""
        self.run_worker(self._ask_for_file(), group="ask for a file", exclusive=True)

    async def _ask_for_file(self) -> None:
        from omni_tui.tui.dialogs.text import TextDialog

        text = problem = ""
        while True:
            dialog = TextDialog("attach", text, hint=ATTACH_HINT, problem=problem)
            answer = await self.app.push_screen_wait(dialog)
            if answer is None or not answer.strip():
                return
            error = await self._read(answer)
            if error is None:
                return
            text, problem = answer, safe_line(str(error), 300)

    def attach(self, text: str) -> None:
        """Attach what a path or an address leads to; the command comes back where it fails."""
        self.run_worker(self._attach_file(text), group="attach")

    async def _attach_file(self, text: str) -> None:
        chips = self.chips
        error = await self._read(text)
        if error is None:
            return
        self.app.notify(
            safe_line(str(error), 300),
            title="not attached",
            severity="error",
            markup=False,
            timeout=8,
        )
        if chips is self.chips and not self.composer.text:
            self.composer.write(f"/attach {text}")

    async def _read(self, text: str) -> AttachmentError | None:
        """Read into the draft of now, whatever is looked at when that is done."""
        chips, chip = self.chips, Chip(text.strip().rpartition("/")[2] or text)
        chips.append(chip)
        self.show_chips()
        cwd = self.session.setup.cwd or self.app.cwd
        try:
            attachment = await asyncio.to_thread(read_attachment, text, cwd)
            await self.app.look_up_model()  # so that sending need not wait for the disk
        except AttachmentError as error:
            if chip in chips:
                chips.remove(chip)
            return error
        finally:
            self.call_later(self.show_chips)
        if chip in chips:
            chips[chips.index(chip)] = Chip.of(attachment)
        return None

    def action_composer_detach(self) -> None:
        """Take the last attachment off the message being written."""
        self.detach()

    def detach(self, name: str = "") -> None:
        """Take one attachment off: the last, the last of this name, or `all` of them."""
        fitting = [chip for chip in self.chips if name in ("", "all", chip.name)]
        if not fitting:
            what = f"nothing attached is called {name}" if name and self.chips else ""
            self.app.notify(safe_line(what or "nothing is attached", 200), markup=False, timeout=4)
        for chip in fitting if name == "all" else fitting[-1:]:
            self.chips.remove(chip)
        self.show_chips()

    def show_chips(self) -> None:
        """Show what is attached, and the key that takes it off where it does that."""
        keys = []
        if self.chips and not self.composer.text:
            keys = hints(self.app.keymap, ("composer.detach",))
        self.chip_line.show_chips(
            self.chips, [(Piece(f"  {key}", "accent"), Piece(f" {verb}")) for key, verb in keys]
        )


def words(content: Sequence[Block]) -> str:
    """The text of a message."""
    return "\n\n".join(block.text for block in content if isinstance(block, Text))
