"""`omni-tui -p`: one question, one answer on standard output."""

from __future__ import annotations

from typing import TextIO

from omni_tui.agent.events import Event, MessageAdded, Outcome, StepFinished
from omni_tui.agent.run import Run
from omni_tui.cli.exit_codes import (
    DONE,
    INTERRUPTED,
    LIMIT_REACHED,
    RUN_FAILED,
    TOOL_DENIED,
    exit_code,
)
from omni_tui.cli.output import tell
from omni_tui.cli.reports import Format, Report, Result, Tokens, report
from omni_tui.cli.setup import Start
from omni_tui.cli.unattended import Unattended
from omni_tui.core.errors import OmniError, OutputError
from omni_tui.core.stream import Response
from omni_tui.core.usage import Usage
from omni_tui.llm.output import MAX_CORRECTIONS, Output, correction


def read_prompt(argument: str, stdin: TextIO) -> str:
    """The prompt from the argument and from what is piped in."""
    piped = "" if stdin.isatty() else stdin.read()
    return "\n\n".join(part for part in (argument, piped.rstrip("\n")) if part)


async def print_reply(
    start: Start, prompt: str, *, form: Format = "text", shape: Output | None = None
) -> int:
    """Ask, write the answer to standard output in a format, and return the exit code.

    With `shape`, an answer that does not fit is asked for again, at most three times; the session
    must have been set up to ask for it. Everything else a person should know goes to standard
    error.
    """
    for notice in start.notices:
        tell(notice)
    if start.no_key:
        tell("no API key found, so this is the demo model, a script")
    asked = _Asked(start, report(form, shaped=shape is not None))
    await asked.ask(prompt)
    if shape is not None:
        await asked.fit(shape)
    if start.session.saver is not None:
        await start.session.saver.flush()
        if start.session.saver.error is not None:
            tell(f"not saved: {start.session.saver.error}")
    return asked.end()


class _Asked:
    """A question, the runs that answer it, and what came of them."""

    def __init__(self, start: Start, report: Report) -> None:
        self._session = start.session
        self._report = report
        self._run: Run
        self._unattended = Unattended(start.session)
        self._outcome: Outcome = "completed"
        self._error: OmniError | None = None
        self._last: Response | None = None
        self._steps = 0
        self._runs: set[str] = set()
        self._text = ""
        self._value: object = None

    async def ask(self, content: str) -> None:
        """Run to the end; every question of the run is answered with no."""
        run = self._run = self._session.prompt(content)
        self._unattended.begin(run)
        self._runs.add(run.id)
        self._last, self._text = None, ""
        async for event in run:
            self._report.take(event)
            self._follow(event)
            self._unattended.take(event, run)
        self._outcome, self._error = await run.wait(), run.error

    async def fit(self, shape: Output) -> None:
        """Read the value, after corrections when the answer has another shape."""
        for attempt in range(1, MAX_CORRECTIONS + 2):
            if self._outcome != "completed" or self._last is None:
                return
            try:
                self._value = shape.read(self._last)
            except OutputError as error:
                if self._last.stop_reason != "stop" or attempt > MAX_CORRECTIONS:
                    error.details["attempts"] = attempt
                    self._outcome, self._error = "error", error
                    return
                if self._unattended.stopped is not None:
                    self._outcome = "cancelled"
                    return
                await self.ask(correction(error))
            else:
                return

    def end(self) -> int:
        """Say how it ended, and return the exit code."""
        code = self._judge()
        session, usage = self._session, self._usage()
        result = Result(
            text=self._text,
            output=self._value,
            session_id=session.id,
            model=self._last.model if self._last else str(session.model),
            usage=Tokens(
                input=usage.input,
                output=usage.output,
                cache_read=usage.cache_read,
                cache_write=usage.cache_write,
            ),
            cost=usage.cost,
            steps=self._steps,
            outcome=self._outcome,
            stop_reason=self._last.stop_reason if self._last else None,
            denied=tuple(self._unattended.denied),
            error=self._error,
            exit_code=code,
        )
        event = Event(
            payload=result,
            seq=session.seq + 1,
            session_id=session.id,
            run_id=self._run.id,
            node_id=session.tree.head,
            step=self._run.step,
        )
        self._report.end(result, event)
        return code

    def _usage(self) -> Usage:
        """Of all that was added to the conversation, sub-agents included."""
        tree = self._session.tree
        return tree.usage(node.id for node in tree.nodes.values() if node.run_id in self._runs)

    def _judge(self) -> int:
        if self._outcome == "cancelled":
            return self._unattended.stopped or INTERRUPTED
        if self._error is not None:
            tell(str(self._error))
            return exit_code(self._error)
        if self._outcome == "max_steps":
            tell("stopped at the limit of steps")
            return LIMIT_REACHED
        if self._unattended.denied:
            self._unattended.tell_denied()
            return TOOL_DENIED
        is_kept = self._session.saver is None or self._session.saver.error is None
        return DONE if self._outcome == "completed" and is_kept else RUN_FAILED

    def _follow(self, event: Event) -> None:
        match event.payload:
            case StepFinished(response=response):
                self._last = response
                self._steps += 1
            case MessageAdded(message=message) if message.role == "assistant":
                self._text = message.text
            case _:
                pass
