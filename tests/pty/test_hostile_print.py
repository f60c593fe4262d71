"""What the command prints without its screen is text too, to a terminal and to a pipe."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Terminal
from hostile import foreign, hostile, hostile_line
from test_hostile_stream import failed, prepare, reply, thinking, use
from warm import PYTHON
from wire.made import text
from wire.server import Reply, sse_server

pytestmark = [pytest.mark.pty, pytest.mark.timeout(120), pytest.mark.usefixtures("warm")]

Run = Callable[..., bytes]
SAFE_ARGUMENT = hostile_line("GIVEN").replace("\0", "")


def through_terminal(arguments: list[str], home: Path, cwd: Path, code: int) -> bytes:
    argv = [sys.executable, "-m", "omni_tui", *arguments]
    with Terminal(argv, {"OMNI_TUI_HOME": str(home)}, cwd=cwd) as terminal:
        assert terminal.wait_exit(90) == code
        return bytes(terminal.raw)


def through_pipe(arguments: list[str], home: Path, cwd: Path, code: int) -> bytes:
    done = subprocess.run(
        [*PYTHON, "-m", "omni_tui", *arguments],
        env={"OMNI_TUI_HOME": str(home), "HOME": str(home), "LANG": "C.UTF-8"},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == code
    return done.stdout + done.stderr


@pytest.fixture(params=[through_terminal, through_pipe], ids=["terminal", "pipe"])
def run(request: pytest.FixtureRequest) -> Run:
    given: Run = request.param
    return given


def test_an_answer_that_is_printed_stays_text(run: Run, tmp_path: Path) -> None:
    answers = (
        Reply(
            status=529,
            pieces=(
                b'{"type":"error","error":{"type":"overloaded_error","message":"OVERLOADED '
                b'\\u001b]0;PWN\\u0007\\u009b2J"}}',
            ),
            content_type="application/json",
            headers={"retry-after": "0"},
        ),
        reply(
            thinking(0, hostile("THINKING")),
            text("anthropic", 1, *hostile("SPOKEN")),
            use(2, "bash\x1b]0;PWN\x07", {"command": hostile("COMMAND")}),
            use(3, "human", {"question": hostile("QUESTION")}),
            use(4, "bash", {"command": f"sh show.sh # {hostile_line('COMMAND')}"}),
            reason="tool_use",
        ),
        reply(text("anthropic", 0, "I am ", "done.")),
    )
    with sse_server(*answers) as server:
        home, cwd = prepare(tmp_path, server.url)
        printed = run(["-p", "go"], home, cwd, 4)

    assert len(server.requests) == 3
    assert foreign(printed) == []
    for seen in ("SETTING", "OVERLOADED", "SPOKEN49", "I am done.", "was not allowed"):
        assert seen in printed.decode()


def test_a_failure_that_is_printed_stays_text(run: Run, tmp_path: Path) -> None:
    with sse_server(reply(text("anthropic", 0, "half"), failed(hostile("FAILURE")))) as server:
        home, cwd = prepare(tmp_path, server.url)
        printed = run(["-p", "go"], home, cwd, 5)

    assert foreign(printed) == []
    assert "FAILURE00" in printed.decode()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--load", SAFE_ARGUMENT], 7),
        (["models", SAFE_ARGUMENT], 2),
        (["-p", "x", "-m", SAFE_ARGUMENT], 2),
        (["-p", "x", "-m", f"nowhere/{SAFE_ARGUMENT}"], 2),
        (["--approval-mode", SAFE_ARGUMENT], 2),
        ([f"--{SAFE_ARGUMENT}"], 2),
        ([SAFE_ARGUMENT], 2),
    ],
)
def test_a_complaint_about_what_was_given_stays_text(
    tmp_path: Path, arguments: list[str], code: int
) -> None:
    home, cwd = prepare(tmp_path, "http://127.0.0.1:9")
    printed = through_terminal(arguments, home, cwd, code)

    assert printed
    assert foreign(printed) == []
    assert b"Traceback" not in printed


@pytest.mark.parametrize(
    "settings",
    [
        "theme = [1, {}]",
        "[keymap]\n{} = 1",
        "[providers.{}]\nbase_url = 3",
        "[tools]\napproval_mode = {}",
        "model = {}\n{}",
        "= {}",
    ],
)
def test_a_complaint_about_the_settings_stays_text(tmp_path: Path, settings: str) -> None:
    home, cwd = prepare(tmp_path, "http://127.0.0.1:9")
    quoted = "".join(f"\\U{ord(c):08x}" for c in hostile_line("SETTING"))
    (home / "config.toml").write_text(settings.replace("{}", f'"{quoted}"'))
    printed = through_terminal(["-p", "go"], home, cwd, 2)

    assert printed
    assert foreign(printed) == []
    assert b"Traceback" not in printed
