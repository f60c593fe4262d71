"""`omni-tui branch rerun`: the prompts of a branch once more, and how the answers differ."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from omni_tui.cli.branch_diff import tip_at, write_diff
from omni_tui.cli.database import stored_at
from omni_tui.cli.exit_codes import (
    DONE,
    INTERRUPTED,
    LIMIT_REACHED,
    RUN_FAILED,
    TOOL_DENIED,
    exit_code,
)
from omni_tui.cli.output import tell
from omni_tui.cli.setup import read_ground
from omni_tui.cli.unattended import Unattended
from omni_tui.core.errors import AgentRunError, NotFoundError, OmniError
from omni_tui.core.safe_text import safe_line
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
            tell(notice)
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
    """Tells of the turns of a branch that runs again unattended."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._unattended = Unattended(session)

    async def rerun(self, tip: int, model: str | Model | None) -> tuple[int | None, int]:
        """The tip of the new branch, `None` where nothing came, and the exit code."""
        try:
            made = await rerun(self._session, tip, model, on_turn=self._follow)
        except AgentRunError as error:
            if "tip" not in error.details:
                raise
            tell(str(error))
            made = error.details["tip"]
            came = made not in self._session.tree.path_to(tip)
            return (made if came else None), self._judge(error)
        if self._unattended.denied:
            self._unattended.tell_denied()
            return made, TOOL_DENIED
        return made, DONE

    def _judge(self, error: AgentRunError) -> int:
        if error.outcome == "cancelled":
            return self._unattended.stopped or INTERRUPTED
        if isinstance(error.__cause__, OmniError):
            return exit_code(error.__cause__)
        return LIMIT_REACHED if error.outcome == "max_steps" else RUN_FAILED

    async def _follow(self, turn: RerunTurn) -> None:
        self._unattended.begin(turn.run)
        words = safe_line(turn.prompt.message.text, 60)
        tell(f"turn {turn.number} of {turn.total}: {words}")
        async for event in turn.run:
            self._unattended.take(event, turn.run)
