"""The tool `bash`: run a shell command, and leave nothing of it behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import msgspec
from msgspec import Meta

from omni_tui.core.errors import ToolError
from omni_tui.core.tool import ToolContext, ToolReply, tool
from omni_tui.tools.capture import Live, PipeReader, Tail
from omni_tui.tools.process import child_environment, end_group

MAX_TIMEOUT = 600.0
"""Seconds a command may ask for; more is cut to this."""
MAX_OUTPUT = 30_000
"""Characters of output the model gets: the last ones."""
_DRAIN_SECONDS = 1.0


@tool(timeout=MAX_TIMEOUT)
async def bash(
    command: str,
    context: ToolContext,
    timeout: Annotated[float, Meta(gt=0)] = 30.0,
    title: str | None = None,
) -> ToolReply:
    """Run a shell command in the working folder and return its output and exit code.

    There is no terminal and no input. Whatever the command leaves running in the background is
    ended when it returns.

    Args:
        command: The command, as for `bash -c`.
        timeout: Seconds after which it is ended; at most 600.
        title: What the command is for, in a few words.
        context: Where it runs.
    """
    limit = min(timeout, MAX_TIMEOUT, context.timeout or MAX_TIMEOUT)
    tail, live = Tail(MAX_OUTPUT), Live(context.emit)

    def feed(data: bytes) -> None:
        tail.feed(data)
        live.feed(data)

    timed_out = False
    try:
        async with _running(command, context, feed_to=PipeReader(feed)) as child:
            try:
                async with asyncio.timeout(limit):
                    await child.finish()
            except TimeoutError:
                timed_out = child.process.returncode is None
    finally:
        live.close()
    return _reply(tail.text(), None if timed_out else child.process.returncode, limit)


def _reply(output: str, code: int | None, limit: float) -> ToolReply:
    output = output.rstrip("\n") or "(no output)"
    if code is None:
        return ToolReply(
            text=f"{output}\nCommand timed out after {limit:g}s",
            data={"exit_code": None, "timed_out": True},
            is_error=True,
        )
    ending = ""
    if code < 0:
        ending = f" (killed by signal {-code})"
        code = 128 - code
    return ToolReply(
        text=f"{output}\nexit code: {code}{ending}",
        data={"exit_code": code},
        is_error=code != 0,
    )


class _Child(msgspec.Struct, frozen=True):
    process: asyncio.subprocess.Process
    pipe: PipeReader

    async def finish(self) -> None:
        """Wait for the shell, and a moment for the output of what it left running."""
        await self.process.wait()
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self.pipe.ended.wait()
        except TimeoutError:
            pass


@asynccontextmanager
async def _running(
    command: str, context: ToolContext, *, feed_to: PipeReader
) -> AsyncIterator[_Child]:
    """The shell with `command`; on the way out, however it comes, its whole group is ended."""
    try:
        process = await _start(command, context, feed_to.write_end)
    except BaseException:
        feed_to.close()
        raise
    feed_to.started()
    try:
        yield _Child(process, feed_to)
    finally:
        try:
            await end_group(process.pid)
        finally:
            feed_to.close()
            await process.wait()


async def _start(command: str, context: ToolContext, write_end: int) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            _shell(),
            "-c",
            command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=write_end,
            stderr=write_end,
            cwd=context.cwd,
            env=child_environment(os.environ, context.cwd),
            start_new_session=True,
        )
    except FileNotFoundError:
        raise ToolError(f"The working folder is gone: {context.cwd}") from None
    except (ValueError, OSError) as error:
        raise ToolError(f"The command cannot be started: {error}") from None


def _shell() -> str:
    return "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
