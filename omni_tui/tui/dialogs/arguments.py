"""The arguments of a tool use as a person reads them before it runs: a command, a difference."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
from textual.content import Content

from omni_tui.core.errors import ToolError
from omni_tui.core.messages import ToolUse, scrub
from omni_tui.tools import disk
from omni_tui.tools.differences import compare
from omni_tui.tools.edit import replace_text
from omni_tui.tools.files import is_binary
from omni_tui.tools.paths import locate
from omni_tui.tui.safe_content import safe_content

MAX_READ = 256 * 1024
"""Bytes of a file, and of what is to be written, that are compared."""
MAX_ROWS = 2000
"""Rows shown; the text in full is one key away, in the editor."""

_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_FOREIGN = re.compile(r"[^\x00-\x7f]+")
_STYLES = {"+": "$omni-added", "-": "$omni-removed", "@": "$omni-muted", "(": "$omni-warn"}


def changes_file(use: ToolUse) -> bool:
    """Whether the view of this use looks at a file."""
    return use.name in ("write_file", "edit_file")


def arguments_view(use: ToolUse, cwd: Path) -> Content:
    """What would run, control characters as escapes; of commands and paths non-ASCII is marked.

    A change of a file is shown against the file as it is now. Blocks while it reads: where
    `changes_file` says so, this belongs in a thread.
    """
    match use.name, use.input:
        case "bash", {"command": str(command)}:
            return _exact(command)
        case "write_file", {"path": str(path), "content": str(content)}:
            return _writing(path, content, cwd)
        case "edit_file", {"path": str(path), "old_string": str(old), "new_string": str(new)}:
            return _editing(path, old, new, cwd, every=bool(use.input.get("replace_all")))
        case _:
            return _exact(json.dumps(use.input, indent=2, ensure_ascii=False))


class _File(msgspec.Struct, frozen=True, kw_only=True):
    """A file as far as it can be compared: its text, or why there is none."""

    text: str | None = None
    problem: str = ""
    is_new: bool = False


def _read(path: str, cwd: Path) -> _File:
    try:
        with disk.open_regular(locate(path, cwd)) as file:
            if is_binary(file):
                return _File(problem="the file there now is binary")
            data = file.read(MAX_READ + 1)
    except FileNotFoundError:
        return _File(is_new=True)
    except (OSError, ToolError) as error:
        return _File(problem=f"the file there now cannot be read: {error}")
    if len(data) > MAX_READ:
        return _File(problem=f"the file there now is large: over {MAX_READ // 1024} KiB")
    return _File(text=scrub(data.decode("utf-8", "replace")))


def _writing(path: str, content: str, cwd: Path) -> Content:
    file = _read(path, cwd)
    if file.text is None or len(content) > MAX_READ:
        problem = file.problem or "too much to compare"
        note = "new file" if file.is_new else f"{problem}; this replaces all of it"
        added = [f"+{line}" for line in scrub(content).splitlines()]
        return _change(path, note, added, warn=not file.is_new)
    return _against(path, file.text, scrub(content))


def _editing(path: str, old: str, new: str, cwd: Path, *, every: bool) -> Content:
    file = _read(path, cwd)
    problem = file.problem or ("there is no such file" if file.is_new else "")
    if file.text is not None:
        try:
            after, count = replace_text(
                file.text, scrub(old), scrub(new), name=path, replace_all=every
            )
            return _against(path, file.text, after, count)
        except ToolError as error:
            problem = str(error)
    rows = [f"-{line}" for line in scrub(old).splitlines()]
    rows += [f"+{line}" for line in scrub(new).splitlines()]
    return _change(path, problem, rows, warn=True)


def _against(path: str, before: str, after: str, count: int = 1) -> Content:
    difference = compare(before, after, path)
    if not difference.text:
        return _change(path, "no change: the file says this already", [])
    note = f"+{difference.added} −{difference.removed}"
    if count > 1:
        note += f" in {count} places"
    return _change(path, note, difference.text.split("\n")[2:-1])


def _change(path: str, note: str, rows: list[str], *, warn: bool = False) -> Content:
    """The path with a note, and under it the rows of the difference."""
    style = "$omni-warn" if warn else "$omni-muted"
    lines = [_exact(path) + safe_content(f"   {note}", style) if note else _exact(path)]
    lines += [_signed(row) for row in rows[:MAX_ROWS]]
    if len(rows) > MAX_ROWS:
        words = f"{len(rows) - MAX_ROWS} more lines; e opens them all"
        lines.append(safe_content(words, "$omni-warn"))
    return Content("\n").join(lines)


def _signed(row: str) -> Content:
    """A row of a difference, its sign set off from the text."""
    shown = f"{row[:1]} {row[1:]}" if row[:1] in "+- " else row
    return safe_content(_visible(shown), _STYLES.get(row[:1], "$foreground"))


def _exact(text: str) -> Content:
    content = safe_content(_visible(text))
    for match in _FOREIGN.finditer(content.plain):
        content = content.stylize("underline $omni-warn", match.start(), match.end())
    return content


def _visible(text: str) -> str:
    return _HIDDEN.sub(lambda match: _escape(match[0]), text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
