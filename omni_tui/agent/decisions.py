"""What a hook may decide about a tool use, and how a paused agent is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import msgspec


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


Answer: TypeAlias = Execute | Reject | Provide
Decision: TypeAlias = Answer | Pause
