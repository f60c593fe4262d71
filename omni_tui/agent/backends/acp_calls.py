"""Tool calls of ACP as our uses and results, where they fit in the words of our own tools."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import msgspec

from omni_tui.core.messages import ToolResult, ToolUse

if TYPE_CHECKING:
    from omni_tui.agent.backends.acp_wire import Call

_PATHS = ("file_path", "path", "abs_path")


def use_of(call: Call, id: str) -> ToolUse:
    """The use as one of our tools, so that rules speak of both; else by its kind, as it stands.

    A call that touches more than one file is none of ours: a rule would judge the first alone.
    """
    given = call.input if isinstance(call.input, dict) else {}
    title = {"title": call.title} if call.title else {}
    if call.kind == "execute" and (command := _command(given.get("command"))):
        return ToolUse(id=id, name="bash", input={"command": command} | title)
    if call.kind in ("read", "edit") and len(paths := _paths(call, given)) == 1:
        (path,) = paths
        if call.kind == "read":
            return ToolUse(id=id, name="read_file", input={"path": path} | title)
        if call.diffs is not None and len(call.diffs) == 1:
            _, old, new = call.diffs[0]
            if not old:
                return ToolUse(id=id, name="write_file", input={"path": path, "content": new})
            changes = {"path": path, "old_string": old, "new_string": new}
            return ToolUse(id=id, name="edit_file", input=changes)
    if call.input is not None and not isinstance(call.input, dict):
        given = {"input": call.input}
    name = call.kind if call.kind not in (None, "other") else "tool"
    return ToolUse(id=id, name=str(name), input=title | given)


def result_of(call: Call, id: str) -> ToolResult:
    """What a finished call gave."""
    content = call.content or _words(call.output)
    if not content and call.diffs:
        content = "\n".join(f"changed: {path}" for path, _, _ in call.diffs)
    return ToolResult(
        tool_use_id=id,
        name="",
        content=content or str(call.status),
        is_error=call.status == "failed",
    )


def _command(given: Any) -> str:
    if isinstance(given, list) and all(isinstance(word, str) for word in given):
        return shlex.join(given)
    return given if isinstance(given, str) else ""


def _paths(call: Call, given: dict[str, Any]) -> set[str]:
    """Every file it names, in whatever place."""
    named = {given[key] for key in _PATHS if isinstance(given.get(key), str)}
    return named | set(call.paths or ()) | {path for path, _, _ in call.diffs or ()}


def _words(output: Any) -> str:
    if output is None or isinstance(output, str):
        return output or ""
    return msgspec.json.encode(output).decode()
