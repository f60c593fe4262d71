"""Summaries in a session: made beside the reply, read from the next turn, seen by one branch."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from agent_helpers import Recorder, payload_of
from context_helpers import sent
from hypothesis import given, settings
from hypothesis import strategies as st
from session_helpers import AT_ONCE, heard, make_session, quiet
from test_telemetry import listening

from omni_tui.agent.agent import Agent
from omni_tui.agent.summary import FIRST_LINE
from omni_tui.agent.truncation import MARK
from omni_tui.core.errors import (
    AgentError,
    AgentRunError,
    AuthError,
    ContextLengthError,
    OverloadedError,
)
from omni_tui.core.messages import Message
from omni_tui.core.usage import Usage
from omni_tui.llm.backends import LoopOwner
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Model, Request
from omni_tui.llm.providers.scripted import Call, Fail, Reply, ScriptedProvider, Wait
from omni_tui.llm.tokens import estimate_message
from omni_tui.session.context import ContextPolicy
from omni_tui.session.events import Compacted, CompactionFailed
from omni_tui.session.manager import SessionManager
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore
from omni_tui.session.store.sqlite import SQLiteStore

LONG = "x" * 1200
"""About 300 tokens."""


class Writer(ScriptedProvider):
    """Answers questions one way and sums up another, and keeps the two apart."""

    def __init__(self, *, reply: Reply = LONG, summary: Reply = "They talked.") -> None:
        super().__init__(self._choose)
        self.reply = reply
        self.summary = summary
        self.questions: list[Request] = []
        self.records: list[str] = []

    def _choose(self, request: Request) -> Reply:
        if "<record>" in request.messages[-1].text:
            self.records.append(request.messages[-1].text)
            return self.summary
        self.questions.append(request)
        return self.reply

    @property
    def last(self) -> list[str]:
        """What was read for the last answer, in words."""
        return [message.text for message in self.questions[-1].messages]


def session_of(provider: ScriptedProvider, threshold: int | None = 1500, **facts: Any) -> Session:
    policy = facts.pop("context", ContextPolicy(threshold=threshold))
    return make_session(provider, context=policy, **facts)


def summaries(session: Session) -> list[int]:
    return [node.id for node in session.tree.nodes.values() if node.kind == "summary"]


async def settled(session: Session) -> None:
    """Wait until no summary is being made."""
    while session.compactor.is_at_work:
        await asyncio.sleep(0)


async def talk_until_summed_up(session: Session) -> int:
    """Talk until there is a new summary; its id."""
    before = set(summaries(session))
    for number in range(20):
        await session.prompt(f"question {number} {LONG}")
        await settled(session)
        if new := set(summaries(session)) - before:
            return new.pop()
    raise AssertionError("nothing was summed up")


async def test_a_summary_is_made_past_the_threshold_beside_the_reply() -> None:
    gate = asyncio.Event()
    provider = Writer(summary=[Wait(until=gate), "They talked."])
    session = session_of(provider)
    for number in range(3):  # each turn is about 600 tokens
        await session.prompt(f"question {number} {LONG}")
        assert not session.compactor.is_at_work or number == 2
    assert session.compactor.is_at_work
    assert len(provider.questions) == 3  # nobody waited for it
    await session.prompt("not yet")
    assert FIRST_LINE not in provider.last[0]
    gate.set()
    await settled(session)
    await session.prompt("now")
    assert provider.last[0] == f"{FIRST_LINE}\n\nThey talked."
    await session.close()


async def test_the_turns_before_the_one_under_way_stay_as_they_were_said() -> None:
    provider = Writer(reply="short")
    session = session_of(provider, 1000)
    for number in range(30):
        await session.prompt(f"question {number} " + "y" * 120)
        await settled(session)
        if summaries(session):
            break
    (summary,) = summaries(session)
    tree = session.tree
    covers = tree[summary].parent_id
    assert covers is not None
    last_turn = tree.path[-2:]
    assert tree[covers].kind == "reply"
    assert tree.path[-6:] == (*range(covers + 1, covers + 5), *last_turn)
    assert f"question {number - 3}" in provider.records[0]
    assert f"question {number - 2}" not in provider.records[0]
    await session.prompt("next")
    assert len(provider.last) == 1 + 6 + 1
    await session.close()


async def test_nothing_is_summed_up_below_the_threshold_or_when_it_is_off() -> None:
    for policy in (ContextPolicy(), ContextPolicy(strategy="off", threshold=10)):
        provider = Writer()
        session = session_of(provider, context=policy)
        for _ in range(5):
            await session.prompt(LONG)
        await settled(session)
        assert (summaries(session), provider.records) == ([], [])
        assert len(provider.last) == 9
        await session.close()


async def test_only_branches_through_the_last_node_it_covers_read_a_summary() -> None:
    provider = Writer()
    session = session_of(provider)
    summary = await talk_until_summed_up(session)
    tip, covers = session.tree.head, session.tree[summary].parent_id
    assert covers is not None
    await session.branch(covers, "from the node that is covered last")
    assert provider.last[0].startswith(FIRST_LINE)
    assert len(provider.last) == 2
    await session.branch(2, "from above it")
    assert [text[:10] for text in provider.last] == ["question 0", LONG[:10], "from above"]
    await session.regenerate(1)
    assert len(provider.last) == 1
    await session.branch(None, "a new root")
    assert provider.last == ["a new root"]
    await session.prompt("on the old line", at=tip)
    assert provider.last[0].startswith(FIRST_LINE)
    await session.close()


async def test_a_summary_taken_back_is_not_read_until_it_is_restored() -> None:
    provider = Writer(reply="short")
    session = session_of(provider, 1200)
    summary = await talk_until_summed_up(session)
    before = len(session.tree.path)
    session.prune(summary)
    await session.prompt("whole")
    await settled(session)
    assert len(provider.last) == before + 1
    assert summaries(session) == [summary]  # what a person took back is not made again at once
    session.restore(summary)
    await session.prompt("short")
    assert provider.last[0].startswith(FIRST_LINE)
    await session.close()


async def test_when_the_window_is_nearly_full_it_is_made_again_all_the_same() -> None:
    provider = Writer()
    session = session_of(provider)
    summary = await talk_until_summed_up(session)
    session.prune(summary)
    await session.prompt("x" * 4 * 120_000)  # past nine tenths of what is taken for the window
    await settled(session)
    assert len(summaries(session)) == 2
    await session.close()


async def test_the_next_summary_is_made_from_the_last_one_and_what_came_since() -> None:
    provider = Writer()
    session = session_of(provider)
    first = await talk_until_summed_up(session)
    provider.summary = "They talked on."
    await talk_until_summed_up(session)
    start, _, rest = provider.records[1].partition("</earlier_summary>")
    assert "They talked." in start
    covered = session.tree.path.index(session.tree[first].parent_id or 0) // 2
    assert f"question {covered} " not in rest
    await session.prompt("Next")
    assert provider.last[0] == f"{FIRST_LINE}\n\nThey talked on."
    await session.close()


async def test_a_summary_counts_for_the_session_and_is_told_by_an_event() -> None:
    provider = Writer()
    session = session_of(provider)
    subscription = session.subscribe()
    summary = session.tree[await talk_until_summed_up(session)]
    assert summary.usage is not None
    assert summary.usage.read > 0
    assert summary.model == "scripted/script"
    steps = [node.usage for node in session.tree.nodes.values() if node.kind != "summary"]
    assert session.tree.usage() == sum(filter(None, steps), start=Usage()) + summary.usage
    events = await heard(session, subscription)
    (told,) = [payload_of(event) for event in events if event.type == "compacted"]
    covers = summary.parent_id
    assert covers is not None
    path = session.tree.path_to(covers)
    assert told == Compacted(
        node_id=summary.id,
        covers=covers,
        before_tokens=sum(estimate_message(session.tree[id].message) for id in path),
        after_tokens=estimate_message(summary.message),
    )
    assert [payload_of(e).new for e in events if e.type == "tree"].count((summary.id,)) == 1
    await session.close()


async def test_a_failure_keeps_the_talk_going_and_is_told_once() -> None:
    provider = Writer(reply="short", summary=[Fail(AuthError("refused"))])
    session = session_of(provider)
    subscription = session.subscribe()
    for number in range(20):
        text = f"question {number} {LONG if number < 6 else ''}"
        assert (await session.prompt(text)).message.text == "short"
        await settled(session)
    assert len(provider.last) == 39
    events = await heard(session, subscription)
    (told,) = [payload_of(event) for event in events if event.type == "compaction_failed"]
    assert isinstance(told, CompactionFailed)
    assert isinstance(told.error, AuthError)
    assert 1 <= len(provider.records) <= 3  # tried again as it grows, not with every turn
    provider.summary = "At last."
    await talk_until_summed_up(session)
    await session.close()


async def test_hooks_and_telemetry_hear_of_a_summary_when_it_is_first_read() -> None:
    removed: list[list[str]] = []

    class Watching(Agent):
        async def on_compaction(self, gone: tuple[Message, ...]) -> None:
            removed.append([message.text for message in gone])

    telemetry, told = listening("context")
    provider = Writer()
    session = session_of(provider, agent=Watching, telemetry=telemetry)
    summary = session.tree[await talk_until_summed_up(session)]
    assert (removed, told.names) == ([], [])
    covered = [session.tree[id].message.text for id in session.tree.path_to(summary.parent_id)]
    for _ in range(2):
        await session.prompt("next")
        await settled(session)
    assert removed[0] == covered
    assert told.names[0] == "context.compact"
    assert told.told[0][1]["removed"] == len(covered)
    assert len(removed) == len(told.names) == len(summaries(session))
    await session.close()


async def test_a_turn_reads_the_same_summary_to_its_end() -> None:
    gate, tool = asyncio.Event(), Recorder().tool()
    provider = Writer()
    session = session_of(provider, tools=(tool,))
    await session.prompt(f"question 0 {LONG}")
    await session.prompt(f"question 1 {LONG}")
    provider.reply = [Call("look"), Wait(until=gate)]
    run = session.prompt(f"question 2 {LONG}")
    while not summaries(session):
        await asyncio.sleep(0)
    provider.reply = "done"
    gate.set()
    await run
    assert provider.last[0].startswith("question 0")
    assert len(provider.last) == 7
    await session.prompt("Next")
    assert provider.last[0].startswith(FIRST_LINE)
    await session.close()


async def test_a_stored_summary_is_read_after_reloading(tmp_path: Path) -> None:
    provider = Writer()
    setup = Setup(retry=AT_ONCE, context=ContextPolicy(threshold=1500))
    facts: dict[str, Any] = {"default_model": provider.model(), "setup": setup}
    async with SessionManager(SQLiteStore(tmp_path / "s.db"), **facts) as manager:
        session = manager.create()
        summary = await talk_until_summed_up(session)
        id, kept, use = session.id, len(session.tree.path), session.context_use(session.tree.head)
    async with SessionManager(SQLiteStore(tmp_path / "s.db"), **facts) as manager:
        session, _ = await manager.open(id)
        assert summaries(session) == [summary]
        assert session.context_use(session.tree.head).used <= use.used * 1.1
        await session.prompt("Next")
        assert provider.last[0] == f"{FIRST_LINE}\n\nThey talked."
        assert len(provider.last) == 2 + kept - session.tree.depth(summary) + 1
        session.prune(summary)
    async with SessionManager(SQLiteStore(tmp_path / "s.db"), **facts) as manager:
        session, _ = await manager.open(id)
        await session.prompt("Whole again")
        assert provider.last[0].startswith("question 0")


async def test_a_session_that_closes_gives_up_the_summary_under_way() -> None:
    provider = Writer(summary=[Wait(until=asyncio.Event())])
    session = session_of(provider, store=MemoryStore())
    for number in range(4):
        await session.prompt(f"question {number} {LONG}")
    assert session.compactor.is_at_work
    await session.close()
    assert summaries(session) == []
    assert not session.compactor.is_at_work


async def test_a_halted_session_begins_no_summary() -> None:
    provider = Writer(reply=LONG)
    gate = asyncio.Event()
    session = session_of(provider)
    for number in range(2):
        await session.prompt(f"question {number} {LONG}")
    provider.reply = [Wait(until=gate), "done"]
    run = session.prompt(f"question 2 {LONG}")
    session.halt()
    gate.set()
    await run.wait()
    assert (provider.records, session.compactor.is_at_work) == ([], False)
    await session.close()


# A conversation that is too long


async def test_a_refused_conversation_is_summed_up_at_once_and_asked_again() -> None:
    refusals = [[Fail(ContextLengthError("too long"))]]

    def respond(request: Request) -> Reply:
        if "<record>" in request.messages[-1].text:
            return "They talked."
        return refusals.pop() if refusals and len(request.messages) > 6 else "fine"

    provider = ScriptedProvider(respond)
    session = make_session(provider)
    for number in range(3):
        await session.prompt(f"question {number} {LONG}")
    response = await session.prompt("Next")
    assert response.message.text == "fine"
    assert sent(provider) == [f"{FIRST_LINE}\n\nThey talked.", "Next"]
    (summary,) = summaries(session)
    assert session.tree[summary].parent_id == 6
    assert refusals == []
    await session.close()


async def test_where_no_summary_can_be_had_a_refused_conversation_is_halved() -> None:
    def respond(request: Request) -> Reply:
        if "<record>" in request.messages[-1].text:
            return [Fail(OverloadedError("busy"))]
        return "fine" if MARK in str(request.messages) else [Fail(ContextLengthError("too long"))]

    provider = ScriptedProvider(lambda _: "fine")
    session = make_session(provider)
    for number in range(12):
        await session.prompt(f"question {number} {LONG}")
    provider._respond = respond
    assert (await session.prompt("Next")).message.text == "fine"
    assert summaries(session) == []
    await session.close()


async def test_with_nothing_to_leave_out_the_refusal_stands() -> None:
    session = make_session([[Fail(ContextLengthError("too long"))], "never"])
    with pytest.raises(AgentRunError) as caught:
        await session.prompt("Hello")
    assert isinstance(caught.value.__cause__, ContextLengthError)
    await session.close()


async def test_the_truncating_strategy_leaves_out_and_asks_nobody() -> None:
    provider = Writer()
    session = session_of(provider, context=ContextPolicy(strategy="truncate", threshold=4000))
    for number in range(15):
        await session.prompt(f"question {number} {LONG}")
    assert MARK in provider.last
    assert provider.last[0].startswith("question 0")
    assert (provider.records, summaries(session)) == ([], [])
    assert all(LONG in session.tree[id].message.text for id in session.tree.path)
    await session.close()


# By hand


async def test_a_person_can_have_a_branch_summed_up_at_any_time() -> None:
    provider = Writer(reply="short")
    session = session_of(provider, None)
    for number in range(3):
        await session.prompt(f"question {number}")
    summary = await session.compact()
    assert (summary.kind, summary.parent_id) == ("summary", 4)  # all but the last turn
    assert [message.text for message in session.tree.messages(session.tree.head)][-1] == "short"
    await session.prompt("Next")
    assert [text[:10] for text in provider.last] == [FIRST_LINE[:10], "question 2", "short", "Next"]
    await session.close()


async def test_by_hand_a_node_says_up_to_where() -> None:
    provider = Writer(reply="short")
    session = session_of(provider, None)
    for number in range(3):
        await session.prompt(f"question {number}")
    assert (await session.compact(4)).parent_id == 4
    with pytest.raises(AgentError, match="nothing to sum up"):
        await session.compact(5)  # its turn ends with 6, and the one before is summed up
    newer = await session.compact(6)
    assert newer.parent_id == 6
    assert "question 0" not in provider.records[-1]
    with pytest.raises(AgentError, match="nothing to sum up"):
        await session.compact(newer.id)
    await session.close()


async def test_an_only_turn_can_be_summed_up_and_an_open_one_cannot() -> None:
    provider = Writer(reply="short")
    session = session_of(provider, None)
    with pytest.raises(AgentError, match="nothing to sum up"):
        await session.compact()
    provider.reply = [Wait(until=asyncio.Event())]
    run = session.prompt("One")
    await quiet()
    with pytest.raises(AgentError, match="nothing to sum up"):
        await session.compact()
    run.cancel()
    await run.wait()
    provider.reply = "short"
    await session.proceed(1)
    assert (await session.compact()).parent_id == 2
    await session.close()


async def test_a_failure_by_hand_is_raised_and_changes_nothing() -> None:
    session = session_of(Writer(reply="short", summary=""), None)
    await session.prompt("One")
    with pytest.raises(Exception, match="no summary"):
        await session.compact()
    assert summaries(session) == []
    await session.close()


async def test_an_agent_with_a_loop_of_its_own_keeps_its_own_account() -> None:
    session = session_of(Writer(reply="short"), None)
    await session.prompt("One")
    session.set_model(Model(LoopOwner("claude-cli"), "default"))
    with pytest.raises(AgentError, match="keeps its own account"):
        await session.compact()
    await session.close()


async def test_asking_twice_at_once_makes_one_summary() -> None:
    provider = Writer(reply="short")
    session = session_of(provider, None)
    await session.prompt("One")
    one, two = await asyncio.gather(session.compact(), session.compact())
    assert one is two
    assert len(provider.records) == 1
    await session.close()


async def test_another_model_writes_the_summaries_where_one_is_named(tmp_path: Path) -> None:
    writer, chat = Writer(), Writer(reply="short")
    registry = ProviderRegistry({"writer": lambda: writer, "chat": lambda: chat})
    setup = Setup(retry=AT_ONCE, context=ContextPolicy(model="writer/small"))
    async with SessionManager(
        MemoryStore(), default_model="chat/large", setup=setup, registry=registry
    ) as manager:
        session = manager.create()
        await session.prompt("One")
        summary = await session.compact()
    assert (len(writer.records), len(chat.records)) == (1, 0)
    assert summary.model == "scripted/small"


# Whatever is done


VERBS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "long", "branch", "compact", "undo", "redo"]), st.integers(0, 30)
    ),
    max_size=14,
)


async def ask_and_compare(session: Session, provider: Writer, at: int | None, text: str) -> None:
    """Ask, and see that just the newest summary of that very path and the rest were read."""
    tree = session.tree
    summary = tree.summary_for(at)
    messages = [message.text for message in tree.messages(at)]
    if summary is not None:
        assert summary.parent_id in tree.path_to(at)
        assert not summary.is_pruned
        messages[: tree.depth(summary.id) - 1] = [summary.message.text]
    await session.prompt(text, at=at)
    assert provider.last == [*messages, text]


async def change(session: Session, verb: str, number: int) -> None:
    """Make a summary, or take one back or into use again."""
    made = summaries(session)
    replies = [node.id for node in session.tree.nodes.values() if node.kind == "reply"]
    if verb == "compact" and replies:
        with suppress(AgentError):
            await session.compact(replies[number % len(replies)])
    elif verb != "compact" and made:
        (session.prune if verb == "undo" else session.restore)(made[number % len(made)])


@settings(max_examples=60)
@given(VERBS)
async def test_every_branch_reads_its_newest_summary_and_what_came_after_it(
    verbs: list[tuple[str, int]],
) -> None:
    provider = Writer(reply="short")
    session = session_of(provider, 700)
    for verb, number in verbs:
        places = [None, *(n.id for n in session.tree.nodes.values() if n.kind == "reply")]
        if verb == "branch":
            await ask_and_compare(session, provider, places[number % len(places)], "branch")
        elif verb in ("ask", "long"):
            text = "short" if verb == "ask" else LONG
            await ask_and_compare(session, provider, session.tree.head, text)
        else:
            await change(session, verb, number)
        await settled(session)
    await session.close()
