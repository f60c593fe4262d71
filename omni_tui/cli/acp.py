"""`omni-tui acp`: our agent for an editor, over the Agent Client Protocol."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import stat
import sys
from importlib import import_module
from typing import IO, TextIO

from omni_tui.cli.arguments import Parser, add_running_options
from omni_tui.cli.exit_codes import DONE, HANGUP, INTERRUPTED, TERMINATED
from omni_tui.cli.output import tell
from omni_tui.cli.setup import read_ground
from omni_tui.core.errors import ConfigError
from omni_tui.session.store.opening import open_store

_SIGNALS = ((signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED), (signal.SIGHUP, HANGUP))


def parser() -> argparse.ArgumentParser:
    """The arguments of `omni-tui acp`."""
    made = Parser(
        prog="omni-tui acp",
        description="Serve the agent to an editor over the Agent Client Protocol, on standard input"
        " and output. The editor starts this command; it ends when the editor leaves.",
        allow_abbrev=False,
    )
    made.add_argument("-m", "--model", metavar="PROVIDER/MODEL", help="the model of new sessions")
    add_running_options(made)
    return made


async def run(arguments: argparse.Namespace) -> int:
    """Serve until the client leaves or a signal comes.

    Raises any `OmniError` that must end the program before it begins.
    """
    if not (_is_pipe(sys.stdin) and _is_pipe(sys.stdout)):
        raise ConfigError(
            "omni-tui acp talks to an editor over two pipes, and there are none.",
            hint="an editor starts it; in a terminal, start omni-tui",
        )
    await asyncio.to_thread(_import_service)
    from omni_tui.serve.acp.lines import open_lines
    from omni_tui.serve.acp.service import serve

    ground = read_ground(arguments)
    store = open_store(ground.place)
    async with ground.manager(store) as manager:
        await store.open()
        async with open_lines(*_take_pipes()) as lines:
            no_key = ["no API key found, so new sessions use the demo model, a script"]
            for notice in (*ground.settings.notices, *(no_key if ground.model is None else ())):
                tell(notice)
            serving = asyncio.create_task(serve(manager, ground, lines), name="acp")
            return await _until_stopped(serving)


async def _until_stopped(serving: asyncio.Task[None]) -> int:
    """Wait for the end of a task, or end it when a signal comes; the exit code."""
    codes: list[int] = []

    def stop(code: int) -> None:
        codes.append(code)
        serving.cancel()

    loop = asyncio.get_running_loop()
    for signum, code in _SIGNALS:
        loop.add_signal_handler(signum, stop, code)
    await asyncio.wait([serving])
    if not serving.cancelled():
        serving.result()
    return codes[0] if codes else DONE


def _is_pipe(stream: TextIO | None) -> bool:
    try:
        mode = os.fstat(stream.fileno()).st_mode if stream is not None else 0
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _take_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Standard input and output for the protocol alone.

    Whatever else in this process, or a child of it, prints to standard output goes to standard
    error, and finds nothing on standard input.
    """
    incoming = os.fdopen(os.dup(0), "rb", buffering=0)
    outgoing = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # there is no standard error
        os.dup2(nowhere, 1)
    os.close(nowhere)
    return incoming, outgoing


def _import_service() -> None:
    """Import what takes a second; raises `ConfigError` that says how to get what is missing."""
    try:
        import_module("omni_tui.serve.acp.service")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("acp", "pydantic"):
            raise
        raise ConfigError(
            "The package agent-client-protocol is missing, which omni-tui acp needs.",
            hint="pip install 'omni-tui[acp]'",
        ) from None
