"""One branch told of another: what is summed up, what it becomes, and where it cannot go."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs
from session_helpers import make_session, quiet, shape, texts
from test_compaction import Writer

from omni_tui.agent.summary import REPORT, REPORT_LINE
from omni_tui.core.errors import (
    AuthError,
    BusyError,
    MisplacedError,
    NodeNotFoundError,
    OutputError,
)
from omni_tui.core.messages import Message
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.scripted import Call, Fail, ScriptedProvider, Stop, Wait
from omni_tui.session.context import ContextPolicy
from omni_tui.session.costs import costs_of
from omni_tui.session.manager import SessionManager
from omni_tui.session.merging import MergeNote
from omni_tui.session.node import Origin
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore
from omni_tui.session.store.sqlite import SQLiteStore


async def two_branches(provider: ScriptedProvider, **setup: Any) -> Session:
    """`1 shared, 2, 3 there, 4` and, in view, `1 shared, 2, 5 in view, 6`."""
    session = make_session(provider, **setup)
    await session.prompt("shared")
    await session.prompt("there")
    await session.branch(2, "in view")
    assert texts(session.tree)[::2] == ["shared", "in view"]
    return session


async def test_a_branch_is_told_what_another_found() -> None:
    provider = Writer(reply="an answer", summary="The pass is closed.")
    session = await two_branches(provider)
    before = session.tree.usage()
    note = await session.draft_merge(4)
    assert note.text == f"{REPORT_LINE}\n\nThe pass is closed."
    assert "[user]\n  there\n[assistant]\n  an answer" in provider.records[0]
    assert "shared" not in provider.records[0]
    assert "in view" not in provider.records[0]
    assert provider.requests[-1].system == REPORT.system
    assert session.tree.usage() == before  # nothing has changed yet
    assert len(session.tree) == 6

    await session.merge(structs.replace(note, text="The pass is closed until May."))
    assert texts(session.tree) == [
        *["shared", "an answer", "in view", "an answer"],
        *["The pass is closed until May.", "an answer"],
    ]
    assert provider.last[-1] == "The pass is closed until May."
    told = session.tree[7]
    assert told.kind == "prompt"
    assert told.origin == Origin(node_id=4, how="merge")
    assert (told.usage, told.model) == (note.usage, note.model)
    assert note.usage is not None
    assert session.tree.path_to(4) == (1, 2, 3, 4)  # the other branch stays
    spent = session.tree[8].usage
    assert spent is not None
    assert session.tree.usage() == before + note.usage + spent
    assert costs_of(session.tree).total == session.tree.usage()
    assert not session.context_use(8).estimated  # what the note took is no measure of the context
    await session.close()


async def test_a_branch_that_parts_within_a_turn_is_told_with_its_prompt() -> None:
    provider = Writer(reply="one")
    session = make_session(provider)
    await session.prompt("first")
    await session.prompt("asked twice")
    await session.regenerate(4)
    await session.draft_merge(4)
    assert "asked twice" in provider.records[0]
    assert "first" not in provider.records[0]
    await session.close()


async def test_the_tool_rounds_of_a_branch_are_summed_up_too() -> None:
    look = [Call("look", {"at": "the map"})]
    provider = ScriptedProvider(["1", look, "2", "3", "a note"])
    session = await two_branches(provider)
    await session.draft_merge(6)
    record = provider.requests[-1].messages[-1].text
    assert "uses look" in record
    assert "the map" in record
    await session.close()


async def test_a_long_branch_is_told_from_its_summary_on() -> None:
    provider = Writer(reply="short")
    session = make_session(provider)
    for number in range(3):
        await session.prompt(f"question {number}")
    await session.branch(None, "elsewhere")
    session.tree.summarize(Message.user("They asked twice."), covers=4)
    await session.draft_merge(6)
    (record,) = provider.records
    assert "They asked twice." in record
    assert "question 2" in record
    assert "question 1" not in record
    await session.close()


async def test_a_summary_of_what_both_share_is_not_told() -> None:
    provider = Writer(reply="short")
    session = await two_branches(provider)
    session.tree.summarize(Message.user("They said shared things."), covers=2)
    await session.draft_merge(4)
    assert "shared things" not in provider.records[0]
    assert "there" in provider.records[0]
    await session.close()


async def test_the_model_that_writes_summaries_writes_the_note() -> None:
    writer, chat = ScriptedProvider(["a note"], name="writer"), ScriptedProvider("123", name="chat")
    registry = ProviderRegistry({"writer": lambda: writer, "chat": lambda: chat})
    setup = Setup(context=ContextPolicy(model="writer/small"))
    async with SessionManager(
        MemoryStore(), default_model="chat/large", setup=setup, registry=registry
    ) as manager:
        session = manager.create()
        await session.prompt("shared")
        await session.branch(None, "elsewhere")
        note = await session.draft_merge(2)
        assert (note.model, len(writer.requests), len(chat.requests)) == ("writer/small", 1, 2)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ("", OutputError),
        (["half", Stop("length")], OutputError),
        ([Fail(AuthError("no key"))], AuthError),
    ],
)
async def test_a_note_that_fails_changes_nothing(reply: Any, error: type[Exception]) -> None:
    session = await two_branches(Writer(reply="r", summary=reply))
    before = shape(session.tree)
    with pytest.raises(error):
        await session.draft_merge(4)
    assert shape(session.tree) == before
    await session.merge(MergeNote(node_id=4, text="in my own words"))
    told = session.tree[7]
    assert (told.usage, told.model) == (None, None)
    assert told.origin == Origin(node_id=4, how="merge")
    await session.close()


async def test_a_branch_is_not_told_of_itself() -> None:
    session = await two_branches(Writer(reply="r"))
    for node_id in (2, 5, 6):
        with pytest.raises(MisplacedError):
            await session.draft_merge(node_id)
        with pytest.raises(MisplacedError):
            session.merge(MergeNote(node_id=node_id, text="x"))
    with pytest.raises(NodeNotFoundError):
        await session.draft_merge(99)
    with pytest.raises(NodeNotFoundError):
        session.merge(MergeNote(node_id=99, text="x"))
    with pytest.raises(ValueError, match="words"):
        session.merge(MergeNote(node_id=4, text=" \n"))
    with pytest.raises(MisplacedError):  # a prompt cannot follow a prompt
        session.merge(MergeNote(node_id=4, text="x"), onto=5)
    assert len(session.tree) == 6
    await session.close()


async def test_a_branch_that_is_being_answered_is_not_told() -> None:
    session = await two_branches(ScriptedProvider(["1", "2", "3", ["half", Wait(60)]]))
    run = session.prompt("more")
    with pytest.raises(BusyError):
        session.merge(MergeNote(node_id=4, text="x"))
    await quiet(200)
    with pytest.raises(MisplacedError):  # its tip is a prompt by now
        session.merge(MergeNote(node_id=4, text="x"))
    run.cancel()
    await run.wait()
    await session.close()


async def test_another_branch_than_the_one_in_view_can_be_told() -> None:
    session = await two_branches(Writer(reply="r"))
    note = await session.draft_merge(6, onto=4)
    assert note.node_id == 6
    await session.merge(note, onto=4)
    assert texts(session.tree)[2:] == ["there", "r", note.text, "r"]
    await session.merge(MergeNote(node_id=4, text="a root"), onto=None)
    assert texts(session.tree) == ["a root", "r"]
    await session.close()


async def test_the_agent_at_the_tip_is_told_once() -> None:
    """The agent that waits there serves the note, and the next prompt is nobody's note."""
    session = await two_branches(Writer(reply="r"))
    await session.merge(MergeNote(node_id=4, text="told"))
    await session.prompt("and now")
    assert [session.tree[step].origin is not None for step in session.tree.path[4:]] == [
        *[True, False, False, False]
    ]
    await session.close()


async def test_a_note_is_kept_with_where_it_came_from(tmp_path: object) -> None:
    store = SQLiteStore(f"{tmp_path}/s.db")
    async with SessionManager(store, default_model=Writer(reply="r").model()) as manager:
        session = manager.create()
        await session.prompt("shared")
        await session.prompt("there")
        await session.branch(2, "in view")
        await session.merge(await session.draft_merge(4))
        await manager.close(session.id)
        again, _ = await manager.open(session.id)
        told = again.tree[7]
        assert told.origin == Origin(node_id=4, how="merge")
        assert told.usage is not None
