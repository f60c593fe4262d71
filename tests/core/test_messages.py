"""The stored form of messages: nothing is lost, and old files stay readable."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_tui.core.messages import (
    Attachment,
    Block,
    Content,
    Message,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    as_blocks,
    decode_message,
    encode_message,
    now,
)

WORDS = st.text(st.characters(exclude_categories=["Cs"]))
"""Any text but lone surrogates; NUL and other control characters included."""
MAYBE_WORDS = st.none() | WORDS
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(WORDS, JSON, max_size=3)
BLOCKS: st.SearchStrategy[Block] = st.one_of(
    st.builds(Text, text=WORDS, signature=MAYBE_WORDS),
    st.builds(Thinking, text=WORDS, signature=MAYBE_WORDS, redacted=MAYBE_WORDS),
    st.builds(
        ToolUse, id=WORDS, name=WORDS, input=OBJECTS, signature=MAYBE_WORDS, invalid=MAYBE_WORDS
    ),
    st.builds(
        ToolResult,
        tool_use_id=WORDS,
        name=WORDS,
        content=WORDS,
        is_error=st.booleans(),
        data=st.none() | OBJECTS,
    ),
    st.builds(
        Attachment,
        media_type=WORDS,
        data=st.none() | st.binary(),
        url=MAYBE_WORDS,
        name=MAYBE_WORDS,
    ),
)
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(["user", "assistant"]),
    content=st.lists(BLOCKS, max_size=5).map(tuple),
    created_at=st.datetimes(timezones=st.just(UTC)),
)

GOLDEN = (
    '{"role":"assistant","content":['
    '{"type":"thinking","text":"Hm.","signature":"c2ln"},'
    '{"type":"thinking","redacted":"b3BhcXVl"},'
    '{"type":"text","text":"Grüße, 世界"},'
    '{"type":"tool_use","id":"call_1","name":"bash","input":{"command":"ls"}},'
    '{"type":"tool_use","id":"call_2","name":"bash","invalid":"{\\"comm"},'
    '{"type":"tool_result","tool_use_id":"call_1","name":"bash","content":"a\\nb",'
    '"is_error":true,"data":{"duration_ms":12}},'
    '{"type":"attachment","media_type":"image/png","data":"iVBORw==","name":"dot.png"},'
    '{"type":"attachment","media_type":"image/png","url":"https://example.org/dot.png"}'
    '],"created_at":"2026-01-02T03:04:05.678000Z"}'
)
OF_GOLDEN = Message(
    role="assistant",
    content=(
        Thinking(text="Hm.", signature="c2ln"),
        Thinking(redacted="b3BhcXVl"),
        Text(text="Grüße, 世界"),
        ToolUse(id="call_1", name="bash", input={"command": "ls"}),
        ToolUse(id="call_2", name="bash", invalid='{"comm'),
        ToolResult(
            tool_use_id="call_1",
            name="bash",
            content="a\nb",
            is_error=True,
            data={"duration_ms": 12},
        ),
        Attachment(media_type="image/png", data=b"\x89PNG", name="dot.png"),
        Attachment(media_type="image/png", url="https://example.org/dot.png"),
    ),
    created_at=datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
)


@given(MESSAGES)
def test_every_message_comes_back_as_it_was_stored(message: Message) -> None:
    assert decode_message(encode_message(message)) == message


@given(st.lists(st.text(), max_size=3))
def test_any_text_can_be_stored_and_only_lone_surrogates_change(texts: list[str]) -> None:
    message = Message.assistant(
        [ToolUse(id="1", name="x", input={text: [text]}) for text in texts]
        + [Text(text=text) for text in texts]
    )
    back = decode_message(encode_message(message))
    expected = [
        "".join("�" if "\ud800" <= char <= "\udfff" else char for char in text) for text in texts
    ]
    assert [block.text for block in back.content if isinstance(block, Text)] == expected
    assert [use.input for use in back.tool_uses] == [{text: [text]} for text in expected]


def test_nul_and_noncharacters_survive() -> None:
    message = Message.user("a\0b\uffff\U0010ffff")
    assert decode_message(encode_message(message)).text == "a\0b\uffff\U0010ffff"


def test_integers_beyond_64_bits_survive() -> None:
    use = ToolUse(id="1", name="x", input={"n": 2**200, "m": -(2**70)})
    assert decode_message(encode_message(Message.assistant(use))).tool_uses == (use,)


def test_the_stored_form_is_the_documented_one() -> None:
    assert encode_message(OF_GOLDEN).decode() == GOLDEN


def test_a_message_stored_by_the_first_version_still_loads() -> None:
    assert decode_message(GOLDEN) == OF_GOLDEN


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"[]",
        b'{"role":"system","content":[],"created_at":"2026-01-01T00:00:00Z"}',
        b'{"role":"user","content":[{"type":"video"}],"created_at":"2026-01-01T00:00:00Z"}',
        b'{"role":"user","content":[{"type":"text"}],"created_at":"2026-01-01T00:00:00Z"}',
        b'{"role":"user","content":"hi","created_at":"2026-01-01T00:00:00Z"}',
    ],
)
def test_damaged_rows_are_refused_with_one_kind_of_error(damaged: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_message(damaged)


@pytest.mark.parametrize(
    ("content", "blocks"),
    [
        ("hi", (Text(text="hi"),)),
        (Text(text="hi"), (Text(text="hi"),)),
        (iter([Text(text="a"), Thinking(text="b")]), (Text(text="a"), Thinking(text="b"))),
        ((), ()),
    ],
)
def test_content_may_be_given_in_several_ways(content: Content, blocks: tuple[Block, ...]) -> None:
    assert as_blocks(content) == blocks


def test_the_parts_of_a_message_can_be_asked_for() -> None:
    assert OF_GOLDEN.text == "Grüße, 世界"
    assert [use.id for use in OF_GOLDEN.tool_uses] == ["call_1", "call_2"]
    assert [result.content for result in OF_GOLDEN.tool_results] == ["a\nb"]
    assert Message.user([Text(text="a"), Text(text="b")]).text == "a\n\nb"


def test_a_prompt_is_what_a_person_said() -> None:
    assert Message.user("hi").is_prompt
    assert not Message.assistant("hi").is_prompt
    assert not Message.user([ToolResult(tool_use_id="1", name="x"), Text(text="and")]).is_prompt


def test_the_present_is_in_utc_and_readable_after_storing() -> None:
    moment = now()
    assert moment.tzinfo is UTC
    assert moment.microsecond % 1000 == 0
    stored = json.loads(encode_message(Message.user("hi")))
    assert datetime.fromisoformat(stored["created_at"]).tzinfo is not None
