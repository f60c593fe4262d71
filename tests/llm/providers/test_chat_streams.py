"""What only Chat Completions streams do: number calls oddly, and never say where a block ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire.made import call, chunk, closing, opening, text
from wire_helpers import blocks_of, check_rules

from omni_tui.core.messages import Block, Message, Text, Thinking, ToolUse
from omni_tui.core.stream import StreamEvent
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.chat_request import build_request
from omni_tui.llm.providers.openai_chat import ChatAssembly
from omni_tui.llm.providers.quirks import Quirks


def play(events: list[dict[str, Any]], quirks: Quirks | None = None) -> tuple[Block, ...]:
    return blocks_of(run(events, quirks))


def run(events: list[dict[str, Any]], quirks: Quirks | None = None) -> list[StreamEvent]:
    assembly = ChatAssembly(quirks)
    for event in events:
        assembly.feed(event)
    done = assembly.conclude()
    seen = [*assembly.take(), done]
    check_rules(seen)
    return seen


def test_calls_told_apart_by_id_when_the_index_is_always_0() -> None:
    events = [
        *opening("chat"),
        call(0, "a", "ls", '{"n":'),
        call(0, None, None, " 1}"),
        call(0, "b", "ls", '{"n": 2}'),
        *closing("chat", "tool_use"),
    ]
    assert play(events) == (
        ToolUse(id="a", name="ls", input={"n": 1}),
        ToolUse(id="b", name="ls", input={"n": 2}),
    )


def test_calls_whose_pieces_alternate() -> None:
    events = [
        *opening("chat"),
        call(0, "a", "ls", '{"n":'),
        call(1, "b", "ls", '{"n":'),
        call(0, None, None, " 1}"),
        call(1, None, None, " 2}"),
        *closing("chat", "tool_use"),
    ]
    assert play(events) == (
        ToolUse(id="a", name="ls", input={"n": 1}),
        ToolUse(id="b", name="ls", input={"n": 2}),
    )


def test_thoughts_words_and_thoughts_again_are_separate_blocks() -> None:
    events = [
        *opening("chat"),
        chunk({"reasoning": "hm", "content": ""}),
        chunk({"reasoning": "m"}),
        chunk({"content": "Yes"}),
        chunk({"reasoning_content": "but"}),
        chunk({"content": [{"type": "text", "text": "No"}]}),
        *closing("chat"),
    ]
    assert play(events) == (
        Thinking(text="hmm"),
        Text(text="Yes"),
        Thinking(text="but"),
        Text(text="No"),
    )


def test_a_call_cut_before_its_arguments_is_dropped() -> None:
    events = [
        *opening("chat"),
        *text("chat", 0, "Hello"),
        call(0, "a", "rm", ""),
        *closing("chat", "length"),
    ]
    assert play(events) == (Text(text="Hello"),)


def test_a_null_index_is_taken() -> None:
    events = [
        *opening("chat"),
        call(None, "a", "ls", '{"n":'),
        call(None, None, None, " 1}"),
        call(None, "b", "ls", '{"n": 2}'),
        *closing("chat", "tool_use"),
    ]
    assert play(events) == (
        ToolUse(id="a", name="ls", input={"n": 1}),
        ToolUse(id="b", name="ls", input={"n": 2}),
    )


def test_an_id_repeated_with_every_piece_is_one_call() -> None:
    events = [
        *opening("chat"),
        call(0, "a", "ls", '{"n":'),
        call(0, "a", None, " 1}"),
        *closing("chat", "tool_use"),
    ]
    assert play(events) == (ToolUse(id="a", name="ls", input={"n": 1}),)


def test_opaque_content_of_a_call_is_kept_for_servers_that_want_it_back() -> None:
    piece = call(0, "a", "ls", "{}")
    extra = {"google": {"thought_signature": "c2ln"}}
    piece["choices"][0]["delta"]["tool_calls"][0]["extra_content"] = extra
    events = [piece, *closing("chat", "tool_use")]
    (kept,) = play(events, Quirks(extra_content=True))
    assert isinstance(kept, ToolUse)
    assert kept.signature == '{"google": {"thought_signature": "c2ln"}}'
    (plain,) = play(events)
    assert isinstance(plain, ToolUse)
    assert plain.signature is None


def test_other_choices_are_not_mixed_in() -> None:
    second = chunk({"content": "other"})
    second["choices"][0]["index"] = 1
    assert play([*text("chat", 0, "one"), second, *closing("chat")]) == (Text(text="one"),)


def test_the_price_is_read_where_it_is_dollars() -> None:
    last = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "cost": 0.25}}
    events = [*text("chat", 0, "one"), *closing("chat"), last]
    done = run(events, Quirks(reports_cost=True))[-1]
    assert done.usage.cost == 0.25  # type: ignore[union-attr]
    assert run(events)[-1].usage.cost is None  # type: ignore[union-attr]


def test_gaps_between_the_numbers_of_calls() -> None:
    events = [call(5, "a", "ls", "{}"), call(9, "b", "ls", "{}"), *closing("chat", "tool_use")]
    assert [use.id for use in play(events) if isinstance(use, ToolUse)] == ["a", "b"]


def test_a_name_and_an_id_that_come_late() -> None:
    events = [
        call(0, None, None, '{"n":'),
        call(0, "late", "ls", " 1"),
        call(0, "late", "ls", "}"),
        *closing("chat", "tool_use"),
    ]
    (use,) = play(events)
    assert isinstance(use, ToolUse)
    assert (use.name, use.input) == ("ls", {"n": 1})
    assert use.id


def test_a_call_that_never_gets_a_name_is_kept_for_an_error_result() -> None:
    (use,) = play([call(0, "a", None, "{}"), *closing("chat", "tool_use")])
    assert use == ToolUse(id="a", name="", input={})


DETAILS = [
    {"type": "reasoning.text", "text": "h", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.text", "text": "m", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.text", "signature": "c2ln", "index": 0},
    {"type": "reasoning.encrypted", "data": "AAAA", "id": "r1", "index": 1},
    {"type": "reasoning.encrypted", "data": "BBBB", "id": "r2", "index": 1},
]
JOINED = [
    {
        "type": "reasoning.text",
        "text": "hm",
        "format": "anthropic-claude-v1",
        "index": 0,
        "signature": "c2ln",
    },
    *DETAILS[3:],
]


@pytest.mark.parametrize("after", [[call(0, "a", "ls", "{}")], text("chat", 0, "Yes"), []])
def test_reasoning_details_of_openrouter_go_back_as_they_came(after: list[Any]) -> None:
    quirks = Quirks(thinking="openrouter")
    events = [chunk({"reasoning": d.get("text"), "reasoning_details": [d]}) for d in DETAILS]
    # Encrypted details come last, when the thinking is over.
    events[3:3] = after
    blocks = play([*events, *closing("chat")], quirks)
    assert blocks[0] == Thinking(text="hm") or not after
    history = (Message.user("go"), Message.assistant((*blocks, Text(text="."))))
    sent = build_request(Request(model="m", messages=history), quirks)["messages"][1]
    assert sent["reasoning_details"] == JOINED
    elsewhere = build_request(Request(model="m", messages=history), Quirks(extra_content=True))
    assert "AAAA" not in str(elsewhere)


def test_reasoning_details_are_joined_when_a_history_is() -> None:
    quirks = Quirks(thinking="openrouter")
    signed = json.dumps({"reasoning_details": DETAILS[3:4]})
    said = Message.assistant(Text(text="a", signature=signed))
    body = build_request(Request(model="m", messages=(Message.user("go"), said, said)), quirks)
    assert body["messages"][1]["reasoning_details"] == [DETAILS[3], DETAILS[3]]
