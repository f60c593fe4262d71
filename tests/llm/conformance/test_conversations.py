"""The same ten conversations over three dialects, from two servers, through the public API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import msgspec
import pytest
from backends import Answer, Backend, Loopback, Mocked, loopback
from llmock.pytest_plugin import LLMock
from wire.made import DIALECTS
from wire_helpers import check_rules

from omni_tui.core.errors import AuthError, OverloadedError
from omni_tui.core.messages import Attachment, Message, Text, Thinking, ToolResult
from omni_tui.core.stream import Done, Failed, Response, StreamEvent, TextDelta
from omni_tui.core.tool import Tool, tool
from omni_tui.llm.api import generate_text, stream_text
from omni_tui.llm.providers.base import Options
from omni_tui.llm.retry import RetryPolicy

PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
    b"\x1f\x15\xc4\x89"
)
QUICK = RetryPolicy(base=0.01)


@tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["loopback", "llmock"])
async def backend(request: pytest.FixtureRequest, dialect: str) -> AsyncIterator[Backend]:
    if request.param == "loopback":
        with loopback(dialect) as server:
            yield server
            await server.model.provider.close()
    else:
        llmock: LLMock = request.getfixturevalue("llmock")
        mocked = Mocked(dialect, llmock)
        yield mocked
        await mocked.model.provider.close()


async def ask(backend: Backend, *history: Message, tools: tuple[Tool, ...] = ()) -> Response:
    return await generate_text(
        backend.model, history or (Message.user("Hello"),), tools=tools, retry=QUICK
    )


async def test_text(backend: Backend) -> None:
    backend.play(Answer(text="Hello there, you."))
    async with stream_text(backend.model, "Hello") as stream:
        seen = [event async for event in stream]
        response = await stream.response()
    check_rules(seen)
    assert [type(event).__name__ for event in seen] == [
        "TextStart",
        *["TextDelta"] * 3,
        "TextEnd",
        "Done",
    ]
    assert response.text == "Hello there, you."
    assert response.stop_reason == "stop"
    assert response.usage.output > 0
    assert response.model


SEALS = {
    "anthropic": "c2lnbmVk",
    "responses": json.dumps({"id": "rs_1", "encrypted_content": "c2lnbmVk"}),
    "chat": None,
}


async def test_thinking(backend: Backend) -> None:
    """Both servers are asked to think, and told again what was thought; one thinks aloud."""
    backend.play(Answer(thinking="Hm, well.", text="Hello."), Answer(text="Bye."))
    hard = Options(thinking="high")
    response = await generate_text(backend.model, "Hello", options=hard, retry=QUICK)
    assert response.text == "Hello."
    thought = Thinking(text="Hm, well.", signature=SEALS[backend.dialect])
    if isinstance(backend, Loopback):
        (heard, _) = response.message.content
        assert isinstance(heard, Thinking)
        assert heard.text == thought.text
        thought = heard
    told = Message.assistant((thought, Text(text="Hello.")))
    history = (Message.user("Hello"), told, Message.user("Bye"))
    last = await generate_text(backend.model, history, options=hard, retry=QUICK)
    assert last.text == "Bye."
    asked, sent = backend.bodies
    field = {"anthropic": "thinking", "responses": "reasoning"}.get(backend.dialect)
    assert field is None or {field} <= asked.keys() & sent.keys()
    signed = "c2lnbmVk" in json.dumps(sent)
    assert signed is (backend.dialect != "chat"), "what was signed goes back"


async def test_a_tool_round(backend: Backend) -> None:
    backend.play(
        Answer(text="Let me see.", calls=(("c1", "add", {"a": 2, "b": 3}),), stop="tool_use"),
        Answer(text="It is 5."),
    )
    first = await ask(backend, Message.user("2 + 3?"), tools=(add,))
    (use,) = first.message.tool_uses
    assert first.stop_reason == "tool_use"
    assert (use.name, use.input, use.invalid) == ("add", {"a": 2, "b": 3}, None)
    result = ToolResult(tool_use_id=use.id, name="add", content="5 exactly")
    history = (Message.user("2 + 3?"), first.message, Message.user(result))
    last = await ask(backend, *history, tools=(add,))
    assert last.text == "It is 5."
    asked, answered = backend.bodies
    assert "add" in json.dumps(asked["tools"])
    sent = json.dumps(answered)
    assert "5 exactly" in sent
    assert use.id in sent


async def test_parallel_tools(backend: Backend) -> None:
    calls = (("c1", "add", {"a": 1, "b": 2}), ("c2", "add", {"a": 3, "b": 4}))
    backend.play(Answer(calls=calls, stop="tool_use"), Answer(text="3 and 7."))
    first = await ask(backend, Message.user("Add up"), tools=(add,))
    uses = first.message.tool_uses
    assert [use.input for use in uses] == [arguments for _, _, arguments in calls]
    assert len({use.id for use in uses}) == 2
    results = [
        ToolResult(tool_use_id=use.id, name=use.name, content=f"result {number}")
        for number, use in enumerate(uses)
    ]
    history = (Message.user("Add up"), first.message, Message.user(results))
    assert (await ask(backend, *history, tools=(add,))).text == "3 and 7."
    sent = json.dumps(backend.bodies[1])
    assert sent.index("result 0") < sent.index("result 1")


async def test_a_refusal(backend: Backend) -> None:
    backend.play(Answer(text="I would rather not.", stop="refusal"))
    response = await ask(backend)
    assert response.stop_reason == "refusal"
    assert response.text == "I would rather not."


async def test_an_answer_cut_at_its_greatest_length(backend: Backend) -> None:
    backend.play(Answer(text="Once upon a", stop="length"))
    response = await ask(backend)
    assert response.stop_reason == "length"
    assert response.text == "Once upon a"


class Weather(msgspec.Struct):
    city: str
    degrees: int


async def test_structured_output(backend: Backend) -> None:
    backend.play(
        Answer(text='{"city": "Paris", "degrees": "warm"}'),
        Answer(text='{"city": "Paris", "degrees": 21}'),
    )
    response = await generate_text(backend.model, "Weather in Paris?", output=Weather)
    assert response.output == Weather(city="Paris", degrees=21)
    assert len(response.messages) == 3
    assert "degrees" in json.dumps(backend.bodies[0])
    assert "warm" in json.dumps(backend.bodies[1])


async def test_an_image(backend: Backend) -> None:
    backend.play(Answer(text="One pixel."))
    picture = Attachment(media_type="image/png", data=PIXEL)
    response = await ask(backend, Message.user((Text(text="What is this?"), picture)))
    assert response.text == "One pixel."
    assert "iVBORw0KGgo" in json.dumps(backend.bodies[0])


async def test_errors_that_pass_and_errors_that_stay(backend: Backend) -> None:
    backend.play(Answer(status=500), Answer(status=502), Answer(text="At last."))
    assert (await ask(backend)).text == "At last."
    assert len(backend.bodies) == 3
    backend.play(Answer(status=401))
    with pytest.raises(AuthError):
        await ask(backend)
    assert len(backend.bodies) == 4
    backend.play(Answer(status=500))
    with pytest.raises(OverloadedError):
        await generate_text(backend.model, "Hello", retry=RetryPolicy(max_retries=0))


async def test_a_cancel(backend: Backend) -> None:
    backend.play(Answer(text="Once upon a time there was", stalls=True))
    begun = asyncio.Event()
    seen: list[StreamEvent] = []

    async def read() -> None:
        async with stream_text(backend.model, "Tell me") as stream:
            async for event in stream:
                seen.append(event)
                if isinstance(event, TextDelta):
                    begun.set()

    reader = asyncio.create_task(read())
    await begun.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert not any(isinstance(event, Done | Failed) for event in seen)
    assert await asyncio.to_thread(backend.was_left)
