"""Text made to take over a terminal, as a model, a tool and a person bring it in meanwhile."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from harness import Terminal
from hostile import ATTACKS, TITLE_ATTACK, foreign, hostile, hostile_line
from wire.made import Event, anthropic_block, closing, opening, text, tool, wrap
from wire.server import Reply, sse_server

pytestmark = [pytest.mark.pty, pytest.mark.timeout(300)]

GRACE = 0.4
"""Seconds; a dialog takes no answer that may have been typed before it was there."""
ESCAPE, HOME, F2, F3 = "\x1b", "\x1b[H", "\x1bOQ", "\x1bOR"
CTRL_O, CTRL_Q, CTRL_S, CTRL_T, PAGE_DOWN = "\x0f", "\x11", "\x13", "\x14", "\x1b[6~"
OPTIONS = [f"OPTION {attack} end" for attack in ATTACKS[:6]]


def reply(*events: Sequence[Event], reason: str = "stop") -> Reply:
    """An answer whose parts come in the smallest deltas there can be."""
    body = [*opening("anthropic"), *(event for part in events for event in part)]
    return Reply(pieces=wrap("anthropic", [*body, *closing("anthropic", reason)]))


def thinking(place: int, words: str) -> list[Event]:
    block = {"type": "thinking", "thinking": "", "signature": ""}
    deltas: list[Event] = [{"type": "thinking_delta", "thinking": char} for char in words]
    signed: Event = {"type": "signature_delta", "signature": "c2ln"}
    return anthropic_block(place, block, [*deltas, signed])


def use(place: int, name: str, arguments: object) -> list[Event]:
    return tool("anthropic", place, f"use_{place}_{name[:4]}", name, *json.dumps(arguments))


def failed(words: str) -> list[Event]:
    return [{"type": "error", "error": {"type": "overloaded_error", "message": words}}]


def replies() -> tuple[Reply, ...]:
    """Three steps of one run: two questions to the person, a tool, and a failure."""
    command = {"command": f"true {TITLE_ATTACK}\n{hostile('COMMAND')}"}
    asks = {"question": hostile("QUESTION"), "options": OPTIONS}
    return (
        reply(
            thinking(0, hostile("THINKING")),
            text("anthropic", 1, *hostile("SPOKEN").replace("\n", "\n\n")),
            use(2, "bash", command),
            use(3, "human", asks),
            reason="tool_use",
        ),
        reply(
            use(0, f"unknown{TITLE_ATTACK}", {hostile_line("KEY"): hostile("VALUE")}),
            use(1, "bash", {"command": "sh show.sh"}),
            reason="tool_use",
        ),
        reply(text("anthropic", 0, "Now I ", "fail."), failed(hostile("FAILURE"))),
    )


def toml(words: str) -> str:
    """A TOML string of any characters."""
    return '"' + "".join(c if c.isalnum() else f"\\U{ord(c):08x}" for c in words) + '"'


def prepare(tmp_path: Path, url: str) -> tuple[Path, Path]:
    """A home whose settings are hostile, and a folder with a tool that is."""
    home, cwd = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    cwd.mkdir()
    (home / "config.toml").write_text(
        f"theme = {toml(hostile_line('THEME'))}\n"
        f"model = {toml('evil/' + hostile_line('MODEL').replace(chr(0), ''))}\n"
        f"{toml(hostile_line('SETTING'))} = 1\n"
        f'[providers.evil]\nbase_url = "{url}"\napi = "anthropic"\n'
        f"models = [{toml(hostile_line('OFFERED'))}]\n"
    )
    (cwd / "out.txt").write_text(hostile("OUTPUT"))
    (cwd / "show.sh").write_text("cat out.txt; ls | cat\n")
    for attack in ATTACKS:
        if "/" not in attack and "\0" not in attack:
            (cwd / f"FILENAME {attack}").touch()
    return home, cwd


class Person:
    """Works at a terminal and notes the words in capitals that were on screen."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.seen: set[str] = set()

    def wait(self, wanted: str, gone: str | None = None) -> None:
        """Look until this is on screen, and that is not."""

        def reached(terminal: Terminal) -> bool:
            self.seen.update(re.findall("[A-Z]{4,}", terminal.text))
            return wanted in terminal.text and (gone is None or gone not in terminal.text)

        self.terminal.wait_for(reached)

    def press(self, key: str, wanted: str, gone: str | None = None) -> None:
        """Press a key and wait for what it must bring, and take away."""
        self.terminal.send(key)
        self.wait(wanted, gone)

    def paste(self, words: str) -> None:
        """Paste as a terminal does: without the controls that would count as keys."""
        kept = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", words)
        self.terminal.send(f"\x1b[200~{kept}\x1b[201~")

    def page_down(self) -> None:
        """See the next page."""
        page = self.terminal.text
        self.terminal.send(PAGE_DOWN)
        self.terminal.wait_for(lambda t: t.text != page)
        self.seen.update(re.findall("[A-Z]{4,}", self.terminal.text))

    def read_down(self, last: str) -> None:
        """Page down to these words."""
        while last not in self.terminal.text:
            self.page_down()

    def read_dialog(self) -> None:
        """Page to the end of what a dialog says."""
        self.terminal.output_during(GRACE)
        while re.search(r"▾ \d+ more", self.terminal.text):
            self.page_down()


@pytest.mark.parametrize("size", [(120, 40), (70, 30)])
def test_hostile_text_stays_text_while_it_comes(tmp_path: Path, size: tuple[int, int]) -> None:
    with sse_server(*replies()) as server:
        home, cwd = prepare(tmp_path, server.url)
        argv = [sys.executable, "-m", "omni_tui"]
        with Terminal(argv, {"OMNI_TUI_HOME": str(home)}, size=size, cwd=cwd) as terminal:
            person = Person(terminal)
            person.wait("THEME")
            person.paste(f"/model {hostile_line('MISSING').replace('/', '')}/x")
            person.press("\r", "MISSING")
            person.paste(hostile("ASKED"))
            person.wait("ASKED49")
            person.press("\r", "bash wants to run")
            person.read_dialog()
            person.press("e", "─ arguments of bash")
            person.press(ESCAPE, "no, and tell it why")
            terminal.output_during(GRACE)
            person.press("n", "no to bash, because")
            terminal.output_during(GRACE)
            person.paste(hostile("REASON"))
            person.wait("REASON")
            person.press("\r", "? the model asks")
            person.read_dialog()
            person.press(ESCAPE, "bash wants to run")
            terminal.output_during(GRACE)
            person.press("y", "r tries again")
            person.press(ESCAPE, "r again")
            person.press(CTRL_O + CTRL_T + HOME, "▌ ASKED00")
            person.read_down("r tries again")
            person.press(CTRL_S, "─ sessions")
            person.paste(hostile_line("SOUGHT"))
            person.wait("SOUGHT")
            person.press(ESCAPE, "─ ask ─", gone="─ sessions")
            person.press(F2, "─ model")
            person.press(ESCAPE, "─ ask ─", gone="─ model")
            if "\n tree " in terminal.text:
                person.press(F3, "─ ask ─", gone="\n tree ")
            person.press(F3, "\n tree ")
            terminal.send(CTRL_Q)
            assert terminal.wait_exit() == 0

        assert foreign(bytes(terminal.raw)) == []
        assert "PWN" not in terminal.title
        assert "Traceback" not in terminal.raw.decode()
        assert re.search(rb"omni-tui --load \S+  # ASKED00 [^\r\n]*\r\n$", bytes(terminal.raw))
        assert len(server.requests) == 3
        assert person.seen >= {
            *("THEME", "SETTING", "MISSING", "ASKED", "THINKING", "SPOKEN", "COMMAND", "REASON"),
            *("QUESTION", "OPTION", "OUTPUT", "FILENAME", "FAILURE", "MODEL", "OFFERED"),
        }
