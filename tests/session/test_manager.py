"""Many sessions over one store: made, opened, left, renamed and removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
from agent_helpers import Recorder, other_tasks, until, until_paused
from session_helpers import AT_ONCE, HeldStore, path_of, quiet, shape, texts

from omni_tui.agent.decisions import Execute
from omni_tui.core.errors import AgentError, ConfigError, NotFoundError
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.scripted import Call, Reply, ScriptedProvider, Wait
from omni_tui.session.manager import SessionManager
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store import SQLiteStore
from omni_tui.session.store.base import SessionRecord, Store, StoredSession
from omni_tui.session.store.memory import MemoryStore
from omni_tui.tools.permissions import Permissions


def echo(request: Request) -> Reply:
    return f"{request.model}: {request.messages[-1].text}"


def make_manager(
    store: Store | None = None,
    replies: Iterable[Reply] | ScriptedProvider | None = None,
    **setup: Any,
) -> SessionManager:
    """A manager whose provider `scripted` plays the replies, or says model and prompt."""
    provider = (
        replies if isinstance(replies, ScriptedProvider) else ScriptedProvider(replies or echo)
    )
    return SessionManager(
        store or MemoryStore(),
        default_model="scripted/default",
        setup=Setup(retry=AT_ONCE, **setup),
        registry=ProviderRegistry({"scripted": lambda: provider}),
        idle_shutdown_after=0.0,
    )


@pytest.fixture
async def manager() -> AsyncIterator[SessionManager]:
    async with make_manager() as made:
        yield made


async def reopened(manager: SessionManager, session: Session, **how: Any) -> Session:
    await manager.close(session.id)
    again, _ = await manager.open(session.id, **how)
    assert again is not session
    return again


# Made and opened


async def test_a_new_session_leaves_nothing_before_its_first_message(
    manager: SessionManager,
) -> None:
    session = manager.create()
    session.rename("Mine")
    session.set_draft("words", None)
    session.navigate(None)
    assert manager.list_open() == [session]
    await manager.close(session.id)
    assert await manager.list_stored() == []
    assert not await manager.store.exists(session.id)
    assert manager.list_open() == []


async def test_what_was_said_is_there_again(manager: SessionManager) -> None:
    session = manager.create(system="Be brief.")
    await session.prompt("A")
    await session.prompt("B")
    await session.branch(None, "C")
    session.navigate(2)
    before = shape(session.tree)
    again = await reopened(manager, session)
    assert shape(again.tree) == before
    assert again.record.system == "Be brief."
    assert (await again.prompt("D")).text == "default: D"
    assert path_of(again) == (1, 2, 3, 4, 7, 8)


async def test_an_open_session_is_not_opened_twice(manager: SessionManager) -> None:
    session = manager.create()
    assert await manager.open(session.id) == (session, None)
    await session.prompt("A")
    await manager.close(session.id)
    (first, _), (second, _) = await asyncio.gather(
        manager.open(session.id), manager.open(session.id)
    )
    assert first is second
    assert manager.list_open() == [first]


async def test_an_unknown_session_is_not_found(manager: SessionManager) -> None:
    with pytest.raises(NotFoundError):
        await manager.open("nothing")
    with pytest.raises(NotFoundError):
        await manager.delete("nothing")
    with pytest.raises(NotFoundError):
        await manager.rename("nothing", "x")
    await manager.close("nothing")
    manager.leave("nothing")
    manager.keep("nothing")


async def test_a_session_that_cannot_be_read_is_given_back(tmp_path: Path) -> None:
    class Unreadable(SQLiteStore):
        broken = True

        async def load(self, id: str, *, window: int | None = None) -> StoredSession:
            if self.broken:
                raise ConfigError("torn page")
            return await super().load(id)

    store = Unreadable(tmp_path / "sessions.db")
    async with SQLiteStore(store.path) as other, make_manager(store) as manager:
        await other.create(SessionRecord(id="s"))
        with pytest.raises(ConfigError):
            await manager.open("s")
        store.broken = False
        session, _ = await manager.open("s")
        assert manager.list_open() == [session]


# Models


async def test_the_stored_model_goes_before_the_default(manager: SessionManager) -> None:
    session = manager.create(model="scripted/special")
    await session.prompt("A")
    await manager.close(session.id)
    again, notice = await manager.open(session.id)
    assert (str(again.model), notice) == ("scripted/special", None)
    assert (await again.prompt("B")).text == "special: B"
    assert again.tree[4].model == "scripted/special"


async def test_a_model_asked_for_goes_before_the_stored_one_and_is_kept(
    manager: SessionManager,
) -> None:
    session = manager.create(model="scripted/special")
    await session.prompt("A")
    again = await reopened(manager, session, model="scripted/other")
    assert (await again.prompt("B")).text == "other: B"
    third = await reopened(manager, again)
    assert str(third.model) == "scripted/other"


async def test_asking_for_a_model_reaches_an_open_session_too(manager: SessionManager) -> None:
    session = manager.create()
    await manager.open(session.id, model="scripted/other")
    assert (await session.prompt("A")).text == "other: A"


async def test_a_model_that_is_gone_gives_way_with_a_notice() -> None:
    store = MemoryStore()
    async with make_manager(store) as manager:
        session = manager.create(model="gone/model")
        session.tree.push((await manager.create().prompt("A")).message)
        session.tree_changed()
        await manager.close(session.id)
        again, notice = await manager.open(session.id)
        assert again.model == "scripted/default"
        assert notice is not None
        assert "gone" in notice
        assert "scripted/default" in notice
        assert again.record.model == "gone/model"  # it may come back


async def test_a_changed_model_is_kept(manager: SessionManager) -> None:
    session = manager.create()
    await session.prompt("A")
    session.set_model("scripted/other")
    assert (await session.prompt("B")).text == "other: B"
    again = await reopened(manager, session)
    assert str(again.model) == "scripted/other"


async def test_a_default_given_as_an_object_is_found_again() -> None:
    provider = ScriptedProvider(echo, name="unlisted")
    async with SessionManager(MemoryStore(), default_model=provider.model("m")) as manager:
        session = manager.create()
        await session.prompt("A")
        again = await reopened(manager, session)
        assert (await again.prompt("B")).text == "m: B"


# What else is kept


async def test_drafts_are_kept_by_place(manager: SessionManager) -> None:
    session = manager.create()
    await session.prompt("A")
    session.set_draft("under the reply", 2)
    session.set_draft("a new beginning", None)
    session.set_draft("gone", 1)
    session.set_draft("", 1)
    again = await reopened(manager, session)
    assert again.draft(2) == "under the reply"
    assert again.draft(None) == "a new beginning"
    assert again.draft(1) == again.draft(99) == ""


async def test_what_a_person_allowed_holds_for_this_session_and_after_it_is_reopened(
    tmp_path: Path,
) -> None:
    recorder = Recorder()
    permissions = Permissions(tmp_path)
    write = {"path": "a.txt", "content": ""}

    def answer(request: Request) -> Reply:
        is_answered = bool(request.messages[-1].tool_results)
        return "done" if is_answered else [Call("write_file", write)]

    manager = make_manager(
        replies=ScriptedProvider(answer),
        tools=(recorder.tool("write_file"),),
        permissions=permissions,
        cwd=tmp_path,
    )
    async with manager:
        session = manager.create()
        run = session.prompt("Write")
        pause = await until_paused(run)
        session.allow(pause.details["always_rule"])
        session.resume(Execute(by="you"))
        await run
        await session.prompt("Write again")  # asks no more
        again = await reopened(manager, session)
        await again.prompt("And again")
        assert len(recorder.ran) == 3
        assert again.record.approvals == (pause.details["always_rule"],)

        other = manager.create()  # what was allowed there is not allowed here
        await until_paused(other.prompt("Write"))
        assert permissions.rules == ()


async def test_a_stored_approval_that_cannot_be_read_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    await store.create(SessionRecord(id="s", approvals=("no rule at (", "bash(ls)")))
    async with make_manager(store, permissions=Permissions(tmp_path)) as manager:
        session, _ = await manager.open("s")
        assert session.permissions is not None
        assert [str(rule) for rule in session.permissions.rules] == ["bash(ls)"]
    assert "stored approval" in caplog.text


# Left and closed


async def test_leaving_an_idle_session_closes_it(manager: SessionManager) -> None:
    session = manager.create()
    await session.prompt("A")
    manager.leave(session.id)
    await quiet()
    assert manager.list_open() == []
    with pytest.raises(AgentError, match="closed"):
        session.prompt("B")


async def test_leaving_a_busy_session_lets_it_finish() -> None:
    go = asyncio.Event()
    async with make_manager(replies=[["one ", Wait(until=go), "two"]]) as manager:
        session = manager.create()
        run = session.prompt("A")
        await until(run, "text_end")
        manager.leave(session.id)
        manager.leave(session.id)
        await quiet()
        assert manager.list_open() == [session]
        go.set()
        await run
        await quiet()
        assert manager.list_open() == []
        again, _ = await manager.open(session.id)
        assert texts(again.tree) == ["A", "one \n\ntwo"]
        assert again.title == "A"


async def test_coming_back_keeps_a_session_open() -> None:
    go = asyncio.Event()
    async with make_manager(replies=[[Wait(until=go), "one"], "two"]) as manager:
        session = manager.create()
        run = session.prompt("A")
        manager.leave(session.id)
        await quiet()
        manager.keep(session.id)
        go.set()
        await run
        await quiet()
        assert manager.list_open() == [session]
        assert (await session.prompt("B")).text == "two"


async def test_opening_a_session_that_was_left_keeps_it_open() -> None:
    go = asyncio.Event()
    async with make_manager(replies=[[Wait(until=go), "one"]]) as manager:
        session = manager.create()
        run = session.prompt("A")
        manager.leave(session.id)
        assert (await manager.open(session.id))[0] is session
        go.set()
        await run
        await quiet()
        assert manager.list_open() == [session]


async def test_a_session_being_put_away_is_opened_only_when_all_of_it_is_written() -> None:
    store = HeldStore(holds=False)
    async with make_manager(store) as manager:
        session = manager.create()
        await session.prompt("A")
        assert session.saver is not None
        await session.saver.flush()
        store.holds = True
        session.set_draft("words", 2)
        manager.leave(session.id)
        await quiet()
        opening = asyncio.create_task(manager.open(session.id))
        await quiet()
        manager.keep(session.id)
        assert not opening.done()
        store.let_all_go()
        again, _ = await opening
        assert again is not session
        assert again.draft(2) == "words"
        assert manager.list_open() == [again]


async def test_closing_a_running_session_keeps_what_it_said() -> None:
    async with make_manager(replies=[["one ", Wait(until=asyncio.Event())]]) as manager:
        session = manager.create()
        run = session.prompt("A")
        await until(run, "text_end")
        await manager.close(session.id)
        assert run.outcome == "cancelled"
        again, _ = await manager.open(session.id)
        assert texts(again.tree) == ["A", "one "]


async def test_whoever_gives_up_waiting_does_not_leave_a_session_half_closed() -> None:
    store = HeldStore(holds=False)
    async with make_manager(store) as manager:
        session = manager.create()
        await session.prompt("A")
        assert session.saver is not None
        await session.saver.flush()
        store.holds = True
        session.set_draft("words", 2)
        closing = asyncio.create_task(manager.close(session.id))
        await quiet()
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        store.let_all_go()
        again, _ = await manager.open(session.id)
        assert again.draft(2) == "words"


async def test_shutting_down_stops_all_and_writes_all(tmp_path: Path) -> None:
    before = other_tasks()
    path = tmp_path / "sessions.db"
    never = asyncio.Event()

    def answer(request: Request) -> Reply:
        return ["begun ", Wait(until=never)]

    async with make_manager(SQLiteStore(path), ScriptedProvider(answer)) as manager:
        sessions = [manager.create() for _ in range(3)]
        runs = [session.prompt("A") for session in sessions]
        for run in runs:
            await until(run, "text_end")
        manager.leave(sessions[0].id)
        manager.create()
    assert [run.outcome for run in runs] == ["cancelled"] * 3
    assert other_tasks() == before
    async with make_manager(SQLiteStore(path)) as manager:
        assert len(await manager.list_stored()) == 3
        for session in sessions:
            again, _ = await manager.open(session.id)
            assert texts(again.tree) == ["A", "begun "]


# Renamed, removed, listed


async def test_renaming_reaches_running_and_stored_sessions(manager: SessionManager) -> None:
    session = manager.create()
    await session.prompt("A")
    await manager.rename(session.id, "Running")
    assert session.title == "Running"
    await manager.close(session.id)
    assert [each.title for each in await manager.list_stored()] == ["Running"]
    await manager.rename(session.id, "Stored")
    again, _ = await manager.open(session.id)
    assert (again.title, again.record.title_is_manual) == ("Stored", True)
    await manager.close(session.id)
    await manager.rename(session.id, None)
    record = (await manager.store.load(session.id)).record
    assert (record.title, record.title_is_manual) == (None, False)


async def test_a_running_session_can_be_deleted() -> None:
    async with make_manager(replies=[["one ", Wait(until=asyncio.Event())]]) as manager:
        session = manager.create()
        run = session.prompt("A")
        await until(run, "text_end")
        await manager.delete(session.id)
        assert run.is_done
        assert manager.list_open() == []
        assert await manager.list_stored() == []


async def test_stored_and_empty_sessions_can_be_deleted(manager: SessionManager) -> None:
    session = manager.create()
    await session.prompt("A")
    await manager.close(session.id)
    await manager.delete(session.id)
    assert await manager.list_stored() == []
    empty = manager.create()
    await manager.delete(empty.id)
    assert manager.list_open() == []


async def test_stored_sessions_are_listed_newest_first(manager: SessionManager) -> None:
    for name in ("A", "B", "C"):
        session = manager.create()
        await session.prompt(name)
        await manager.close(session.id)
    listed = await manager.list_stored(limit=2)
    assert len(listed) == 2
    rest = await manager.list_stored(limit=2, before=listed[-1])
    assert sorted(each.title or "" for each in [*listed, *rest]) == ["A", "B", "C"]


async def test_two_sessions_stream_side_by_side() -> None:
    gates = {"A": asyncio.Event(), "B": asyncio.Event()}

    def answer(request: Request) -> Reply:
        asked = request.messages[-1].text
        return [f"{asked}1 ", Wait(until=gates[asked]), f"{asked}2"]

    async with make_manager(replies=ScriptedProvider(answer)) as manager:
        first, second = manager.create(), manager.create()
        runs = first.prompt("A"), second.prompt("B")
        for run in runs:
            await until(run, "text_end")
        gates["B"].set()
        assert (await runs[1]).text == "B1 \n\nB2"
        assert first.is_busy
        gates["A"].set()
        assert (await runs[0]).text == "A1 \n\nA2"
        assert (texts(first.tree)[0], texts(second.tree)[0]) == ("A", "B")


async def test_what_was_just_said_is_found_in_open_and_closed_sessions(
    tmp_path: Path,
) -> None:
    async with make_manager(SQLiteStore(tmp_path / "s.db")) as manager:
        first = manager.create()
        await first.prompt("Where is Fuji?")
        await manager.close(first.id)
        second = manager.create()
        await second.prompt("Climb Fuji")
        second.rename("Climbing")
        found = await manager.search("fuji")
        assert {(hit.session_id, hit.role) for hit in found if hit.role} == {
            (first.id, "user"),
            (first.id, "assistant"),
            (second.id, "user"),
            (second.id, "assistant"),
        }
        assert (await manager.search("climbing"))[0].title == "Climbing"
        (one,) = await manager.search("fuji", limit=1, offset=1, session_id=second.id)
        assert one.session_id == second.id


def test_what_is_no_store_is_refused_at_once_and_told_what_it_lacks() -> None:
    class Shelf:
        async def create(self, record: SessionRecord) -> None: ...

    with pytest.raises(TypeError, match=r"Shelf is no Store: .*it has no save_tree"):
        SessionManager(Shelf())  # type: ignore[arg-type]
