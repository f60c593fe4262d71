"""The pty harness itself, against small programs whose behaviour is known."""

import os
import select
import signal
import sys

import pytest
from harness import Terminal

pytestmark = pytest.mark.pty

ASK = """
import os, sys, termios, tty
tty.setraw(0)
os.write(1, {query!r})
answer = b""
while not answer.endswith({end!r}):
    answer += os.read(0, 100)
print(repr(answer), flush=True)
"""


def python(program: str, **options: object) -> Terminal:
    return Terminal([sys.executable, "-u", "-c", program], **options)  # type: ignore[arg-type]


def test_the_screen_shows_what_the_program_painted() -> None:
    program = r"print('\x1b[2J\x1b[3;5H\x1b[31mred\x1b[0m \u6f22 done', flush=True); input()"
    with python(program, size=(40, 10)) as terminal:
        terminal.wait_for("done")
        assert terminal.screen[2].split() == ["red", "漢", "done"]
        assert terminal.screen[2].startswith("    red")
        assert len(terminal.screen) == 10


def test_a_frame_is_seen_when_it_is_whole() -> None:
    program = (
        "import time\n"
        r"print('\x1b[?2026hfirst', flush=True); time.sleep(0.3); print('last\x1b[?2026l')"
        "\ninput()"
    )
    with python(program) as terminal:
        terminal.wait_for("first")
        assert terminal.screen[:2] == ["first", "last"]


def test_what_is_typed_reaches_the_program() -> None:
    with python("print('got', input()[::-1])") as terminal:
        terminal.send("héllo\n")
        terminal.wait_for("got olléh")
        assert terminal.wait_exit() == 0


def test_more_than_a_pipe_holds_can_be_typed() -> None:
    program = (
        "import sys, tty; tty.setraw(0); print('go', flush=True)\n"
        "n = 0\n"
        "while n < 200_000: n += len(sys.stdin.buffer.raw.read(4096))\n"
        "print(f'read {n}')"
    )
    with python(program) as terminal:
        terminal.wait_for("go").send("x" * 200_000)
        terminal.wait_for("read 200000")


def test_raw_keeps_every_byte() -> None:
    with python(r"import os; os.write(1, b'a\x1b]52;c;eA==\x07b\x1b[?25l')") as terminal:
        terminal.wait_exit()
        assert bytes(terminal.raw) == b"a\x1b]52;c;eA==\x07b\x1b[?25l"
        assert terminal.screen[0] == "ab"


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (b"\x1b[c", b"\x1b[?62;22c"),
        (b"\x1b[5n", b"\x1b[0n"),
        (b"\x1b[2;3H\x1b[6n", b"\x1b[2;3R"),
        (b"\x1b[?2026$p", b"\x1b[?2026;2$y"),
        (b"\x1b[?2004h\x1b[?2004$p", b"\x1b[?2004;1$y"),
        (b"\x1b[?2048$p", b"\x1b[?2048;0$y"),
        (b"\x1b[?u", b"\x1b[?0u"),
        (b"\x1b[>5u\x1b[?u", b"\x1b[?5u"),
        (b"\x1b[>5u\x1b[>1u\x1b[<u\x1b[?u", b"\x1b[?5u"),
        (b"\x1b[>q", b"\x1bP>|harness 1.0\x1b\\"),
        (b"\x1b]11;?\x07", b"\x1b]11;rgb:1010/1111/1212\x1b\\"),
        (b"\x1b]10;?\x1b\\", b"\x1b]10;rgb:d8d8/dddd/e0e0\x1b\\"),
        (b"\x1b[18t", b"\x1b[8;40;120t"),
        (b"\x1bP+q544e\x1b\\", b"\x1bP0+r\x1b\\"),
    ],
)
def test_queries_are_answered_as_a_terminal_would(query: bytes, answer: bytes) -> None:
    with python(ASK.format(query=query, end=answer[-2:])) as terminal:
        terminal.wait_for(lambda t: repr(answer) in t.text.replace("\n", ""))


def test_a_sequence_and_a_character_split_over_writes_are_one() -> None:
    program = r"""
import os, tty
tty.setraw(0)
for part in (b'a\x1b[', b'3', b'1mb\xe6', b'\xbc\xa2\x1b', b'[>1', b'uc', b'!'):
    os.write(1, part)
    os.read(0, 1)
"""
    with python(program) as terminal:
        for seen in (b"[", b"3", b"\xe6", b"\x1b", b"[>1", b"uc", b"!"):
            terminal.wait_for(lambda t, seen=seen: t.raw.endswith(seen))  # type: ignore[misc]
            terminal.send("x")
        assert "".join(terminal.screen[0].split()) == "ab漢c!"
        assert terminal.keyboard == [0, 1]


def test_title_and_modes_are_remembered_and_forgotten() -> None:
    program = r"""
print('\x1b]0;my title\x07\x1b[?1049;2004h\x1b[?25lready', flush=True); input()
print('\x1b[?1049l\x1b[?2004lgone', flush=True); input()
"""
    with python(program) as terminal:
        terminal.wait_for("ready")
        assert terminal.title == "my title"
        assert terminal.modes == {1049, 2004}
        terminal.send("\n")
        terminal.wait_for("gone")
        assert terminal.modes == set()


def test_resizing_tells_the_program() -> None:
    program = (
        "import os, signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})\n"
        "print('ready', flush=True)\n"
        "signal.sigwait({signal.SIGWINCH}); print(os.get_terminal_size(), flush=True); input()"
    )
    with python(program, size=(80, 24)) as terminal:
        terminal.wait_for("ready")
        terminal.resize(100, 30)
        terminal.wait_for("columns=100, lines=30")
        assert len(terminal.screen) == 30


def test_exit_codes_and_signals_are_told_apart() -> None:
    with python("raise SystemExit(7)") as terminal:
        assert terminal.wait_exit() == 7
    with python("import signal; print('ready', flush=True); signal.pause()") as terminal:
        terminal.wait_for("ready").signal(signal.SIGTERM)
        assert terminal.wait_exit() == -signal.SIGTERM


def test_the_end_of_the_program_is_seen_though_a_child_keeps_the_terminal() -> None:
    program = (
        "import signal, subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "print('bye')"
    )
    with python(program) as terminal:
        assert terminal.wait_exit() == 0
        assert "bye" in terminal.text


def test_control_c_is_a_signal_because_the_terminal_is_the_programs_own() -> None:
    # A signal that comes just before a call that would wait is missed; one that is blocked is not.
    program = (
        "import signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\n"
        "print('ready', flush=True)\n"
        "signal.sigwait({signal.SIGINT}); print('interrupted')"
    )
    with python(program) as terminal:
        terminal.wait_for("ready").send("\x03")
        terminal.wait_for("interrupted")


def test_waiting_fails_with_the_screen_in_the_message() -> None:
    with python("print('here', flush=True); input()") as terminal:
        terminal.wait_for("here")
        with pytest.raises(TimeoutError, match=r"(?s)no 'there' in .*\| here"):
            terminal.wait_for("there", timeout=0.05)
        with pytest.raises(TimeoutError, match="still running"):
            terminal.wait_exit(timeout=0.05)


def test_waiting_for_a_program_that_ended_fails_at_once() -> None:
    with python("print('bye')") as terminal, pytest.raises(EOFError, match="bye"):
        terminal.wait_for("never", timeout=60)


def test_an_idle_program_writes_nothing_and_a_busy_one_something() -> None:
    program = (
        "import time; print('ready', end='', flush=True); input()\n"
        "while True: print('tick', flush=True); time.sleep(0.01)"
    )
    with python(program) as terminal:
        terminal.wait_for("ready")
        assert terminal.output_during(0.1) == b""
        terminal.send("\n")
        terminal.wait_for("tick")
        assert b"tick" in terminal.output_during(0.2)


def test_closing_kills_the_program_and_its_children() -> None:
    program = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "print('child', child.pid, flush=True); input()"
    )
    terminal = python(program)
    terminal.wait_for(lambda t: t.text.count("child") == 1 and t.text.strip()[-1].isdigit())
    child = os.pidfd_open(int(terminal.text.split()[1]))
    try:
        terminal.close()
        terminal.close()
        # A signal sent is not yet a process gone: it dies when it is next given the processor.
        ended, _, _ = select.select([child], [], [], 10)
        assert ended
    finally:
        os.close(child)


def test_the_environment_is_clean_but_for_what_was_asked() -> None:
    program = "import os; print(sorted(os.environ))"
    os.environ["OMNI_TUI_PLANTED"] = "x"
    try:
        with python(program, env={"WANTED": "1"}) as terminal:
            terminal.wait_exit()
            assert "WANTED" in terminal.text
            assert "PLANTED" not in terminal.text
    finally:
        del os.environ["OMNI_TUI_PLANTED"]
