"""A program we talk with in lines: started in a group of its own, read to its end, and ended."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from omni_tui.core.errors import AgentError, BrokenStreamError, ConfigError
from omni_tui.core.safe_text import safe
from omni_tui.tools.capture import PipeReader, Tail
from omni_tui.tools.process import child_environment, end_group

MAX_LINE = 32 * 1024 * 1024
"""Bytes a line may have: a tool's whole output may be in one."""
MAX_WAITING = 2 * MAX_LINE
"""Bytes that may wait to be read."""
_DRAIN_SECONDS = 1.0
_ERROR_CHARS = 2000
_PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"})


def program_environment(
    environment: Mapping[str, str], cwd: Path, prefixes: tuple[str, ...]
) -> dict[str, str]:
    """What the program gets to know: what any child does, and what is meant for it.

    Names that begin with one of `prefixes` are its own, keys among them; so are the proxies, which
    may have a password in them. Everybody else's keys stay here.
    """
    own = {
        name: value
        for name, value in environment.items()
        if name.startswith(prefixes) or name.upper() in _PROXIES
    }
    return child_environment(environment, cwd) | own


class Program:
    """One run of a program. Make it with `start`, and `end` it whatever happens."""

    def __init__(self, process: asyncio.subprocess.Process, out: _Lines, errors: _Errors) -> None:
        self._process = process
        self._out = out
        self._errors = errors
        self._watcher = asyncio.get_running_loop().create_task(self._watch(), name="program")

    @classmethod
    async def start(
        cls, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]
    ) -> Program:
        """Start it, in a session and so a process group of its own.

        Raises `ConfigError` when it cannot be run, `AgentError` when the folder is gone.
        """
        out, errors = _Lines(), _Errors()
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=out.pipe.write_end,
                stderr=errors.pipe.write_end,
                cwd=cwd,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            out.pipe.close()
            errors.pipe.close()
            if isinstance(error, FileNotFoundError) and error.filename == str(cwd):
                raise AgentError(f"The working folder is gone: {cwd}") from None
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise ConfigError(f"{command[0]} cannot be started: {reason}") from None
        out.pipe.started()
        errors.pipe.started()
        return cls(process, out, errors)

    @property
    def exit_code(self) -> int | None:
        """How it ended; negative for a signal, `None` while it runs."""
        return self._process.returncode

    @property
    def complaints(self) -> str:
        """The end of what it wrote to standard error, safe to show."""
        return safe(self._errors.tail.text()).strip()

    async def line(self) -> bytes | None:
        """The next line, without its end; `None` when there are no more.

        Raises `BrokenStreamError` when a line, or what waits, is too long to be kept.
        """
        return await self._out.next()

    async def send(self, data: bytes) -> None:
        """Write to its standard input; that it has gone is found out by reading."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            pass

    def close_input(self) -> None:
        """Say that nothing more will be sent."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def signal(self, number: int) -> None:
        """Send a signal to the program itself, so that it can end what it began."""
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def leaves(self, seconds: float) -> bool:
        """Read on and away until it ends; whether it did in this time."""
        self.close_input()
        try:
            async with asyncio.timeout(seconds):
                while await self._out.next() is not None:
                    pass
                await asyncio.shield(self._watcher)
        except (TimeoutError, BrokenStreamError):
            return False
        return self._process.returncode is not None

    async def end(self) -> None:
        """End its whole group and let everything go. A program that has left costs nothing."""
        try:
            self.close_input()
            await end_group(self._process.pid)
        finally:
            self._watcher.cancel()
            self._out.pipe.close()
            self._errors.pipe.close()
            await self._process.wait()

    async def _watch(self) -> None:
        """Find the end: the program has gone, and a moment for what it left in the pipes."""
        process = asyncio.create_task(self._process.wait())
        output = asyncio.create_task(self._out.pipe.ended.wait())
        try:
            await asyncio.wait({process, output}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({process, output}, timeout=_DRAIN_SECONDS)
        finally:
            process.cancel()
            output.cancel()
            self._out.finish()


class _Lines:
    """Cuts what comes into lines."""

    def __init__(self) -> None:
        self.pipe = PipeReader(self._feed)
        self._lines: deque[bytes] = deque()
        self._part: list[bytes] = []
        self._part_size = 0
        self._waiting = 0
        self._is_over = False
        self._is_flooded = False
        self._ready = asyncio.Event()

    def _feed(self, data: bytes) -> None:
        if self._is_flooded:
            return
        *whole, rest = data.split(b"\n")
        if whole:
            whole[0] = b"".join([*self._part, whole[0]])
            self._part, self._part_size = [], 0
            self._lines.extend(whole)
            self._waiting += sum(map(len, whole))
        if rest:
            self._part.append(rest)
            self._part_size += len(rest)
        if self._part_size > MAX_LINE or self._waiting > MAX_WAITING:
            self._is_flooded = True
            self._lines.clear()
            self._part.clear()
        if whole or self._is_flooded:
            self._ready.set()

    def finish(self) -> None:
        """No more will come."""
        if self._part and not self._is_flooded:
            self._lines.append(b"".join(self._part))
            self._part.clear()
        self._is_over = True
        self._ready.set()

    async def next(self) -> bytes | None:
        while not self._lines:
            if self._is_flooded:
                raise BrokenStreamError(
                    f"The program wrote a line of more than {MAX_LINE >> 20} MiB",
                    hint="ask for less output",
                )
            if self._is_over:
                return None
            self._ready.clear()
            await self._ready.wait()
        line = self._lines.popleft()
        self._waiting -= len(line)
        return line


class _Errors:
    """Drains standard error, and keeps its end."""

    def __init__(self) -> None:
        self.tail = Tail(_ERROR_CHARS)
        self.pipe = PipeReader(self.tail.feed)
