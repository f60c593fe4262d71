"""What comes over the pipes that is no proper message, and clients that leave."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from acp_editor import Editor, Place, message, pipes, served
from agent_helpers import Gate

from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.scripted import Call, Reply, Say, ScriptedProvider, Wait
from omni_tui.session.manager import SessionManager
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore
from omni_tui.session.store.sqlite import SQLiteStore


class Raw:
    """A client that writes lines as it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, line: bytes) -> Any:
        """Write a line, and read the next message."""
        self.writer.write(line)
        return json.loads(await self.reader.readline())


@asynccontextmanager
async def raw(place: Place | None = None) -> AsyncIterator[Raw]:
    registry = ProviderRegistry({"scripted": lambda: ScriptedProvider(["Hello."])}, endpoints={})
    manager = SessionManager(MemoryStore(), default_model="scripted/script", registry=registry)
    async with manager, pipes(manager, place or Place()) as (reader, writer, _):
        yield Raw(reader, writer)


@pytest.mark.parametrize(
    ("line", "code", "id"),
    [
        (b"{nonsense}\n", -32700, None),
        (b"\xff\xfe\n", -32700, None),
        (b"[" * 100_000 + b"\n", -32700, None),
        (b"[]\n", -32600, None),
        (b"null\n", -32600, None),
        (b'{"jsonrpc":"2.0","id":[1],"method":"initialize"}\n', -32600, None),
        (b'{"jsonrpc":"2.0","id":1,"method":2}\n', -32600, 1),
        (b'{"jsonrpc":"2.0","id":1}\n', -32600, 1),
        (b'{"jsonrpc":"2.0","id":1,"error":"x"}\n', -32600, 1),
        (message(1, "no/such"), -32601, 1),
        (message(1, "session/fork", sessionId="x", cwd="/"), -32601, 1),
        (message(1, "authenticate", methodId="x"), -32601, 1),
        (message(1, "session/prompt", sessionId=1), -32602, 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"session/new","params":[]}\n', -32602, 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"session/new"}\n', -32602, 1),
    ],
)
async def test_a_line_that_makes_no_sense_is_answered_and_the_next_one_too(
    line: bytes, code: int, id: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with raw() as client:
        answer = await client.ask(line)
        assert (answer["error"]["code"], answer["id"]) == (code, id)
        greeting = await client.ask(message(2, "initialize", protocolVersion=1))
        assert greeting["result"]["protocolVersion"] == 1
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_complaint_does_not_repeat_what_was_sent() -> None:
    async with raw() as client:
        answer = await client.ask(message(1, "session/prompt", sessionId="x", prompt="y" * 10_000))
    assert "prompt" in answer["error"]["message"]
    assert len(json.dumps(answer)) < 1000


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"  \n",
        message(None, "$/cancel_request", requestId=1),
        message(None, "no/such"),
        message(None, "session/cancel", sessionId="none"),
        message(None, "session/cancel", sessionId="none", _meta={"session_id": 1, "x": 2}),
        b'{"jsonrpc":"2.0","id":99,"result":{}}\n',
    ],
)
async def test_what_wants_no_answer_gets_none(
    line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with raw() as client:
        answer = await client.ask(line + message(2, "initialize", protocolVersion=1))
    assert answer["id"] == 2
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_what_a_client_adds_for_itself_does_no_harm(tmp_path: Path) -> None:
    async with raw() as client:
        meta = {"cwd": "/elsewhere", "self": 1}
        line = message(1, "session/new", cwd=str(tmp_path), mcpServers=[], _meta=meta)
        assert "sessionId" in (await client.ask(line))["result"]


async def test_a_line_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omni_tui.serve.acp.lines.MAX_LINE", 100_000)
    async with raw() as client:
        answer = await client.ask(message(1, "x", y="z" * 500_000))
        assert (answer["error"]["code"], answer["id"]) == (-32600, None)
        assert (await client.ask(message(2, "initialize", protocolVersion=1)))["id"] == 2


async def test_a_fault_of_ours_is_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Place):
        def setup(self, cwd: Path) -> Setup:
            raise ZeroDivisionError("secret")

    async with raw(Broken()) as client:
        answer = await client.ask(message(1, "session/new", cwd="/", mcpServers=[]))
    assert answer["error"]["message"] == "omni-tui failed: ZeroDivisionError"
    assert "secret" not in json.dumps(answer)
    assert [record.name for record in caplog.records] == ["omni_tui.serve.acp.faults"]


# Clients that leave


async def texts_of(file: Path, id: str) -> list[tuple[str, str]]:
    store = SQLiteStore(file)
    await store.open()
    try:
        tree = (await store.load(id)).tree
        return [(tree[each].message.text, tree[each].status) for each in tree.path]
    finally:
        await store.close()


async def test_a_client_that_leaves_in_mid_stream_loses_nothing(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "s.db")
    await store.open()
    editor = Editor()
    reply: Reply = [Say("So far"), Wait(until=asyncio.Event())]
    async with served([reply], editor, store=store) as place:
        session = await place.begin(tmp_path)
        answer = asyncio.create_task(place.say(session, "hi"))
        await editor.until(lambda: editor.text() == "So far")
    with pytest.raises(ConnectionError):
        await answer
    assert await texts_of(tmp_path / "s.db", session) == [("hi", "done"), ("So far", "cancelled")]


async def test_a_client_that_only_stops_reading_has_left_too(tmp_path: Path) -> None:
    gate = Gate()
    registry = ProviderRegistry(
        {"scripted": lambda: ScriptedProvider([[Call("wait")]])}, endpoints={}
    )
    store = SQLiteStore(tmp_path / "s.db")
    await store.open()
    manager = SessionManager(store, default_model="scripted/script", registry=registry)
    place = Place(tools=(gate.tool,), permissions=None)
    async with manager, pipes(manager, place) as (reader, writer, serving):
        client = Raw(reader, writer)
        new = message(1, "session/new", cwd=str(tmp_path), mcpServers=[])
        session = (await client.ask(new))["result"]["sessionId"]
        words = [{"type": "text", "text": "hi"}]
        writer.write(message(2, "session/prompt", sessionId=session, prompt=words))
        await gate.started.wait()
        reader._transport.close()  # type: ignore[attr-defined]
        await serving
    assert gate.was_cancelled
    assert len(await texts_of(tmp_path / "s.db", session)) == 3


async def test_several_sessions_are_closed_when_the_client_leaves(tmp_path: Path) -> None:
    gates = [Gate("one"), Gate("two")]
    replies: list[Reply] = [[Call("one")], [Call("two")]]
    tools = tuple(gate.tool for gate in gates)
    async with served(replies, Editor(), tools=tools, permissions=None) as place:
        waiting = []
        for gate in gates:
            session = await place.begin(tmp_path)
            waiting.append(asyncio.create_task(place.say(session, "go")))
            await gate.started.wait()
        manager = place.manager
    assert [gate.was_cancelled for gate in gates] == [True, True]
    assert manager.list_open() == []
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ConnectionError] * 2
