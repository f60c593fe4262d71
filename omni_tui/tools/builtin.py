"""The tools that come with the program."""

from __future__ import annotations

from omni_tui.core.tool import Tool
from omni_tui.tools.bash import bash
from omni_tui.tools.edit import edit_file
from omni_tui.tools.files import read_file, write_file
from omni_tui.tools.human import human
from omni_tui.tools.search import glob, grep


def builtin_tools() -> tuple[Tool, ...]:
    """`read_file write_file edit_file grep glob bash human`, in that order."""
    return (read_file, write_file, edit_file, grep, glob, bash, human)
