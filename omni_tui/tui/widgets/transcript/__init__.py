"""The transcript: one virtualised widget that shows a conversation."""

from omni_tui.tui.widgets.transcript.model import (
    CodeBlock,
    Entry,
    GrowingRow,
    Notice,
    Part,
    Prose,
    Source,
    Thought,
    ToolRow,
)
from omni_tui.tui.widgets.transcript.transcript import Transcript

__all__ = [
    "CodeBlock",
    "Entry",
    "GrowingRow",
    "Notice",
    "Part",
    "Prose",
    "Source",
    "Thought",
    "ToolRow",
    "Transcript",
]
