"""Where a path given by a model really leads, and whether it may go there.

Paths are resolved first (links included) and compared by component afterwards, so that neither
`..`, a link nor a folder whose name merely starts alike leads out of the allowed folders.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from omni_tui.core.errors import ToolError
from omni_tui.core.safe_text import safe_line
from omni_tui.core.tool import ToolContext

# fmt: off
PROTECTED_NAMES = frozenset({
    ".git", ".gitconfig", ".gitmodules", ".husky", ".omni", ".claude", ".codex", ".vscode",
    ".idea", ".mcp.json", "agents.md", "claude.md", "gemini.md", ".bashrc", ".bash_profile",
    ".bash_login", ".bash_logout", ".bash_aliases", ".profile", ".inputrc", ".zshrc",
    ".zshenv", ".zprofile", ".zlogin", ".zlogout", ".kshrc", ".cshrc", ".tcshrc", ".login",
    "config.fish", ".envrc", ".ssh", ".gnupg", ".netrc", ".npmrc", ".pypirc",
})
"""Files and folders that run by themselves or steer an agent, lower case: changing one is always
asked, whether or not it exists yet."""
# fmt: on


def locate(path: str, cwd: Path) -> Path:
    """The real, absolute place of `path`; relative ones start at `cwd`, `~` is the home folder.

    The last parts need not exist. Raises `ToolError` for a name no file can have.
    """
    return Path(os.path.realpath(_absolute(path, cwd)))


def spelled(path: str, cwd: Path) -> Path:
    """The absolute place of `path` as written, links not followed."""
    return Path(os.path.normpath(_absolute(path, cwd)))


def _absolute(path: str, cwd: Path) -> str:
    if not path:
        raise ToolError("The path is empty")
    if "\0" in path:
        raise ToolError("The path holds a NUL character")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise ToolError("The path holds characters no file name can have") from None
    if len(path) > 4096:
        raise ToolError(f"The path is too long ({len(path)} characters)")
    return os.path.join(os.path.realpath(cwd), os.path.expanduser(path))


def allowed_roots(context: ToolContext) -> tuple[Path, ...]:
    """The real folders (or single files) that file tools may touch."""
    return real_paths(context.allowed_paths or (context.cwd,))


def real_paths(paths: Iterable[Path]) -> tuple[Path, ...]:
    """`paths` with every link resolved."""
    return tuple(Path(os.path.realpath(path)) for path in paths)


def is_inside(path: Path, roots: Iterable[Path]) -> bool:
    """Whether a resolved path is one of the resolved `roots` or lies beneath one."""
    return any(path.is_relative_to(root) for root in roots)


def locate_allowed(path: str, context: ToolContext) -> Path:
    """Like `locate`, but raises `ToolError` when the place is outside the allowed folders."""
    place = locate(path, context.cwd)
    if not is_inside(place, allowed_roots(context)):
        raise ToolError(f"Outside the allowed folders: {safe_line(path)}")
    return place


def shown(path: Path, cwd: Path) -> str:
    """A resolved path as a person or a model should read it: relative when inside `cwd`."""
    home = Path(os.path.realpath(cwd))
    return str(path.relative_to(home)) if path.is_relative_to(home) else str(path)


def is_protected(path: Path, own: Iterable[Path] = ()) -> bool:
    """Whether changing `path` needs a person's word; `own` are this program's own files."""
    return any(part.casefold() in PROTECTED_NAMES for part in path.parts) or is_inside(path, own)


def glob_match(pattern: str, path: str) -> bool:
    """Whether a `/`-separated path fits a pattern, component by component.

    `*`, `?` and `[…]` stay within a component; `**` stands for any number of them, none included.
    """
    names = tuple(part for part in path.split("/") if part)
    reached = {0}
    for part in (part for part in pattern.split("/") if part):
        if part == "**":
            reached = set(range(min(reached), len(names) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(names) and fnmatchcase(names[at], part)}
        if not reached:
            return False
    return len(names) in reached


def expand_braces(pattern: str, limit: int = 64) -> tuple[str, ...]:
    """`*.{ts,tsx}` as `*.ts`, `*.tsx`; raises `ToolError` beyond `limit` alternatives."""
    waiting, done = [pattern], []
    while waiting:
        text = waiting.pop()
        close = text.find("}")
        start = text.rfind("{", 0, max(close, 0))
        if close < 0 or start < 0:
            done.append(text)
        else:
            waiting += [
                text[:start] + choice + text[close + 1 :]
                for choice in text[start + 1 : close].split(",")
            ]
        if len(waiting) + len(done) > limit:
            raise ToolError("The pattern has too many alternatives")
    return tuple(reversed(done))
