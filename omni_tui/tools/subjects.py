"""What a tool use is about, read once for the rules, the warnings and the person."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import msgspec

from omni_tui.core.errors import ToolError
from omni_tui.core.messages import ToolUse, scrub
from omni_tui.core.safe_text import safe_line
from omni_tui.tools import programs, shell
from omni_tui.tools.paths import is_inside, is_protected, locate, spelled

PATH_TOOLS = frozenset({"read_file", "write_file", "edit_file", "grep", "glob"})
CHANGING_TOOLS = frozenset({"write_file", "edit_file"})
OUTSIDE = "outside the working folder"
_MAX_WORDS = 1000


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A tool use, read: the file it is about or the command it runs, whichever it has."""

    text: str
    """Path, command or compact JSON, as the model wrote it."""
    path: Path | None = None
    """The real path."""
    written: Path | None = None
    """The path before links were followed."""
    command: str | None = None
    words: tuple[str, ...] | None = None
    """The command's words, when it is proved simple."""
    touched: tuple[Path, ...] = ()
    """Real paths that the command's words may name."""
    error: str | None = None
    """Why the arguments make no sense."""


def read_subject(use: ToolUse, cwd: Path) -> Subject:
    """Read a tool use; never raises."""
    if use.invalid is not None:
        return Subject(text=use.invalid, error="the arguments are not valid JSON")
    if use.name == "bash":
        command = use.input.get("command")
        if not isinstance(command, str):
            return Subject(text=compact(use), error="there is no command")
        words = shell.parse_simple(command)
        touched = tuple(_named_paths(command, words, cwd))
        return Subject(text=command, command=command, words=words, touched=touched)
    if use.name in PATH_TOOLS:
        path = use.input.get("path", "." if use.name in ("grep", "glob") else None)
        if not isinstance(path, str):
            return Subject(text=compact(use), error="there is no path")
        try:
            return Subject(text=path, path=locate(path, cwd), written=spelled(path, cwd))
        except ToolError as error:
            return Subject(text=path, error=error.message)
    return Subject(text=compact(use))


def compact(use: ToolUse) -> str:
    """The arguments as compact JSON with sorted keys."""
    return msgspec.json.encode(scrub(use.input), order="sorted").decode()


def _named_paths(command: str, words: tuple[str, ...] | None, cwd: Path) -> Iterator[Path]:
    """Every real path that a word may name, whole or behind `=`, `:`, `,`, `@` or an option."""
    found = words or tuple(word for part in shell.segments(command) for word in part)
    for word in list(dict.fromkeys(found))[:_MAX_WORDS]:
        if re.match(r"(?!file:)[a-z][a-z0-9+.-]*://", word):
            continue
        pieces = {word, *re.split("[=:,@]", word)}
        if match := re.match(r"-[^/.]*((?:/|\.\.).*)", word):
            pieces.add(match[1])
        for piece in sorted(pieces - {""}):
            try:
                yield locate(os.path.expandvars(piece), cwd)
            except ToolError:
                continue


def warnings(
    use: ToolUse, subject: Subject, roots: tuple[Path, ...], own: tuple[Path, ...]
) -> tuple[str, ...]:
    """What a person should look at before saying yes, as short lower-case phrases."""
    found: list[str] = []
    if subject.command is not None:
        found += _command_warnings(subject.command)
    paths = subject.touched if subject.path is None else (subject.path,)
    if not all(is_inside(path, roots) for path in paths):
        found.append(OUTSIDE)
    reads = use.name in PATH_TOOLS - CHANGING_TOOLS
    if not reads and any(is_protected(path, own) for path in paths):
        found.append("changes protected file")
    if subject.command is not None or subject.path is not None:
        if shell.has_look_alikes(subject.text):
            found.append("contains non-ASCII look-alikes")
        if re.search("[\0-\x08\x0b-\x1f\x7f-\x9f]", subject.text):
            found.append("contains control characters")
    return tuple(dict.fromkeys(found))


_SHAPES = {
    "runs a pipe": r"(?<!\|)\|(?!\|)",
    "runs several commands": r"[;\n\r]|&&|\|\|",
    "runs in the background": r"(?<![&>])&(?![&>])",
    "runs a command inside the command": r"[$<>]\(|`",
    "writes to a file": r">(?![&(])",
}


def _command_warnings(command: str) -> Iterator[str]:
    if shell.parse_simple(command) is None:
        yield from (phrase for phrase, shape in _SHAPES.items() if re.search(shape, command))
    for words in shell.segments(command):
        yield from programs.effects(words)


_TELLING = MappingProxyType(
    {
        "bash": "command",
        "grep": "pattern",
        "glob": "pattern",
        "human": "question",
        "task": "description",
    }
)


def telling_argument(tool: str) -> str | None:
    """The argument of a tool that says what a use is about; `None` when none does by itself."""
    return _TELLING.get(tool, "path" if tool in PATH_TOOLS else None)


def describe(use: ToolUse) -> str:
    """One safe line for a row: the command, the path, the pattern, else compact JSON."""
    if use.invalid is not None:
        return safe_line(use.invalid)
    value = use.input.get(telling_argument(use.name) or "")
    return safe_line(value if isinstance(value, str) else compact(use))
