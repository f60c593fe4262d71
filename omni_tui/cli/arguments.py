"""A parser of arguments whose complaints are safe to print, and options many commands have."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

from omni_tui.core.safe_text import safe


class Parser(argparse.ArgumentParser):
    """Says what was wrong with an argument without its control characters."""

    def error(self, message: str) -> NoReturn:
        """Print how the command is used and what was wrong, and leave with 2."""
        super().error(safe(message))


def add_running_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that runs agents and keeps what they say."""
    parser.add_argument(
        "--approval-mode",
        choices=("ask", "auto-edit", "plan", "yolo"),
        help="which tools run unasked: ask (only reading), auto-edit, plan (never write), yolo",
    )
    parser.add_argument(
        "--log-file", metavar="FILE", type=Path, help="write what goes wrong to this file"
    )
    add_place(parser, "keep sessions there")


def add_place(parser: argparse.ArgumentParser, help: str) -> None:
    """Add `--db`; `database.py` reads what it names."""
    parser.add_argument(
        "--db", metavar="PLACE", help=f"{help}: a file, jsonl:FOLDER, memory: or postgres://…"
    )
