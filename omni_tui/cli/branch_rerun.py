"""`omni-tui branch rerun`: the prompts of a branch once more, and how the answers differ."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import msgspec

from omni_tui.agent.decisions import Provide, Reject
from omni_tui.agent.events import Event, Paused, Retrying
from omni_tui.agent.run import Run
from omni_tui.cli.branch_diff import tip_at, write_diff
from omni_tui.cli.database import stored_at
from omni_tui.cli.exit_codes import (
    DONE,
    INTERRUPTED,
    LIMIT_REACHED,
    RUN_FAILED,
    TERMINATED,
    TOOL_DENIED,
    exit_code,
)
from omni_tui.cli.print_mode import NOBODY
from omni_tui.cli.setup import read_ground
from omni_tui.core.errors import AgentRunError, NotFoundError, OmniError
from omni_tui.core.safe_text import safe, safe_line
from omni_tui.llm.providers.base import Model
from omni_tui.session.context import ContextPolicy
from omni_tui.session.rerun import RerunTurn, replay, rerun
from omni_tui.session.session import Session
from omni_tui.session.titles import TitlePolicy


async def rerun_branch(arguments: argparse.Namespace) -> int:
    """Run a stored branch again, print the comparison, and return the exit code.

    Raises any `OmniError` that ends the command before the first turn, and `StoreError` when the
    answers could not be kept.
    """
    ground = read_ground(arguments)
    setup = ground.setup(Path.cwd())
    if arguments.replay:
        # Nothing may ask a model beside the recording, or take a reply that is meant for a turn.
        setup = msgspec.structs.replace(
            setup,
            fallbacks=(),
            title=TitlePolicy(),
            context=ContextPolicy(strategy="off"),
            max_depth=1,
        )
    async with ground.manager(stored_at(arguments), setup) as manager:
        id = await manager.store.find(arguments.id)
        session, notice = await manager.open(id)
        if notice and arguments.model is None and not arguments.replay:
            _tell(notice)
        tip = _tip(session, arguments.node)
        model: str | Model | None = arguments.model
        if arguments.replay:
            model = replay(session.tree, tip).model("branch")
        watch = _Watch(session)
        made, code = await watch.rerun(tip, model)
        assert session.saver is not None
        await session.saver.flush()
        if made is not None:
            write_diff(session.tree, tip, made, as_json=arguments.json)
        if session.saver.error is not None:
            raise session.saver.error
        return code


def _tip(session: Session, wanted: str | None) -> int:
    if wanted is not None:
        return tip_at(session.tree, wanted)
    if session.tree.head is None:
        raise NotFoundError("No branch of the session is in view.", hint="name a message of one")
    return session.tree.head


class _Watch:
    """Tells of the turns, answers for the person who is not there, and minds signals."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._run: Run | None = None
        self._stopped: int | None = None
        """The exit code of the signal that stopped it."""
        self._denied: list[str] = []
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._stop, INTERRUPTED)
        loop.add_signal_handler(signal.SIGTERM, self._stop, TERMINATED)

    def _stop(self, code: int) -> None:
        """Cancel the run, so that what came so far is kept."""
        self._stopped = code
        if self._run is not None:
            self._run.cancel()

    async def rerun(self, tip: int, model: str | Model | None) -> tuple[int | None, int]:
        """The tip of the new branch, `None` where nothing came, and the exit code."""
        try:
            made = await rerun(self._session, tip, model, on_turn=self._follow)
        except AgentRunError as error:
            if "tip" not in error.details:
                raise
            _tell(str(error))
            made = error.details["tip"]
            came = made not in self._session.tree.path_to(tip)
            return (made if came else None), self._judge(error)
        if self._denied:
            _tell(
                f"{', '.join(self._denied)} was not allowed; "
                "--approval-mode auto-edit or yolo, or an allow rule, would let it run"
            )
            return made, TOOL_DENIED
        return made, DONE

    def _judge(self, error: AgentRunError) -> int:
        if error.outcome == "cancelled":
            return self._stopped or INTERRUPTED
        if isinstance(error.__cause__, OmniError):
            return exit_code(error.__cause__)
        return LIMIT_REACHED if error.outcome == "max_steps" else RUN_FAILED

    async def _follow(self, turn: RerunTurn) -> None:
        self._run = turn.run
        if self._stopped is not None:
            turn.run.cancel()
        words = safe_line(turn.prompt.message.text, 60)
        _tell(f"turn {turn.number} of {turn.total}: {words}")
        async for event in turn.run:
            self._take(event, turn.run)

    def _take(self, event: Event, run: Run) -> None:
        match event.payload:
            case Paused(reason="question"):
                answer = Provide("No human is available to answer.", is_error=True)
                self._session.resume(answer, run.id)
            case Paused(tool_use=use):
                self._denied.append(use.name)
                self._session.resume(Reject(NOBODY, by="no one"), run.id)
            case Retrying(fallback=str(fallback), error=error):
                _tell(f"{error.message} Asking {fallback}.")
            case Retrying(attempt=attempt, delay=delay, error=error):
                _tell(f"{error.message} Trying again in {delay:.0f} s ({attempt}).")
            case _:
                pass


def _tell(words: str) -> None:
    print(f"omni-tui: {safe(words)}", file=sys.stderr)
