"""Runs and branches: several at once, stopped, failed, and gone on with."""

from __future__ import annotations

import asyncio

import pytest
from agent_helpers import (
    Gate,
    Recorder,
    all_events,
    assert_answered,
    labels,
    payload_of,
    results_in,
    until,
    until_paused,
)
from session_helpers import heard, make_session, path_of, shape, status_of, texts

from omni_tui.agent.decisions import Execute, Reject
from omni_tui.core.errors import AgentRunError, BusyError, OverloadedError
from omni_tui.core.messages import Message, Text, ToolUse
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.scripted import Call, Fail, Reply, ScriptedProvider, Think, Wait
from omni_tui.session.store.memory import MemoryStore


def never() -> Wait:
    return Wait(until=asyncio.Event())


# Several at once


async def test_two_branches_stream_at_once_and_each_lands_on_its_own_node() -> None:
    gates = {"A": asyncio.Event(), "B": asyncio.Event()}

    def answer(request: Request) -> Reply:
        asked = request.messages[-1].text
        return (
            [f"{asked} one, ", Wait(until=gates[asked]), f"{asked} two"] if asked in gates else "ok"
        )

    session = make_session(ScriptedProvider(answer))
    await session.prompt("root")
    first = session.prompt("A")
    await until(first, "text_end")
    second = session.branch(2, "B")
    await until(second, "text_end")
    assert len(session.runs) == 2
    assert session.active_run is not None
    assert session.active_run.run is second

    gates["B"].set()
    gates["A"].set()
    await asyncio.gather(first.wait(), second.wait())
    tree = session.tree
    by_prompt = {
        tree[node.parent_id].message.text: node
        for node in tree.nodes.values()
        if node.kind == "reply" and node.parent_id is not None
    }
    assert by_prompt["A"].message.text == "A one, \n\nA two"
    assert by_prompt["B"].message.text == "B one, \n\nB two"
    assert by_prompt["A"].run_id == first.id
    assert by_prompt["B"].run_id == second.id
    assert texts(tree)[2:] == ["B", "B one, \n\nB two"]  # only the person moves the path
    await session.close()


async def test_each_runs_events_carry_its_own_run_and_node() -> None:
    go = asyncio.Event()
    session = make_session(["root", [Wait(until=go), "A"], [Wait(until=go), "B"]])
    await session.prompt("Hi")
    subscription = session.subscribe()
    first, second = session.branch(2, "a"), session.branch(None, "b")
    while len(session.tree) < 4:
        await asyncio.sleep(0)
    go.set()
    await asyncio.gather(first.wait(), second.wait())
    events = await heard(session, subscription)
    for run in (first, second):
        own = [event for event in events if event.run_id == run.id]
        assert own == await all_events(run)
        tips = [event.node_id for event in own if event.type == "turn"]
        assert [session.tree[tip or 0].run_id for tip in tips] == [run.id]
    await session.close()


async def test_a_prompt_may_be_answered_several_times_at_once() -> None:
    go = asyncio.Event()
    session = make_session(["one", *([Wait(until=go), text] for text in ("two", "three", "four"))])
    await session.prompt("Hi")
    runs = [session.regenerate(1) for _ in range(3)]
    go.set()
    await asyncio.gather(*(run.wait() for run in runs))
    assert session.tree.children(1) == (2, 3, 4, 5)
    assert {session.tree[i].message.text for i in (3, 4, 5)} == {"two", "three", "four"}
    await session.close()


async def test_only_the_busy_branch_is_busy() -> None:
    go = asyncio.Event()
    session = make_session(["one", [Wait(until=go), "two"], "three"])
    await session.prompt("Hi")
    busy = session.prompt("A")
    with pytest.raises(BusyError) as caught:
        session.prompt("too soon")
    assert caught.value.details["status"] == "idle"
    while len(session.tree) < 3:
        await asyncio.sleep(0)
    with pytest.raises(BusyError) as caught:
        session.prompt("still too soon")
    assert caught.value.details["status"] == "busy"
    assert (await session.branch(2, "B")).text == "three"
    assert not busy.is_done
    go.set()
    assert (await busy).text == "two"
    await session.close()


async def test_a_branch_whose_tools_run_is_not_decided_a_second_time() -> None:
    gate = Gate()
    session = make_session([[Call("wait")], "done"], tools=(gate.tool,))
    run = session.prompt("Go")
    await gate.started.wait()
    with pytest.raises(BusyError):
        session.proceed(2)
    with pytest.raises(BusyError):
        session.prompt(None, at=2)
    gate.open.set()
    await run
    await session.close()


async def test_looking_elsewhere_stops_nothing_and_is_not_undone() -> None:
    go = asyncio.Event()
    session = make_session(["two", "four", ["six ", Wait(until=go), "six"]])
    await session.prompt("one")
    await session.prompt("three")
    run = session.edit(3, "three again")
    await until(run, "text_end")
    assert path_of(session) == (1, 2, 5)
    session.navigate(4)
    assert session.active_run is None
    assert session.run_at(5) is not None
    go.set()
    await run
    assert path_of(session) == (1, 2, 3, 4)
    assert session.tree.children(5) == (6,)
    session.navigate(5)
    assert path_of(session) == (1, 2, 5, 6)
    await session.close()


async def test_what_a_tool_shows_is_kept_for_who_looks_later() -> None:
    session = make_session(
        [[Call("look"), Call("wait", id="w")], "done"],
        tools=(Recorder().tool(), (gate := Gate()).tool),
    )
    run = session.prompt("Go")
    await until(run, "tool_finished")
    await gate.started.wait()
    (branch,) = session.runs.values()
    assert branch.tools["call_1"].result is not None
    assert branch.tools["w"].result is None
    gate.open.set()
    await run
    assert branch.tools == {}
    await session.close()


# Stopped


async def test_cancel_keeps_what_was_said_as_a_node() -> None:
    session = make_session([["I was ", never()], "again"], store=MemoryStore())
    run = session.prompt("Hi")
    await until(run, "text_end")
    assert session.cancel()
    assert await run.wait() == "cancelled"
    reply = session.tree[2]
    assert (reply.message.text, reply.status, reply.stop_reason) == (
        "I was ",
        "cancelled",
        "cancelled",
    )
    assert path_of(session) == (1, 2)
    assert session.cancel() is False
    assert session.cancel(run.id) is False
    assert (await session.prompt("Go on")).text == "again"
    await session.close()


async def test_cancel_during_regenerate_keeps_the_partial_text_beside_the_old_reply() -> None:
    session = make_session(["one", ["tw", never()]])
    await session.prompt("Hi")
    before = session.tree[2]
    run = session.regenerate(1)
    await until(run, "text_end")
    run.cancel()
    await run.wait()
    tree = session.tree
    assert tree.children(1) == (2, 3)
    assert (tree[3].message.text, tree[3].stop_reason) == ("tw", "cancelled")
    assert tree[2] is before
    assert (tree[1].status, tree.path) == ("done", (1, 3))
    await session.close()


@pytest.mark.parametrize("head", [2, 4, None])
async def test_cancel_of_regenerate_without_text_puts_the_path_back(head: int | None) -> None:
    store = MemoryStore()
    session = make_session(["two", "four", [Think("Hm."), never()]], store=store)
    await session.prompt("one")
    await session.prompt("three")
    session.tree.navigate(head)
    before = shape(session.tree)
    run = session.regenerate(1)
    assert path_of(session) == (1,)
    await until(run, "thinking_end")
    run.cancel()
    await run.wait()
    assert shape(session.tree) == before
    assert session.saver is not None
    await session.saver.flush()
    assert shape((await store.load(session.id)).tree) == before
    await session.close()


async def test_a_person_who_went_elsewhere_is_not_moved_by_a_cancel() -> None:
    session = make_session(["two", "four", [Think("Hm."), never()]])
    await session.prompt("one")
    await session.branch(None, "three")
    run = session.regenerate(1)
    await until(run, "thinking_end")
    session.navigate(4)
    run.cancel()
    await run.wait()
    assert path_of(session) == (3, 4)
    await session.close()


async def test_cancel_before_the_first_word_keeps_the_prompt_and_marks_it() -> None:
    session = make_session([[never()], "there"])
    run = session.prompt("Precious words")
    while not session.tree:
        await asyncio.sleep(0)
    run.cancel()
    await run.wait()
    assert (texts(session.tree), session.tree[1].status) == (["Precious words"], "cancelled")
    assert (await session.proceed(1)).text == "there"
    assert status_of(session, 1) == "done"
    await session.close()


async def test_cancel_at_once_keeps_the_prompt_and_asks_nothing() -> None:
    provider = ScriptedProvider(["never"])
    store = MemoryStore()
    session = make_session(provider, store=store)
    run = session.prompt("Precious words")
    assert run.cancel()
    assert await run.wait() == "cancelled"
    await session.close()
    assert provider.requests == []
    assert texts((await store.load(session.id)).tree) == ["Precious words"]


async def test_cancel_while_paused_leaves_a_branch_that_can_be_gone_on_with() -> None:
    recorder = Recorder()
    session = make_session([[Call("ask")], "fine"], tools=(recorder.tool("ask", asks_person=True),))
    run = session.prompt("Go")
    await until_paused(run)
    assert session.cancel()
    events = await all_events(run)
    assert labels(events)[-2:] == ["status idle", "cancelled"]
    assert_answered(session.tree.messages(session.tree.head))
    assert session.tree.head == 3
    assert status_of(session, 3) == "cancelled"
    assert (await session.proceed(3)).text == "fine"
    assert status_of(session, 3) == "done"
    assert recorder.ran == []
    await session.close()


async def test_closing_stops_every_run_and_keeps_what_they_said() -> None:
    store = MemoryStore()
    session = make_session([["A ", never()], ["B ", never()]], store=store)
    first = session.prompt("a")
    second = session.branch(None, "b")
    await until(first, "text_end")
    await until(second, "text_end")
    await session.close()
    assert (first.outcome, second.outcome) == ("cancelled", "cancelled")
    assert not session.is_busy
    stored = (await store.load(session.id)).tree
    replies = [node.message.text for node in stored.nodes.values() if node.kind == "reply"]
    assert sorted(replies) == ["A ", "B "]


# Failed


async def test_a_failed_run_keeps_the_prompt_and_says_why() -> None:
    overloaded = OverloadedError("The server is busy.", hint="wait")
    session = make_session([[Fail(overloaded)] for _ in range(4)] + ["There."])
    run = session.prompt("Hi")
    with pytest.raises(AgentRunError):
        await run
    assert run.error is overloaded
    prompt = session.tree[1]
    assert (prompt.status, prompt.error) == ("failed", str(overloaded))
    assert path_of(session) == (1,)
    assert not session.tree.is_interrupted(1)

    subscription = session.subscribe()
    assert (await session.proceed(1)).text == "There."
    assert (session.tree[1].status, session.tree[1].error) == ("done", None)
    changed = [
        payload_of(e).changed for e in await heard(session, subscription) if e.type == "tree"
    ]
    assert (1,) in changed
    assert path_of(session) == (1, 2)
    await session.close()


async def test_the_words_before_a_fault_are_kept_and_marked() -> None:
    session = make_session([["I begin ", Fail(OverloadedError("cut"))], "whole"])
    with pytest.raises(AgentRunError):
        await session.prompt("Hi")
    reply = session.tree[2]
    assert (reply.status, reply.stop_reason, reply.error) == ("failed", "error", "cut")
    assert status_of(session, 1) == "done"
    assert not session.tree.is_finished(2)
    await session.proceed(2)
    assert session.tree.children(1) == (2, 3)
    assert status_of(session, 2) == "failed"  # what failed stays as it was, beside the new one
    assert path_of(session) == (1, 3)
    await session.close()


async def test_a_fault_after_tools_is_gone_on_with_from_the_last_step() -> None:
    recorder = Recorder()
    session = make_session(
        [[Call("look")], ["I saw ", Fail(OverloadedError("cut"))], "I saw it."],
        tools=(recorder.tool(),),
    )
    with pytest.raises(AgentRunError):
        await session.prompt("Look")
    assert path_of(session) == (1, 2, 3, 4)
    await session.proceed(4)
    assert path_of(session) == (1, 2, 3, 5)
    assert recorder.names == ["look"]  # not once more
    await session.close()


async def test_a_fault_before_the_first_word_after_tools_marks_their_results() -> None:
    session = make_session(
        [[Call("look")], *([Fail(OverloadedError("busy"))] for _ in range(4)), "I saw it."],
        tools=(Recorder().tool(),),
    )
    with pytest.raises(AgentRunError):
        await session.prompt("Look")
    assert (session.tree[3].kind, session.tree[3].status) == ("results", "failed")
    await session.proceed(3)
    assert (session.tree[3].status, session.tree.path) == ("done", (1, 2, 3, 4))
    await session.close()


async def test_a_new_prompt_under_a_failed_one_leaves_its_mark() -> None:
    session = make_session([*([Fail(OverloadedError("busy"))] for _ in range(4)), "There."])
    with pytest.raises(AgentRunError):
        await session.prompt("Hi")
    await session.prompt("Hello?")
    assert status_of(session, 1) == "failed"
    assert texts(session.tree) == ["Hi", "Hello?", "There."]
    await session.close()


async def test_a_failed_regenerate_leaves_no_mark_on_what_was_answered() -> None:
    session = make_session(["one", *([Fail(OverloadedError("busy"))] for _ in range(4))])
    await session.prompt("Hi")
    before = shape(session.tree)
    with pytest.raises(AgentRunError):
        await session.regenerate(1)
    assert shape(session.tree) == before
    await session.close()


async def test_a_model_nobody_serves_fails_the_run_and_keeps_the_prompt() -> None:
    session = make_session(["never"])
    session.set_model("nobody/knows")
    with pytest.raises(AgentRunError, match="nobody"):
        await session.prompt("Hi")
    assert status_of(session, 1) == "failed"
    await session.close()


# Interrupted


async def test_an_interrupted_call_is_asked_about_before_it_runs_again() -> None:
    recorder = Recorder()
    session = make_session(["Done."], tools=(recorder.tool("write"),))
    session.tree.push(Message.user("Write it"))
    session.tree.push(Message.assistant([Text(text="I write."), ToolUse(id="w", name="write")]))
    assert session.tree.is_interrupted(2)
    run = session.proceed(2)
    pause = await until_paused(run)
    assert (pause.reason, pause.tool_use.name) == ("interrupted", "write")
    assert recorder.ran == []
    session.resume(Execute())
    assert (await run).text == "Done."
    assert recorder.names == ["write"]
    assert path_of(session) == (1, 2, 3, 4)
    await session.close()


async def test_an_interrupted_call_may_be_rejected_or_talked_past() -> None:
    recorder = Recorder()
    session = make_session(["Fine.", "Sure."], tools=(recorder.tool("write"),))
    session.tree.push(Message.user("Write it"))
    session.tree.push(Message.assistant(ToolUse(id="w", name="write")))
    run = session.proceed(2)
    await until_paused(run)
    session.resume(Reject("better not"))
    await run
    await session.prompt("Something else", at=2)
    repaired, prompt = session.tree.children(2)[1], session.tree.tips()[-1]
    assert session.tree[repaired].kind == "results"
    assert "nterrupted" in results_in(session.tree[repaired].message)["w"]
    assert_answered(session.tree.messages(prompt))
    assert recorder.ran == []
    await session.close()
