"""The tools `grep` and `glob`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import msgspec

from omni_tui.core.errors import ToolError
from omni_tui.core.messages import scrub
from omni_tui.core.tool import ToolContext, tool
from omni_tui.tools import grep_child
from omni_tui.tools.paths import expand_braces, glob_match, locate_allowed, shown
from omni_tui.tools.process import child_environment, end_group
from omni_tui.tools.walk import Walk, skipped

MAX_MATCHES = 100
MAX_NAMES = 200
MAX_TEXT = 500
"""Characters of a matching line that are shown."""
SEARCH_SECONDS = 10.0
"""A search ends after this, with what it has found."""


@tool(read_only=True)
async def grep(
    pattern: str,
    context: ToolContext,
    path: str = ".",
    glob: str | None = None,
    case_insensitive: bool = False,
) -> str:
    """Search the lines of files with a regular expression; gives `path:line:text`.

    Binary files, links, version control and dependency folders are passed over.

    Args:
        pattern: A regular expression (Python's dialect).
        path: The folder or file to search.
        glob: Search only files that fit, such as `*.py` or `src/**/*.{ts,tsx}`.
        case_insensitive: Take upper and lower case as the same.
        context: Where it runs.
    """
    place = locate_allowed(path, context)
    root, files, complete = await asyncio.to_thread(_candidates, place, path, glob)
    search = _Search(root=root, pattern=pattern, ignore_case=case_insensitive)
    finished = await search.run(files) and complete
    rows = [
        f"{shown(root / name, context.cwd)}:{number}:{_cut(text)}"
        for name, number, text in search.found[:MAX_MATCHES]
    ]
    if len(search.found) > MAX_MATCHES:
        rows.append(f"(the first {MAX_MATCHES} matches; narrow the pattern or the path)")
    if not finished:
        rows.append(f"(stopped after {SEARCH_SECONDS:g} s; not everything was searched)")
    return scrub("\n".join(rows)) or "No matches"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


def _candidates(place: Path, path: str, glob: str | None) -> tuple[Path, list[str], bool]:
    """The folder to search, the files in it to look at, and whether that is all of them."""
    if place.is_file():
        return place.parent, [place.name], True
    if not place.is_dir():
        raise ToolError(f"Not found: {path}")
    walk = Walk(place, skipped(glob))
    names = list(walk)
    if glob:
        wanted = _patterns(glob if "/" in glob else f"**/{glob}")
        names = [name for name in names if any(glob_match(one, name) for one in wanted)]
    return place, names, walk.complete


class _Search(msgspec.Struct):
    """One run of the searching process."""

    root: Path
    pattern: str
    ignore_case: bool
    found: list[tuple[str, int, str]] = msgspec.field(default_factory=list)

    async def run(self, names: list[str]) -> bool:
        """Search; whether it came to its end in time. Raises `ToolError` for a bad pattern."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", "-W", "ignore", "-X", "utf8", grep_child.__file__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=child_environment(os.environ, self.root),
            start_new_session=True,
        )
        sending = asyncio.create_task(self._send(process, names))
        try:
            async with asyncio.timeout(SEARCH_SECONDS):
                await self._receive(process)
                if await process.wait():
                    raise ToolError("The search broke off")
            return True
        except TimeoutError:
            return False
        finally:
            try:
                await end_group(process.pid, grace=0.2)
            finally:
                await process.wait()
                await sending

    async def _send(self, process: asyncio.subprocess.Process, names: list[str]) -> None:
        assert process.stdin is not None
        request = {
            "root": str(self.root),
            "pattern": self.pattern,
            "ignore_case": self.ignore_case,
            "limit": MAX_MATCHES + 1,
        }
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            for start in range(0, len(names), 1000):
                rows = (json.dumps(name) + "\n" for name in names[start : start + 1000])
                process.stdin.write("".join(rows).encode())
                await process.stdin.drain()
            process.stdin.close()
        except (BrokenPipeError, ConnectionResetError):
            return  # it has found enough, or was ended

    async def _receive(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for row in process.stdout:
            answer = json.loads(row)
            if isinstance(answer, dict):
                raise ToolError(f"Bad pattern: {answer['error']}")
            self.found.append((answer[0], answer[1], answer[2]))


@tool(read_only=True)
async def glob(pattern: str, context: ToolContext, path: str = ".") -> str:
    """List files whose path fits a pattern, the newest first.

    Args:
        pattern: Such as `*.py` (this folder) or `**/*.{ts,tsx}` (any depth).
        path: The folder to start from.
        context: Where it runs.
    """
    place = locate_allowed(path, context)
    wanted = _patterns(pattern)
    names, complete = await asyncio.to_thread(_newest, place, path, pattern, wanted)
    rows = [shown(place / name, context.cwd) for name in names[:MAX_NAMES]]
    if len(names) > MAX_NAMES:
        rows.append(f"(the newest {MAX_NAMES} of {len(names)}; narrow the pattern)")
    if not complete:
        rows.append("(too many files; not everything was searched)")
    return scrub("\n".join(rows)) or "No files found"


def _patterns(pattern: str) -> tuple[str, ...]:
    """The pattern's alternatives; raises `ToolError` when one leads out of the folder."""
    if not pattern:
        raise ToolError("The pattern is empty")
    patterns = expand_braces(pattern)
    for one in patterns:
        if one.startswith(("/", "~")) or ".." in one.split("/") or "\0" in one:
            raise ToolError(f"The pattern leads out of the folder: {pattern}")
    return patterns


def _newest(
    place: Path, path: str, pattern: str, wanted: tuple[str, ...]
) -> tuple[list[str], bool]:
    if not place.is_dir():
        raise ToolError(f"Not a folder: {path}")
    walk = Walk(place, skipped(pattern))
    dated: list[tuple[int, str]] = []
    for name in walk:
        if any(glob_match(one, name) for one in wanted):
            try:
                dated.append((-os.lstat(place / name).st_mtime_ns, name))
            except FileNotFoundError:
                continue
    return [name for _, name in sorted(dated)], walk.complete
