"""A tool use as a person reads it in a row of the transcript."""

from __future__ import annotations

from omni_tui.core.messages import ToolResult, ToolUse
from omni_tui.core.safe_text import safe
from omni_tui.tools.permissions import describe
from omni_tui.tui.widgets.transcript.model import ToolRow, ToolStatus

DECISIONS: dict[str, ToolStatus] = {
    "rejected": "rejected",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
    "limit": "cancelled",
}


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
