"""What hooks may decide, and how a paused agent is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from omni_tui.core.messages import Content


class Execute(msgspec.Struct, frozen=True):
    """Run the tool, with the model's arguments or edited ones."""

    input: dict[str, Any] | None = None
    """Arguments in place of the model's; the model is told."""
    by: str | None = None
    """Who or which rule allowed it, kept with the result."""
    allowed_paths: tuple[Path, ...] = ()
    """Places outside the working folder this one call may touch."""


class Reject(msgspec.Struct, frozen=True):
    """Do not run the tool; the model reads the reason."""

    reason: str = ""
    by: str | None = None


class Provide(msgspec.Struct, frozen=True):
    """Give the result without running the tool."""

    result: str
    is_error: bool = False
    by: str | None = None


class Pause(msgspec.Struct, frozen=True):
    """Wait for `resume()`. `details` is what a person needs to decide, as JSON-like values."""

    reason: str = "requires_approval"
    details: dict[str, Any] = {}


class Proceed(msgspec.Struct, frozen=True):
    """Go on; from `pre_turn` perhaps with other words than the person's."""

    content: Content | None = None
    """What to send in place of the prompt; `None` leaves it."""


class Skip(msgspec.Struct, frozen=True):
    """Leave this turn out: nothing is sent and nothing is added to the history."""


class Stop(msgspec.Struct, frozen=True):
    """No more of this: the run ends here."""


class Continue(msgspec.Struct, frozen=True):
    """Begin another turn with this prompt."""

    content: Content


class Retry(msgspec.Struct, frozen=True):
    """Ask for the same step again."""

    delay: float = 0.0
    """Seconds to wait before."""


class Halt(msgspec.Struct, frozen=True):
    """End the run and freeze the agent until `unhalt()`."""


class Ignore(msgspec.Struct, frozen=True):
    """Nothing is to be done about this event."""


Answer: TypeAlias = Execute | Reject | Provide
Decision: TypeAlias = Answer | Pause
BeforeTurn: TypeAlias = Proceed | Skip | Halt
AfterStep: TypeAlias = Proceed | Stop | Halt
AfterTurn: TypeAlias = Stop | Continue | Halt
AfterError: TypeAlias = Stop | Retry | Continue | Halt
OnEvent: TypeAlias = Ignore | Continue | Halt
