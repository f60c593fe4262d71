"""The whole way of a first session, at the real command: ask, allow, branch, leave, come back."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from harness import Terminal

from omni_tui.session.store.base import StoredSession
from omni_tui.session.store.sqlite import SQLiteStore

pytestmark = pytest.mark.pty

GRACE = 0.4
"""Seconds; a dialog takes no answer that may have been typed before it was there."""

ESCAPE, LEFT, RIGHT, CTRL_Q, CTRL_U = "\x1b", "\x1b[D", "\x1b[C", "\x11", "\x15"
REPLY = "Done. The file is saved."


def start(home: Path, cwd: Path, *arguments: str) -> Terminal:
    argv = [sys.executable, "-m", "omni_tui", *arguments]
    return Terminal(argv, {"OMNI_TUI_HOME": str(home)}, size=(120, 40), cwd=cwd)


def tree_rows(terminal: Terminal) -> list[str]:
    """The rows of the tree pane, without the marks of where one is."""
    return [row.split("│ ")[0].rstrip() for row in (line[:29] for line in terminal.screen[1:12])]


def is_marked(terminal: Terminal) -> bool:
    """Whether every row of the tree is painted: as many are on the path as its title says."""
    title = re.search(r"tree +(\d+)/", terminal.text)
    marked = sum("● " in line[:29] for line in terminal.screen[1:12])
    return title is not None and marked == int(title[1])


def is_idle(terminal: Terminal) -> bool:
    return "wants to run" not in terminal.text and "? 1 asks" not in terminal.text


def allow(terminal: Terminal, notes: Path, edits: int) -> None:
    """Answer the question with yes, and wait for the reply's end and the file."""
    terminal.wait_for("edit_file wants to run")
    terminal.output_during(GRACE)
    terminal.send("y")
    terminal.wait_for("allowed by you")
    terminal.wait_for(lambda t: is_idle(t) and "the old line stays in the tree" in t.text)
    assert notes.read_text().count("(edited by the demo model)") == edits


def to_the_top(terminal: Terminal) -> None:
    """Go up, message by message, to the question."""
    for _ in range(8):
        terminal.send("k")
        terminal.output_during(0.1)


async def stored(home: Path) -> StoredSession:
    async with SQLiteStore(home / "sessions.db") as store:
        page = await store.list()
        assert len(page) == 1
        return await store.load(page[0].id)


def leave(terminal: Terminal) -> str:
    """Quit; the terminal must be as it was. The session id of the command it printed."""
    terminal.send(CTRL_Q)
    assert terminal.wait_exit() == 0
    assert not terminal.modes & {47, 1000, 1002, 1003, 1004, 1006, 1049, 2004, 2026}
    assert terminal.keyboard == [0]
    assert 25 in terminal.modes
    printed = re.search(rb"omni-tui --load (\S+)  # ([^\r\n]*)\r\n$", bytes(terminal.raw))
    assert printed is not None
    return printed[1].decode()


async def test_a_session_branches_and_comes_back_as_it_was(tmp_path: Path) -> None:
    home, cwd = tmp_path / "home", tmp_path / "work"
    cwd.mkdir()
    notes = cwd / "notes.md"
    notes.write_text("# Notes\n")

    with start(home, cwd) as terminal:
        terminal.wait_for("every conversation is a tree")
        terminal.send("edit notes.md\r")
        allow(terminal, notes, edits=1)

        # Another reply beside the first.
        terminal.send(ESCAPE)
        terminal.wait_for("r again")
        terminal.send("r")
        allow(terminal, notes, edits=2)
        terminal.wait_for("‹ 2/2 ›")
        terminal.send(LEFT)
        terminal.wait_for("‹ 1/2 ›")
        terminal.send(RIGHT)
        terminal.wait_for("‹ 2/2 ›")

        # The question, asked differently.
        terminal.send("k")
        terminal.send("e")
        terminal.wait_for("─ editing ─")
        terminal.wait_for(lambda t: t.screen[-2].strip() == "edit notes.md")
        terminal.send(CTRL_U)
        terminal.wait_for(lambda t: "edit notes.md" not in t.screen[-2])
        terminal.send("edit notes.md again\r")
        allow(terminal, notes, edits=3)
        terminal.wait_for("▌ edit notes.md again")
        terminal.send(ESCAPE)
        terminal.wait_for("r again")
        to_the_top(terminal)
        terminal.send(LEFT)
        terminal.wait_for(lambda t: "▌ edit notes.md\n" in re.sub(r" *\n", "\n", t.text))
        terminal.wait_for("‹ 1/2 ›")
        terminal.send(RIGHT)
        terminal.wait_for("▌ edit notes.md again")
        terminal.send(LEFT)
        terminal.wait_for(
            lambda t: re.search(r"● edit notes\.md +1/2", t.text) is not None and is_marked(t)
        )
        rows, bar = tree_rows(terminal), terminal.screen[0]
        id = leave(terminal)

    before = await stored(home)
    assert before.record.id == id
    assert len(before.tree.roots) == 2
    assert len(before.tree.tips()) == 3
    assert before.record.model == "demo/chat"
    assert before.record.title == "edit notes.md"

    with start(home, cwd, "--load", id[:8]) as terminal:
        terminal.wait_for(lambda t: REPLY in t.text and "‹ 1/2 ›" in t.text and is_marked(t))
        assert terminal.screen[0] == bar
        assert bar.split() == ["edit", "notes.md", "demo/chat"]
        assert tree_rows(terminal) == rows
        assert leave(terminal) == id

    after = await stored(home)
    assert (after.tree.path, after.tree.cursors) == (before.tree.path, before.tree.cursors)
    assert list(after.tree.nodes.values()) == list(before.tree.nodes.values())
    assert after.record.title == before.record.title
    assert after.record.model == before.record.model
