"""Tool uses and results as the tool calls an editor shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from acp import helpers, schema

from omni_tui.core.errors import ToolError
from omni_tui.core.messages import ToolResult, ToolUse, scrub
from omni_tui.core.safe_text import safe, safe_line
from omni_tui.tools import disk
from omni_tui.tools.edit import replace_text
from omni_tui.tools.files import is_binary
from omni_tui.tools.paths import locate, spelled
from omni_tui.tools.subjects import CHANGING_TOOLS, PATH_TOOLS, describe

MAX_COMPARED = 256 * 1024
"""Bytes of a file, and of what is to be written, that are shown beside each other."""
OUTPUT_CHARS = 20_000
"""How much of what a running tool prints is shown; the tail."""

Content: TypeAlias = (
    schema.ContentToolCallContent | schema.FileEditToolCallContent | schema.TerminalToolCallContent
)

_KINDS = MappingProxyType(
    {
        "bash": "execute",
        "read_file": "read",
        "write_file": "edit",
        "edit_file": "edit",
        "grep": "search",
        "glob": "search",
    }
)
_TITLES = MappingProxyType(
    {
        "bash": "{}",
        "read_file": "Read {}",
        "write_file": "Write {}",
        "edit_file": "Edit {}",
        "grep": "Search for {}",
        "glob": "Find {}",
        "human": "Question: {}",
        "task": "Sub-agent: {}",
    }
)


def kind_of(name: str) -> schema.ToolKind:
    """The kind an editor chooses a mark by."""
    return _KINDS.get(name, "other")  # type: ignore[return-value]


def title_of(use: ToolUse) -> str:
    """One safe line that says what the use does."""
    title = use.input.get("title")
    if use.name == "bash" and isinstance(title, str) and title.strip():
        return safe_line(title)
    return _TITLES.get(use.name, f"{safe_line(use.name, 60)}: {{}}").format(describe(use))


def begun(id: str, name: str) -> schema.ToolCallStart:
    """A use whose arguments are still on their way."""
    return helpers.start_tool_call(id, safe_line(name, 60), kind=kind_of(name), status="pending")


def started(id: str, use: ToolUse, cwd: Path) -> schema.ToolCallStart:
    """A use that an editor has not heard of."""
    return helpers.start_tool_call(
        id,
        title_of(use),
        kind=kind_of(use.name),
        status="pending",
        content=_told(use, cwd),
        locations=_locations(use, cwd),
        raw_input=_raw(use),
    )


def told(id: str, use: ToolUse, cwd: Path) -> schema.ToolCallProgress:
    """The arguments of a use that has `begun`."""
    return helpers.update_tool_call(
        id,
        title=title_of(use),
        content=_told(use, cwd),
        locations=_locations(use, cwd),
        raw_input=_raw(use),
    )


def running(id: str) -> schema.ToolCallProgress:
    """A use that runs now."""
    return helpers.update_tool_call(id, status="in_progress")


def done(id: str, use: ToolUse, result: ToolResult, cwd: Path) -> schema.ToolCallProgress:
    """A use that ended."""
    content = None if result.is_error else _changed(use, result, cwd)
    return helpers.update_tool_call(
        id,
        status="failed" if result.is_error else "completed",
        content=content or [words(result.content, fenced=use.name in _KINDS)],
    )


def given_up(id: str) -> schema.ToolCallProgress:
    """A use that will have no result."""
    return helpers.update_tool_call(id, status="failed")


def decided(id: str, *, allowed: bool) -> schema.ToolCallProgress:
    """A question that is all that was told of a use, answered."""
    return helpers.update_tool_call(id, status="completed" if allowed else "failed")


def printing(id: str, name: str, output: str) -> schema.ToolCallProgress:
    """What a running tool has printed."""
    content = words(output[-OUTPUT_CHARS:], fenced=name in _KINDS)
    return helpers.update_tool_call(id, status="in_progress", content=[content])


def asked_about(
    id: str, use: ToolUse, cwd: Path, notes: Sequence[str] = ()
) -> schema.ToolCallUpdate:
    """All that a person needs to judge a use; `notes` stand above it.

    A change is shown against the file as it is now. Blocks while it reads.
    """
    content = [words("\n".join(f"- {note}" for note in notes))] if notes else []
    content += _proposed(use, cwd) or _whole(use)
    return schema.ToolCallUpdate(
        tool_call_id=id,
        title=title_of(use),
        kind=kind_of(use.name),
        status="pending",
        content=content,
        locations=_locations(use, cwd),
        raw_input=_raw(use),
    )


def words(text: str, *, fenced: bool = False) -> Content:
    """Safe text; `fenced` for what is no Markdown, in a fence longer than any within."""
    text = safe(text)
    if fenced:
        fence = "```"
        while fence in text:
            fence += "`"
        stripped = text.rstrip("\n")
        text = f"{fence}\n{stripped}\n{fence}"
    return helpers.tool_content(helpers.text_block(text))


def _diff(path: str, cwd: Path, before: str | None, after: str) -> Content:
    return helpers.tool_diff_content(
        safe(str(_place(path, cwd) or path)), safe(after), None if before is None else safe(before)
    )


def _place(path: str, cwd: Path) -> Path | None:
    try:
        return spelled(path, cwd)
    except ToolError:
        return None


def _locations(use: ToolUse, cwd: Path) -> list[schema.ToolCallLocation] | None:
    path = use.input.get("path")
    if use.name not in PATH_TOOLS or not isinstance(path, str):
        return None
    if (place := _place(path, cwd)) is None:
        return None
    line = use.input.get("offset") if use.name == "read_file" else None
    line = line if isinstance(line, int) and line > 0 else None
    return [schema.ToolCallLocation(path=safe(str(place)), line=line)]


def _raw(use: ToolUse) -> Any:
    """The arguments as they came, as JSON that every reader takes."""
    if use.invalid is not None:
        return {"invalid": scrub(use.invalid)}
    return json.loads(json.dumps(scrub(use.input)), parse_constant=str)


def _texts(use: ToolUse, *names: str) -> list[str] | None:
    """The arguments of these names, where all of them are text."""
    values = [value for name in names if isinstance(value := use.input.get(name), str)]
    return values if len(values) == len(names) else None


def _told(use: ToolUse, cwd: Path) -> list[Content] | None:
    """What can be shown of a use by its arguments alone."""
    if use.name == "edit_file" and (given := _texts(use, "path", "old_string", "new_string")):
        path, old, new = given
        return [_diff(path, cwd, old, new)]
    return None


def _whole(use: ToolUse) -> list[Content]:
    """The arguments, nothing left out."""
    if use.name == "bash" and (given := _texts(use, "command")):
        return [words(given[0], fenced=True)]
    return [words(json.dumps(scrub(use.input), indent=2, ensure_ascii=False), fenced=True)]


def _proposed(use: ToolUse, cwd: Path) -> list[Content] | None:
    """The change that a use would make; `None` where it cannot be told. Reads the file."""
    if use.name not in CHANGING_TOOLS or not (given := _texts(use, "path")):
        return None
    (path,) = given
    try:
        with disk.open_regular(locate(path, cwd)) as file:
            data = None if is_binary(file) else file.read(MAX_COMPARED + 1)
    except FileNotFoundError:
        content = _texts(use, "content")
        return [_diff(path, cwd, None, content[0])] if content else None
    except (OSError, ToolError):
        return None
    if data is None or len(data) > MAX_COMPARED:
        return None
    before = data.decode("utf-8", "replace")
    if use.name == "write_file":
        content = _texts(use, "content")
        return [_diff(path, cwd, before, content[0])] if content else None
    if (pieces := _texts(use, "old_string", "new_string")) is None:
        return None
    every = bool(use.input.get("replace_all"))
    try:
        after, _ = replace_text(before, *map(scrub, pieces), name=path, replace_all=every)
    except ToolError:
        return None
    return [_diff(path, cwd, before, after)]


def _changed(use: ToolUse, result: ToolResult, cwd: Path) -> list[Content] | None:
    """The change that a use made, as the tool itself compared."""
    given = _texts(use, "path")
    difference = (result.data or {}).get("diff")
    if use.name not in CHANGING_TOOLS or not given or not isinstance(difference, str):
        return None
    rows = difference.split("\n")[2:-1]
    if not rows or any(row.startswith("(") for row in rows):
        return [words(f"{result.content}\n{difference}", fenced=True)]
    before = "".join(f"{row[1:]}\n" for row in rows if row[:1] in " -")
    after = "".join(f"{row[1:]}\n" for row in rows if row[:1] in " +")
    is_new = bool((result.data or {}).get("created"))
    return [_diff(given[0], cwd, None if is_new else before, after)]
