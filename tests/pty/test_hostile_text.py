"""Text made to take over a terminal is shown as harmless text, wherever it is shown."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from harness import Terminal
from hostile import CLICK_ATTACK, TITLE_ATTACK, foreign, hostile, hostile_line, markdown

from omni_tui.core.messages import Message, Text, Thinking, ToolResult, ToolUse
from omni_tui.session.store.base import SessionRecord
from omni_tui.session.store.sqlite import SQLiteStore
from omni_tui.session.tree import Tree

pytestmark = [pytest.mark.pty, pytest.mark.timeout(300)]

ESCAPE, HOME, PAGE_DOWN = "\x1b", "\x1b[H", "\x1b[6~"
F1, F2, F3, F4, F8 = "\x1bOP", "\x1bOQ", "\x1bOR", "\x1bOS", "\x1b[19~"
CTRL_O, CTRL_P, CTRL_Q, CTRL_S, CTRL_T = "\x0f", "\x10", "\x11", "\x13", "\x14"


DIALOGS = (
    (CTRL_S, "● TITLE", ""),
    (F4, "─ title", ""),
    (ESCAPE, "● TITLE", "─ title"),
    (F8, "─ delete a session", ""),
    (ESCAPE, "● TITLE", "─ delete a session"),
    (ESCAPE, "─ ask ─", "─ sessions"),
    (F1, "─ keys", ""),
    (ESCAPE, "─ ask ─", "─ keys"),
    (F2, "─ model", ""),
    (ESCAPE, "─ ask ─", "─ model"),
    (CTRL_P, "Search for", ""),
    (ESCAPE, "─ ask ─", "Search for"),
)
"""What opens and closes dialogs: the key, what is on screen after it, and what is not any more."""


def hostile_tree() -> Tree:
    tree = Tree()
    tree.push(Message.user(hostile("PROMPT")), label=hostile_line("LABEL"))
    name = f"tool{TITLE_ATTACK}{CLICK_ATTACK}"
    uses = [
        ToolUse(id="a", name=name, input={hostile_line("KEY"): hostile("ARGUMENT")}),
        ToolUse(id="b", name="bash", input={"command": hostile("COMMAND")}),
        ToolUse(id="c", name="edit_file", input={"path": hostile_line("PATH")}),
    ]
    thought = Thinking(text=hostile("THINKING"))
    tree.push(Message.assistant([thought, Text(text=markdown("BEFORE")), *uses]))
    results = [
        ToolResult(
            tool_use_id=use.id,
            name=use.name,
            content=hostile("RESULT"),
            is_error=use.id == "b",
            data={"diff": hostile("+DIFF"), "decision": hostile_line("DECISION")},
        )
        for use in uses
    ]
    tree.push(Message.user(results))
    model = f"demo/{hostile_line('MODEL')}"
    tree.push(
        Message.assistant(markdown("REPLY")), model=model, status="failed", error=hostile("ERROR")
    )
    return tree


async def seed(home: Path) -> None:
    async with SQLiteStore(home / "sessions.db") as store:
        tree = hostile_tree()
        record = SessionRecord(
            id="hostileAAAA",
            title=hostile_line("TITLE"),
            title_is_manual=True,
            model="demo/echo",
            cwd=f"/{hostile_line('CWD')}",
            drafts={"": hostile("DRAFT"), str(tree.head): hostile("DRAFT")},
        )
        await store.create(record)
        await store.save_tree(record.id, tree.take_changes())


def page_down(terminal: Terminal) -> None:
    """Read the next page; each shows something that the one before did not."""
    page = terminal.text
    terminal.send(PAGE_DOWN)
    terminal.wait_for(lambda t: t.text != page)


@pytest.mark.parametrize("size", [(120, 40), (70, 30), (44, 14)])
async def test_a_hostile_session_stays_text_on_every_screen(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    home, cwd = tmp_path / "home", tmp_path / "work"
    cwd.mkdir()
    await seed(home)
    argv = [sys.executable, "-m", "omni_tui", "--load", "hostileAAAA"]
    with Terminal(argv, {"OMNI_TUI_HOME": str(home)}, size=size, cwd=cwd) as terminal:
        seen = set[str]()

        def look() -> None:
            seen.update(re.findall("[A-Z]{4,}", terminal.text))

        terminal.wait_for(lambda t: "DRAFT" in t.text and "Enter" in t.text)
        look()
        terminal.send(ESCAPE)
        terminal.wait_for("r again")
        terminal.send(CTRL_O + CTRL_T + HOME)
        terminal.wait_for("PROMPT00")
        for _ in range(400):  # down the whole conversation to its last line
            look()
            if "r tries again" in terminal.text:
                break
            page_down(terminal)
        assert "r tries again" in terminal.text
        terminal.send("y")
        terminal.wait_for("copied this message")
        for _ in range(2):  # the tree away or alone, and as it was
            with_tree = "LABEL" in terminal.text
            terminal.send(F3)
            terminal.wait_for(lambda t, was=with_tree: ("LABEL" in t.text) != was)  # type: ignore[misc]
            look()
        for key, shown, gone in DIALOGS:
            terminal.send(key)
            terminal.wait_for(
                lambda t, shown=shown, gone=gone: (  # type: ignore[misc]
                    shown in t.text and (not gone or gone not in t.text)
                )
            )
            look()
        terminal.send(CTRL_Q)
        assert terminal.wait_exit() == 0
        assert foreign(bytes(terminal.raw), copies=1) == []
        assert "PWN" not in terminal.title
        assert "Traceback" not in terminal.raw.decode("utf-8", "replace")
        assert seen >= {
            *("TITLE", "LABEL", "DRAFT", "PROMPT", "THINKING", "BEFORE", "BEFOREC", "BEFORET"),
            *("COMMAND", "RESULT", "DIFF", "REPLY", "REPLYC", "REPLYH", "ERROR"),
        }
