"""A tool use as a person reads it: in a row of the transcript, and before it runs."""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path

from textual.content import Content

from omni_tui.core.messages import ToolResult, ToolUse
from omni_tui.core.safe_text import safe
from omni_tui.tools.permissions import describe
from omni_tui.tui.safe_content import safe_content
from omni_tui.tui.widgets.transcript.model import ToolRow, ToolStatus

_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_FOREIGN = re.compile(r"[^\x00-\x7f]")

DECISIONS: dict[str, ToolStatus] = {
    "rejected": "rejected",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
    "limit": "cancelled",
}


def arguments_view(use: ToolUse, cwd: Path) -> Content:
    """The whole of what would run: nothing cut, control characters as escapes, non-ASCII marked."""
    match use.name, use.input:
        case "bash", {"command": str(command)}:
            return _exact(command)
        case "write_file", {"path": str(path), "content": str(content)}:
            return Content("\n\n").join([_exact(path), _lines("+", content, "$omni-added")])
        case "edit_file", {"path": str(path), "old_string": str(old), "new_string": str(new)}:
            every = "\nevery occurrence" if use.input.get("replace_all") else ""
            return Content("\n\n").join([_exact(path + every), _diff(old, new)])
        case _:
            return _exact(json.dumps(use.input, indent=2, ensure_ascii=False))


def _exact(text: str) -> Content:
    shown = _HIDDEN.sub(lambda match: _escape(match[0]), text)
    content = safe_content(shown)
    for match in _FOREIGN.finditer(content.plain):
        content = content.stylize("underline $omni-warn", match.start(), match.end())
    return content


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _lines(sign: str, text: str, style: str) -> Content:
    lines = [_exact(f"{sign} {line}").stylize(style) for line in text.splitlines()]
    return Content("\n").join(lines)


def _diff(old: str, new: str) -> Content:
    lines = []
    for line in difflib.ndiff(old.splitlines(), new.splitlines()):
        if line.startswith("?"):
            continue
        style = {"+": "$omni-added", "-": "$omni-removed"}.get(line[0], "$omni-muted")
        lines.append(_exact(line).stylize(style))
    return Content("\n").join(lines)


def tool_row(
    use: ToolUse, result: ToolResult | None, waiting: ToolStatus, output: str = ""
) -> ToolRow:
    """The row of a use: with its result, or in the state `waiting` while there is none."""
    if result is None:
        return ToolRow(id=use.id, name=use.name, title=describe(use), status=waiting, output=output)
    data = result.data or {}
    diff = data.get("diff")
    decision = str(data.get("decision", ""))
    status: ToolStatus = DECISIONS.get(decision, "failed" if result.is_error else "done")
    return ToolRow(
        id=use.id,
        name=use.name,
        title=describe(use),
        status=status,
        detail=" · ".join(_details(use, result)),
        output="" if isinstance(diff, str) and not result.is_error else result.content,
        diff=diff if isinstance(diff, str) else None,
    )


def _details(use: ToolUse, result: ToolResult) -> list[str]:
    data = result.data or {}
    parts = []
    if isinstance(diff := data.get("diff"), str):
        added = sum(
            line.startswith("+") and not line.startswith("+++") for line in diff.split("\n")
        )
        gone = sum(line.startswith("-") and not line.startswith("---") for line in diff.split("\n"))
        parts.append(f"+{added} −{gone}")
    elif isinstance(code := data.get("exit_code"), int):
        parts.append(f"exit {code}")
    elif not result.is_error and result.content:
        count = result.content.count("\n") + 1
        parts.append(f"{count} line{'s' if count != 1 else ''}")
    if isinstance(duration := data.get("duration_ms"), int):
        parts.append(seconds(duration))
    by = data.get("by")
    if data.get("decision") == "allowed" and isinstance(by, str) and by.startswith("you"):
        parts.append(f"allowed by {safe(by)}")
    elif data.get("decision") == "provided":
        parts.append("result given by you")
    elif data.get("decision") == "rejected":
        parts.append("rejected" + (f" by {safe(str(by))}" if by else ""))
    return parts


def seconds(milliseconds: int) -> str:
    """A duration in words: `3 ms`, `2.1 s`, `4 min 02 s`."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    whole = milliseconds // 1000
    return f"{whole // 60} min {whole % 60:02d} s"
