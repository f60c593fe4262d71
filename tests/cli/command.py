"""The real command in a process of its own, away from the person's home, keys and settings."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from warm import PYTHON

COMMAND = (*PYTHON, "-m", "omni_tui")


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A small environment without keys, with everything the program keeps in `home`."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "OMNI_TUI_HOME": str(home),
        **(extra or {}),
    }


def omni(
    *arguments: str | Path, home: Path, cwd: Path, piped: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end; `piped` is its standard input."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=piped,
        env=environment(home),
        cwd=cwd,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=30,
        check=False,
    )
