"""The tools of Claude Code in the words of ours, so that one set of rules speaks of both."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from omni_tui.core.messages import ToolUse

_OURS: Mapping[str, tuple[str, Mapping[str, str]]] = MappingProxyType(
    {
        "Bash": ("bash", {"description": "title"}),
        "Read": ("read_file", {"file_path": "path"}),
        "Write": ("write_file", {"file_path": "path"}),
        "Edit": ("edit_file", {"file_path": "path"}),
        "Grep": ("grep", {}),
        "Glob": ("glob", {}),
    }
)
"""Its name of a tool, ours, and the arguments that are called otherwise."""


def in_our_words(use: ToolUse) -> ToolUse:
    """The use as one of our tools; of a tool that is not like any of ours, as it stands."""
    if use.name == "AskUserQuestion":
        return ToolUse(id=use.id, name="human", input=_question(use.input))
    if use.name not in _OURS:
        return use
    name, terms = _OURS[use.name]
    given = {terms.get(key, key): value for key, value in use.input.items()}
    return ToolUse(id=use.id, name=name, input=given)


def in_its_words(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of our tool as those of its tool `name`."""
    terms = {ours: its for its, ours in _OURS[name][1].items()} if name in _OURS else {}
    return {terms.get(key, key): value for key, value in arguments.items()}


def _question(given: Mapping[str, Any]) -> dict[str, Any]:
    """Its questions as one, with the options if there is only one."""
    asked = given.get("questions")
    questions = (
        [each for each in asked if isinstance(each, dict)] if isinstance(asked, list) else []
    )
    words = "\n".join(str(each.get("question", "")) for each in questions)
    out: dict[str, Any] = {"question": words}
    if len(questions) == 1 and isinstance(options := questions[0].get("options"), list):
        out["options"] = [str(each.get("label", "")) for each in options if isinstance(each, dict)]
    return out
