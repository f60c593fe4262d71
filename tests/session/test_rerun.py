"""A branch run again beside itself: with a model, or with what was said on it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from session_helpers import flush, make_session, path_of, texts

from omni_tui.agent.decisions import Execute
from omni_tui.agent.events import Paused
from omni_tui.core.errors import (
    AgentRunError,
    MisplacedError,
    NodeNotFoundError,
    NotUserNodeError,
    RequestError,
    UnknownModelError,
)
from omni_tui.core.messages import Message, Text, Thinking
from omni_tui.core.tool import tool
from omni_tui.llm.providers.scripted import (
    Call,
    Fail,
    Raise,
    Reply,
    Say,
    ScriptedProvider,
    Stop,
    Think,
    Wait,
)
from omni_tui.session.rerun import RerunTurn, replay, rerun
from omni_tui.session.session import Session
from omni_tui.session.store.sqlite import SQLiteStore
from omni_tui.tools.permissions import Permissions, Rule


@tool
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


RECORDED: list[Reply] = [
    [Think("two numbers"), Say("I add."), Call("add", {"a": 1, "b": 2}, id="one")],
    "3",
    [Call("add", "{broken", id="two")],
    ["So", Say("cut o"), Stop("length")],
]


def branch(session: Session, tip: int) -> list[str]:
    return [session.tree[step].message.text for step in session.tree.path_to(tip)]


async def recorded() -> Session:
    """A session whose branch has thoughts, tools, broken arguments and a reply cut short."""
    session = make_session(RECORDED, tools=(add,))
    await session.prompt("What is 1 + 2?")
    await session.prompt("And more?")
    assert texts(session.tree)[-1] == "So\n\ncut o"
    return session


async def test_the_prompts_are_asked_again_beside_the_old_branch() -> None:
    session = make_session(["1", "2", "3"])
    for prompt in "abc":
        await session.prompt(prompt)
    other = ScriptedProvider(["x", "y", "z"])
    tip = await rerun(session, 6, other.model())
    assert branch(session, tip) == ["a", "x", "b", "y", "c", "z"]
    assert branch(session, 6) == ["a", "1", "b", "2", "c", "3"]
    assert session.tree.common_ancestor(6, tip) == 1
    assert [len(request.messages) for request in other.requests] == [1, 3, 5]
    assert session.tree[tip].model == "scripted/script"
    assert path_of(session) == (1, 2, 3, 4, 5, 6), "the head stays"
    await session.close()


async def test_without_a_model_the_sessions_own_is_asked() -> None:
    session = make_session(["1", "2", "3", "4"])
    await session.prompt("a")
    await session.prompt("b")
    assert branch(session, await rerun(session, 4)) == ["a", "3", "b", "4"]
    assert branch(session, 2) == ["a", "1"]
    await session.close()


async def test_a_branch_ends_where_its_tip_is() -> None:
    session = make_session(["1", "2", "x"])
    await session.prompt("a")
    await session.prompt("b")
    assert branch(session, await rerun(session, 2)) == ["a", "x"]
    await session.close()


async def test_each_turn_is_told_of_and_may_be_answered() -> None:
    rules = Permissions(Path("/"), rules=[Rule.parse("add", "ask")])
    session = make_session([[Call("add", {"a": 1, "b": 1})], "2", "last"], tools=(add,))
    await session.prompt("a")
    await session.prompt("b")
    session.permissions = rules
    told: list[tuple[int, int, str]] = []

    async def answer(turn: RerunTurn) -> None:
        told.append((turn.number, turn.total, turn.prompt.message.text))
        async for event in turn.run:
            if isinstance(event.payload, Paused):
                session.resume(Execute(), turn.run.id)

    again = ScriptedProvider([[Call("add", {"a": 2, "b": 2})], "four", "end"])
    tip = await rerun(session, path_of(session)[-1], again.model(), on_turn=answer)
    assert told == [(1, 2, "a"), (2, 2, "b")]
    (result,) = again.requests[1].messages[-1].tool_results
    assert (result.content, result.is_error) == ("4", False)
    assert branch(session, tip)[-1] == "end"
    await session.close()


@pytest.mark.parametrize(
    "bad", [[Fail(RequestError("no such thing"))], [Raise(RuntimeError("boom"))]]
)
async def test_it_stops_at_the_first_turn_that_fails_and_says_where(bad: Reply) -> None:
    session = make_session(["1", "2", "3"])
    for prompt in "abc":
        await session.prompt(prompt)
    other = ScriptedProvider(["x", bad, "never"])
    with pytest.raises(AgentRunError, match=r"Turn 2 of 3 \(message 3\) ended as error") as caught:
        await rerun(session, 6, other.model())
    error = caught.value
    assert error.outcome == "error"
    assert error.__cause__ is not None
    assert (error.details["node_id"], error.details["turn"], error.details["total"]) == (3, 2, 3)
    assert branch(session, error.details["tip"]) == ["a", "x", "b"]
    assert session.tree[error.details["tip"]].status == "failed"
    assert len(other.requests) == 2
    await session.close()


async def test_a_first_turn_that_fails_leaves_the_tree_as_it_was() -> None:
    session = make_session(["1"])
    await session.prompt("a")
    other = ScriptedProvider([[Fail(RequestError("no"))]])
    with pytest.raises(AgentRunError) as caught:
        await rerun(session, 2, other.model())
    assert caught.value.details["tip"] == 1
    assert len(session.tree) == 2
    assert session.tree[1].status == "done"
    await session.close()


async def test_a_turn_that_is_cancelled_ends_it_too() -> None:
    session = make_session(["1", "2"])
    await session.prompt("a")
    await session.prompt("b")

    async def stop(turn: RerunTurn) -> None:
        if turn.number == 2:
            turn.run.cancel()

    other = ScriptedProvider(["x", [Wait(60)]])
    with pytest.raises(AgentRunError, match="Turn 2 of 2") as caught:
        await rerun(session, 4, other.model(), on_turn=stop)
    assert caught.value.outcome == "cancelled"
    assert branch(session, caught.value.details["tip"]) == ["a", "x", "b"]
    await session.close()


async def test_who_gives_up_waiting_stops_the_turn_under_way() -> None:
    session = make_session(["1"])
    await session.prompt("a")
    begun = asyncio.Event()

    async def note(turn: RerunTurn) -> None:
        begun.set()
        await turn.run.wait()

    slow = ScriptedProvider([[Wait(60)]])
    task = asyncio.create_task(rerun(session, 2, slow.model(), on_turn=note))
    await begun.wait()
    (run,) = (each.run for each in session.runs.values())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await run.wait() == "cancelled"
    await session.close()


async def test_what_cannot_be_run_again_is_refused_before_anything_is_asked() -> None:
    session = make_session(["1"])
    await session.prompt("a")
    session.tree.add(Message.assistant("imported"), parent=None, follow=False)
    with pytest.raises(NodeNotFoundError, match="99"):
        await rerun(session, 99)
    with pytest.raises(NotUserNodeError, match="3"):
        await rerun(session, 3)
    with pytest.raises(AgentRunError) as caught:
        await rerun(session, 2, "nobody/nothing")
    assert isinstance(caught.value.__cause__, UnknownModelError)
    session.prune(1)
    with pytest.raises(MisplacedError, match="Node 1 is hidden"):
        await rerun(session, 2)
    assert len(session.tree) == 3
    await session.close()


async def test_a_recorded_branch_replays_to_an_equal_one() -> None:
    session = await recorded()
    tip = path_of(session)[-1]
    again = await rerun(session, tip, replay(session.tree, tip).model("branch"))
    old = [session.tree[step] for step in session.tree.path_to(tip)]
    new = [session.tree[step] for step in session.tree.path_to(again)]
    assert old[0] is new[0]
    assert [node.kind for node in new] == [node.kind for node in old]
    assert [node.stop_reason for node in new] == [node.stop_reason for node in old]
    assert [node.message.text for node in new] == [node.message.text for node in old]
    assert [node.message.tool_uses for node in new] == [node.message.tool_uses for node in old]
    assert [[each.content for each in node.message.tool_results] for node in new] == [
        [each.content for each in node.message.tool_results] for node in old
    ]
    assert [node.model for node in new if node.model] == ["replay/branch"] * 4
    assert all(node.usage is None or node.usage.cost is None for node in new[1:])
    # Again, from the copy: nothing of it depends on which of the two was recorded first.
    third = await rerun(session, again, replay(session.tree, again).model("branch"))
    assert branch(session, third) == branch(session, tip)
    await session.close()


async def test_a_replay_streams_thoughts_and_forgets_what_was_signed() -> None:
    session = make_session([])
    tree = session.tree
    tree.push(Message.assistant("from before"))
    tree.push(Message.user("a"))
    tree.push(
        Message.assistant(
            [
                Thinking(text="hm", signature="secret", signed_by="anthropic"),
                Thinking(redacted="sealed", signed_by="anthropic"),
                Text(text="one"),
                Text(text="two", signature="secret", signed_by="google"),
            ]
        )
    )
    tip = await rerun(session, 3, replay(tree, 3).model())
    thought, one, two = tree[tip].message.content
    assert isinstance(thought, Thinking)
    assert (thought.text, thought.signed_by) == ("hm", "replay")
    assert (one, two) == (Text(text="one"), Text(text="two"))
    await session.close()


async def test_past_its_end_a_replay_fails_the_turn() -> None:
    session = make_session(["1"])
    await session.prompt("a")
    provider = replay(session.tree, 2)
    await rerun(session, 2, provider.model())
    with pytest.raises(AgentRunError, match="no reply number 2"):
        await rerun(session, 2, provider.model())
    with pytest.raises(NodeNotFoundError):
        replay(session.tree, 99)
    await session.close()


async def test_the_new_branch_is_kept(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "sessions.db")
    await store.open()
    session = make_session(["1", "x"], store=store)
    await session.prompt("a")
    tip = await rerun(session, 2)
    assert await flush(session) is None
    stored = await store.load(session.id)
    assert [stored.tree[step].message.text for step in stored.tree.path_to(tip)] == ["a", "x"]
    await session.close()
    await store.close()
