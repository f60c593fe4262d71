"""The scripted provider: what the other tests stand on."""

from __future__ import annotations

import asyncio

import pytest

from omni_tui.core.errors import RateLimitError, RequestError
from omni_tui.core.messages import Message, Text, Thinking, ToolUse
from omni_tui.core.stream import (
    Done,
    Failed,
    StreamEvent,
    TextDelta,
    TextStart,
    ToolUseDelta,
    ToolUseEnd,
)
from omni_tui.core.usage import Usage
from omni_tui.llm.accumulator import Accumulator
from omni_tui.llm.providers.base import Provider, Request
from omni_tui.llm.providers.scripted import (
    Call,
    Fail,
    Piece,
    Raise,
    Say,
    ScriptedProvider,
    Stop,
    Think,
    Wait,
)


async def play(provider: ScriptedProvider, text: str = "hi") -> list[StreamEvent]:
    request = Request(model="m", messages=(Message.user(text),), system="system")
    return [event async for event in provider.stream(request)]


async def message_of(*pieces: Piece | str) -> Message:
    accumulator = Accumulator()
    for event in await play(ScriptedProvider([list(pieces)])):
        accumulator.apply(event)
    return accumulator.message()


def test_it_is_a_provider() -> None:
    provider = ScriptedProvider([], name="mine")
    assert isinstance(provider, Provider)
    assert str(provider.model("a/b")) == "mine/a/b"


async def test_replies_are_played_in_order_and_requests_kept() -> None:
    provider = ScriptedProvider(["one", "two"])
    for expected in ("one", "two"):
        events = await play(provider, f"for {expected}")
        assert [e.text for e in events if isinstance(e, TextDelta)] == [expected]
    assert [request.messages[0].text for request in provider.requests] == ["for one", "for two"]


async def test_a_script_that_is_over_fails_and_says_so() -> None:
    (failed,) = await play(ScriptedProvider([]))
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, RequestError)
    assert "number 1" in failed.error.message


async def test_every_piece_becomes_a_block() -> None:
    message = await message_of(
        Think("Hm.", chunk=1),
        "Words",
        Say("more", chunk=3),
        Call("look", {"at": 1}),
        Call("look", id="mine"),
    )
    assert message.content == (
        Thinking(text="Hm.", signature="scripted", signed_by="scripted"),
        Text(text="Words"),
        Text(text="more"),
        ToolUse(id="call_1", name="look", input={"at": 1}),
        ToolUse(id="mine", name="look"),
    )


async def test_a_call_with_broken_arguments_is_marked_invalid() -> None:
    (use,) = (await message_of(Call("look", '{"at": '))).tool_uses
    assert (use.input, use.invalid) == ({}, '{"at": ')


async def test_long_arguments_come_in_pieces_that_join_to_the_whole() -> None:
    events = await play(ScriptedProvider([[Call("write", {"text": "x" * 500})]]))
    deltas = [event.json for event in events if isinstance(event, ToolUseDelta)]
    assert len(deltas) > 5
    assert "".join(deltas) == '{"text": "' + "x" * 500 + '"}'
    assert any(isinstance(event, ToolUseEnd) for event in events)


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        (["a"], "stop"),
        (["a", Call("look")], "tool_use"),
        ([Stop("length"), "a"], "length"),
        ([Call("look"), Stop("refusal")], "refusal"),
    ],
)
async def test_the_stop_reason_is_natural_or_given(pieces: list[Piece | str], reason: str) -> None:
    done = (await play(ScriptedProvider([pieces])))[-1]
    assert isinstance(done, Done)
    assert done.stop_reason == reason


async def test_it_fails_and_raises_on_request() -> None:
    error = RateLimitError("slow down")
    events = await play(ScriptedProvider([["a", Fail(error), "never"]]))
    assert events[-1] == Failed(error=error, usage=Usage(input=2))
    with pytest.raises(ValueError, match="odd"):
        await play(ScriptedProvider([[Raise(ValueError("odd"))]]))


async def test_it_waits_for_an_event() -> None:
    go = asyncio.Event()
    provider = ScriptedProvider([[Wait(until=go), "a", Wait(0)]])
    task = asyncio.create_task(play(provider))
    while not provider.requests:
        await asyncio.sleep(0)
    assert not task.done()
    go.set()
    assert len(await task) == 4


async def test_a_delay_lets_others_run_between_pieces() -> None:
    provider = ScriptedProvider([[Say("ab", chunk=1, delay=0.001)]])
    assert [type(e).__name__ for e in await play(provider)] == [
        "TextStart",
        "TextDelta",
        "TextDelta",
        "TextEnd",
        "Done",
    ]


async def test_usage_grows_with_what_is_read_and_written() -> None:
    done = (await play(ScriptedProvider(["x" * 40]), "y" * 74))[-1]
    assert done == Done(stop_reason="stop", usage=Usage(input=20, output=10), model="scripted/m")


async def test_a_function_may_answer_by_the_request() -> None:
    provider = ScriptedProvider(lambda request: request.messages[-1].text.upper())
    events = await play(provider, "loud")
    assert events[:2] == [TextStart(index=0), TextDelta(index=0, text="LOUD")]


async def test_arguments_of_a_call_come_in_pieces() -> None:
    provider = ScriptedProvider([[Call("f", {"x": "abcdef"}, chunk=5)]])
    deltas = [e.json for e in await play(provider) if isinstance(e, ToolUseDelta)]
    assert deltas == ['{"x":', ' "abc', 'def"}']
