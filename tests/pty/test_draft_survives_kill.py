"""What is typed and not sent is there again after the program was killed."""

from __future__ import annotations

import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from harness import Terminal

pytestmark = pytest.mark.pty

LIMIT = 30.0
"""Seconds to wait for the draft in the file, on a machine with much else to do."""


def start(home: Path, *arguments: str) -> Terminal:
    argv = [sys.executable, "-m", "omni_tui", *arguments]
    return Terminal(argv, {"OMNI_TUI_HOME": str(home)}, size=(100, 30), cwd=home)


def drafts(home: Path) -> str:
    with closing(sqlite3.connect(home / "sessions.db")) as connection:
        (found,) = connection.execute("SELECT drafts FROM sessions").fetchone()
        return str(found)


def test_what_was_typed_is_there_again_after_a_kill(tmp_path: Path) -> None:
    with start(tmp_path) as terminal:
        terminal.wait_for("every conversation is a tree")
        terminal.send("hello\r")
        terminal.wait_for("Esc messages")
        terminal.send("half a thought, not sent")
        end = time.monotonic() + LIMIT
        while "half a thought, not sent" not in drafts(tmp_path):
            assert time.monotonic() < end, "the draft was not stored"
            terminal.output_during(0.05)
        terminal.signal(signal.SIGKILL)
        assert terminal.wait_exit() == -signal.SIGKILL
    with start(tmp_path, "--continue") as terminal:
        terminal.wait_for("half a thought, not sent")
