"""Small executables in the place of `claude` and `codex`: they play a recording and take notes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

RECORDINGS = Path(__file__).parents[2] / "wire/data/cli"

Step: TypeAlias = dict[str, Any]

_PLAYER = """\
import json, os, signal, sys, time
folder = os.path.dirname(os.path.abspath(sys.argv[0]))
number = len([name for name in os.listdir(folder) if name.startswith("call-")])
play = json.load(open(os.path.join(folder, f"play-{number}.json")))
notes = {"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd(), "pid": os.getpid()}
heard = []
def note():
    path = os.path.join(folder, f"call-{number}.json")
    with open(path + ".new", "w") as file:
        json.dump({**notes, "stdin": heard}, file)
    os.replace(path + ".new", path)
def hear():
    line = sys.stdin.readline()
    if line:
        heard.append(line.rstrip("\\n"))
        note()
    return line
note()
def interrupted(*_):
    notes["interrupted"] = True
    note()
    sys.exit(1)
signal.signal(signal.SIGINT, interrupted)
for step in play:
    if step.get("dir") == "in":
        if not hear():
            sys.exit(9)
    elif step.get("dir") == "out":
        print(json.dumps(step["line"]), flush=True)
    elif "raw" in step:
        print(step["raw"], flush=True)
    elif "flood" in step:
        sys.stdout.write("x" * step["flood"]); sys.stdout.flush()
    elif "complain" in step:
        sys.stderr.write(step["complain"] * step.get("times", 1)); sys.stderr.flush()
    elif step.get("listen"):
        while hear():
            pass
    elif step.get("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    elif "await" in step:
        while not os.path.exists(os.path.join(folder, step["await"])):
            time.sleep(0.01)
    elif step.get("doze"):
        while True:
            time.sleep(60)
    elif step.get("deaf"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        notes["is_deaf"] = True
        note()
        while True:
            time.sleep(60)
    elif "leave" in step:
        sys.exit(step["leave"])
    elif "exit" in step:
        while hear():
            pass
        sys.exit(step["exit"])
while hear():
    pass
"""


@dataclass
class Call:
    """How the program was called once, and what it was told."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    pid: int
    stdin: list[str]
    interrupted: bool = False
    is_deaf: bool = False

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdin]

    @property
    def prompt(self) -> str:
        """What the person said, as `claude` got it."""
        (content,) = [line["message"]["content"] for line in self.lines if line["type"] == "user"]
        return "\n\n".join(block["text"] for block in content)

    def option(self, name: str) -> str | None:
        """The value of `--name=value`."""
        start = f"--{name}="
        return next((word[len(start) :] for word in self.argv if word.startswith(start)), None)


class FakeProgram:
    """An executable that plays one recording a call, in order."""

    def __init__(self, folder: Path, plays: Sequence[Sequence[Step]]) -> None:
        folder.mkdir()
        self.folder = folder
        self.path = folder / "program"
        self.path.write_text(f"#!{sys.executable} -S\n{_PLAYER}")
        self.path.chmod(0o755)
        for number, play in enumerate(plays):
            (folder / f"play-{number}.json").write_text(json.dumps(list(play)))

    def let_go_on(self, name: str) -> None:
        """Let a play go on that stands at `{"await": name}`."""
        (self.folder / name).touch()

    @property
    def calls(self) -> list[Call]:
        """The calls so far."""
        names = sorted(self.folder.glob("call-*.json"))
        return [Call(**json.loads(name.read_text())) for name in names]


Fake: TypeAlias = Callable[..., FakeProgram]


def recording(name: str, session: str | None = None) -> list[Step]:
    """A recording as steps; with `session`, as if it had that id."""
    text = (RECORDINGS / f"{name}.jsonl").read_text()
    steps: list[Step] = [json.loads(line) for line in text.splitlines()]
    if session is not None:
        for step in steps:
            line = step.get("line", {})
            for key in ("session_id", "thread_id"):
                if key in line and step["dir"] == "out":
                    line[key] = session
    return [{"listen": True}, *steps] if name.startswith("codex") else _late_answers(steps)


def _late_answers(steps: list[Step]) -> list[Step]:
    """The answer to a question moved behind the message that asks: the program tells on meanwhile.

    Whoever recorded this answered at once; a person does not.
    """
    out: list[Step] = []
    waiting: list[Step] = []
    for step in steps:
        if step.get("dir") == "in" and step["line"]["type"] == "control_response":
            waiting.append(step)
            continue
        if waiting and step.get("line", {}).get("type") == "user":
            out += waiting
            waiting = []
        out.append(step)
    return out


def said(steps: Sequence[Step], kind: str) -> int:
    """Where the first line of this kind (a type, a subtype or an event's type) is told."""
    for place, step in enumerate(steps):
        line = step.get("line", {}) if step.get("dir") == "out" else {}
        nested = line.get("event") or line.get("request") or {}
        if kind in (
            line.get("type"),
            line.get("subtype"),
            nested.get("type"),
            nested.get("subtype"),
        ):
            return place
    raise AssertionError(f"nothing of kind {kind!r} is told")


def is_alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def group_is_alive(pid: int) -> bool:
    """Whether anything of the group a program led is still there."""
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return is_alive(pid)
