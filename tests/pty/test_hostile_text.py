"""Text made to take over a terminal is shown as harmless text, wherever it is shown."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from harness import Terminal

from omni_tui.core.messages import Message, Text, Thinking, ToolResult, ToolUse
from omni_tui.session.store.base import SessionRecord
from omni_tui.session.store.sqlite import SQLiteStore
from omni_tui.session.tree import Tree

pytestmark = pytest.mark.pty

ESCAPE, HOME, END, F1, F3 = "\x1b", "\x1b[H", "\x1b[F", "\x1bOP", "\x1bOR"
CTRL_O, CTRL_P, CTRL_Q, CTRL_S, CTRL_T = "\x0f", "\x10", "\x11", "\x13", "\x14"

ATTACKS = (
    "\x1b]52;c;UFdO\x07",
    "\x1b]52;c;UFdO\x1b\\",
    "\x1b]0;PWN\x07",
    "\x1b]2;PWN\x1b\\",
    "\x1b]8;;http://pwn.example/\x1b\\x\x1b]8;;\x1b\\",
    "\x1b]1337;File=:UFdO\x07",
    "\x1b[2J\x1b[H",
    "\x1b[?1049l",
    "\x1b[31;5m",
    "\x1b[6n",
    "\x1bP+q544e\x1b\\",
    "\x1b_Gf=100;UFdO\x1b\\",
    "\x1bc",
    "\x9b2J",
    "\x9d0;PWN\x9c",
    "\x90qPWN\x9c",
    "\x00",
    "\x7f\x7f\x7f",
    "\x07" * 50,
    "\r",
    "\x08" * 8,
    "\u202ePWN\u202c",
    "\u2066PWN\u2069",
    "\u200b\u200d\u2060",
    "\U000e0041\U000e0042",
    "[/x]",
    "[@click=app.exit]x[/]",
    "[link='http://pwn.example/']x[/link]",
)


def hostile(place: str) -> str:
    """Every attack, a line each, with a marker that says where it was and which one."""
    return "\n".join(f"{place}{n:02} {attack} end" for n, attack in enumerate(ATTACKS))


def hostile_line(place: str) -> str:
    return f"{place} " + " ".join(ATTACKS)


def markdown(place: str) -> str:
    row = re.sub(r"[\n|]", " ", hostile_line(place + "T"))
    return "\n\n".join(
        (
            hostile(place).replace("\n", "\n\n"),
            f"```{ATTACKS[2]}py\n{hostile(place + 'C')}\n```",
            f"| a | b |\n|---|---|\n| {row} | x |",
            f"# {hostile_line(place + 'H')}",
            f"- `{hostile_line(place + 'I')}` [x]({ATTACKS[2]}javascript:PWN)",
        )
    )


def hostile_tree() -> Tree:
    tree = Tree()
    tree.push(Message.user(hostile("PROMPT")), label=hostile_line("LABEL"))
    name = f"tool{ATTACKS[2]}{ATTACKS[-2]}"
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


def forbidden(raw: bytes) -> list[str]:
    """What no output of ours may hold."""
    text = raw.decode("utf-8", "replace")
    own_bells = re.sub("\x1b\\][^\x07\x1b]*\x07", "", text)
    return [
        *re.findall(r"\x1b\](?:52|8|1337);[^\x07\x1b]{0,40}", text),
        *re.findall(r"\x1b\][02];[^\x07\x1b]*PWN[^\x07\x1b]*", text),
        *re.findall(r"\x1b[P_][^\x1b]*(?:PWN|UFdO|544e)", text),
        *re.findall(r"\x1bc|\x1b\[6n|\x1b\[31;5m|\x1b\[2J\x1b\[H", text),
        *re.findall("[\x80-\x9f]", text),
        *re.findall("[\u200b\u202a-\u202e\u2060\u2066-\u2069\U000e0000-\U000e007f]", text),
        *re.findall("[\x00\x07\x08\x7f]", own_bells),
    ]


@pytest.mark.parametrize("size", [(120, 40), (60, 20)])
async def test_a_hostile_session_stays_text_on_every_screen(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    home, cwd = tmp_path / "home", tmp_path / "work"
    cwd.mkdir()
    await seed(home)
    argv = [sys.executable, "-m", "omni_tui", "--load", "hostileAAAA"]
    with Terminal(argv, {"OMNI_TUI_HOME": str(home)}, size=size, cwd=cwd) as terminal:
        terminal.wait_for("TITLE")
        terminal.wait_for("DRAFT")
        terminal.send(ESCAPE)
        terminal.wait_for("r again")
        seen = set[str]()

        def look() -> bool:
            seen.update(re.findall("[A-Z]{4,}", terminal.text))
            return True

        for key in (CTRL_O, CTRL_T):
            terminal.send(key)
            terminal.output_during(0.3)
        terminal.send(HOME)
        terminal.wait_for("PROMPT00")
        for _ in range(60):  # down the whole conversation, by pages
            before = len(terminal.raw)
            terminal.send("\x1b[6~")
            if not terminal.output_during(0.05) and len(terminal.raw) == before:
                break
            look()
        terminal.send(END)
        terminal.send(F3)
        terminal.output_during(0.2)
        terminal.send(F3)
        terminal.output_during(0.2)
        for key, mark in ((CTRL_S, "hostile|TITLE"), (F1, "Anywhere"), (CTRL_P, "palette|Search")):
            terminal.send(key)
            terminal.wait_for(lambda t, mark=mark: bool(re.search(mark, t.text)) and look())  # type: ignore[misc]
            terminal.output_during(0.3)
            terminal.send(ESCAPE)
            terminal.output_during(0.3)
        terminal.send(CTRL_Q)
        assert terminal.wait_exit() == 0
        assert forbidden(bytes(terminal.raw)) == []
        assert "PWN" not in terminal.title
        assert "Traceback" not in terminal.raw.decode("utf-8", "replace")
        assert {"TITLE", "PROMPT", "THINKING", "RESULT", "REPLY", "ERROR"} <= seen
