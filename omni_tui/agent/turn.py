"""The loop of a run: step, decide, execute, again, until the model has nothing more to run.

Every message is journalled the moment it is complete. A user message is durable before its request
goes out, and a message with tool uses before any of them runs; nothing else waits for the disk.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal

from omni_tui.agent.decisions import Answer, Execute, Pause, Reject
from omni_tui.agent.events import (
    MessageAdded,
    Outcome,
    Paused,
    Resumed,
    Retrying,
    RunCancelled,
    RunFailed,
    StepFinished,
    TurnFinished,
)
from omni_tui.agent.execute import execute, refused
from omni_tui.agent.journal import Facts
from omni_tui.core.errors import AgentError, BrokenStreamError, OmniError
from omni_tui.core.messages import Message, Text, Thinking, ToolResult, ToolUse
from omni_tui.core.stream import Done, Failed, Response
from omni_tui.core.usage import Usage
from omni_tui.llm.accumulator import Accumulator
from omni_tui.llm.api import stream_events
from omni_tui.llm.providers.base import Model, Request

if TYPE_CHECKING:
    from omni_tui.agent.agent import Agent
    from omni_tui.agent.run import Run

MAX_TOOL_USES = 64
"""Uses in one message past which none is run: no person can judge so many."""

MAX_GARBLED = 3
"""Steps in a row in which no use had readable arguments, after which the run gives up."""

INTERRUPTED = "Interrupted: it is not known whether this ran to its end."
CANCELLED = "Cancelled by the user before it finished."

log = logging.getLogger(__name__)


class _StepFailed(Exception):
    def __init__(self, error: OmniError) -> None:
        self.error = error


class Loop:
    """One run of one agent."""

    def __init__(self, agent: Agent, run: Run) -> None:
        self.agent = agent
        self.run = run
        self.start = len(agent.history)
        self.usage = Usage()
        self.model: str | Model = agent.model
        """Who answers the step."""
        self.last: Response | None = None
        self.open: tuple[ToolUse, ...] = ()
        """The uses being decided or run."""
        self.results: dict[int, ToolResult] = {}
        """What has finished of them, by place."""
        self.garbled = 0
        """Steps in a row in which no use had readable arguments."""

    async def drive(self) -> Outcome:
        """Run to the end; never raises."""
        try:
            outcome = await self._turn()
        except asyncio.CancelledError:
            return self._end("cancelled", None)
        except _StepFailed as failure:
            return self._end("failed", failure.error)
        except OmniError as error:
            return self._end("failed", error)
        except Exception as error:
            log.exception("the loop of run %s failed", self.run.id)
            return self._end("failed", AgentError(f"{type(error).__name__}: {error}"))
        return self._finish(outcome)

    async def _turn(self) -> Outcome:
        agent, run = self.agent, self.run
        agent.set_status("busy")
        if run.prompt is None:
            if uses := agent.history[-1].tool_uses:
                await self._answer(uses, again=True)
        else:
            await self._open(Message(role="user", content=run.prompt))
        await asyncio.sleep(0)  # a run cancelled as soon as it began asks nothing
        while True:
            run.step += 1
            response = await self._step()
            uses = response.message.tool_uses
            if not uses or any(self._is_schema_only(use) for use in uses):
                return "completed"
            if agent.max_steps is not None and run.step >= agent.max_steps:
                reason = f"Not run: the limit of {agent.max_steps} steps is reached."
                self._add_results([refused(use, reason, decision="limit") for use in uses])
                return "max_steps"
            await self._answer(uses)
            self.garbled = self.garbled + 1 if all(use.invalid for use in uses) else 0
            if self.garbled == MAX_GARBLED:
                raise BrokenStreamError(
                    f"The model sent arguments that are no JSON {MAX_GARBLED} times in a row.",
                    hint="ask differently, or choose another model",
                )

    async def _open(self, prompt: Message) -> None:
        """Add the prompt, and a result for every tool use left open.

        They stand in a message before the prompt, or in the prompt when it brings results itself:
        providers want all results of a message in the next one.
        """
        history = self.agent.history
        given = {result.tool_use_id for result in prompt.tool_results}
        dangling = history[-1].tool_uses if history else ()
        missing = [
            refused(use, INTERRUPTED, decision="interrupted")
            for use in dangling
            if use.id not in given
        ]
        if missing and given:
            prompt = Message(role="user", content=(*missing, *prompt.content))
        elif missing:
            self._add_results(missing)
        saved = self._add(prompt, Facts())
        if saved is not None:
            await saved

    async def _step(self) -> Response:
        agent = self.agent
        model = self.model = agent.registry.resolve(agent.model)
        request = Request(
            model=model.name,
            messages=tuple(agent.history),
            system=agent.system,
            tools=tuple(agent.tools.values()),
            options=agent.options,
            output=agent.output,
        )
        accumulator = agent.accumulator = Accumulator()
        start = time.monotonic()
        events = stream_events(
            model,
            request,
            fallbacks=[agent.registry.resolve(each) for each in agent.fallbacks],
            retry=agent.retry,
            on_retry=self._retrying,
            on_fallback=self._falling_back,
        )
        async with aclosing(events):
            async for event in events:
                accumulator.apply(event)
                if not isinstance(event, Done | Failed):
                    agent.emit(event)
        facts = Facts(
            usage=accumulator.usage,
            model=str(self.model),
            stop_reason=accumulator.stop_reason,
            duration_ms=round((time.monotonic() - start) * 1000),
        )
        if isinstance(accumulator.terminal, Failed):
            raise _StepFailed(accumulator.terminal.error)
        agent.accumulator = None
        message = accumulator.message()
        self.usage += accumulator.usage
        self.last = Response(
            message=message,
            messages=(message,),
            stop_reason=accumulator.stop_reason,
            usage=accumulator.usage,
            model=str(self.model),
        )
        saved = self._add(message, facts, self.last)
        self.open, self.results = message.tool_uses, {}
        if saved is not None and message.tool_uses:
            await saved
        return self.last

    async def _answer(self, uses: Sequence[ToolUse], *, again: bool = False) -> None:
        """Decide about every use, then run what may run, and add the results."""
        self.open, self.results = tuple(uses), {}
        if len(uses) > MAX_TOOL_USES:
            reason = f"Not run: more than {MAX_TOOL_USES} tool uses in one message."
            self._add_results([refused(use, reason) for use in uses])
            return
        answers = [
            await self._decide(use, position, len(uses), again=again)
            for position, use in enumerate(uses, 1)
        ]
        agent = self.agent
        results = await execute(
            uses, answers, agent.tools, agent.context, agent.tool_timeout, agent.emit, self.results
        )
        self._add_results(results)

    async def _decide(self, use: ToolUse, position: int, total: int, *, again: bool) -> Answer:
        agent = self.agent
        tool = agent.tools.get(use.name)
        if tool is None or use.invalid is not None:
            return Execute()  # the executor explains what is wrong to the model
        try:
            decision = await agent.decide(use)
        except Exception as error:
            log.exception("a hook failed on %s", use.name)
            return Reject(f"the guard failed: {type(error).__name__}: {error}", by="a failed hook")
        if decision is None and tool.asks_person:
            decision = Pause("question")
        if again and not tool.read_only and isinstance(decision, Execute | None):
            outside = decision.allowed_paths if decision else ()
            decision = Pause("interrupted", {"outside": [str(path) for path in outside]})
        if not isinstance(decision, Pause):
            return decision or Execute()
        answer = await agent.wait_for_answer(
            Paused(
                reason=decision.reason,
                tool_use=use,
                details=decision.details,
                position=position,
                total=total,
            )
        )
        agent.set_status("busy")
        agent.emit(Resumed(tool_use_id=use.id))
        return answer

    def _is_schema_only(self, use: ToolUse) -> bool:
        tool = self.agent.tools.get(use.name)
        return tool is not None and tool.handler is None and not tool.asks_person

    def _retrying(self, attempt: int, delay: float, error: OmniError) -> None:
        model = str(self.model)
        self.agent.emit(Retrying(attempt=attempt, delay=delay, error=error, model=model))

    def _falling_back(self, failed: Model, spare: Model, error: OmniError) -> None:
        self.model = spare
        self.agent.emit(
            Retrying(
                attempt=error.details.get("attempts", 1),
                delay=0.0,
                error=error,
                model=str(failed),
                fallback=str(spare),
            )
        )

    def _add(
        self, message: Message, facts: Facts, step: Response | None = None
    ) -> asyncio.Future[None] | None:
        agent = self.agent
        agent.history.append(message)
        agent.emit(MessageAdded(message=message))
        if step is not None:
            agent.emit(StepFinished(response=step))
        return agent.journal.commit(self.run, message, facts) if agent.journal else None

    def _add_results(self, results: Sequence[ToolResult]) -> None:
        self.open = ()
        self._add(Message(role="user", content=tuple(results)), Facts())

    def _finish(self, outcome: Outcome) -> Outcome:
        agent, run = self.agent, self.run
        agent.committed = len(agent.history)
        assert self.last is not None
        run.response = Response(
            message=self.last.message,
            messages=tuple(agent.history[self.start :]),
            stop_reason=self.last.stop_reason,
            usage=self.usage,
            model=self.last.model,
        )
        agent.set_status("idle")
        agent.emit(TurnFinished(kind="stop", response=run.response, outcome=outcome))
        return outcome

    def _end(self, status: Literal["cancelled", "failed"], error: OmniError | None) -> Outcome:
        """Close a run that did not come through: keep what is whole, or restore what was."""
        agent, run = self.agent, self.run
        run.error = error
        if agent.keep_partial:
            self._keep(status, error)
        else:
            del agent.history[self.start :]
        agent.accumulator = None
        agent.committed = len(agent.history)
        agent.set_status("idle")
        if status == "cancelled":
            agent.emit(RunCancelled(prompt=run.prompt))
            return "cancelled"
        assert error is not None
        agent.emit(RunFailed(error=error, prompt=run.prompt))
        return "error"

    def _keep(self, status: Literal["cancelled", "failed"], error: OmniError | None) -> None:
        agent = self.agent
        if self.open:
            self._add_results(
                [
                    self.results.get(place) or self._unfinished(use, status)
                    for place, use in enumerate(self.open)
                ]
            )
        accumulator = agent.accumulator
        facts = Facts(
            usage=accumulator.usage if accumulator else None,
            model=str(self.model),
            stop_reason="cancelled" if status == "cancelled" else "error",
            status=status,
            error=str(error) if error else None,
        )
        blocks = accumulator.blocks() if accumulator else ()
        said = tuple(block for block in blocks if isinstance(block, Text | Thinking))
        if any(isinstance(block, Text) for block in said):
            assert accumulator is not None
            message = Message(role="assistant", content=said, created_at=accumulator.created_at)
            self._add(message, facts)
        elif agent.journal:
            agent.journal.amend(self.run, facts)

    def _unfinished(self, use: ToolUse, status: Literal["cancelled", "failed"]) -> ToolResult:
        if status == "cancelled":
            return refused(use, CANCELLED, decision="cancelled")
        return refused(use, INTERRUPTED, decision="interrupted")
