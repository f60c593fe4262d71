"""A process of the warm server is like one that was started: to who starts it and to itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from warm import PYTHON

pytestmark = pytest.mark.usefixtures("warm")

TELL = """
import json, os, sys
given = [sys.argv, sys.path[0], dict(os.environ), os.getcwd(), sys.stdin.read()]
print(json.dumps([*given, __name__]))
print("acp" in sys.modules, file=sys.stderr)
sys.exit(7)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return tmp_path / "program.py"


def test_it_has_what_it_was_given(program: Path, tmp_path: Path) -> None:
    program.write_text(TELL)
    odd = os.fsdecode(b"\xff\n")
    given = {"PATH": "/bin", "LANG": "C.UTF-8", "ODD": odd}
    done = [
        subprocess.run(
            [*python, str(program), "one", odd],
            input="piped \U0001f642",
            env=given,
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=50,
            check=False,
        )
        for python in (PYTHON, (sys.executable,))
    ]
    assert json.loads(done[0].stdout)[2].items() >= given.items()
    told = [json.loads(each.stdout) for each in done]
    assert told[0] == told[1]
    assert [each.returncode for each in done] == [7, 7]
    assert [each.stderr for each in done] == ["True\n", "False\n"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_reach_it_and_its_end_by_one_is_told(program: Path, number: signal.Signals) -> None:
    program.write_text(
        "import signal, sys\n"
        f"signal.signal({int(number)}, signal.SIG_DFL)\n"
        "print('up', flush=True)\n"
        "signal.pause()\n"
    )
    with subprocess.Popen([*PYTHON, str(program)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(number)
        assert process.wait(50) == -number


def test_it_dies_with_its_launcher(program: Path) -> None:
    program.write_text("import signal\nprint('up', flush=True)\nsignal.pause()\n")
    with subprocess.Popen([*PYTHON, str(program)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.kill()
        assert process.stdout.read() == b""  # the last that held it is gone


def test_who_reads_sees_the_end_of_what_it_closes(program: Path) -> None:
    program.write_text("import os, sys\nos.close(1)\nsys.stdin.read()\nos._exit(3)\n")
    with subprocess.Popen(
        [*PYTHON, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.read() == b""
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(50) == 3
