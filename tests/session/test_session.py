"""A session's conversation: the order of what it tells, and where each message goes."""

from __future__ import annotations

import asyncio

import pytest
from agent_helpers import Recorder, all_events, payload_of, until
from session_helpers import heard, make_session, path_of, texts, without_deltas

from omni_tui.agent.decisions import Execute
from omni_tui.core.errors import (
    AgentError,
    BusyError,
    IdleError,
    NodeNotFoundError,
    NotAssistantNodeError,
    NotUserNodeError,
)
from omni_tui.core.messages import Message
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.scripted import Call, ScriptedProvider, Wait
from omni_tui.session.store.memory import MemoryStore


async def test_a_plain_prompt_is_told_in_order() -> None:
    session = make_session(["Hello."], store=MemoryStore())
    subscription = session.subscribe()
    await session.prompt("Hi")
    assert without_deltas(await heard(session, subscription)) == [
        "status busy",
        "message(user)",
        "tree([1])",
        "saved",
        "message(assistant)",
        "step",
        "tree([2])",
        "status idle",
        "turn(stop)",
        "title",
        "saved",
    ]
    await session.close()


async def test_one_tool_is_told_in_order_and_every_step_is_saved() -> None:
    session = make_session(
        [["I look.", Call("look")], "There."], store=MemoryStore(), tools=(Recorder().tool(),)
    )
    subscription = session.subscribe()
    await session.prompt("Look")
    names = without_deltas(await heard(session, subscription))
    assert [name for name in names if name != "saved"] == [
        "status busy",
        "message(user)",
        "tree([1])",
        "message(assistant+uses)",
        "step",
        "tree([2])",
        "tool_started(call_1)",
        "tool_finished(call_1)",
        "message(user+results)",
        "tree([3])",
        "message(assistant)",
        "step",
        "tree([4])",
        "status idle",
        "turn(stop)",
        "title",
    ]
    assert names[names.index("tree([1])") + 1] == "saved"
    assert names[names.index("tree([2])") + 1] == "saved"
    assert names[-1] == "saved"
    tree = session.tree
    assert [node.kind for node in tree.nodes.values()] == ["prompt", "calls", "results", "reply"]
    assert [node.usage is not None for node in tree.nodes.values()] == [False, True, False, True]
    await session.close()


async def test_the_usage_of_the_nodes_adds_up_to_the_turns() -> None:
    session = make_session([["I look.", Call("look")], "x" * 40], tools=(Recorder().tool(),))
    response = await session.prompt("Look")
    steps = [node.usage for node in session.tree.nodes.values() if node.usage is not None]
    assert sum(steps, Usage()) == response.usage == session.tree.usage()
    await session.close()


async def test_the_envelope_names_session_run_and_node() -> None:
    session = make_session(["Hello."])
    subscription = session.subscribe()
    run = session.prompt("Hi")
    own = await all_events(run)
    events = await heard(session, subscription)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert {event.session_id for event in events} == {session.id}
    assert [event for event in events if event.run_id == run.id] == own
    assert {event.run_id for event in events} == {run.id, None}
    assert [event.node_id for event in own if event.type in ("status", "step", "turn")] == [
        None,
        1,
        2,
        2,
    ]
    await session.close()


async def test_a_node_knows_the_facts_of_its_step() -> None:
    session = make_session(["Hello."])
    run = session.prompt("Hi")
    await run
    prompt, reply = session.tree[1], session.tree[2]
    assert (reply.model, reply.stop_reason, reply.status) == ("scripted/script", "stop", "done")
    assert isinstance(reply.duration_ms, int)
    assert (prompt.run_id, reply.run_id) == (run.id, run.id)
    assert session.tree.is_finished(2)
    assert not session.tree.is_interrupted(2)
    await session.close()


async def test_prompts_follow_one_another_without_waiting() -> None:
    session = make_session(["1", "2", "3"])
    for expected in ("1", "2", "3"):
        assert (await session.prompt(f"ask {expected}")).text == expected
        assert not session.is_busy
    assert texts(session.tree) == ["ask 1", "1", "ask 2", "2", "ask 3", "3"]
    await session.close()


async def test_the_model_reads_the_branch_it_answers_and_no_other() -> None:
    provider = ScriptedProvider(["one", "two", "three"])
    session = make_session(provider)
    await session.prompt("A")
    await session.prompt("B")
    await session.branch(2, "C")
    assert [message.text for message in provider.requests[-1].messages] == ["A", "one", "C"]
    await session.close()


# Branching


async def test_regenerate_adds_a_sibling_reply() -> None:
    session = make_session(["one", "two"])
    await session.prompt("Hi")
    run = session.regenerate(1)
    assert path_of(session) == (1,)
    await run
    tree = session.tree
    assert tree.children(1) == (2, 3)
    assert tree.path == (1, 3)
    assert tree.cursors[1] == 3
    assert [node.kind for node in tree.nodes.values()] == ["prompt", "reply", "reply"]
    await session.close()


async def test_regenerating_any_message_of_a_turn_asks_its_prompt_again() -> None:
    session = make_session([[Call("look")], "one", "two"], tools=(Recorder().tool(),))
    await session.prompt("Look")
    await session.regenerate(4)
    assert session.tree.children(1) == (2, 5)
    assert path_of(session) == (1, 5)
    await session.close()


async def test_editing_the_second_prompt_branches_under_the_reply_before_it() -> None:
    session = make_session(["two", "four", "six"])
    await session.prompt("one")
    await session.prompt("three")
    await session.edit(3, "three again")
    tree = session.tree
    assert tree.siblings(3) == (5,)
    assert tree.path == (1, 2, 5, 6)
    assert texts(tree) == ["one", "two", "three again", "six"]
    assert tree[3].message.text == "three"
    await session.close()


async def test_editing_the_first_prompt_makes_a_new_root() -> None:
    session = make_session(["two", "four", "six"])
    await session.prompt("one")
    await session.prompt("three")
    await session.edit(1, "one again")
    tree = session.tree
    assert tree.roots == (1, 5)
    assert tree.siblings(1) == (5,)
    assert tree.path == (5, 6)
    await session.close()


async def test_editing_a_reply_edits_the_prompt_of_its_turn() -> None:
    session = make_session(["two", "four"])
    await session.prompt("one")
    await session.edit(2, "one again")
    assert session.tree.roots == (1, 3)
    await session.close()


async def test_switching_lands_on_the_tip_last_used() -> None:
    session = make_session(["two", "four", "six"])
    await session.prompt("one")
    await session.prompt("three")
    await session.edit(1, "one again")
    session.navigate(4)
    assert session.tree.head == 4
    session.navigate(2)
    assert session.tree.head == 4
    session.navigate(6)
    assert path_of(session) == (5, 6)
    await session.close()


async def test_going_nowhere_starts_a_new_root() -> None:
    session = make_session(["two", "four"])
    await session.prompt("one")
    session.navigate(None)
    assert session.tree.head is None
    await session.prompt("three")
    assert session.tree.roots == (1, 3)
    assert path_of(session) == (3, 4)
    await session.close()


async def test_starting_over_is_a_branch_of_nothing() -> None:
    session = make_session(["two", "four"])
    await session.prompt("one")
    await session.branch(None, "Start over")
    assert path_of(session) == (3, 4)
    await session.close()


async def test_a_prompt_may_be_put_anywhere_without_going_there() -> None:
    session = make_session(["two", "four", "six"])
    await session.prompt("one")
    await session.prompt("three")
    await session.prompt("aside", at=2)
    assert path_of(session) == (1, 2, 3, 4)
    assert session.tree.path_to(6) == (1, 2, 5, 6)
    await session.close()


async def test_only_a_prompt_can_be_asked_again_and_only_a_reply_followed() -> None:
    session = make_session(["two", "four"])
    await session.prompt("one")
    with pytest.raises(NotUserNodeError):
        session.branch(2)
    with pytest.raises(NotUserNodeError):
        session.branch(None)
    with pytest.raises(NotAssistantNodeError):
        session.branch(1, "text")
    for name, arguments in (
        ("branch", (9,)),
        ("branch", (9, "x")),
        ("edit", (9, "x")),
        ("proceed", (9,)),
        ("navigate", (9,)),
    ):
        with pytest.raises(NodeNotFoundError):
            getattr(session, name)(*arguments)
    with pytest.raises(NodeNotFoundError):
        session.prompt("x", at=9)
    assert path_of(session) == (1, 2)
    assert not session.is_busy
    await session.close()


async def test_what_is_refused_moves_nothing() -> None:
    go = asyncio.Event()
    session = make_session(["two", [Wait(until=go), "four"], "never"])
    await session.prompt("one")
    session.tree.add(Message.assistant("elsewhere"), parent=None)
    session.navigate(3)
    busy = session.prompt("three", at=2)
    with pytest.raises(BusyError):
        session.prompt("x", at=2)
    with pytest.raises(BusyError):
        session.branch(2, "x")
    with pytest.raises(BusyError):
        session.edit(session.tree.add(Message.user("y"), parent=2).id, "x")
    with pytest.raises(AgentError, match="nothing to continue"):
        session.proceed(3)
    assert path_of(session) == (3,)
    go.set()
    await busy
    await session.close()


async def test_the_tree_is_told_of_when_the_path_changes() -> None:
    session = make_session(["two", "four"])
    await session.prompt("one")
    subscription = session.subscribe()
    session.navigate(1)  # lands on 2 again
    session.navigate(None)
    run = session.regenerate(1)
    events = await heard(session, subscription)
    assert [event.type for event in events] == ["tree", "tree", "tree"]
    assert all(payload_of(event).new == () for event in events)
    await run
    await session.close()


async def test_a_question_can_be_answered_through_the_session() -> None:
    recorder = Recorder()
    session = make_session(
        [[Call("ask")], "Good."], tools=(recorder.tool("ask", asks_person=True),)
    )
    with pytest.raises(IdleError):
        session.resume(Execute())
    run = session.prompt("Go")
    await until(run, "pause")
    assert session.active_run is not None
    assert session.active_run.paused is not None
    with pytest.raises(IdleError):
        session.resume(Execute(), "another run")
    session.resume(Execute(), run.id)
    assert (await run).text == "Good."
    assert recorder.names == ["ask"]
    await session.close()


async def test_a_closed_session_starts_nothing() -> None:
    session = make_session(["never"])
    await session.close()
    with pytest.raises(AgentError, match="closed"):
        session.prompt("Hi")
    assert len(session.tree) == 0


async def test_closing_ends_the_listeners() -> None:
    session = make_session(["Hello."], store=MemoryStore())
    subscription = session.subscribe()
    await session.prompt("Hi")
    await session.close()
    names = without_deltas([event async for event in subscription])
    assert names[-1] == "saved"
