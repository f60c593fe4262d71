"""The branch verbs: alternatives, labels, hiding and showing, copies, and words put in a mouth."""

from __future__ import annotations

import asyncio

import pytest
from session_helpers import flush, make_session, quiet, shape, texts

from omni_tui.core.errors import (
    BusyError,
    MisplacedError,
    NodeNotFoundError,
    NotAssistantNodeError,
    NotFoundError,
    UnknownModelError,
)
from omni_tui.core.messages import Message
from omni_tui.core.usage import Usage
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.scripted import Call, Reply, ScriptedProvider, Wait
from omni_tui.session.branching import LABEL_CHARS, MAX_ALTERNATIVES, forked
from omni_tui.session.manager import SessionManager
from omni_tui.session.node import Origin
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore
from omni_tui.session.store.sqlite import SQLiteStore


async def talk(*replies: Reply, prompts: tuple[str, ...] = ("a", "b")) -> Session:
    session = make_session(list(replies) or ["1", "2"], store=MemoryStore())
    for prompt in prompts:
        await session.prompt(prompt)
    return session


async def test_alternatives_of_three_models_stream_side_by_side() -> None:
    gate = asyncio.Event()
    others = [ScriptedProvider([["half ", Wait(until=gate), name]]) for name in ("x", "y", "z")]
    session = make_session(["first"])
    await session.prompt("a")
    runs = session.alternatives(1, models=[each.model() for each in others])
    await quiet(200)
    assert len(session.runs) == 3
    partials = [branch.agent.partial for branch in session.runs.values()]
    assert [each and each.message().text for each in partials] == ["half "] * 3
    gate.set()
    replies = await asyncio.gather(*runs)
    assert sorted(reply.message.text for reply in replies) == [f"half \n\n{name}" for name in "xyz"]
    children = session.tree.children(1)
    assert len(children) == 4
    assert {session.tree[child].message.text for child in children[1:]} == {
        reply.message.text for reply in replies
    }
    await session.close()


async def test_alternatives_can_be_stopped_one_by_one() -> None:
    session = make_session(["first", ["p", Wait(60)], ["q", Wait(60)]])
    await session.prompt("a")
    one, other = session.alternatives(2, n=2)
    await quiet(200)
    assert session.cancel(one.id)
    await one.wait()
    assert list(session.runs) == [other.id]
    session.cancel(other.id)
    await other.wait()
    assert len(session.tree.children(1)) == 3
    await session.close()


async def test_alternatives_begin_all_or_none() -> None:
    session = await talk("1", prompts=("a",))
    with pytest.raises(UnknownModelError):
        session.alternatives(1, models=[session.model, "nobody/nothing"])
    for count in (0, MAX_ALTERNATIVES + 1):
        with pytest.raises(ValueError, match="alternatives"):
            session.alternatives(1, n=count)
    assert not session.runs
    assert len(session.tree) == 2
    await session.close()


async def test_a_reply_is_edited_beside_the_old_one() -> None:
    session = await talk()
    node = session.edit_reply(4, "better")
    assert texts(session.tree) == ["a", "1", "b", "better"]
    assert (node.origin, node.model, node.usage) == (Origin(node_id=4, how="edit"), None, None)
    assert session.tree.children(3) == (4, node.id)
    with pytest.raises(NotAssistantNodeError):
        session.edit_reply(3, "words")
    with pytest.raises(ValueError, match="words"):
        session.edit_reply(4, " \n")
    await session.close()


async def test_what_was_put_in_its_mouth_is_what_the_model_reads_next() -> None:
    provider = ScriptedProvider(["1", "2"])
    session = make_session(provider)
    await session.prompt("a")
    session.edit_reply(2, "I promised.")
    await session.prompt("b")
    assert [message.text for message in provider.requests[-1].messages] == [
        "a",
        "I promised.",
        "b",
    ]
    await session.close()


async def test_a_label_is_one_short_line_and_survives_a_reload() -> None:
    session = await talk()
    session.label(2, "  the \n good\x1b[31m one " + "x" * 100)
    label = session.tree[2].label
    assert label is not None
    assert label.startswith("the good")
    assert len(label) <= LABEL_CHARS
    assert "\x1b" not in label
    await flush(session)
    assert session.saver is not None
    stored = await session.saver._store.load(session.id)
    assert stored.tree[2].label == label
    session.label(2, "")
    assert session.tree[2].label is None
    await session.close()


async def test_a_pruned_branch_is_hidden_kept_and_shown_again() -> None:
    session = await talk("1", "2", "3")
    await session.branch(2, "other")
    before = shape(session.tree)["nodes"]
    session.prune(5)
    assert texts(session.tree) == ["a", "1", "b", "2"]
    await flush(session)
    assert session.saver is not None
    again = (await session.saver._store.load(session.id)).tree
    assert again.pruned(2) == (5,)
    assert again.children(2) == (3,)
    session.restore(5)
    assert shape(session.tree)["nodes"] == before
    assert session.tree.children(2) == (3, 5)
    session.navigate(6)
    assert texts(session.tree) == ["a", "1", "other", "3"]
    await session.close()


async def test_going_to_a_hidden_branch_shows_it() -> None:
    session = await talk()
    session.prune(3)
    assert texts(session.tree) == ["a", "1"]
    session.navigate(4)
    assert texts(session.tree) == ["a", "1", "b", "2"]
    assert session.tree.pruned(2) == ()
    await session.close()


async def test_a_branch_that_is_being_answered_is_not_pruned() -> None:
    session = make_session([["half", Wait(60)]])
    run = session.prompt("a")
    await quiet(200)
    with pytest.raises(BusyError):
        session.prune(1)
    run.cancel()
    await run.wait()
    session.prune(1)
    assert session.tree.head is None
    await session.close()


async def test_a_branch_is_grafted_with_its_origin_and_without_its_cost() -> None:
    session = make_session(["1", [Call("none")], "2", "3"])
    await session.prompt("a")
    await session.prompt("b")
    await session.branch(None, "root")
    root_reply = session.tree.head
    spent = session.tree.usage()
    session.label(3, "there")
    copy = session.graft(3, root_reply)
    assert copy.label is None
    assert texts(session.tree)[:2] == ["root", "3"]
    copies = [session.tree[step] for step in session.tree.path[2:]]
    assert copies[0] is copy
    assert [node.kind for node in copies] == ["prompt", "calls", "results", "reply"]
    assert [node.origin and node.origin.node_id for node in copies] == [3, 4, 5, 6]
    assert all(node.origin and node.origin.how == "graft" for node in copies)
    assert session.tree.usage() == spent
    assert session.tree.path_to(6) == (1, 2, 3, 4, 5, 6)
    await session.close()


async def test_a_graft_of_one_turn_leaves_what_follows() -> None:
    session = await talk("1", "2", "3", prompts=("a", "b", "c"))
    session.graft(3, None, deep=False)
    assert texts(session.tree) == ["b", "2"]
    session.graft(1, None)
    assert texts(session.tree) == ["a", "1", "b", "2", "c", "3"]
    await session.close()


async def test_a_graft_of_a_turn_without_an_answer_ends_before_the_next_prompt() -> None:
    session = await talk("1", prompts=("a",))
    unanswered = session.tree.add(Message.user("b"), parent=2)
    session.tree.add(Message.user("c"), parent=unanswered.id)
    session.graft(unanswered.id, 2, deep=False)
    assert texts(session.tree) == ["a", "1", "b"]
    await session.close()


async def test_a_graft_takes_one_branch_of_many() -> None:
    session = await talk("1", "2", "2b", "3", "4")
    await session.regenerate(4)
    await session.prompt("c")
    await session.branch(None, "root")
    session.graft(3, session.tree.head, upto=4)
    assert texts(session.tree)[2:] == ["b", "2"]
    origins = [session.tree[step].origin for step in session.tree.path[2:]]
    assert [origin and origin.node_id for origin in origins] == [3, 4]
    with pytest.raises(MisplacedError):
        session.graft(3, 9, upto=8)
    with pytest.raises(NodeNotFoundError):
        session.graft(3, 9, upto=99)
    await session.close()


@pytest.mark.parametrize(("node", "onto"), [(1, 3), (2, 4), (2, None), (3, 1)])
async def test_nothing_is_grafted_where_it_cannot_stand(node: int, onto: int | None) -> None:
    session = await talk()
    before = shape(session.tree)
    with pytest.raises(MisplacedError):
        session.graft(node, onto)
    assert shape(session.tree) == before
    await session.close()


async def test_a_fork_is_a_session_of_its_own_that_knows_where_it_came_from() -> None:
    async with SessionManager(
        MemoryStore(), default_model=ScriptedProvider(["1", "2", "3"]).model()
    ) as manager:
        session = manager.create()
        await session.prompt("a")
        await session.prompt("b")
        session.allow("bash(ls)")
        before = shape(session.tree)
        fork = await manager.fork(session.id, 2)
        assert (fork.record.origin_id, fork.record.origin_node) == (session.id, 2)
        assert fork.title == f"{session.title} (fork)"
        assert fork.record.approvals == ()
        assert fork.tree.usage() == Usage()
        await fork.prompt("elsewhere")
        assert texts(fork.tree) == ["a", "1", "elsewhere", "3"]
        assert shape(session.tree) == before
        await flush(fork)
        stored = await manager.store.load(fork.id)
        assert stored.tree[2].origin == Origin(node_id=2, session_id=session.id, how="fork")
        await manager.close(session.id)
        other = await manager.fork(session.id, 4)
        assert texts(other.tree) == ["a", "1", "b", "2"]
        with pytest.raises(NodeNotFoundError):
            await manager.fork(session.id, 99)
        with pytest.raises(NotFoundError):
            await manager.fork("nothing", 1)


async def test_a_fork_reads_the_summary_its_origin_reads() -> None:
    session = await talk("1", "2", "3", prompts=("a", "b", "c"))
    session.tree.summarize(Message.user("They said a."), covers=2)
    session.tree.summarize(Message.user("not in use"), covers=4)
    session.prune(8)
    _, tree = forked(session.record, session.tree, 6)
    summary = tree.summary_for(6)
    assert summary is not None
    assert (summary.parent_id, summary.message.text) == (2, "They said a.")
    assert summary.origin == Origin(node_id=7, session_id=session.id, how="fork")
    await session.close()


async def test_a_fork_survives_its_origin(tmp_path: object) -> None:
    async with SessionManager(
        SQLiteStore(f"{tmp_path}/s.db"),
        default_model=ScriptedProvider(["1"]).model(),
        setup=Setup(),
        registry=ProviderRegistry(),
    ) as manager:
        session = manager.create()
        await session.prompt("a")
        fork = await manager.fork(session.id, 2)
        await flush(fork)
        await manager.delete(session.id)
        assert texts((await manager.store.load(fork.id)).tree) == ["a", "1"]
