"""The loop of a run: turn after turn, and what the hooks decide between them."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING, Literal

from omni_tui.agent.decisions import (
    AfterError,
    AfterTurn,
    Continue,
    Halt,
    Proceed,
    Retry,
    Stop,
)
from omni_tui.agent.events import (
    Outcome,
    PromptReturned,
    Retrying,
    RunCancelled,
    RunFailed,
    TurnFinished,
)
from omni_tui.agent.turn import Turn
from omni_tui.core.errors import AgentError, CancelledRequestError, OmniError
from omni_tui.core.messages import Block, as_blocks
from omni_tui.core.stream import Response

if TYPE_CHECKING:
    from omni_tui.agent.engine import Engine
    from omni_tui.agent.run import Run

log = logging.getLogger(__name__)


class Loop:
    """One run of one agent."""

    def __init__(self, engine: Engine, run: Run) -> None:
        self.engine = engine
        self.run = run
        self.turn: Turn | None = None
        """The turn under way; `None` between turns."""
        self.content = run.prompt
        """What the turn under way answers."""
        self.is_sent = False
        """Whether `content` is in the history (or was left out on purpose)."""

    async def drive(self) -> Outcome:
        """Run to the end; never raises."""
        engine, run = self.engine, self.run
        with engine.span("prompt", prompt=run.prompt, model=str(engine.settings.model)) as facts:
            outcome = await self._drive()
            facts["outcome"] = outcome
            if outcome in ("error", "cancelled"):
                facts["error"] = run.error
        return outcome

    async def _drive(self) -> Outcome:
        self.engine.set_status("busy")
        try:
            await self.engine.ready()
            if self.engine.journal is not None:
                await self.engine.journal.admit(self.run)
            end: Outcome | None = None
            while end is None:
                with self.engine.span("turn") as facts:
                    end = await self._one()
                    facts["outcome"] = end or "completed"
            return end
        except asyncio.CancelledError:
            return await self._cancelled()
        except Exception as error:
            if _is_cancelled():
                return await self._cancelled()
            if not isinstance(error, OmniError):
                log.exception("the loop of run %s failed", self.run.id)
            return await self._broken("error", _typed(error))

    async def _cancelled(self) -> Outcome:
        if task := asyncio.current_task():
            task.uncancel()
        error = CancelledRequestError("The run was cancelled.", phase="running")
        return await self._broken("cancelled", error)

    async def _one(self) -> Outcome | None:
        """One turn and the decision about it: the outcome of the run, or `None` to go on."""
        engine = self.engine
        before = await engine.chain.pre_turn(self.content)
        if not isinstance(before, Proceed):
            self.is_sent = True
            if self.content is not None:
                engine.emit(PromptReturned(content=self.content, reason="skipped"))
            halts = isinstance(before, Halt)
            return await self._boundary("skipped", Halt() if halts else Stop(), None)
        if before.content is not None:
            self.content = as_blocks(before.content)
        turn = self.turn = engine.new_turn(self.run)
        self.is_sent = True
        await turn.open(self.content)
        for attempt in itertools.count(1):
            try:
                outcome = await turn.steps()
                break
            except Exception as error:
                if _is_cancelled():  # what a cancel broke on its way out is no failure of its own
                    raise asyncio.CancelledError from error
                if not isinstance(error, OmniError):
                    log.exception("a turn of run %s failed", self.run.id)
                problem = _typed(error)
            decision = await engine.chain.handle_error(problem)
            if not isinstance(decision, Retry):
                return await self._give_up(problem, decision)
            turn.again()
            model = str(turn.model)
            engine.emit(Retrying(attempt=attempt, delay=decision.delay, error=problem, model=model))
            await asyncio.sleep(decision.delay)
        response = turn.response
        assert response is not None
        self._commit()
        after: AfterTurn = Halt()
        if outcome != "halted":
            after = await engine.chain.handle_turn(response)
        return await self._boundary(outcome, after, response)

    async def _give_up(self, error: OmniError, decision: AfterError) -> Outcome | None:
        """A turn failed and is not tried again."""
        if isinstance(decision, Stop | Retry):
            return await self._broken("error", error)
        if isinstance(decision, Halt):
            self.run.error = error
        self._break_off("error", error)
        if not self.engine.settings.keep_partial and self.content is not None:
            self.engine.emit(PromptReturned(content=self.content, reason="error"))
        return await self._boundary("error", decision, None, error)

    async def _boundary(
        self,
        outcome: Outcome,
        decision: AfterTurn,
        response: Response | None,
        error: OmniError | None = None,
    ) -> Outcome | None:
        """Settle what follows a turn, and tell it."""
        engine, run = self.engine, self.run
        await engine.chain.post_turn("halted" if isinstance(decision, Halt) else outcome)
        is_halting = await engine.drain_events() or isinstance(decision, Halt) or engine.is_halting
        if response is not None:
            run.response = response
        is_capped = engine.settings.is_spent(run.step)
        follow_up: tuple[Block, ...] | None = None
        if is_halting:
            outcome = "halted"
        elif not is_capped:
            follow_up = engine.take_steer("turn", "step") or self._follow_up(decision)
        elif outcome == "completed" and (isinstance(decision, Continue) or engine.queue.steer):
            outcome = "max_steps"
        if follow_up is None:
            await self._end(outcome, response, error)
            return outcome
        engine.emit(TurnFinished(kind="continue", response=response, outcome=outcome, error=error))
        self.content, self.is_sent = follow_up, False
        return None

    def _follow_up(self, decision: AfterTurn) -> tuple[Block, ...] | None:
        if isinstance(decision, Continue):
            return as_blocks(decision.content)
        follow_ups = self.engine.queue.follow_ups
        return follow_ups.popleft() if follow_ups else None

    async def _end(
        self, outcome: Outcome, response: Response | None, error: OmniError | None
    ) -> None:
        engine = self.engine
        engine.return_steer("halted" if outcome == "halted" else "limit")
        if outcome == "halted":
            await engine.freeze()
        else:
            engine.set_status("idle")
        engine.emit(TurnFinished(kind="stop", response=response, outcome=outcome, error=error))

    async def _broken(self, outcome: Literal["cancelled", "error"], error: OmniError) -> Outcome:
        """End a run that did not come through."""
        engine, run = self.engine, self.run
        run.error = error
        self._break_off(outcome, error)
        await self._settle(outcome)
        engine.return_steer(outcome)
        engine.set_status("halted" if engine.is_halting else "idle")
        ending = RunFailed(error=error, prompt=self.content)
        engine.emit(ending if outcome == "error" else RunCancelled(prompt=self.content))
        return outcome

    async def _settle(self, outcome: Outcome) -> None:
        """Tell the hooks of the end; a second cancel cuts this short."""
        try:
            await self.engine.chain.post_turn(outcome)
            if await self.engine.drain_events() or self.engine.is_halting:
                await self.engine.freeze()
        except asyncio.CancelledError:
            if task := asyncio.current_task():
                task.uncancel()

    def _commit(self) -> None:
        self.engine.committed = len(self.engine.history)
        self.turn = None

    def _break_off(self, outcome: Literal["cancelled", "error"], error: OmniError) -> None:
        """Keep what is whole of the turn under way, or restore what was before it."""
        engine = self.engine
        if self.turn is None:
            if self.is_sent or not engine.settings.keep_partial or self.content is None:
                return
            # What a person wrote stays, even if nothing was asked yet.
            self.turn = engine.new_turn(self.run)
        turn = self.turn
        if engine.settings.keep_partial:
            if not turn.opened and self.content is not None:
                turn.add_prompt(self.content)
            if outcome == "cancelled":
                turn.keep("cancelled", None)
            else:
                turn.keep("failed", error)
        else:
            turn.drop()
            for said in turn.steered:
                engine.emit(PromptReturned(content=said, reason=outcome))
        engine.accumulator = None
        self._commit()


def _typed(error: Exception) -> OmniError:
    if isinstance(error, OmniError):
        return error
    return AgentError(f"{type(error).__name__}: {error}")


def _is_cancelled() -> bool:
    """Whether the task was cancelled, also where something on the way hid it by failing."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
