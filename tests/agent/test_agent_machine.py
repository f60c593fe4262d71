"""An agent driven at random: whatever happens when, nothing is lost, doubled or left open."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from agent_helpers import Recorder, assert_answered, other_tasks
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from omni_tui.agent.agent import Agent
from omni_tui.agent.decisions import (
    AfterError,
    AfterTurn,
    Continue,
    Decision,
    Execute,
    Halt,
    Ignore,
    OnEvent,
    Pause,
    Provide,
    Reject,
    Retry,
    Stop,
)
from omni_tui.agent.events import Event, PromptReturned, RunCancelled, RunFailed, TurnFinished
from omni_tui.agent.hooks import Hooks
from omni_tui.agent.run import Run
from omni_tui.core.errors import BusyError, IdleError, OmniError, QueueFullError, RequestError
from omni_tui.core.messages import Block, Text, ToolUse
from omni_tui.core.stream import Response
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.scripted import Call, Fail, Reply, ScriptedProvider, Think, Wait

TOOLS = ("free", "guarded", "forbidden", "broken")
PIECES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(["word", Think("hm"), Wait(), "gate"]),
    st.sampled_from([Call(name) for name in (*TOOLS, "unknown")] + [Call("free", "{broken")]),
    st.just(Fail(RequestError("no"))),
)
REPLIES = st.lists(PIECES, min_size=1, max_size=4)
AFTER_TURN = st.sampled_from([Stop(), Stop(), Continue("by itself"), Halt(), "broken"])
AFTER_ERROR = st.sampled_from([Stop(), Retry(), Continue("by itself"), Halt()])
ON_EVENT = st.sampled_from([Ignore(), Continue("by itself"), Halt(), "broken"])
ANSWERS = st.sampled_from([Execute(), Reject("no"), Provide("given")])


class Dice(Hooks):
    """Decides as the machine drew it."""

    def __init__(self) -> None:
        self.turns: list[Any] = []
        self.errors: list[Any] = []

    async def handle_tool_use(self, tool_use: ToolUse) -> Decision:
        match tool_use.name:
            case "guarded":
                return Pause()
            case "forbidden":
                return Reject("never")
            case "broken":
                raise RuntimeError("the guard is broken")
        return Execute()

    async def handle_turn(self, response: Response) -> AfterTurn:
        answer: AfterTurn = self.turns.pop() if self.turns else Stop()
        return answer

    async def handle_error(self, error: OmniError) -> AfterError:
        answer: AfterError = self.errors.pop() if self.errors else Stop()
        return answer

    async def handle_event(self, event: Any) -> OnEvent:
        await asyncio.sleep(0)
        answer: OnEvent = event
        return answer


class AgentMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.replies: list[list[Any]] = []
        self.gates: list[asyncio.Event] = []
        # How far the loop comes in some turns differs from run to run: no choice of hypothesis
        # may depend on it.
        self.runs: list[Run] = []
        self.texts = self.numbers()
        self.accepted: list[str] = []
        self.events: list[Event] = []

    @staticmethod
    def numbers() -> Iterator[str]:
        number = 0
        while True:
            yield f"person {number}"
            number += 1

    def do(self, work: Any = None, turns: int = 3) -> Any:
        """Call `work` inside the loop and let the loop turn a few times."""

        async def inside() -> Any:
            try:
                return work() if work else None
            finally:
                for _ in range(turns):
                    await asyncio.sleep(0)
                self.listen()

        return self.runner.run(inside())

    def listen(self) -> None:
        self.events += self.subscription._events
        self.subscription._events.clear()

    def reply(self, request: Request) -> Reply:
        pieces = self.replies.pop(0) if self.replies else ["word"]
        made: list[Any] = []
        for piece in pieces:
            if piece == "gate":
                self.gates.append(asyncio.Event())
                made.append(Wait(until=self.gates[-1]))
            else:
                made.append(piece)
        return made

    @initialize(keep=st.booleans(), steps=st.sampled_from([1, 2, 5, None]))
    def begin(self, keep: bool, steps: int | None) -> None:
        recorder = Recorder()
        self.hooks = Dice()
        self.keep = keep

        async def make() -> Agent:
            return Agent(
                model=ScriptedProvider(self.reply).model(),
                tools=[recorder.tool(name) for name in TOOLS],
                hooks=[self.hooks],
                keep_partial=keep,
                max_steps=steps,
                max_pending=2,
            )

        self.agent = self.runner.run(make())
        _, self.subscription = self.agent.subscribe()

    @rule(
        reply=st.lists(REPLIES, max_size=3),
        turns=st.lists(AFTER_TURN, max_size=2),
        errors=st.lists(AFTER_ERROR, max_size=1),
    )
    def plan(self, reply: list[Any], turns: list[Any], errors: list[Any]) -> None:
        self.replies, self.hooks.turns, self.hooks.errors = reply, turns, errors

    @rule(
        when=st.sampled_from(["reject", "queue", "steer"]),
        at=st.sampled_from(["turn", "step"]),
        turns=st.integers(0, 12),
    )
    def prompt(self, when: Any, at: Any, turns: int) -> None:
        text = next(self.texts)
        try:
            run = self.do(lambda: self.agent.prompt(text, when_busy=when, at=at), turns)
        except (BusyError, QueueFullError):
            return
        self.accepted.append(text)
        if run not in self.runs:
            self.runs.append(run)

    @rule(turns=st.integers(0, 40))
    def pass_time(self, turns: int) -> None:
        self.do(turns=turns)

    @rule(turns=st.integers(0, 12))
    def open_gate(self, turns: int) -> None:
        self.do(self.gates.pop(0).set if self.gates else None, turns)

    @rule(answer=ANSWERS, turns=st.integers(0, 12))
    def resume(self, answer: Any, turns: int) -> None:
        with suppress(IdleError):
            self.do(lambda: self.agent.resume(answer), turns)

    @rule(turns=st.integers(0, 12))
    def cancel(self, turns: int) -> None:
        self.do(self.agent.cancel, turns)

    @rule(place=st.integers(0, 9))
    def cancel_one(self, place: int) -> None:
        if self.runs:
            self.do(self.runs[place % len(self.runs)].cancel)

    @rule(decision=ON_EVENT)
    def notify(self, decision: Any) -> None:
        self.do(lambda: self.agent.notify(decision))

    @rule(turns=st.integers(0, 6))
    def halt(self, turns: int) -> None:
        self.do(self.agent.halt, turns)

    @rule()
    def unhalt(self) -> None:
        self.do(self.agent.unhalt)

    @rule()
    def reset_or_update(self) -> None:
        with suppress(BusyError):
            self.do(lambda: self.agent.update(system="other"))

    @invariant()
    def the_history_is_valid(self) -> None:
        if not hasattr(self, "agent"):
            return
        agent = self.agent
        if agent.run is None:
            assert not agent.snapshot().pending
            assert agent.status in ("idle", "halted")
            assert agent.partial is None
        assert_answered(agent.messages)
        assert (agent.paused is not None) == (agent.status == "paused")

    def teardown(self) -> None:
        if not hasattr(self, "agent"):
            self.runner.close()
            return
        try:
            self.runner.run(self.finish())
            self.check_events()
            self.check_texts()
        finally:
            self.runner.close()

    async def finish(self) -> None:
        self.agent.unhalt()
        for gate in self.gates:
            gate.set()
        for _ in range(20):
            await asyncio.sleep(0)
        await self.agent.close()
        self.listen()
        assert other_tasks() == set()
        assert all(run.is_done for run in self.runs)
        assert self.agent.steering is None
        assert not self.agent.health().pending_count
        assert_answered(self.agent.messages)

    def check_events(self) -> None:
        """Numbers rise, no status is told twice, and every run has one end."""
        assert [event.seq for event in self.events] == sorted({e.seq for e in self.events})
        statuses = [e.payload.status for e in self.events if e.type == "status"]  # type: ignore[union-attr]
        assert all(one != other for one, other in itertools.pairwise(statuses))
        ends = Counter(event.run_id for event in self.events if is_end(event.payload))
        begun = {event.run_id for event in self.events if event.run_id}
        assert set(ends) == {run.id for run in self.runs} | (begun & set(ends))
        assert set(ends.values()) <= {1}
        for run in self.runs:
            assert ends[run.id] == 1, run.outcome

    def check_texts(self) -> None:
        """What a person wrote is in the history or was handed back: once, and one of both."""
        kept = Counter(
            block.text
            for message in self.agent.messages
            if message.role == "user"
            for block in message.content
            if isinstance(block, Text)
        )
        returned: Counter[str] = Counter()
        never_began = {run.id for run in self.runs if run.step == 0 and run.task is None}
        for event in self.events:
            payload = event.payload
            if isinstance(payload, PromptReturned):
                returned.update(words(payload.content))
            elif isinstance(payload, RunCancelled | RunFailed) and (
                not self.keep or event.run_id in never_began
            ):
                returned.update(words(payload.prompt))
        for text in self.accepted:
            # Words of a turn that a failing hook ended stay and are handed back as well.
            assert kept[text] <= 1, text
            assert returned[text] <= 1, text
            assert kept[text] + returned[text] >= 1, text
            if self.keep:
                assert kept[text] + returned[text] == 1, text


def is_end(payload: Any) -> bool:
    is_stop = isinstance(payload, TurnFinished) and payload.kind == "stop"
    return is_stop or isinstance(payload, RunCancelled | RunFailed)


def words(content: tuple[Block, ...] | None) -> list[str]:
    return [block.text for block in content or () if isinstance(block, Text)]


TestAgentMachine = AgentMachine.TestCase
TestAgentMachine.settings = settings(max_examples=60, stateful_step_count=30, database=None)
