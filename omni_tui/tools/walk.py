"""List the files beneath a folder, past what nobody means when they search."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

# fmt: off
IGNORED = frozenset({
    ".git", ".hg", ".svn", ".jj", "node_modules", "bower_components", ".venv", "venv",
    "site-packages", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache",
    ".hypothesis", ".tox", ".nox", ".eggs", ".gradle", ".next", ".turbo",
})
"""Folders that are passed over unless the pattern names them."""
# fmt: on
MAX_FILES = 200_000
MAX_SECONDS = 10.0


class Walk(msgspec.Struct):
    """The files beneath `root`, as sorted `/`-separated paths relative to it; links are left out.

    Ends early after `MAX_FILES` files or `MAX_SECONDS` seconds; `complete` says whether it did.
    """

    root: Path
    skip: frozenset[str] = IGNORED
    complete: bool = True

    def __iter__(self) -> Iterator[str]:
        deadline = time.monotonic() + MAX_SECONDS
        count = 0
        for folder, folders, files in os.walk(self.root):
            folders[:] = sorted(
                name
                for name in folders
                if name not in self.skip and not os.path.islink(os.path.join(folder, name))
            )
            prefix = os.path.relpath(folder, self.root)
            prefix = "" if prefix == "." else prefix + "/"
            for name in sorted(files):
                if os.path.islink(os.path.join(folder, name)):
                    continue
                if count == MAX_FILES or time.monotonic() > deadline:
                    self.complete = False
                    return
                count += 1
                yield prefix + name


def skipped(pattern: str | None) -> frozenset[str]:
    """The folders to pass over for a pattern: those it names itself are meant."""
    return IGNORED - set(pattern.split("/")) if pattern else IGNORED
