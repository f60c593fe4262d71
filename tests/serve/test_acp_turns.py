"""Prompts of an editor: what it is told of the answer, how it ends, and how it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from acp import schema
from acp_editor import Editor, choose, kinds, refusal, served
from agent_helpers import Gate

from omni_tui.core.errors import OverloadedError
from omni_tui.core.stream import StopReason
from omni_tui.llm.model_info import ModelInfo
from omni_tui.llm.providers.scripted import Call, Fail, Reply, Say, Stop, Think, Wait
from omni_tui.session.store.memory import MemoryStore


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


async def test_an_answer_comes_as_it_is_written_and_is_kept(tmp_path: Path) -> None:
    editor, store = Editor(), MemoryStore()
    reply: Reply = [Think("Let me see."), Say("Mount Fuji, "), Say("or another.")]
    async with served([reply], editor, store=store) as place:
        session = await place.begin(tmp_path)
        answer = await place.say(session, "Name a mountain.")
    assert answer.stop_reason == "end_turn"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0
    assert editor.text("agent_thought_chunk") == "Let me see."
    assert editor.text() == "Mount Fuji, \n\nor another."
    assert kinds(editor.updates) == [
        "agent_thought_chunk",
        "agent_message_chunk",
        "session_info_update",
    ]
    assert editor.of("session_info_update")[0].title == "Name a mountain."
    stored = await store.load(session)
    assert (stored.record.cwd, len(stored.tree)) == (str(tmp_path), 2)
    assert stored.record.system == f"Work in {tmp_path}."


@pytest.mark.parametrize(
    ("reason", "told"),
    [("stop", "end_turn"), ("length", "max_tokens"), ("refusal", "refusal")],
)
async def test_why_the_model_stopped_is_told(
    tmp_path: Path, reason: StopReason, told: schema.StopReason
) -> None:
    async with served([[Say("Well"), Stop(reason)]], Editor()) as place:
        session = await place.begin(tmp_path)
        assert (await place.say(session, "hi")).stop_reason == told


async def test_the_limit_of_steps_ends_a_turn(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    replies: list[Reply] = [[Call("read_file", {"path": "a"})] for _ in range(3)]
    editor = Editor()
    async with served(replies, editor, max_steps=2) as place:
        session = await place.begin(tmp_path)
        assert (await place.say(session, "read")).stop_reason == "max_turn_requests"
    ids = [update.tool_call_id for update in editor.of("tool_call")]
    assert len(set(ids)) == 2
    assert [editor.call(id)["statuses"][-1] for id in ids] == ["completed", "failed"]


async def test_a_failure_is_an_error_with_a_hint_and_the_session_goes_on(tmp_path: Path) -> None:
    error = OverloadedError("The model is overloaded.", hint="try again later")
    editor = Editor()
    async with served([[Say("I "), Fail(error)], "Fine."], editor, max_steps=3) as place:
        session = await place.begin(tmp_path)
        refused = await refusal(place.say(session, "hi"))
        assert (refused.code, str(refused)) == (
            -32603,
            "The model is overloaded. (try again later)",
        )
        assert refused.data == {"type": "OverloadedError"}
        assert (await place.say(session, "again")).stop_reason == "end_turn"
    assert editor.text() == "I Fine."


async def test_what_waits_for_the_model_can_be_cancelled(tmp_path: Path) -> None:
    editor, store = Editor(), MemoryStore()
    async with served([[Say("So far"), Wait(until=asyncio.Event())]], editor, store=store) as place:
        session = await place.begin(tmp_path)
        answer = asyncio.create_task(place.say(session, "hi"))
        await editor.until(lambda: editor.text() == "So far")
        await place.agent.cancel(session_id=session)
        assert (await answer).stop_reason == "cancelled"
    stored = await store.load(session)
    last = stored.tree[stored.tree.path[-1]]
    assert (last.message.text, last.status) == ("So far", "cancelled")


async def test_a_prompt_can_be_cancelled_before_it_begins(tmp_path: Path) -> None:
    async with served([[Wait(until=asyncio.Event())]], Editor()) as place:
        session = await place.begin(tmp_path)
        answer = asyncio.create_task(place.say(session, "hi"))
        await asyncio.sleep(0)  # it is on its way
        await place.agent.cancel(session_id=session)
        assert (await answer).stop_reason == "cancelled"


async def test_a_tool_can_be_cancelled_and_its_call_is_closed(tmp_path: Path) -> None:
    gate = Gate()
    editor = Editor(choose("allow_once"))
    async with served([[Call("wait")]], editor, tools=(gate.tool,)) as place:
        session = await place.begin(tmp_path)
        answer = asyncio.create_task(place.say(session, "wait"))
        await gate.started.wait()
        await place.agent.cancel(session_id=session)
        assert (await answer).stop_reason == "cancelled"
    assert gate.was_cancelled
    assert editor.call()["statuses"] == ["pending", "in_progress", "failed"]


async def test_a_call_that_is_cut_off_is_closed(tmp_path: Path) -> None:
    reply: Reply = [Call("bash", {"command": "x" * 500}, chunk=8, delay=0.001), Wait()]
    editor = Editor()
    async with served([reply], editor) as place:
        session = await place.begin(tmp_path)
        answer = asyncio.create_task(place.say(session, "run"))
        await editor.until(lambda: editor.of("tool_call"))
        await place.agent.cancel(session_id=session)
        assert (await answer).stop_reason == "cancelled"
    assert editor.call()["statuses"] == ["pending", "failed"]


async def test_a_busy_session_takes_no_prompt_and_another_one_does(tmp_path: Path) -> None:
    go = asyncio.Event()
    editor = Editor()
    async with served([[Wait(until=go), Say("one")], "two"], editor) as place:
        first = await place.begin(tmp_path)
        second = (await place.agent.new_session(cwd=str(tmp_path), mcp_servers=[])).session_id
        answer = asyncio.create_task(place.say(first, "hi"))
        await asyncio.sleep(0)
        refused = await refusal(place.say(first, "and this"))
        assert (refused.code, refused.data) == (-32600, {"type": "BusyError"})
        loading = place.agent.load_session(cwd=str(tmp_path), session_id=first, mcp_servers=[])
        assert (await refusal(loading)).code == -32600
        assert (await place.say(second, "ho")).stop_reason == "end_turn"
        assert editor.text() == "two"
        go.set()
        assert (await answer).stop_reason == "end_turn"
    told = {
        session: update.content.text
        for session, update in zip(editor.sessions, editor.updates, strict=True)
        if update.session_update == "agent_message_chunk"
    }
    assert told == {first: "one", second: "two"}


async def test_what_a_terminal_might_obey_is_not_told(tmp_path: Path) -> None:
    evil = "\x1b]52;c;AAAA\x07\u202e"
    reply: Reply = [Think(evil), Say(f"a\r\nb{evil}"), Call(f"no{evil}", {"x": evil})]
    editor = Editor()
    async with served([reply, evil], editor) as place:
        session = await place.begin(tmp_path)
        await place.say(session, evil)
        await place.agent.load_session(cwd=str(tmp_path), session_id=session, mcp_servers=[])
    told = [update.model_dump(exclude={"raw_input"}) for update in editor.updates]
    shown = "".join(word for each in told for word in strings(each))
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(shown)
    assert "a\nb" in editor.text()


async def test_how_full_the_window_is_is_told_where_it_is_known(tmp_path: Path) -> None:
    editor = Editor()
    async with served(["Hello."], editor) as place:
        session = await place.begin(tmp_path)
        catalog = place.manager.registry.catalog
        catalog.learn([ModelInfo(id="scripted/script", context=1000)])
        await place.say(session, "hi")
    (update,) = editor.of("usage_update")
    assert update.size == 1000
    assert 0 < update.used < 1000
