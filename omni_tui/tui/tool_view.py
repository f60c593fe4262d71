"""A tool use as a person reads it in a row of the transcript."""

from __future__ import annotations

import time
from typing import Any

from msgspec import structs

from omni_tui.core.messages import ToolResult, ToolUse
from omni_tui.core.safe_text import safe, safe_line
from omni_tui.llm.partial_json import MAX_CHARS, PartialJson
from omni_tui.session.runs import RunningTool
from omni_tui.session.session import Session
from omni_tui.session.task import TASK
from omni_tui.tools.permissions import describe
from omni_tui.tools.subjects import telling_argument
from omni_tui.tui.widgets.transcript.model import ToolRow, ToolStatus

MAX_TITLE = 1000
"""Characters of streamed arguments that a title is made of; a row shows fewer."""

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


def task_row(use: ToolUse, child: Session, running: RunningTool) -> ToolRow:
    """The row of a sub-agent at work: what it does now, and how long it has been at it."""
    asks = any(run.paused is not None for run in child.runs.values())
    doing = "waits for you" if asks else running.output.rstrip("\n").rpartition("\n")[2]
    passed = int(time.monotonic() - running.started)
    took = f"{passed} s" if passed < 60 else seconds(passed * 1000)
    return ToolRow(
        id=use.id,
        name=use.name,
        title=describe(use),
        status="asks" if asks else "running",
        detail=f"{safe_line(doing, 40)} · {took}" if doing else took,
        output=running.output,
    )


class StreamingUse:
    """A tool use whose arguments are still being written, in the form of a whole one.

    Only for a person to watch: half a command is no command.
    """

    def __init__(self, id: str, name: str) -> None:
        self._use = ToolUse(id=id, name=name)
        self._telling = telling_argument(name)
        self._arguments = PartialJson(MAX_CHARS if self._telling else MAX_TITLE)
        self._is_whole = False

    def feed(self, json: str) -> None:
        """Take the next piece of the arguments."""
        self._arguments.feed(json)

    def finish(self, use: ToolUse) -> None:
        """The arguments are whole."""
        self._use, self._is_whole = use, True

    def row(self) -> ToolRow:
        """The row as it is now; what it costs does not grow with the arguments."""
        use = self._use if self._is_whole else structs.replace(self._use, input=self._input())
        title = describe(use) if self._is_whole or use.input else ""
        return ToolRow(id=use.id, name=use.name, title=title, status="writing")

    def _input(self) -> dict[str, Any]:
        """Of the arguments so far, what the row is about."""
        if self._telling is None:
            value = self._arguments.value()
            return value if isinstance(value, dict) else {}
        text = self._arguments.text(self._telling, MAX_TITLE)
        return {} if text is None else {self._telling: text}


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
    elif use.name == TASK and (steps := data.get("steps")):
        parts.append(f"{steps} step{'s' if steps != 1 else ''}")
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
