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

    def __init__(self, agent: Engine, run: Run) -> None:
        self.agent = agent
        self.run = run
        self.turn: Turn | None = None
        """The turn under way; `None` between turns."""
        self.content = run.prompt
        """What the turn under way answers."""
        self.is_sent = False
        """Whether `content` is in the history (or was left out on purpose)."""

    async def drive(self) -> Outcome:
        """Run to the end; never raises."""
        agent, run = self.agent, self.run
        with agent.span("prompt", prompt=run.prompt, model=str(agent.model)) as facts:
            outcome = await self._drive()
            facts["outcome"] = outcome
            if outcome in ("error", "cancelled"):
                facts["error"] = run.error
        return outcome

    async def _drive(self) -> Outcome:
        self.agent.set_status("busy")
        try:
            await self.agent.ready()
            end: Outcome | None = None
            while end is None:
                with self.agent.span("turn") as facts:
                    end = await self._one()
                    facts["outcome"] = end or "completed"
            return end
        except asyncio.CancelledError:
            if task := asyncio.current_task():
                task.uncancel()
            return await self._cancelled()
        except Exception as error:
            if not isinstance(error, OmniError):
                log.exception("the loop of run %s failed", self.run.id)
            return await self._failed(_typed(error))

    async def _one(self) -> Outcome | None:
        """One turn and the decision about it: the outcome of the run, or `None` to go on."""
        agent = self.agent
        before = await agent.chain.pre_turn(self.content)
        if not isinstance(before, Proceed):
            self.is_sent = True
            if self.content is not None:
                agent.emit(PromptReturned(content=self.content, reason="skipped"))
            halts = isinstance(before, Halt)
            return await self._boundary("skipped", Halt() if halts else Stop(), None)
        if before.content is not None:
            self.content = as_blocks(before.content)
        turn = self.turn = agent.new_turn(self.run)
        self.is_sent = True
        await turn.open(self.content)
        for attempt in itertools.count(1):
            try:
                outcome = await turn.steps()
                break
            except Exception as error:
                if not isinstance(error, OmniError):
                    log.exception("a turn of run %s failed", self.run.id)
                problem = _typed(error)
            decision = await agent.chain.handle_error(problem)
            if not isinstance(decision, Retry):
                return await self._give_up(problem, decision)
            turn.again()
            model = str(turn.model)
            agent.emit(Retrying(attempt=attempt, delay=decision.delay, error=problem, model=model))
            await asyncio.sleep(decision.delay)
        response = turn.response
        assert response is not None
        self._commit()
        after: AfterTurn = Halt()
        if outcome != "halted":
            after = await agent.chain.handle_turn(response)
        return await self._boundary(outcome, after, response)

    async def _give_up(self, error: OmniError, decision: AfterError) -> Outcome | None:
        """A turn failed and is not tried again."""
        if isinstance(decision, Stop | Retry):
            return await self._failed(error)
        if isinstance(decision, Halt):
            self.run.error = error
        self._break_off("failed", error)
        if not self.agent.keep_partial and self.content is not None:
            self.agent.emit(PromptReturned(content=self.content, reason="error"))
        return await self._boundary("error", decision, None, error)

    async def _boundary(
        self,
        outcome: Outcome,
        decision: AfterTurn,
        response: Response | None,
        error: OmniError | None = None,
    ) -> Outcome | None:
        """Settle what follows a turn, and tell it."""
        agent, run = self.agent, self.run
        await agent.chain.post_turn("halted" if isinstance(decision, Halt) else outcome)
        is_halting = await agent.drain_events() or isinstance(decision, Halt) or agent.is_halting
        if response is not None:
            run.response = response
        is_capped = agent.max_steps is not None and run.step >= agent.max_steps
        follow_up: tuple[Block, ...] | None = None
        if is_halting:
            outcome = "halted"
        elif not is_capped:
            follow_up = agent.take_steer("turn", "step") or self._follow_up(decision)
        elif outcome == "completed" and (isinstance(decision, Continue) or agent.queue.steer):
            outcome = "max_steps"
        if follow_up is None:
            await self._end(outcome, response, error)
            return outcome
        agent.emit(TurnFinished(kind="continue", response=response, outcome=outcome, error=error))
        self.content, self.is_sent = follow_up, False
        return None

    def _follow_up(self, decision: AfterTurn) -> tuple[Block, ...] | None:
        if isinstance(decision, Continue):
            return as_blocks(decision.content)
        follow_ups = self.agent.queue.follow_ups
        return follow_ups.popleft() if follow_ups else None

    async def _end(
        self, outcome: Outcome, response: Response | None, error: OmniError | None
    ) -> None:
        agent = self.agent
        agent.return_steer("halted" if outcome == "halted" else "limit")
        if outcome == "halted":
            await agent.freeze()
        else:
            agent.set_status("idle")
        agent.emit(TurnFinished(kind="stop", response=response, outcome=outcome, error=error))

    async def _failed(self, error: OmniError) -> Outcome:
        """End a run that did not come through."""
        agent, run = self.agent, self.run
        run.error = error
        self._break_off("failed", error)
        await self._settle("error")
        agent.return_steer("error")
        agent.set_status("halted" if agent.is_halting else "idle")
        agent.emit(RunFailed(error=error, prompt=self.content))
        return "error"

    async def _cancelled(self) -> Outcome:
        agent, run = self.agent, self.run
        run.error = CancelledRequestError("The run was cancelled.", phase="running")
        self._break_off("cancelled", None)
        await self._settle("cancelled")
        agent.return_steer("cancelled")
        agent.set_status("halted" if agent.is_halting else "idle")
        agent.emit(RunCancelled(prompt=self.content))
        return "cancelled"

    async def _settle(self, outcome: Outcome) -> None:
        """Tell the hooks of the end; a second cancel cuts this short."""
        try:
            await self.agent.chain.post_turn(outcome)
            if await self.agent.drain_events() or self.agent.is_halting:
                await self.agent.freeze()
        except asyncio.CancelledError:
            if task := asyncio.current_task():
                task.uncancel()

    def _commit(self) -> None:
        self.agent.committed = len(self.agent.history)
        self.turn = None

    def _break_off(self, status: Literal["cancelled", "failed"], error: OmniError | None) -> None:
        """Keep what is whole of the turn under way, or restore what was before it."""
        agent = self.agent
        if self.turn is None:
            if self.is_sent or not agent.keep_partial or self.content is None:
                return
            # What a person wrote stays, even if nothing was asked yet.
            self.turn = agent.new_turn(self.run)
        turn = self.turn
        if agent.keep_partial:
            if not turn.opened and self.content is not None:
                turn.add_prompt(self.content)
            turn.keep(status, error)
        else:
            turn.drop()
            for said in turn.steered:
                reason: Literal["cancelled", "error"]
                reason = "cancelled" if status == "cancelled" else "error"
                agent.emit(PromptReturned(content=said, reason=reason))
        agent.accumulator = None
        self._commit()


def _typed(error: Exception) -> OmniError:
    if isinstance(error, OmniError):
        return error
    return AgentError(f"{type(error).__name__}: {error}")
