"""Any agent that speaks the Agent Client Protocol as a backend, over its standard input and output.

Every turn is a process. It tells words, thoughts and tool calls as they come, and asks for leave
before some of them. A conversation cannot be forked: the mark of a reply says which one it is and
what was said in it until then, and it is taken up only if no more has been said since.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from omni_tui.agent.backends.acp_calls import result_of, use_of
from omni_tui.agent.backends.acp_marks import Account, Mark, read_mark
from omni_tui.agent.backends.base import BackendTurn
from omni_tui.agent.backends.cli_turn import GRACE
from omni_tui.agent.backends.earlier import Plan, make_plan
from omni_tui.agent.backends.program import Program, program_environment
from omni_tui.agent.decisions import Answer, Execute, Provide, Reject
from omni_tui.agent.events import Outcome
from omni_tui.core.errors import BrokenStreamError, ConfigError
from omni_tui.core.messages import Message, Text, Thinking
from omni_tui.core.stream import (
    StopReason,
    TextDelta,
    TextEnd,
    TextStart,
    ThinkingDelta,
    ThinkingEnd,
    ThinkingStart,
)
from omni_tui.llm.backends import ACP, AcpAgent, LoopOwner

if TYPE_CHECKING:
    from omni_tui.agent.backends.acp_wire import Call, Question, Told, Wire, Words
    from omni_tui.agent.engine import Engine
    from omni_tui.agent.run import Run

_STOP_REASONS: dict[str, StopReason] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "max_turn_requests": "length",
    "refusal": "refusal",
    "cancelled": "cancelled",
}
_CHANGED = "Changed arguments cannot be passed on to this agent"
_NO_ONCE = "The agent did not offer to allow it once"


class AcpTurn(BackendTurn):
    """A turn of an agent named in the settings."""

    def __init__(self, engine: Engine, run: Run) -> None:
        super().__init__(engine, run)
        self.signer = str(engine.settings.model).strip()
        self._session: str | None = None
        self._account = Account()
        self._block: tuple[str, list[str]] | None = None
        """The words that come now: of what kind, and their pieces."""
        self._index = 0
        self._calls: dict[str, Call] = {}
        """All that was told of each tool call."""
        self._gathered: list[str] = []
        """Calls of the open message."""
        self._later: deque[Words | Call] = deque()
        """What came while a tool runs and belongs to what follows it."""
        self._finished: set[str] = set()
        self._questions: set[asyncio.Task[None]] = set()

    async def _steps(self) -> Outcome:
        await asyncio.to_thread(_import_wire)
        from omni_tui.agent.backends.acp_wire import Wire

        cwd = self.engine.context.cwd
        config, path = await asyncio.to_thread(self._agent)
        environment = program_environment(os.environ, cwd, ()) | config.variables(os.environ)
        program = await Program.start([path, *config.command[1:]], cwd=cwd, environment=environment)
        try:
            wire = Wire(program, self.signer)
            try:
                await self._converse(wire)
            finally:
                await wire.close()
                if self._session is not None:
                    await program.leaves(GRACE)
        except Exception:
            self._session = None
            raise
        finally:
            await program.end()
        return self.ending or "completed"

    def _agent(self) -> tuple[AcpAgent, str]:
        """The row of the settings and the path of the program; looks at the disk."""
        model = self.engine.registry.resolve(self.engine.settings.model)
        agents = model.provider.agents if isinstance(model.provider, LoopOwner) else {}
        if (config := agents.get(model.name)) is None or not config.command:
            raise ConfigError(
                f"There is no agent {self.signer!r}",
                hint=f'write command = ["PROGRAM", …] under [{ACP}.{model.name}] in config.toml',
            )
        if (path := config.find()) is None:
            raise ConfigError(
                f"There is no command {config.command[0]!r}, which {self.signer} needs",
                hint=f"install it, or change [{ACP}.{model.name}] in config.toml",
            )
        return config, path

    async def _converse(self, wire: Wire) -> None:
        async with self._patience():
            content = await self._begin(wire)
        self.begin_step()
        assert self._session is not None
        prompt = asyncio.create_task(wire.prompt(self._session, content), name="acp prompt")
        try:
            async with asyncio.TaskGroup() as self._tasks:
                try:
                    await self._follow(wire)
                finally:
                    self._stop_asking()
            if self.ending is not None:
                await self._leave(wire, prompt)
        except asyncio.CancelledError:
            await self._leave(wire, prompt)
            raise
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            prompt.cancel()
            with suppress(asyncio.CancelledError):
                await prompt

    async def _begin(self, wire: Wire) -> list[Any]:
        """Greet, find or make the conversation, and say what there is to say in it."""
        from omni_tui.agent.backends.acp_wire import outgoing

        able = await wire.greet()
        history, cwd = self.engine.history, str(self.engine.context.cwd)
        plan = make_plan(history, self.signer)
        mark = read_mark(plan.mark)
        if mark is None or not able.load_session or not await self._resume(wire, cwd, mark):
            plan = self._anew(make_plan(history, self.signer, resume=False))
            blocks = outgoing(plan.content, able, self.signer)
            self._session, self._account = await wire.new(cwd), Account()
        else:
            blocks = outgoing(plan.content, able, self.signer)
        for block in blocks:
            self._account.add("person", getattr(block, "text", ""))
        return blocks

    async def _resume(self, wire: Wire, cwd: str, mark: Mark) -> bool:
        """Take up the conversation of a mark, unless it went on since, or nobody knows it."""
        replayed = await wire.load(cwd, mark.session)
        if replayed is None:
            return False
        for words in replayed:
            self._account.add(words.speaker, words.text)
        if str(self._account) != mark.said:
            return False
        self._session = mark.session
        return True

    def _anew(self, plan: Plan) -> Plan:
        """The protocol has no place for a system prompt, so it goes first."""
        if not self.instructions:
            return plan
        return msgspec.structs.replace(
            plan, content=(Text(text=f"{self.instructions}\n\n"), *plan.content)
        )

    def _signed(self, message: Message) -> Message:
        self.mark = None
        if self._session is not None:
            self.mark = str(Mark(self._session, str(self._account)))
        return super()._signed(message)

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        """How long it may be silent."""
        limit = self.engine.settings.options.timeout
        clock = asyncio.timeout(limit)
        try:
            async with clock:
                yield
        except TimeoutError:
            if not clock.expired():
                raise
            raise BrokenStreamError(
                f"{self.signer} has said nothing for {limit:g} s", hint="try again"
            ) from None

    # The turn

    async def _follow(self, wire: Wire) -> None:
        """Take what is told to the end of the turn."""
        from omni_tui.agent.backends.acp_wire import Ended, Question, Words

        while self.ending is None:
            told = await self._next(wire)
            if isinstance(told, Ended):
                if told.error is not None:
                    raise told.error
                await self._finish(_STOP_REASONS[told.reason])
                return
            if isinstance(told, Question):
                await self._question(told)
                continue
            if not isinstance(told, Words):
                self._learn(told)
            self._later.append(told)
            await self._advance()

    async def _next(self, wire: Wire) -> Told:
        """What is told next. Silence is a fault only while the model is waited for."""
        if self.open_uses or self._questions:
            return await wire.told.get()
        async with self._patience():
            return await wire.told.get()

    async def _advance(self) -> None:
        """Take in turn what can be taken: while a tool runs, what does not belong to it waits."""
        place = 0
        while place < len(self._later) and self.ending is None:
            told = self._later[place]
            if await self._take(told):
                del self._later[place]
                place = 0
            else:
                place += 1

    async def _take(self, told: Words | Call) -> bool:
        """Take a piece; whether it could be taken now."""
        from omni_tui.agent.backends.acp_wire import Words

        if isinstance(told, Words):
            if self._gathered:
                await self._close()
            if self.open_uses:
                return False
            if told.speaker != "person" and self.ending is None:
                await self._say(told)
            return True
        if told.id in self._finished:
            return True
        if not self._is_open(told.id):
            if self.open_uses:
                return False
            if told.id not in self._gathered:
                self._gathered.append(told.id)
            if told.status in (None, "pending"):
                return True
            await self._close()
        if self.ending is None:
            await self._progress(told)
        return True

    async def _progress(self, told: Call) -> None:
        """A call of the last message goes on, or is done."""
        if told.status in (None, "pending"):
            return
        id = self._use_id(told.id)
        if not isinstance(self._answers.get(id), Reject | Provide):
            self.tool_started(id)
        if told.status == "in_progress":
            return
        self._finished.add(told.id)
        if await self.tool_finished(result_of(self._calls[told.id], id)):
            self.begin_step()

    async def _say(self, words: Words) -> None:
        if self.engine.accumulator is None:
            self.begin_step()
        self._account.add(words.speaker, words.text)
        if self._block is not None and self._block[0] != words.speaker:
            await self._end_block()
        is_text = words.speaker == "text"
        if self._block is None:
            self._block = (words.speaker, [])
            start = TextStart if is_text else ThinkingStart
            await self.tell(start(index=self._index))
        self._block[1].append(words.text)
        delta = TextDelta if is_text else ThinkingDelta
        await self.tell(delta(index=self._index, text=words.text))

    async def _end_block(self) -> None:
        if self._block is None:
            return
        (speaker, pieces), index = self._block, self._index
        self._block = None
        self._index += 1
        text = "".join(pieces)
        if speaker == "text":
            await self.tell(TextEnd(index=index, block=Text(text=text)))
        else:
            await self.tell(ThinkingEnd(index=index, block=Thinking(text=text)))

    async def _close(self) -> None:
        """The open message is complete, with the calls that were gathered."""
        if self.engine.accumulator is None:
            self.begin_step()
        await self._end_block()
        gathered, self._gathered = self._gathered, []
        for id in gathered:
            await self.tell_block(use_of(self._calls[id], self._use_id(id)), self._index)
            self._index += 1
        self._index = 0
        await self.finish_step("tool_use")

    async def _finish(self, reason: StopReason) -> None:
        """The turn is over: what still waits is told, whatever came of the tools before it."""
        while self.ending is None:
            if self._gathered:
                await self._close()
            elif self.open_uses:
                await self.finish_tools()
                self.begin_step()
            elif self._later:
                await self._advance()
            else:
                break
        if self.ending is not None:
            return
        await self._end_block()
        await self.finish_step(reason)
        if self.last is None:
            raise BrokenStreamError(f"{self.signer} ended without an answer", hint="try again")

    def _learn(self, told: Call) -> None:
        before = self._calls.get(told.id)
        self._calls[told.id] = told if before is None else before.updated(told)

    def _use_id(self, id: str) -> str:
        """Its ids may begin anew with every conversation."""
        return f"{self.run.id}_{self.start}_{id}"

    def _is_open(self, id: str) -> bool:
        return any(use.id == self._use_id(id) for use in self.open_uses)

    # Questions

    async def _question(self, question: Question) -> None:
        """It asks for leave: first the call goes into the tree, where that is possible now.

        A question about a call that waits for other tools is put at once: they may wait for it.
        """
        id = question.call.id
        self._learn(question.call)
        if not self.open_uses:
            if id not in self._gathered and id not in self._finished:
                self._gathered.append(id)
            if self._gathered:
                await self._close()
        elif not self._is_open(id):
            self._later.append(question.call)
        if self.ending is not None:
            question.answer.set_result(None)
            return
        task = self._tasks.create_task(self._ask_leave(question))
        self._questions.add(task)
        task.add_done_callback(self._questions.discard)

    async def _ask_leave(self, question: Question) -> None:
        use = use_of(self._calls[question.call.id], self._use_id(question.call.id))
        try:
            answer = await self.permit(use)
        except BaseException:
            question.answer.cancel()
            raise
        options = dict(reversed(question.options))
        if isinstance(answer, Execute) and answer.input not in (None, use.input):
            answer = self._answers[use.id] = Reject(_CHANGED)
        elif isinstance(answer, Execute) and "allow_once" not in options:
            answer = self._answers[use.id] = Reject(_NO_ONCE)
        if not question.answer.done():
            question.answer.set_result(_chosen(answer, options))

    def _stop_asking(self) -> None:
        for task in self._questions:
            task.cancel()

    async def _leave(self, wire: Wire, prompt: asyncio.Task[None]) -> None:
        """End the turn in the middle; a conversation that cannot be stopped in time is not kept."""
        session, self._session = self._session, None
        wire.turn_away()
        if session is None:
            return
        await wire.cancel(session)
        if (await asyncio.wait({prompt}, timeout=GRACE))[0] and wire.problem is None:
            self._session = session


def _chosen(answer: Answer, options: dict[str, str]) -> str | None:
    """The option for an answer; never one that allows or rejects more than this once."""
    return options.get("allow_once" if isinstance(answer, Execute) else "reject_once")


def _import_wire() -> None:
    """Import the package, which takes a second; raises `ConfigError` that says how to get it."""
    try:
        import_module("omni_tui.agent.backends.acp_wire")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("acp", "pydantic"):
            raise
        raise ConfigError(
            "The package agent-client-protocol is missing, which acp/… needs",
            hint="pip install 'omni-tui[acp]'",
        ) from None
