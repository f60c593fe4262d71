"""`omni-tui -p`: one question, one answer on standard output."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TextIO

from omni_tui.agent.decisions import Provide, Reject
from omni_tui.agent.events import Event, Paused, Retrying
from omni_tui.agent.run import Run
from omni_tui.cli.exit_codes import (
    DONE,
    INTERRUPTED,
    LIMIT_REACHED,
    RUN_FAILED,
    TERMINATED,
    TOOL_DENIED,
    exit_code,
)
from omni_tui.cli.setup import Start
from omni_tui.core.safe_text import safe
from omni_tui.core.stream import TextDelta, TextEnd

NOBODY = "nobody is there to ask: the run is not interactive"


def read_prompt(argument: str, stdin: TextIO) -> str:
    """The prompt from the argument and from what is piped in."""
    piped = "" if stdin.isatty() else stdin.read()
    return "\n\n".join(part for part in (argument, piped.rstrip("\n")) if part)


async def print_reply(start: Start, prompt: str) -> int:
    """Ask, stream the words to standard output, and return the exit code.

    Control characters are replaced, to a terminal and to a pipe alike. Everything else a person
    should know goes to standard error.
    """
    for notice in start.notices:
        print(f"omni-tui: {safe(notice)}", file=sys.stderr)
    if start.no_key:
        print("omni-tui: no API key found, so this is the demo model, a script", file=sys.stderr)
    run = start.session.prompt(prompt)
    ended_by = _stop_on_signals(run)
    denied = await _follow(start, run)
    outcome = await run.wait()
    if start.session.saver is not None:
        await start.session.saver.flush()
        if start.session.saver.error is not None:
            print(f"omni-tui: not saved: {safe(str(start.session.saver.error))}", file=sys.stderr)
    if outcome == "cancelled":
        return ended_by.get("code", INTERRUPTED)
    if run.error is not None:
        print(f"omni-tui: {safe(str(run.error))}", file=sys.stderr)
        return exit_code(run.error)
    if outcome == "max_steps":
        print("omni-tui: stopped at the limit of steps", file=sys.stderr)
        return LIMIT_REACHED
    if denied:
        print(
            f"omni-tui: {safe(', '.join(denied))} was not allowed; "
            "--approval-mode auto-edit or yolo, or an allow rule, would let it run",
            file=sys.stderr,
        )
        return TOOL_DENIED
    return DONE if outcome == "completed" else RUN_FAILED


async def _follow(start: Start, run: Run) -> list[str]:
    """Print the words as they come and answer every question with no; the tools denied."""
    denied: list[str] = []
    fresh = True
    async for event in run:
        match event:
            case Event(payload=TextDelta(text=text)):
                print(safe(text), end="", flush=True)
                fresh = text.endswith("\n")
            case Event(payload=TextEnd()) if not fresh:
                print(flush=True)
                fresh = True
            case Event(payload=Paused(tool_use=use, reason="question")):
                start.session.resume(
                    Provide("No human is available to answer.", is_error=True), run.id
                )
            case Event(payload=Paused(tool_use=use)):
                denied.append(use.name)
                start.session.resume(Reject(NOBODY, by="no one"), run.id)
            case Event(payload=Retrying(fallback=str(fallback), error=error)):
                note = f"{error.message} Asking {fallback}."
                print(f"omni-tui: {safe(note)}", file=sys.stderr)
            case Event(payload=Retrying(attempt=attempt, delay=delay, error=error)):
                print(
                    f"omni-tui: {safe(error.message)} Trying again in {delay:.0f} s ({attempt}).",
                    file=sys.stderr,
                )
            case _:
                pass
    return denied


def _stop_on_signals(run: Run) -> dict[str, int]:
    """Cancel the run on SIGINT and SIGTERM, so that what came so far is kept."""
    ended_by: dict[str, int] = {}

    def stop(code: int) -> None:
        ended_by["code"] = code
        run.cancel()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop, INTERRUPTED)
    loop.add_signal_handler(signal.SIGTERM, stop, TERMINATED)
    return ended_by
