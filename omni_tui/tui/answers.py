"""What a person may answer when a run asks; apart from the dialogs, which load when needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from omni_tui.agent.decisions import Answer, Execute

GRACE = 0.3
"""Seconds after a dialog appears in which its keys do nothing: what was typed for the composer must
not answer a question nobody has read."""


@dataclass(frozen=True, slots=True)
class Later:
    """The person does something else first; `action` names what, if a key said so."""

    action: str | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop the run."""


@dataclass(frozen=True, slots=True)
class Allow:
    """Run it, and let what fits `rule` run unasked: in this session, or always in this project."""

    rule: str
    scope: str
    answer: Execute


ApprovalResult: TypeAlias = Answer | Allow | Later | Stop
