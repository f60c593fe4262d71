"""One turn: step, decide, execute, again, until the model has nothing more to run.

Every message is journalled the moment it is complete. A user message is durable before its request
goes out, and a message with tool uses before any of them runs; nothing else waits for the disk.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal

from omni_tui.agent.clock import stopped
from omni_tui.agent.decisions import Answer, Execute, Halt, Pause, Stop
from omni_tui.agent.events import (
    MessageAdded,
    Outcome,
    Paused,
    Resumed,
    Retrying,
    StepFinished,
)
from omni_tui.agent.execute import execute, refused
from omni_tui.agent.journal import Facts
from omni_tui.core.errors import (
    BrokenStreamError,
    ContextLengthError,
    OmniError,
    TurnTimeoutError,
)
from omni_tui.core.messages import Block, Message, Text, Thinking, ToolResult, ToolUse
from omni_tui.core.stream import Done, Failed, Response, StreamEvent
from omni_tui.core.usage import Usage
from omni_tui.llm.accumulator import Accumulator
from omni_tui.llm.api import stream_events
from omni_tui.llm.providers.base import Model, Request

if TYPE_CHECKING:
    from omni_tui.agent.engine import Engine
    from omni_tui.agent.run import Run

MAX_TOOL_USES = 64
"""Uses in one message past which none is run: no person can judge so many."""

MAX_GARBLED = 3
"""Steps in a row in which no use had readable arguments, after which the run gives up."""

INTERRUPTED = "Interrupted: it is not known whether this ran to its end."
CANCELLED = "Cancelled by the user before it finished."
STOPPED = "Not run: the turn was stopped."


class Turn:
    """One turn of a run: `open` it, then take its `steps`."""

    def __init__(self, engine: Engine, run: Run) -> None:
        self.engine = engine
        self.run = run
        self.start = len(engine.history)
        """Where in the history its messages begin."""
        self.opened = False
        self.usage = Usage()
        self.model: str | Model = engine.settings.model
        """Who answers the step."""
        self.last: Response | None = None
        self.open_uses: tuple[ToolUse, ...] = ()
        """The uses being decided or run."""
        self.results: dict[int, ToolResult] = {}
        """What has finished of them, by place."""
        self.steered: list[tuple[Block, ...]] = []
        """What a person said beside tool results."""
        self.garbled = 0
        """Steps in a row in which no use had readable arguments."""
        self._was_shrunk = False
        self._clock: asyncio.Timeout | None = None
        self._asking = asyncio.Lock()
        self._used_by_tools = Usage()
        """By the sub-agents of the tools now running."""

    @property
    def response(self) -> Response | None:
        """The last step's answer with all messages and the usage of the turn."""
        if self.last is None:
            return None
        return Response(
            message=self.last.message,
            messages=tuple(self.engine.history[self.start :]),
            stop_reason=self.last.stop_reason,
            usage=self.usage,
            model=self.last.model,
        )

    async def open(self, content: tuple[Block, ...] | None) -> None:
        """Add the prompt to the history and wait until it is durable."""
        self.opened = True
        saved = self.add_prompt(content) if content is not None else None
        if saved is not None:
            await saved
        await asyncio.sleep(0)  # a run cancelled as soon as it began asks nothing

    def add_prompt(self, content: tuple[Block, ...]) -> asyncio.Future[None] | None:
        """Add the prompt, and a result for every tool use left open.

        They stand in a message before the prompt, or in the prompt when it brings results itself:
        providers want all results of a message in the next one.
        """
        prompt = Message(role="user", content=content)
        history = self.engine.history
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
        return self._add(prompt, Facts())

    async def steps(self) -> Outcome:
        """Take steps to the end of the turn, at most `turn_timeout` seconds without the pauses.

        Raises what the model or a hook failed with, and `TurnTimeoutError`.
        """
        limit = self.engine.settings.turn_timeout
        clock = asyncio.timeout(limit)
        try:
            async with clock:
                self._clock = clock
                return await self._steps()
        except TimeoutError as error:
            if not clock.expired():
                raise
            raise TurnTimeoutError(
                f"The turn took longer than {limit:g} s.", hint="raise turn_timeout, or ask again"
            ) from error
        finally:
            self._clock = None

    async def _steps(self) -> Outcome:
        engine, run = self.engine, self.run
        if uses := engine.history[-1].tool_uses:
            await self._answer(uses, again=True)
        while True:
            run.step += 1
            with engine.span("step"):
                outcome = await self._step_and_tools()
            if outcome is not None:
                return outcome

    async def _step_and_tools(self) -> Outcome | None:
        """One step and the tools it asks for; an outcome when the turn ends with it."""
        engine, run = self.engine, self.run
        response = await self._step()
        uses = response.message.tool_uses
        decision = await engine.chain.handle_step(response)
        if isinstance(decision, Stop | Halt):
            if uses:
                self._refuse(uses, STOPPED, "stopped")
            return "halted" if isinstance(decision, Halt) else "completed"
        if not uses or any(self._is_schema_only(use) for use in uses):
            return "completed"
        if engine.settings.is_spent(run.step):
            reason = f"Not run: the limit of {engine.settings.max_steps} steps is reached."
            self._refuse(uses, reason, "limit")
            return "max_steps"
        await self._answer(uses)
        self.garbled = self.garbled + 1 if all(use.invalid for use in uses) else 0
        if self.garbled == MAX_GARBLED:
            raise BrokenStreamError(
                f"The model sent arguments that are no JSON {MAX_GARBLED} times in a row.",
                hint="ask differently, or choose another model",
            )
        return None

    async def _step(self) -> Response:
        engine = self.engine
        model = self.model = engine.registry.resolve(engine.settings.model)
        request = Request(
            model=model.name,
            messages=tuple(engine.history),
            system=engine.settings.system,
            tools=tuple(engine.settings.tools.values()),
            options=engine.settings.options,
            output=engine.settings.output,
        )
        whole = request
        if engine.reading is not None:
            request = await engine.reading.request(model, whole)
        start = time.monotonic()
        accumulator = await self._ask_model(model, request)
        if (smaller := await self._smaller(model, whole, accumulator)) is not None:
            request, start = smaller, time.monotonic()
            accumulator = await self._ask_model(model, request)
        facts = Facts(
            usage=accumulator.usage,
            model=str(self.model),
            stop_reason=accumulator.stop_reason,
            duration_ms=round((time.monotonic() - start) * 1000),
        )
        if isinstance(accumulator.terminal, Failed):
            raise accumulator.terminal.error
        engine.accumulator = None
        message = accumulator.message()
        self.usage += accumulator.usage
        engine.usage += accumulator.usage
        self.last = Response(
            message=message,
            messages=(message,),
            stop_reason=accumulator.stop_reason,
            usage=accumulator.usage,
            model=str(self.model),
        )
        if engine.reading is not None:
            engine.reading.finished(request, self.last)
        saved = self._add(message, facts, self.last)
        self.open_uses, self.results = message.tool_uses, {}
        if saved is not None and message.tool_uses:
            await saved
        return self.last

    async def _ask_model(self, model: Model, request: Request) -> Accumulator:
        """Ask for a message; it may end in a failure."""
        engine = self.engine
        self.model = model
        accumulator = engine.accumulator = Accumulator()
        events = stream_events(
            model,
            request,
            fallbacks=[engine.registry.resolve(each) for each in engine.settings.fallbacks],
            retry=engine.settings.retry,
            on_retry=self._retrying,
            on_fallback=self._falling_back,
        )
        with engine.span("llm", model=str(model)) as told:
            await self._listen(events, accumulator)
            told.update(
                response_model=str(self.model),
                usage=accumulator.usage,
                stop_reason=accumulator.stop_reason,
            )
            if isinstance(accumulator.terminal, Failed):
                told["error"] = accumulator.terminal.error
        return accumulator

    async def _smaller(self, model: Model, request: Request, answer: Accumulator) -> Request | None:
        """What to ask instead when the conversation was too long, once in a turn."""
        reading, terminal = self.engine.reading, answer.terminal
        error = terminal.error if isinstance(terminal, Failed) else None
        if reading is None or self._was_shrunk or answer.parts():
            return None
        if not isinstance(error, ContextLengthError):
            return None
        self._was_shrunk = True
        smaller = await reading.smaller(model, request, error)
        if smaller is not None:
            self.engine.emit(Retrying(attempt=1, delay=0.0, error=error, model=str(self.model)))
        return smaller

    async def _listen(
        self, events: AsyncGenerator[StreamEvent, None], accumulator: Accumulator
    ) -> None:
        engine = self.engine
        watched = engine.chain.sees_stream
        async with aclosing(events):
            async for event in events:
                accumulator.apply(event)
                if not isinstance(event, Done | Failed):
                    engine.emit(event)
                if watched:
                    await engine.chain.handle_stream_event(event)

    async def _answer(self, uses: Sequence[ToolUse], *, again: bool = False) -> None:
        """Decide about every use, then run what may run, and add the results."""
        self.open_uses, self.results = tuple(uses), {}
        if len(uses) > MAX_TOOL_USES:
            reason = f"Not run: more than {MAX_TOOL_USES} tool uses in one message."
            self._refuse(uses, reason)
            return
        answers = [
            await self._decide(use, position, len(uses), again=again)
            for position, use in enumerate(uses, 1)
        ]
        engine = self.engine
        context = dataclasses.replace(engine.context, ask=self._ask, add_usage=self._count)
        results = await execute(
            uses,
            answers,
            engine.settings.tools,
            context,
            engine.settings.tool_timeout,
            engine.emit,
            self.results,
            engine.span,
        )
        results = tuple([await engine.chain.handle_tool_result(result) for result in results])
        said = engine.take_steer("step")
        if said is not None:
            self.steered.append(said)
        self._add_results(results, said or ())

    async def _decide(self, use: ToolUse, position: int, total: int, *, again: bool) -> Answer:
        engine = self.engine
        tool = engine.settings.tools.get(use.name)
        if tool is None or use.invalid is not None:
            return Execute()  # the executor explains what is wrong to the model
        decision = await engine.chain.handle_tool_use(use)
        if decision is None and tool.asks_person:
            decision = Pause("question")
        if again and not tool.read_only and isinstance(decision, Execute | None):
            outside = decision.allowed_paths if decision else ()
            decision = Pause("interrupted", {"outside": [str(path) for path in outside]})
        if not isinstance(decision, Pause):
            return decision or Execute()
        return await self._ask(
            Paused(
                reason=decision.reason,
                tool_use=use,
                details=decision.details,
                position=position,
                total=total,
            )
        )

    async def _ask(self, question: Paused) -> Answer:
        """Wait for the answer to a question; the clock of the turn stands still meanwhile.

        Sub-agents that run at the same time ask one after the other.
        """
        engine = self.engine
        async with self._asking:
            with stopped(self._clock):
                answer = await engine.wait_for_answer(question)
            engine.set_status("busy")
            engine.emit(Resumed(tool_use_id=question.tool_use.id))
        return answer

    def _count(self, usage: Usage) -> None:
        """Add what a sub-agent used."""
        self.usage += usage
        self.engine.usage += usage
        self._used_by_tools += usage

    def _is_schema_only(self, use: ToolUse) -> bool:
        tool = self.engine.settings.tools.get(use.name)
        return tool is not None and tool.handler is None and not tool.asks_person

    def _retrying(self, attempt: int, delay: float, error: OmniError) -> None:
        model = str(self.model)
        self.engine.observe("llm.retry", attempt=attempt, delay=delay, error=error, model=model)
        self.engine.emit(Retrying(attempt=attempt, delay=delay, error=error, model=model))

    def _falling_back(self, failed: Model, spare: Model, error: OmniError) -> None:
        self.model = spare
        self.engine.emit(
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
        engine = self.engine
        engine.history.append(message)
        engine.emit(MessageAdded(message=message))
        if step is not None:
            engine.emit(StepFinished(response=step))
        return engine.journal.commit(self.run, message, facts) if engine.journal else None

    def _refuse(self, uses: Sequence[ToolUse], reason: str, decision: str | None = None) -> None:
        self._add_results([refused(use, reason, decision=decision) for use in uses])

    def _add_results(self, results: Sequence[ToolResult], said: tuple[Block, ...] = ()) -> None:
        """Add the results of a message, and what a person has to say to them."""
        self.open_uses = ()
        used, self._used_by_tools = self._used_by_tools, Usage()
        facts = Facts(usage=used if used != Usage() else None)
        self._add(Message(role="user", content=(*results, *said)), facts)

    def again(self) -> None:
        """Get ready to ask for the step that failed once more."""
        self._close_uses("failed")
        if self.engine.accumulator is not None:
            self.engine.accumulator = None
            self.run.step -= 1

    def keep(self, status: Literal["cancelled", "failed"], error: OmniError | None) -> None:
        """Add what is whole of a turn that broke off, with a result for every use."""
        engine = self.engine
        self._close_uses(status)
        accumulator = engine.accumulator
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
        elif engine.journal:
            engine.journal.amend(self.run, facts)

    def drop(self) -> None:
        """Make the history what it was before the turn."""
        del self.engine.history[self.start :]

    def _close_uses(self, status: Literal["cancelled", "failed"]) -> None:
        if self.open_uses:
            self._add_results(
                [
                    self.results.get(place) or self._unfinished(use, status)
                    for place, use in enumerate(self.open_uses)
                ]
            )

    def _unfinished(self, use: ToolUse, status: Literal["cancelled", "failed"]) -> ToolResult:
        if status == "cancelled":
            return refused(use, CANCELLED, decision="cancelled")
        return refused(use, INTERRUPTED, decision="interrupted")
