"""Choosing what runs unasked: the approval mode, and the rules of a session."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from omni_tui.tools.permissions import Mode, Permissions

if TYPE_CHECKING:
    from textual.app import App

    from omni_tui.session.session import Session
    from omni_tui.tui.dialogs.choose import Choice

    Base = App[None]
else:
    Base = object

MODES: Mapping[Mode, str] = MappingProxyType(
    {
        "ask": "asks before changes and commands",
        "auto-edit": "changes files here unasked",
        "plan": "only reads",
        "yolo": "asks nothing; deny rules hold",
    }
)
"""The modes, and what each does."""
STEPS: tuple[Mode, ...] = ("ask", "auto-edit", "plan")
"""What the key goes through; the mode that asks nothing must be chosen by name."""


class Approvals(Base):
    """What the application offers to allow; part of it."""

    if TYPE_CHECKING:
        session: Session

    def next_mode(self) -> None:
        """Take the next approval mode."""
        if self.session.permissions is None:
            return
        mode = self.session.permissions.mode
        place = STEPS.index(mode) + 1 if mode in STEPS else 0
        self.session.set_mode(STEPS[place % len(STEPS)])

    def choose_permissions(self) -> None:
        """Choose the approval mode, or take back a rule of this session."""
        self.run_worker(self._choose_permissions(), group="permissions", exclusive=True)

    async def _choose_permissions(self) -> None:
        from omni_tui.tui.dialogs.choose import ChooseDialog

        session = self.session
        permissions = session.permissions
        if permissions is None:
            return
        choices = _choices(permissions, session.record.approvals)
        dialog = ChooseDialog("approval", choices, permissions.mode)
        chosen = await self.push_screen_wait(dialog)
        for mode in MODES:
            if chosen == mode:
                session.set_mode(mode)
        if chosen in session.record.approvals:
            session.disallow(chosen)


def _choices(permissions: Permissions, own: tuple[str, ...]) -> list[Choice]:
    from omni_tui.tui.dialogs.choose import Choice

    modes = [Choice(mode, mode, what) for mode, what in MODES.items()]
    rules = [
        Choice(str(rule), f"{rule.effect} {rule}", "enter takes it back")
        if rule.effect == "allow" and str(rule) in own
        else Choice("", f"{rule.effect} {rule}", "settings")
        for rule in permissions.rules
    ]
    return modes + rules
