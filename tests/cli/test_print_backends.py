"""`-p` with an agent that owns its loop."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from command import COMMAND, environment
from fake_programs import FakeProgram, recording


def ask(tmp_path: Path, program: Path | str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "-p", "run it", "-m", "claude-cli/default"],
        env=environment(tmp_path / "home", {"OMNI_TUI_CLAUDE": str(program)}),
        stdin=subprocess.DEVNULL,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "code", "said", "complaint"),
    [
        ("claude-hello-partial", 0, "Hello there, this is a mock answer", ""),
        ("claude-tool-deny", 4, "Finished bash.", "bash was not allowed"),
    ],
)
def test_the_answer_is_printed(
    tmp_path: Path, name: str, code: int, said: str, complaint: str
) -> None:
    program = FakeProgram(tmp_path / "fake", [recording(name)])
    done = ask(tmp_path, program.path)
    assert done.returncode == code
    assert said in done.stdout
    assert complaint in done.stderr
    assert bool(done.stderr) is bool(complaint)


def test_a_missing_program_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = ask(tmp_path, "not-there")
    assert done.returncode == 2
    assert "npm install -g @anthropic-ai/claude-code" in done.stderr
    assert len(done.stderr.splitlines()) == 1
