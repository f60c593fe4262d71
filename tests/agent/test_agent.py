"""The agent as its owner sees it: busy or not, listened to, and heard by its journal."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agent_helpers import (
    Gate,
    Guard,
    Recorder,
    all_events,
    label,
    labels,
    make_agent,
    payload_of,
    until,
    until_paused,
)

from omni_tui.agent.agent import Agent
from omni_tui.agent.decisions import Decision, Execute, Pause, Reject
from omni_tui.agent.events import Event
from omni_tui.agent.journal import Facts
from omni_tui.agent.run import Run
from omni_tui.core.errors import AgentError, AgentRunError, BusyError, IdleError, SessionLockedError
from omni_tui.core.messages import Message, ToolUse
from omni_tui.core.stream import TextDelta
from omni_tui.llm.providers.base import Options
from omni_tui.llm.providers.scripted import Call, Say, ScriptedProvider, Wait


async def test_asking_waits_for_the_answer() -> None:
    async with make_agent(["Hello.", "Fine."]) as agent:
        assert (await agent.ask("Hi")).text == "Hello."
        assert (await agent.ask("How are you?")).text == "Fine."
        assert [message.text for message in agent.messages] == [
            "Hi",
            "Hello.",
            "How are you?",
            "Fine.",
        ]


async def test_everything_the_agent_was_given_is_sent() -> None:
    provider = ScriptedProvider(["ok"])
    look = Recorder().tool()
    options = Options(max_tokens=9)
    history = [Message.user("a"), Message.assistant("b")]
    async with make_agent(
        provider, system="Be brief.", tools=[look], options=options, messages=history
    ) as agent:
        await agent.ask("c")
    (request,) = provider.requests
    assert (request.model, request.system, request.tools) == ("script", "Be brief.", (look,))
    assert request.options == options
    assert [message.text for message in request.messages] == ["a", "b", "c"]


async def test_a_prompt_while_busy_is_refused_and_says_in_which_state() -> None:
    agent = make_agent(
        [[Call("look")], "Done."], tools=[Recorder().tool()], hooks=[Guard(lambda _: Pause())]
    )
    run = agent.prompt("One")
    with pytest.raises(BusyError) as caught:
        agent.prompt("Two")
    assert caught.value.details["status"] == "busy"  # it has not begun, and is taken all the same
    await until_paused(run)
    with pytest.raises(BusyError, match="paused") as caught:
        agent.prompt("Two")
    assert caught.value.details["status"] == "paused"
    agent.resume(Execute())
    await run
    assert [message.text for message in agent.messages if message.is_prompt] == ["One"]
    await agent.close()


async def test_the_agent_is_free_when_whoever_awaits_a_run_goes_on() -> None:
    async with make_agent(["1", "2", "3"]) as agent:
        for expected in ("1", "2", "3"):
            assert (await agent.prompt("Next")).text == expected
            assert agent.status == "idle"
            assert agent.run is None


async def test_a_run_can_be_awaited_and_iterated_at_once() -> None:
    async with make_agent([[Say("Hello there", chunk=1)]]) as agent:
        run = agent.prompt("Hi")

        async def read() -> str:
            words = [e.payload.text async for e in run if isinstance(e.payload, TextDelta)]
            return "".join(words)

        async def wait() -> str:
            return (await run).text

        assert set(await asyncio.gather(wait(), read(), wait())) == {"Hello there"}
        assert (await run).text == "Hello there"


async def test_a_run_iterated_late_still_has_every_event() -> None:
    async with make_agent(["Hello"]) as agent:
        run = agent.prompt("Hi")
        await run
        assert labels(await all_events(run))[0] == "status busy"


async def test_leaving_a_runs_events_and_coming_back_loses_none() -> None:
    async with make_agent([[Say("abc", chunk=1)]]) as agent:
        run = agent.prompt("Hi")
        events: list[Event] = []
        while not events or events[-1].type != "turn":
            async for event in run:
                events.append(event)
                break
        assert [event.seq for event in events] == list(range(1, len(events) + 1))


async def test_an_answer_needs_a_question() -> None:
    agent = make_agent(
        [[Call("look")], "Done."], tools=[Recorder().tool()], hooks=[Guard(lambda _: Pause())]
    )
    with pytest.raises(IdleError, match="idle"):
        agent.resume(Execute())
    run = agent.prompt("Go")
    await until_paused(run)
    agent.resume(Execute())
    with pytest.raises(IdleError):
        agent.resume(Reject("too late"))
    assert (await run).text == "Done."
    await agent.close()


async def test_a_closed_agent_takes_no_prompt() -> None:
    agent = make_agent(["never"])
    await agent.close()
    with pytest.raises(AgentError, match="closed"):
        agent.prompt("Hi")


async def test_whoever_joins_in_the_middle_can_rebuild_the_whole() -> None:
    go = asyncio.Event()
    history = [Message.user("a"), Message.assistant("b")]
    agent = make_agent([["One ", Wait(until=go), Say("two three", chunk=2)]], messages=history)
    run = agent.prompt("Hi")
    await until(run, "text_end")

    snapshot, subscription = agent.subscribe()
    assert snapshot.status == "busy"
    assert [message.text for message in snapshot.messages] == ["a", "b"]
    assert [message.text for message in snapshot.pending] == ["Hi"]
    assert snapshot.partial is not None
    assert snapshot.paused is None
    go.set()
    response = await run
    await agent.close()
    rest = [payload_of(e).text async for e in subscription if e.type == "text_delta"]
    assert snapshot.partial.text + "\n\n" + "".join(rest) == response.text


async def test_a_snapshot_shows_the_question_that_waits() -> None:
    agent = make_agent(
        [[Call("look")]], tools=[Recorder().tool()], hooks=[Guard(lambda _: Pause("why"))]
    )
    run = agent.prompt("Go")
    pause = await until_paused(run)
    snapshot = agent.snapshot()
    assert (snapshot.status, snapshot.paused) == ("paused", pause)
    assert [message.role for message in snapshot.pending] == ["user", "assistant"]
    assert agent.messages == ()
    await agent.close()


async def test_every_listener_hears_the_same() -> None:
    agent = make_agent(["One", "Two"])
    _, first = agent.subscribe()
    _, second = agent.subscribe()
    own = await all_events(agent.prompt("Hi"))
    second.close()
    await agent.prompt("Hi")
    await agent.close()
    heard = [event async for event in first]
    assert heard[: len(own)] == own
    assert len(heard) == 2 * len(own)
    assert [event async for event in second] == own


async def test_a_tool_may_not_be_asked_twice_when_two_guards_disagree() -> None:
    recorder = Recorder()
    first = Guard(lambda use: Execute() if use.id == "a" else Reject("first says no"))
    second = Guard(lambda use: Reject("second says no"))
    agent = make_agent(
        [[Call("look", id="a"), Call("look", id="b")], "Done."],
        tools=[recorder.tool()],
        hooks=[first, second],
    )
    await agent.prompt("Go")
    assert [result.content for result in agent.messages[2].tool_results] == [
        "Tool rejected: second says no",
        "Tool rejected: first says no",
    ]
    assert second.asked == ["a"]  # the first decision that is not the default wins
    await agent.close()


async def test_a_subclass_decides_after_its_hooks() -> None:
    class SafeAgent(Agent):
        async def handle_tool_use(self, tool_use: ToolUse) -> Decision:
            return Pause("mine") if tool_use.name.startswith("delete_") else Execute()

    recorder = Recorder()
    provider = ScriptedProvider([[Call("delete_all"), Call("look")], "Done."])
    agent = SafeAgent(
        model=provider.model(), tools=[recorder.tool("delete_all"), recorder.tool("look")]
    )
    run = agent.prompt("Go")
    assert (await until_paused(run)).reason == "mine"
    agent.resume(Reject("no"))
    await run
    assert recorder.names == ["look"]
    await agent.close()


async def test_a_tool_that_asks_a_person_pauses_by_itself() -> None:
    recorder = Recorder()
    agent = make_agent([[Call("ask")], "Good."], tools=[recorder.tool("ask", asks_person=True)])
    run = agent.prompt("Go")
    assert (await until_paused(run)).reason == "question"
    agent.cancel()
    await run.wait()
    assert recorder.ran == []
    await agent.close()


class Ledger:
    """A journal that writes down what it is told, and lets a test hold its commits back."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.facts: list[Facts] = []
        self.waiting: list[asyncio.Future[None]] = []
        self.holds = False

    def publish(self, run: Run | None, payload: Any) -> None:
        self.log.append(label(Event(payload=payload, seq=0)))

    def commit(self, run: Run, message: Message, facts: Facts) -> asyncio.Future[None] | None:
        self.log.append(f"commit {message.role}")
        self.facts.append(facts)
        if not self.holds:
            return None
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        return future

    async def admit(self, run: Run) -> None:
        self.log.append("admit")

    def began(self, run: Run) -> None:
        self.log.append("began")

    def amend(self, run: Run, facts: Facts) -> None:
        self.log.append(f"amend {facts.status}")
        self.facts.append(facts)

    def ended(self, run: Run) -> None:
        self.log.append(f"ended {run.outcome}")


async def held(ledger: Ledger, count: int) -> None:
    """Wait until this many commits are held back, and let everything else go on a while."""
    while len(ledger.waiting) < count:
        await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)


async def test_the_journal_gets_each_message_when_it_is_complete() -> None:
    ledger = Ledger()
    agent = make_agent([[Call("look")], "Done."], tools=[Recorder().tool()], journal=ledger)
    await agent.ask("Go")
    kept = [each for each in ledger.log if not each.startswith(("text_", "tool_"))]
    assert kept == [
        "began",
        "status busy",
        "admit",
        "message(user)",
        "commit user",
        "message(assistant+uses)",
        "step",
        "commit assistant",
        "message(user+results)",
        "commit user",
        "message(assistant)",
        "step",
        "commit assistant",
        "status idle",
        "turn(stop)",
        "ended completed",
    ]
    assert [facts.model for facts in ledger.facts] == [None, "scripted/script"] * 2
    assert ledger.facts[3].usage is not None
    assert isinstance(ledger.facts[3].duration_ms, int)
    await agent.close()


async def test_nothing_is_asked_before_the_prompt_is_safe_nor_run_before_the_call_is() -> None:
    ledger, recorder = Ledger(), Recorder()
    ledger.holds = True
    provider = ScriptedProvider([[Call("look")], "Done."])
    agent = make_agent(provider, tools=[recorder.tool()], journal=ledger)
    run = agent.prompt("Go")
    await held(ledger, 1)
    assert provider.requests == []
    ledger.waiting[0].set_result(None)
    await held(ledger, 2)
    assert len(provider.requests) == 1
    assert recorder.ran == []
    ledger.waiting[1].set_result(None)
    assert (await run).text == "Done."  # the results and the answer wait for nothing
    assert recorder.names == ["look"]
    assert len(ledger.waiting) == 4
    await agent.close()


async def test_a_cancel_while_calls_are_being_saved_leaves_none_open() -> None:
    ledger, recorder = Ledger(), Recorder()
    ledger.holds = True
    agent = make_agent([[Call("look")]], tools=[recorder.tool()], journal=ledger, keep_partial=True)
    run = agent.prompt("Go")
    await held(ledger, 1)
    ledger.waiting[0].set_result(None)
    await held(ledger, 2)
    run.cancel()
    await run.wait()
    assert recorder.ran == []
    assert [message.role for message in agent.messages] == ["user", "assistant", "user"]
    assert "Cancelled" in agent.messages[2].tool_results[0].content
    await agent.close()


async def test_a_run_that_is_not_admitted_asks_nothing_and_keeps_the_prompt() -> None:
    class Closed(Ledger):
        async def admit(self, run: Run) -> None:
            raise SessionLockedError("taken")

    provider = ScriptedProvider(["never"])
    ledger = Closed()
    agent = make_agent(provider, journal=ledger, keep_partial=True)
    with pytest.raises(AgentRunError) as caught:
        await agent.ask("Go")
    assert isinstance(caught.value.__cause__, SessionLockedError)
    assert provider.requests == []
    assert [message.text for message in agent.messages] == ["Go"]
    assert "amend failed" in ledger.log
    await agent.close()


async def test_a_journal_that_breaks_fails_the_run_and_leaves_nobody_waiting() -> None:
    class Broken(Ledger):
        def commit(self, run: Run, message: Message, facts: Facts) -> asyncio.Future[None] | None:
            raise OSError("no paper")

        def amend(self, run: Run, facts: Facts) -> None:
            raise OSError("no pencil")

    agent = make_agent(["never"], journal=Broken(), keep_partial=True)
    run = agent.prompt("Go")
    with pytest.raises(AgentRunError):
        await run
    assert run.task is not None
    with pytest.raises(OSError, match="no pencil"):
        await run.task
    assert (agent.status, agent.run) == ("idle", None)


async def test_a_tool_that_is_still_running_is_stopped_on_closing() -> None:
    gate = Gate()
    async with make_agent([[Call("wait")]], tools=[gate.tool]) as agent:
        agent.prompt("Go")
        await gate.started.wait()
    assert gate.was_cancelled


class Librarian(Agent):
    """Calls its own things what it likes: none of these names is the machinery's."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.queue: Any = ["a book"]
        self.history = self.chain = self.journal = self.settings = self.context = "mine"
        self.retry = self.output = self.registry = self.telemetry = self.fallbacks = "mine"
        self.accumulator = self.requests = self.current = self.job = self.stage = "mine"

    def emit(self) -> str:
        return "mine"

    def begin(self) -> str:
        return "mine"


async def test_a_subclass_may_use_any_name_that_is_no_verb_of_an_agent() -> None:
    model = ScriptedProvider([[Call("look")], "Done."]).model()
    async with Librarian(model=model, tools=[Recorder().tool()]) as agent:
        assert (await agent.ask("Go")).text == "Done."
        assert agent.health().turns == 1
        agent.reset()
        assert agent.queue == ["a book"]


async def test_what_an_agent_says_of_itself_is_not_to_be_set() -> None:
    async with make_agent([]) as agent:
        for name in ("model", "status", "messages", "usage", "run"):
            with pytest.raises(AttributeError):
                setattr(agent, name, "x")
