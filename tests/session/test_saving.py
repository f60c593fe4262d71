"""What is told to be saved is saved; a slow store delays little, and a broken one stops nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from agent_helpers import Recorder, label, other_tasks, results_in, until
from session_helpers import (
    FailingStore,
    HeldStore,
    flush,
    heard,
    make_session,
    quiet,
    shape,
    texts,
    without_deltas,
)

from omni_tui.agent.events import Event
from omni_tui.agent.subscription import Subscription
from omni_tui.core.errors import SessionLockedError, StoreUnavailableError
from omni_tui.llm.providers.scripted import Call, ScriptedProvider, Wait
from omni_tui.session import saving
from omni_tui.session.events import Saved, SaveFailed, TreeChanged
from omni_tui.session.session import Session
from omni_tui.session.store import SQLiteStore
from omni_tui.session.store.memory import MemoryStore
from omni_tui.session.tree import Changes


async def stored_shape(session: Session, store: MemoryStore) -> dict[str, object]:
    return shape((await store.load(session.id)).tree)


def kinds(events: list[Event]) -> list[str]:
    return [event.type for event in events if event.type in ("saved", "save_failed")]


async def waiting_now(subscription: Subscription) -> list[Event]:
    """What was told so far, without waiting for the store."""
    subscription.put(Event(payload=None, seq=0))
    return (await subscription.batch())[:-1]


# Before what must not be lost


async def test_nothing_is_asked_before_the_prompt_is_durable() -> None:
    store = HeldStore()
    provider = ScriptedProvider(["Hello."])
    session = make_session(provider, store=store)
    subscription = session.subscribe()
    run = session.prompt("Hi")
    await quiet()
    assert texts(session.tree) == ["Hi"]  # already to be seen
    assert provider.requests == []
    await store.let_go()  # the row
    await quiet()
    assert provider.requests == []
    await store.let_go()  # the node
    await quiet()
    assert len(provider.requests) == 1
    names = [label(event) for event in await waiting_now(subscription)]
    assert names.index("saved") < names.index("text_start")
    store.let_all_go()
    await run
    await session.close()


async def test_no_tool_runs_before_its_call_is_durable() -> None:
    store, recorder = HeldStore(free=2), Recorder()  # the row and the prompt
    session = make_session([[Call("look")], "Done."], store=store, tools=(recorder.tool(),))
    run = session.prompt("Go")
    await until(run, "step")
    await quiet()
    assert recorder.ran == []
    store.let_all_go()
    assert (await run).text == "Done."
    assert recorder.names == ["look"]
    await session.close()


async def test_a_slow_store_delays_nothing_else() -> None:
    store = HeldStore(holds=False)
    session = make_session([[Call("look")], "Done."], store=store, tools=(Recorder().tool(),))
    run = session.prompt("Go")
    await until(run, "tool_finished")
    store.holds = True  # from here on nothing is written any more
    assert (await run).text == "Done."
    assert session.tree.head == 4
    store.let_all_go()
    await session.close()
    assert await stored_shape(session, store) == shape(session.tree)


async def test_other_branches_go_on_while_one_waits_for_the_disk() -> None:
    store = HeldStore(holds=False)
    go = asyncio.Event()
    session = make_session([["one ", Wait(until=go), "more"], "two"], store=store)
    first = session.prompt("A")
    await until(first, "text_end")
    store.holds = True
    second = session.branch(None, "B")
    await quiet()
    go.set()
    assert (await first).text == "one \n\nmore"
    assert not second.is_done
    store.let_all_go()
    assert (await second).text == "two"
    await session.close()


# What saved means


async def test_saved_is_told_only_when_all_that_was_told_of_is_durable() -> None:
    class Witness(HeldStore):
        """Notes which nodes are durable."""

        def __init__(self) -> None:
            super().__init__()
            self.durable: set[int] = set()

        async def save_tree(self, id: str, changes: Changes) -> None:
            await super().save_tree(id, changes)
            self.durable.update(node.id for node in changes.nodes)

    store = Witness()
    session = make_session(
        [[Call("look")], "one", "two", "three"], store=store, tools=(Recorder().tool(),)
    )
    subscription = session.subscribe()
    told: set[int] = set()
    checked = 0

    async def watch() -> None:
        nonlocal checked
        async for event in subscription:
            match event.payload:
                case TreeChanged(new=new):
                    told.update(new)
                case Saved():
                    assert told <= store.durable
                    checked += 1

    watching = asyncio.create_task(watch())

    async def talk() -> None:
        await session.prompt("Go")
        runs = session.prompt("A"), session.branch(None, "B")
        await asyncio.gather(*(run.wait() for run in runs))

    talking = asyncio.create_task(talk())
    while not talking.done():
        await quiet(3)
        if store.waiting:
            await store.let_go()
    await talking
    store.let_all_go()
    await session.close()
    await watching
    assert checked >= 2
    assert told == set(session.tree.nodes)


async def test_a_change_during_a_write_puts_saved_off_to_the_next() -> None:
    store = HeldStore(holds=False)
    session = make_session(["one"], store=store)
    await session.prompt("Hi")
    subscription = session.subscribe()
    await heard(session, subscription)
    store.holds = True
    session.navigate(None)
    await quiet()
    session.navigate(2)  # told while the first is on its way
    await store.let_go()
    await quiet()
    assert kinds(await waiting_now(subscription)) == []
    store.let_all_go()
    assert kinds(await heard(session, subscription)) == ["saved"]
    await session.close()


async def test_changes_during_a_write_go_out_together() -> None:
    store = HeldStore(holds=False)
    session = make_session(["one"], store=store)
    await session.prompt("Hi")
    assert await flush(session) is None
    store.writes.clear()
    store.holds = True
    for number in range(20):
        session.set_draft(f"draft {number}", number)
        await quiet()
    assert store.writes == ["state"]  # the first; nineteen wait for it
    store.let_all_go()
    assert await flush(session) is None
    assert store.writes == ["state", "state"]
    assert len((await store.load(session.id)).record.drafts) == 20
    await session.close()


async def test_navigating_writes_no_messages() -> None:
    class Counting(MemoryStore):
        nodes = 0

        async def save_tree(self, id: str, changes: Changes) -> None:
            self.nodes += len(changes.nodes)
            await super().save_tree(id, changes)

    store = Counting()
    session = make_session(["one", "two"], store=store)
    await session.prompt("A")
    await session.branch(None, "B")
    assert await flush(session) is None
    assert store.nodes == 4
    session.navigate(1)
    assert await flush(session) is None
    assert store.nodes == 4
    assert (await store.load(session.id)).tree.head == 2
    await session.close()


# The first message makes the row


async def test_there_is_no_row_before_the_first_message() -> None:
    store = HeldStore(holds=False)
    session = make_session(["one"], store=store)
    session.rename("Mine")
    session.set_draft("words", None)
    session.navigate(None)
    assert await flush(session) is None
    assert store.writes == []
    assert not await store.exists(session.id)
    await session.prompt("Hi")
    assert store.writes[:2] == ["create", "tree"]
    record = (await store.load(session.id)).record
    assert (record.title, record.title_is_manual, record.drafts) == ("Mine", True, {"0": "words"})
    await session.close()


async def test_what_changes_while_the_row_is_made_is_not_lost() -> None:
    store = HeldStore()
    session = make_session(["one"], store=store)
    run = session.prompt("Hi")
    await quiet()
    assert store.writes == ["create"]
    session.rename("Mine")
    session.set_draft("words", 1)
    store.let_all_go()
    await run
    await session.close()
    record = (await store.load(session.id)).record
    assert (record.title, record.drafts) == ("Mine", {"1": "words"})


# A store that refuses


async def test_a_broken_store_says_so_and_the_conversation_goes_on() -> None:
    store = FailingStore()
    session = make_session(["one", [Call("look")], "two"], store=store, tools=(Recorder().tool(),))
    subscription = session.subscribe()
    assert (await session.prompt("A")).text == "one"
    assert (await session.prompt("B")).text == "two"
    events = await heard(session, subscription)
    failures = [event.payload for event in events if isinstance(event.payload, SaveFailed)]
    assert failures
    assert failures[0].error is store.broken
    assert "saved" not in without_deltas(events)
    assert await flush(session) is store.broken

    store.broken = None
    session.navigate(2)  # the next change takes all with it
    assert kinds(await heard(session, subscription))[-1] == "saved"
    assert await stored_shape(session, store) == shape(session.tree)
    assert (await store.load(session.id)).record.title == "A"
    await session.close()


async def test_a_refused_write_is_tried_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "RETRY_AFTER", 0.0)
    store = FailingStore()
    session = make_session(["one"], store=store)
    subscription = session.subscribe()
    await session.prompt("A")
    while store.refused < 5:
        await until(subscription, "save_failed")
    store.broken = None
    await until(subscription, "saved")
    assert await stored_shape(session, store) == shape(session.tree)
    await session.close()


async def test_a_store_that_breaks_later_loses_nothing_that_came_meanwhile() -> None:
    store = FailingStore()
    store.broken = None
    session = make_session(["one", "two"], store=store)
    await session.prompt("A")
    assert await flush(session) is None
    store.broken = OSError("unplugged")
    await session.prompt("B")
    session.rename("Mine")
    session.set_draft("words", 4)
    error = await flush(session)
    assert isinstance(error, StoreUnavailableError)
    assert "unplugged" in error.message
    store.broken = None
    await session.close()
    assert await stored_shape(session, store) == shape(session.tree)
    record = (await store.load(session.id)).record
    assert (record.title, record.drafts) == ("Mine", {"4": "words"})


async def test_a_closed_session_stops_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "RETRY_AFTER", 0.0)
    before = other_tasks()
    store = FailingStore()
    session = make_session(["one"], store=store)
    await session.prompt("A")
    await session.close()
    refused = store.refused
    session.rename("late")
    await quiet()  # a timer that was left behind would go off in this
    assert store.refused <= refused + 1
    assert other_tasks() == before


async def test_a_lease_that_is_refused_is_asked_for_again() -> None:
    class Locked(MemoryStore):
        asked = 0
        locked = True

        async def lease(self, id: str, *, take_over: bool = False) -> None:
            self.asked += 1
            if self.locked:
                raise SessionLockedError("locked")

    store = Locked()
    session = make_session(["one"], store=store)
    await session.prompt("A")
    assert isinstance(await flush(session), SessionLockedError)
    store.locked = False
    asked = store.asked
    await session.close()
    assert store.asked == asked + 1
    assert await stored_shape(session, store) == shape(session.tree)


async def test_a_cancelled_run_does_not_cancel_the_write_it_waits_for() -> None:
    store = HeldStore()
    session = make_session(["never"], store=store)
    run = session.prompt("Precious")
    await quiet()
    run.cancel()
    await run.wait()
    store.let_all_go()
    await session.close()
    assert texts((await store.load(session.id)).tree) == ["Precious"]


async def test_a_call_cancelled_while_it_is_saved_is_answered() -> None:
    store, recorder = HeldStore(free=2), Recorder()  # the row and the prompt
    session = make_session([[Call("look")]], store=store, tools=(recorder.tool(),))
    run = session.prompt("Go")
    await until(run, "step")
    await quiet()
    run.cancel()
    await run.wait()
    assert "Cancelled" in results_in(session.tree[3].message)["call_1"]
    assert recorder.ran == []
    store.let_all_go()
    await session.close()
    assert (await store.load(session.id)).tree.dangling(3) == ()


@pytest.mark.parametrize(
    "text",
    ["\ud800 lone", "nul \0 here", "\uffff", "x" * 3_000_000, ""],
    ids=["lone half", "nul", "no character", "3 MB", "empty"],
)
async def test_any_text_can_be_saved_as_prompt_title_and_draft(tmp_path: Path, text: str) -> None:
    async with SQLiteStore(tmp_path / "sessions.db") as store:
        session = make_session([text or "empty"], store=store)
        await session.prompt(text)
        session.set_draft(text, 2)
        session.rename(text)
        assert await flush(session) is None
        await session.close()
        stored = await store.load(session.id)
        expected = text.replace("\ud800", "\N{REPLACEMENT CHARACTER}")
        assert stored.tree[1].message.text == expected
        assert stored.record.drafts.get("2", "") == expected


async def test_without_a_store_nothing_is_saved_and_nothing_waits() -> None:
    session = make_session(["one"])
    subscription = session.subscribe()
    await session.prompt("Hi")
    session.rename("Mine")
    names = without_deltas(await heard(session, subscription))
    assert "saved" not in names
    assert names[-2:] == ["title", "title"]
    await session.close()
