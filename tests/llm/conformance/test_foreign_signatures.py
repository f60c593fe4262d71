"""What one provider signed never goes to another, though both speak the same dialect."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import strict
from wire import made
from wire.server import Reply, SSEServer, sse_server
from wire_helpers import make

from omni_tui.core.messages import (
    Block,
    Message,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    decode_message,
    encode_message,
)
from omni_tui.core.tool import tool
from omni_tui.llm.api import generate_text
from omni_tui.llm.providers.base import Model
from omni_tui.llm.providers.quirks import Quirks
from omni_tui.llm.providers.scripted import ScriptedProvider, Think
from omni_tui.llm.signatures import keep_own

GOOGLE = Quirks(extra_content=True)
ROUTER = Quirks(thinking="openrouter")


@tool
async def look(place: str) -> str:
    """Look somewhere."""
    return place


def signed_calls(seal: str, quirks: Quirks) -> list[made.Event]:
    """A call as a server signs it that hangs data of its own on Chat Completions."""
    if quirks is ROUTER:
        thought = {"type": "reasoning.encrypted", "data": seal, "index": 0}
        return [
            made.chunk({"reasoning": "hm", "reasoning_details": [thought]}),
            *made.tool("chat", 0, "c1", "look", '{"place": "here"}'),
        ]
    function = {"name": "look", "arguments": '{"place": "here"}'}
    extra = {"google": {"thought_signature": seal}}
    call = {"index": 0, "id": "c1", "function": function, "extra_content": extra}
    return [made.chunk({"tool_calls": [call]})]


@dataclass
class Side:
    """A provider and the server behind it."""

    dialect: str
    quirks: Quirks
    name: str
    server: SSEServer
    model: Model

    async def call(self, history: list[Message], seal: str) -> Message:
        """Ask; the answer is a signed thought and a call."""
        middle = (
            signed_calls(seal, self.quirks)
            if self.dialect == "chat"
            else [
                *made.thinking(self.dialect, 0, "hm", seal),
                *made.tool(self.dialect, 1, "c1", "look", '{"place": "here"}'),
            ]
        )
        events = [
            *made.opening(self.dialect),
            *middle,
            *made.closing(self.dialect, "tool_use"),
        ]
        self.server.replies[:] = [Reply(pieces=made.wrap(self.dialect, events))]
        return (await generate_text(self.model, history, tools=(look,))).message

    @property
    def sent(self) -> Any:
        """The last body, which is one that a strict server takes."""
        body = self.server.requests[-1].json
        strict.check(self.dialect, body)
        return body


@pytest.fixture(
    params=[
        ("anthropic", Quirks()),
        ("responses", Quirks()),
        ("chat", GOOGLE),
        ("chat", ROUTER),
    ],
    ids=["anthropic", "responses", "chat of google", "chat of openrouter"],
)
async def sides(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Side, Side]]:
    dialect, quirks = request.param
    async with side(dialect, quirks, "us") as ours, side(dialect, quirks, "them") as theirs:
        yield ours, theirs


@asynccontextmanager
async def side(dialect: str, quirks: Quirks, name: str) -> AsyncIterator[Side]:
    settings = {"quirks": quirks} if dialect == "chat" else {}
    with sse_server(Reply()) as server:
        provider = make(dialect, server.url, name=name, **settings)
        yield Side(dialect, quirks, name, server, Model(provider, "some-model"))
        await provider.close()


def result(message: Message) -> Message:
    (use,) = message.tool_uses
    return Message.user(ToolResult(tool_use_id=use.id, name=use.name, content="found"))


async def test_a_signature_goes_back_to_its_provider_alone(sides: tuple[Side, Side]) -> None:
    ours, theirs = sides
    history = [Message.user("Look")]
    first = await ours.call(history, "c2VhbGVkYnl1cw")
    history += [first, result(first)]
    second = await theirs.call(history, "c2VhbGVkYnl0aGVt")
    history += [second, result(second)]
    assert "c2VhbGVkYnl1cw" not in json.dumps(theirs.sent)
    assert "found" in json.dumps(theirs.sent), "the words stay"
    await ours.call(history, "bW9yZQ")
    assert "c2VhbGVkYnl1cw" in json.dumps(ours.sent)
    assert "c2VhbGVkYnl0aGVt" not in json.dumps(ours.sent)


async def test_what_was_stored_before_signers_were_noted_goes_to_all_of_its_dialect(
    sides: tuple[Side, Side],
) -> None:
    ours, theirs = sides
    first = await ours.call([Message.user("Look")], "c2VhbGVkYnl1cw")
    row = json.loads(encode_message(first))
    noted = [block.pop("signed_by", None) for block in row["content"]]
    assert any(signer is not None and signer.startswith("us") for signer in noted)
    older = decode_message(json.dumps(row))
    await theirs.call([Message.user("Look"), older, result(older)], "bW9yZQ")
    assert "c2VhbGVkYnl1cw" in json.dumps(theirs.sent)


async def test_models_that_cannot_read_each_others_thoughts_are_told_apart(
    sides: tuple[Side, Side],
) -> None:
    ours, _ = sides
    first = await ours.call([Message.user("Look")], "c2VhbGVkYnl1cw")
    ours.model = msgspec.structs.replace(ours.model, name="another-model")
    await ours.call([Message.user("Look"), first, result(first)], "bW9yZQ")
    is_bound = ours.dialect == "anthropic" or ours.quirks is ROUTER
    assert ("c2VhbGVkYnl1cw" in json.dumps(ours.sent)) is not is_bound


async def test_what_a_script_thought_is_told_to_no_provider(sides: tuple[Side, Side]) -> None:
    ours, _ = sides
    scripted = Model(ScriptedProvider([[Think("hm"), "Well."]], name="demo"), "chat")
    thought = (await generate_text(scripted, "Hello")).message
    await ours.call([Message.user("Hello"), thought, Message.user("And?")], "bW9yZQ")
    assert "scripted" not in json.dumps(ours.sent)
    assert "Well." in json.dumps(ours.sent)


def test_a_thought_that_is_sealed_whole_is_left_out_with_its_seal() -> None:
    blocks: tuple[Block, ...] = (
        Thinking(redacted="c2VhbA", signed_by="them"),
        Thinking(text="hm", signature="c2ln", signed_by="them"),
        Text(text="Hello", signature="{}", signed_by="them"),
        ToolUse(id="1", name="look", signature="{}", signed_by="us"),
    )
    messages = (Message.user("Hello"), Message.assistant(blocks))
    asked, answer = keep_own(messages, "us")
    assert asked is messages[0]
    assert answer.content == (Thinking(text="hm"), Text(text="Hello"), blocks[3])
    assert keep_own(messages[:1], "us") == messages[:1]
