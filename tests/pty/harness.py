"""A real command in a real pseudo-terminal, driven as a person at a modern terminal would.

`Terminal` starts the command, keeps every byte it wrote, shows the screen those bytes paint, and
answers what programs ask a terminal (attributes, cursor, modes, keyboard protocol, version,
colours). Waiting is always for something: the program's output, its end, or a limit.
"""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte

_SEQUENCE = re.compile(
    rb"\x1b\[(?P<csi>[0-?]*[ -/]*[@-~])"
    rb"|\x1b\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    rb"|\x1b[P_^X](?P<string>(?:[^\x1b]|\x1b(?!\\))*)\x1b\\"
    rb"|\x1b(?P<short>[ -/]*[0-OQ-WYZ\\`-~])"
    rb"|(?P<text>[^\x1b]+)"
)
_PRIVATE_MODES = re.compile(r"\?([\d;]+)([hl])")
_SET_SIZE = struct.Struct("HHHH")
_SYNCHRONIZED = 2026
"""The private mode that is on while a frame is being painted."""


class Terminal:
    """One program and the terminal it runs in. Use it in a `with` block.

    The program gets `env` over a small clean environment; `size` is columns and rows.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        size: tuple[int, int] = (120, 40),
        cwd: Path | None = None,
    ) -> None:
        self.raw = bytearray()
        """Every byte the program wrote."""
        self.title = ""
        """The window title it set."""
        self.modes: set[int] = set()
        """The private modes (1049, 2004, 1000 …) it has switched on and not off again."""
        self.keyboard: list[int] = [0]
        """The stack of kitty keyboard flags; the last one counts."""
        self.size = size
        self._screen = pyte.Screen(*size)
        self._stream = pyte.Stream(self._screen)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = b""
        self._lines: list[str] | None = None
        self._ended = False
        self._master, slave = pty.openpty()
        try:
            self._resize_pty()
            self._process = subprocess.Popen(
                list(argv),
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env=_clean_environment(env or {}),
                cwd=cwd,
                start_new_session=True,
                preexec_fn=_take_terminal,
            )
        except BaseException:
            os.close(self._master)
            raise
        finally:
            os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def screen(self) -> list[str]:
        """The lines on the screen, without trailing spaces."""
        if self._lines is None:
            self._lines = [line.rstrip() for line in self._screen.display]
        return list(self._lines)

    @property
    def text(self) -> str:
        """The screen as one string."""
        return "\n".join(self.screen)

    @property
    def cursor(self) -> tuple[int, int]:
        """Column and row of the cursor, from 0."""
        return self._screen.cursor.x, self._screen.cursor.y

    @property
    def pid(self) -> int:
        """The program's process id, also that of its group."""
        return self._process.pid

    def send(self, text: str | bytes) -> None:
        """Type `text`."""
        data = text.encode() if isinstance(text, str) else text
        while data:
            # A program that writes while we type would block on a full pipe, so read meanwhile.
            readable, writable, _ = select.select([self._master], [self._master], [], 10)
            if readable and not self._ended:
                self._read()
            if self._ended or not (readable or writable):
                raise BrokenPipeError(f"the program does not read\n{self._report()}")
            if writable:
                data = data[os.write(self._master, data[:1024]) :]

    def resize(self, columns: int, rows: int) -> None:
        """Change the window's size; the program is told by SIGWINCH."""
        self.size = (columns, rows)
        self._screen.resize(rows, columns)
        self._lines = None
        self._resize_pty()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program and its group."""
        os.killpg(self.pid, number)

    def wait_for(self, wanted: str | Callable[[Terminal], bool], timeout: float = 30.0) -> Terminal:
        """Read until the text is on the screen, or the predicate holds.

        Only whole frames are judged: what is painted between the marks of a synchronized update
        is, as on a terminal that honours them, not seen before it is complete.

        Raises:
            TimeoutError: it did not happen within `timeout` seconds; shows the screen.
            EOFError: the program ended first.
        """
        deadline = time.monotonic() + timeout
        while _SYNCHRONIZED in self.modes or not (
            wanted in self.text if isinstance(wanted, str) else wanted(self)
        ):
            if self._ended:
                raise EOFError(f"the program ended before {wanted!r}\n{self._report()}")
            if not self._read(deadline - time.monotonic()):
                raise TimeoutError(f"no {wanted!r} in {timeout} s\n{self._report()}")
        return self

    def wait_exit(self, timeout: float = 30.0) -> int:
        """Read until the program has ended; its exit code, or minus the signal's number.

        Raises:
            TimeoutError: it still runs after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        # Not the terminal's end alone: a child left behind may keep it open.
        while self._process.poll() is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"still running after {timeout} s\n{self._report()}")
            if self._ended:
                self._process.wait(left)
            else:
                self._read(min(left, 0.05))
        while not self._ended and self._read():
            pass
        return self._process.returncode

    def output_during(self, seconds: float) -> bytes:
        """What the program writes in the next `seconds`: nothing, if it is truly idle."""
        start = len(self.raw)
        deadline = time.monotonic() + seconds
        while not self._ended and (left := deadline - time.monotonic()) > 0:
            self._read(left)
        return bytes(self.raw[start:])

    def close(self) -> None:
        """Kill the program and its group, and close the terminal. Closing again does nothing."""
        if self._master < 0:
            return
        with contextlib.suppress(ProcessLookupError):  # nobody is left in the group
            os.killpg(self.pid, signal.SIGKILL)
        os.close(self._master)
        self._master = -1
        self._ended = True
        self._process.wait(10)

    def _resize_pty(self) -> None:
        columns, rows = self.size
        packed = _SET_SIZE.pack(rows, columns, columns * 10, rows * 20)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, packed)

    def _read(self, timeout: float = 0.0) -> bool:
        """Take in what there is, waiting up to `timeout` seconds; whether anything happened."""
        if not select.select([self._master], [], [], max(0.0, timeout))[0]:
            return False
        try:
            data = os.read(self._master, 65_536)
        except OSError:  # EIO: the last process with the terminal open is gone
            data = b""
        if not data:
            self._ended = True
            return True
        self.raw += data
        self._lines = None
        self._take(self._pending + data)
        return True

    def _take(self, data: bytes) -> None:
        at = 0
        while at < len(data) and (found := _SEQUENCE.match(data, at)):
            at = found.end()
            kind = found.lastgroup
            body = found[kind].decode("utf-8", "replace") if kind else ""
            if kind == "text":
                self._stream.feed(self._decoder.decode(found[0]))
            elif kind == "osc":
                self._osc(body)
            elif kind == "csi":
                self._csi(body)
            elif kind == "short":
                self._stream.feed(f"\x1b{body}")
            elif body.startswith("+q"):
                self._answer("\x1bP0+r\x1b\\")
        self._pending = data[at:]

    def _osc(self, body: str) -> None:
        code, _, value = body.partition(";")
        if code in ("0", "2"):
            self.title = value
        elif code in ("10", "11", "12") and value == "?":
            shade = "1010/1111/1212" if code == "11" else "d8d8/dddd/e0e0"
            self._answer(f"\x1b]{code};rgb:{shade}\x1b\\")

    def _csi(self, body: str) -> None:
        if modes := _PRIVATE_MODES.fullmatch(body):
            numbers = {int(number) for number in modes[1].split(";") if number}
            self.modes = self.modes | numbers if modes[2] == "h" else self.modes - numbers
        if body[-1] in "cnupqt" and (answer := self._answer_to(body)) is not None:
            self._answer(answer)
        elif body[-1] == "u" and body[0] in "<>=":
            self._set_keyboard(body)
        elif body[0] not in "<>=" and body[-1] not in "uqptm":
            # pyte would print the former; colours (m) nobody reads, and they are most of a screen.
            self._stream.feed(f"\x1b[{body}")

    def _answer_to(self, query: str) -> str | None:
        columns, rows = self.size
        fixed = {
            "c": "\x1b[?62;22c",
            "0c": "\x1b[?62;22c",
            ">c": "\x1b[>1;10;0c",
            ">0c": "\x1b[>1;10;0c",
            "5n": "\x1b[0n",
            "6n": f"\x1b[{self.cursor[1] + 1};{self.cursor[0] + 1}R",
            "?6n": f"\x1b[?{self.cursor[1] + 1};{self.cursor[0] + 1}R",
            "?996n": "\x1b[?997;1n",
            "?u": f"\x1b[?{self.keyboard[-1]}u",
            ">q": "\x1bP>|harness 1.0\x1b\\",
            ">0q": "\x1bP>|harness 1.0\x1b\\",
            "14t": f"\x1b[4;{rows * 20};{columns * 10}t",
            "16t": "\x1b[6;20;10t",
            "18t": f"\x1b[8;{rows};{columns}t",
        }
        if mode := re.fullmatch(r"\?(\d+)\$p", query):
            number = int(mode[1])
            # Of the modes asked about, in-band resizing (2048) is the one not offered here.
            state = 0 if number == 2048 else 1 if number in self.modes else 2
            return f"\x1b[?{number};{state}$y"
        return fixed.get(query)

    def _set_keyboard(self, body: str) -> None:
        numbers = [int(number) for number in re.findall(r"\d+", body)]
        if body[0] == ">":
            self.keyboard.append(numbers[0] if numbers else 0)
        elif body[0] == "<":
            count = numbers[0] if numbers else 1
            self.keyboard = self.keyboard[: max(1, len(self.keyboard) - count)]
        else:
            self.keyboard[-1] = numbers[0] if numbers else 0

    def _answer(self, text: str) -> None:
        os.write(self._master, text.encode())

    def _report(self) -> str:
        lines = "\n".join(f"  | {line}" for line in self.screen)
        return f"{lines}\n  last bytes: {bytes(self.raw[-200:])!r}"


def _take_terminal() -> None:
    """In the child: make its standard input the controlling terminal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    fixed = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
    return {**kept, **fixed, **extra}
