"""A turn that another program does in its own loop, told as ours.

A backend's turn translates: it opens a step when the program asks its model, tells what comes as
stream events, finishes the step, and hands in results. The tree then holds the same nodes as with
our own loop. Where the program asks for leave, our hooks decide, and a person where they say so.
"""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from typing import TYPE_CHECKING

import msgspec

from omni_tui.agent.backends.earlier import sign
from omni_tui.agent.backends.spans import Spans
from omni_tui.agent.decisions import Answer, Execute, Halt, Pause, Provide, Reject, Stop
from omni_tui.agent.events import Outcome, Paused, Resumed, ToolFinished, ToolOutput, ToolStarted
from omni_tui.agent.execute import refused
from omni_tui.agent.journal import Facts
from omni_tui.agent.turn import STOPPED, Turn
from omni_tui.core.errors import OmniError
from omni_tui.core.messages import Message, Text, Thinking, ToolResult, ToolUse
from omni_tui.core.stream import (
    Done,
    Response,
    StopReason,
    StreamEvent,
    TextDelta,
    TextEnd,
    TextStart,
    ThinkingDelta,
    ThinkingEnd,
    ThinkingStart,
    ToolUseDelta,
    ToolUseEnd,
    ToolUseStart,
)
from omni_tui.core.usage import Usage
from omni_tui.llm.accumulator import Accumulator
from omni_tui.llm.output import instruction

if TYPE_CHECKING:
    from omni_tui.agent.engine import Engine
    from omni_tui.agent.run import Run

NO_USAGE = Usage()


class BackendTurn(Turn):
    """One turn of a run that a program does; a subclass knows its language.

    Its `_steps` takes the program through the turn with the verbs below and returns how it ended.
    """

    signer: str
    """The provider's name, which marks are signed with."""

    def __init__(self, engine: Engine, run: Run) -> None:
        super().__init__(engine, run)
        self.mark: str | None = None
        """What resumes the conversation as it is now; put on every reply from here on."""
        self.ending: Outcome | None = None
        """Set when a hook or the limit of steps wants the turn to end here."""
        self._answers: dict[str, Answer] = {}
        self._started: dict[str, float] = {}
        self._judging = asyncio.Lock()
        self._spans = Spans(engine)

    @abstractmethod
    async def _steps(self) -> Outcome: ...

    async def steps(self) -> Outcome:
        """As of every turn; what is still open of the last step ends with it."""
        error: OmniError | None = None
        try:
            return await super().steps()
        except OmniError as caught:
            error = caught
            raise
        finally:
            self._spans.close(error)

    @property
    def model_name(self) -> str | None:
        """The model asked for; `None` leaves it to the program."""
        name = str(self.engine.settings.model).partition("/")[2]
        return None if name == "default" else name

    @property
    def instructions(self) -> str:
        """The system prompt, and the shape the answer shall have."""
        output = self.engine.settings.output
        parts = (self.engine.settings.system, instruction(output) if output else None)
        return "\n\n".join(part for part in parts if part)

    # A step

    def begin_step(self) -> None:
        """The program asks its model: what comes is a new message."""
        self.run.step += 1
        self.engine.accumulator = Accumulator()
        self._step_began = time.monotonic()
        self._spans.step(str(self.engine.settings.model))

    async def tell(self, event: StreamEvent) -> None:
        """Pass on a piece of the message."""
        accumulator = self.engine.accumulator
        assert accumulator is not None
        accumulator.apply(event)
        if isinstance(event, Done):
            return
        self.engine.emit(event)
        if self.engine.chain.sees_stream:
            await self.engine.chain.handle_stream_event(event)

    async def tell_block(self, block: Text | Thinking | ToolUse, index: int) -> None:
        """Pass on a block that came whole."""
        match block:
            case Text():
                await self.tell(TextStart(index=index))
                await self.tell(TextDelta(index=index, text=block.text))
                await self.tell(TextEnd(index=index, block=block))
            case Thinking():
                await self.tell(ThinkingStart(index=index))
                await self.tell(ThinkingDelta(index=index, text=block.text))
                await self.tell(ThinkingEnd(index=index, block=block))
            case ToolUse():
                arguments = msgspec.json.encode(block.input).decode()
                await self.tell(ToolUseStart(index=index, id=block.id, name=block.name))
                await self.tell(ToolUseDelta(index=index, json=arguments))
                await self.tell(ToolUseEnd(index=index, block=block))

    def has_words(self) -> bool:
        """Whether anything of the open step has come."""
        accumulator = self.engine.accumulator
        return accumulator is not None and bool(accumulator.parts())

    async def finish_step(
        self, stop_reason: StopReason, usage: Usage = NO_USAGE, model: str | None = None
    ) -> None:
        """The message is complete: add it, and ask the hooks about it.

        A step in which nothing came leaves no message. Afterwards `ending` may be set.
        """
        engine = self.engine
        accumulator, engine.accumulator = engine.accumulator, None
        self.usage += usage
        engine.usage += usage
        if accumulator is None or not accumulator.parts():
            self.run.step -= accumulator is not None
            return
        self.model = f"{self.signer}/{model}" if model else self.model
        self._spans.answered(response_model=str(self.model), usage=usage, stop_reason=stop_reason)
        facts = Facts(
            usage=usage,
            model=str(self.model),
            stop_reason=stop_reason,
            duration_ms=round((time.monotonic() - self._step_began) * 1000),
        )
        message = self._signed(accumulator.message())
        self.last = Response(
            message=message,
            messages=(message,),
            stop_reason=stop_reason,
            usage=usage,
            model=str(self.model),
        )
        saved = self._add(message, facts, self.last)
        uses = self.open_uses = message.tool_uses
        self.results = {}
        if saved is not None and uses:
            await saved
        decision = await engine.chain.handle_step(self.last)
        if isinstance(decision, Stop | Halt):
            self.ending = "halted" if isinstance(decision, Halt) else "completed"
            self._end_here(STOPPED, "stopped")
        elif uses and engine.settings.is_spent(self.run.step):
            self.ending = "max_steps"
            self._end_here(
                f"Not run: the limit of {engine.settings.max_steps} steps is reached.", "limit"
            )

    def _end_here(self, reason: str, decision: str) -> None:
        if self.open_uses:
            self._refuse(self.open_uses, reason, decision)

    # Tools, which the program runs

    def tool_started(self, use_id: str) -> None:
        """A tool of the last message runs; told once."""
        use = next((use for use in self.open_uses if use.id == use_id), None)
        if use is not None and use_id not in self._started:
            self._started[use_id] = time.monotonic()
            self._spans.tool(use)
            self.engine.emit(ToolStarted(tool_use=use))

    def tool_says(self, use_id: str, text: str) -> None:
        """Show a piece of what a running tool puts out."""
        self.engine.emit(ToolOutput(tool_use_id=use_id, text=text))

    async def tool_finished(self, result: ToolResult) -> bool:
        """Take the result of a tool; whether it was the last one of the message.

        Results for uses that are not open are left out.
        """
        place = next(
            (
                place
                for place, use in enumerate(self.open_uses)
                if use.id == result.tool_use_id and place not in self.results
            ),
            None,
        )
        if place is None:
            return False
        result = self._with_facts(msgspec.structs.replace(result, name=self.open_uses[place].name))
        self.results[place] = result
        self._spans.tool_over(result)
        if result.tool_use_id in self._started:
            self.engine.emit(ToolFinished(result=result))
        if len(self.results) < len(self.open_uses):
            return False
        await self.finish_tools()
        return True

    async def finish_tools(self) -> None:
        """Add the results of the last message; a use that has none is said to be unknown."""
        if not self.open_uses:
            return
        results = [
            self.results.get(place)
            or refused(use, "The program went on without telling a result.", decision="unknown")
            for place, use in enumerate(self.open_uses)
        ]
        chain = self.engine.chain
        self._add_results([await chain.handle_tool_result(result) for result in results])

    def _with_facts(self, result: ToolResult) -> ToolResult:
        """The result with what was decided about its use, and how long it took."""
        facts = dict(result.data or {})
        is_error = result.is_error
        match self._answers.pop(result.tool_use_id, None):
            case Execute() as answer:
                facts |= {"decision": "allowed"} if answer.by else {}
                facts |= {"by": answer.by} if answer.by else {}
                facts |= {"input": answer.input} if answer.input is not None else {}
            case Reject(by=by):
                facts |= {"decision": "rejected"} | ({"by": by} if by else {})
            case Provide(by=by) as answer:
                facts |= {"decision": "provided"} | ({"by": by} if by else {})
                is_error = answer.is_error
        began = self._started.get(result.tool_use_id)
        if began is not None and "duration_ms" not in facts:
            facts["duration_ms"] = round((time.monotonic() - began) * 1000)
        return msgspec.structs.replace(result, data=facts or None, is_error=is_error)

    async def permit(
        self, use: ToolUse, known: ToolUse | None = None, *, reason: str = "approval"
    ) -> Answer:
        """Decide whether the program may run a tool.

        `known` is the use in the words of our own tools, where there is such a tool: what the hooks
        and a person judge, so that rules speak of `bash` whoever runs it. Nobody deciding is no
        leave: then a person is asked, for `reason`. An answer's `input` is in the words of `known`.
        """
        known = known or use
        async with self._judging:
            decision = await self.engine.chain.handle_tool_use(known)
            answer = decision = decision or Pause(reason)
            if isinstance(decision, Pause):
                answer = await self._put(use, known, decision)
        assert not isinstance(answer, Pause)
        self._answers[use.id] = answer
        if isinstance(answer, Execute):
            self.tool_started(use.id)
        return answer

    async def _put(self, use: ToolUse, known: ToolUse, pause: Pause) -> Answer:
        """Ask a person; when the question is withdrawn meanwhile, say that nobody is asked now."""
        uses = [each.id for each in self.open_uses]
        question = Paused(
            reason=pause.reason,
            tool_use=known,
            details=pause.details,
            position=uses.index(use.id) + 1 if use.id in uses else 1,
            total=max(len(uses), 1),
        )
        try:
            return await self._ask(question)
        except asyncio.CancelledError:
            self.engine.set_status("busy")
            self.engine.emit(Resumed(tool_use_id=use.id))
            raise

    # Marks

    def _signed(self, message: Message) -> Message:
        return message if self.mark is None else sign(message, self.mark, self.signer)

    def _add(
        self, message: Message, facts: Facts, step: Response | None = None
    ) -> asyncio.Future[None] | None:
        if message.role == "assistant":
            message = self._signed(message)
        return super()._add(message, facts, step)


def denial(answer: Reject | Provide) -> str:
    """What a program is told in place of running a tool."""
    if isinstance(answer, Provide):
        return answer.result
    return f"Tool rejected: {answer.reason}" if answer.reason else "Tool rejected by the user."
