"""What is kept of a session beside its tree: its title, model and options, drafts and approvals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from omni_tui.agent.events import StateChanged
from omni_tui.llm.providers.base import Model, Options
from omni_tui.session.events import TitleChanged
from omni_tui.session.options import choose, overlay
from omni_tui.tools.permissions import Mode, Permissions, Rule

if TYPE_CHECKING:
    from omni_tui.session.saving import Saver
    from omni_tui.session.session import Session
    from omni_tui.session.setup import Setup
    from omni_tui.session.store.base import SessionRecord
    from omni_tui.session.titles import Titler


class Keeping:
    """The side of a `Session` that changes its record."""

    if TYPE_CHECKING:
        record: SessionRecord
        model: str | Model
        options: Options
        setup: Setup
        permissions: Permissions | None
        children: set[Session]
        saver: Saver | None
        titler: Titler

        def publish(self, payload: Any) -> None: ...

    def rename(self, title: str | None) -> None:
        """Give the session a title by hand, over any other; `None` lets it find one again."""
        self.titler.cancel()
        self._retitle(title or None, by_hand=bool(title))

    def set_model(self, model: str | Model) -> None:
        """Use another model from the next run on."""
        self.model = model
        self._change(model=str(model))

    def set_options(self, **chosen: Any) -> None:
        """Ask differently from the next run on, and keep that: fields of `Options`.

        `msgspec.UNSET` for a field leaves it to the set-up again.

        Raises:
            TypeError: `Options` has no such field.
            ValueError: A value is of the wrong kind.
        """
        options = choose(self.record.options, chosen)
        if options != self.record.options:
            self._change(options=options)
            self.options = overlay(self.setup.options, options)

    def set_draft(self, text: str, at: int | None) -> None:
        """Keep what is written but not sent at a node; empty text forgets it."""
        key = str(at or 0)
        drafts = {k: v for k, v in self.record.drafts.items() if k != key}
        if text:
            drafts[key] = text
        if drafts != self.record.drafts:
            self._change(drafts=drafts)

    def hand_back(self, text: str, at: int | None) -> None:
        """Put a text that was not sent before what is written at a node."""
        written = self.draft(at)
        self.set_draft(f"{text}\n\n{written}" if written else text, at)

    def draft(self, at: int | None) -> str:
        """What is written but not sent at a node."""
        return self.record.drafts.get(str(at or 0), "")

    def allow(self, rule: str) -> None:
        """Let tool uses that fit `rule` run unasked in this session, and keep that.

        It holds for the sub-agents now at work here too: they may be who asked.
        """
        if self.permissions is not None:
            self.permissions.add(Rule.parse(rule))
        if rule not in self.record.approvals:
            self._change(approvals=(*self.record.approvals, rule))
        for child in self.children:
            child.allow(rule)

    def disallow(self, rule: str) -> None:
        """Take back what `allow` allowed, here and in the sub-agents now at work here."""
        if rule not in self.record.approvals:
            return
        if self.permissions is not None:
            self.permissions.remove(Rule.parse(rule))
        self._change(approvals=tuple(each for each in self.record.approvals if each != rule))
        for child in self.children:
            child.disallow(rule)

    def set_mode(self, mode: Mode) -> None:
        """Decide otherwise from here on where no rule does, here and in its sub-agents; not stored.

        Does nothing in a session without permissions.
        """
        if self.permissions is not None:
            self.permissions.mode = mode
            self.publish(StateChanged(fields=("mode",)))
        for child in self.children:
            child.set_mode(mode)

    def _retitle(self, title: str | None, *, by_hand: bool = False) -> None:
        if (title, by_hand) != (self.record.title, self.record.title_is_manual):
            self._change(title=title, title_is_manual=by_hand)
            self.publish(TitleChanged(title=title))

    def _change(self, **changes: Any) -> None:
        self.record = msgspec.structs.replace(self.record, **changes)
        if self.saver is not None:
            self.saver.record_changed(self.record, changes)
