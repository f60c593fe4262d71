"""What a person may answer when a run asks; apart from the dialogs, which load when needed."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from omni_tui.agent.decisions import Answer, Execute

GRACE = 0.3
"""Seconds after a dialog appears in which its keys do nothing: what was typed for the composer must
not answer a question nobody has read."""


class Later(msgspec.Struct, frozen=True):
    """The person does something else first; `action` names what, if a key said so."""

    action: str | None = None


class Stop(msgspec.Struct, frozen=True):
    """Stop the run."""


class Allow(msgspec.Struct, frozen=True):
    """Run it, and let what fits `rule` run unasked: in this session, or always in this project."""

    rule: str
    scope: str
    answer: Execute


class Visit(msgspec.Struct, frozen=True):
    """Leave the question open and look at the session of the sub-agent that asks."""

    session_id: str


ApprovalResult: TypeAlias = Answer | Allow | Later | Visit | Stop
