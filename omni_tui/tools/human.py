"""The tool `human`: the model asks the person."""

from __future__ import annotations

from dataclasses import replace

from omni_tui.core.errors import ToolError
from omni_tui.core.tool import tool


@tool(name="human")
async def _human(question: str, options: list[str] | None = None) -> str:
    """Ask the person a question and wait for the answer.

    Args:
        question: What you need to know, in one or two sentences.
        options: Answers to choose from; the person may still write another.
    """
    # The agent pauses and puts the question; the handler is reached when nobody is there.
    raise ToolError("No human is available to answer")


human = replace(_human, asks_person=True)
