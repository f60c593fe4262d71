"""Any history at all becomes a request that the strictest server of each dialect takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import strict
from hypothesis import given, settings
from hypothesis import strategies as st
from wire.made import DIALECTS

from omni_tui.core.messages import (
    Attachment,
    Block,
    Message,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)
from omni_tui.llm.providers import anthropic_request, chat_request, responses_request
from omni_tui.llm.providers.base import Options, Request, ThinkingLevel
from omni_tui.llm.providers.quirks import Quirks
from omni_tui.llm.repair import repair, safe_tool_id

SIGNED = "EvQB+/a_b-c="
SEALED = json.dumps({"id": "rs_1", "encrypted_content": "gAAA-sealed"})
PHASED = json.dumps({"phase": "commentary"})
GOOGLE = json.dumps({"google": {"thought_signature": "Z29vZ2xl"}})
DETAILED = json.dumps({"reasoning_details": [{"type": "reasoning.encrypted", "data": "AAAA"}]})
MODELS = {"anthropic": "claude-sonnet-5-5", "responses": "gpt-5.5", "chat": "some-model"}
QUIRKS = (
    Quirks(),
    Quirks(thinking="openrouter"),
    Quirks(extra_content=True, replay_reasoning=True),
    Quirks(short_tool_ids=True, strict_order=True),
)

_signatures = st.sampled_from(
    [
        None,
        SIGNED,
        SEALED,
        PHASED,
        GOOGLE,
        DETAILED,
        "",
        "{",
        "[1]",
        "{}",
        '{"id": 5}',
        "ü",
        "{" * 99,
    ]
)
_ids = st.sampled_from(["1", "2", "a.b", "x" * 70, "", "call 1", "2-1", "\ud83d"])
_names = st.sampled_from(["ls", "", "my tool!", "n" * 100, "\x00"])
_texts = st.sampled_from(["", " \n", "words", "words \n", "\ud83d\x00"])
_inputs: st.SearchStrategy[dict[str, Any]] = st.sampled_from([{}, {"a": [1, {"b": None}]}])
_blocks = st.one_of(
    st.builds(Text, text=_texts, signature=_signatures),
    st.builds(
        Thinking,
        text=_texts,
        signature=_signatures,
        redacted=st.sampled_from([None, None, "cmVkYWN0ZWQ="]),
    ),
    st.builds(ToolUse, id=_ids, name=_names, input=_inputs, signature=_signatures),
    st.builds(ToolResult, tool_use_id=_ids, name=_names, content=_texts, is_error=st.booleans()),
    st.just(Attachment(media_type="image/png", data=b"png")),
    st.just(Attachment(media_type="text/plain", data=b"text", name="a.txt")),
)
_messages = st.builds(
    Message,
    role=st.sampled_from(["user", "assistant"]),
    content=st.lists(_blocks, max_size=5).map(tuple),
)
histories = st.lists(_messages, max_size=8)
_levels = st.sampled_from([None, "off", "low", "max"])


def build(
    dialect: str, history: list[Message], level: ThinkingLevel | None, quirks: Quirks
) -> dict[str, Any]:
    request = Request(
        model=MODELS[dialect], messages=tuple(history), options=Options(thinking=level)
    )
    if dialect == "anthropic":
        return anthropic_request.build_request(request)
    if dialect == "responses":
        return responses_request.build_request(request)
    return chat_request.build_request(request, quirks)


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=150, deadline=None)
@given(histories, _levels, st.sampled_from(QUIRKS))
def test_any_history_is_taken(
    dialect: str, history: list[Message], level: ThinkingLevel | None, quirks: Quirks
) -> None:
    body = build(dialect, history, level, quirks)
    strict.check(dialect, body)
    if dialect == "chat" and quirks.strict_order:
        strict.check_order(body)


@settings(max_examples=150, deadline=None)
@given(histories, st.sampled_from([safe_tool_id, chat_request._short_id]))
def test_what_is_repaired_needs_no_repair(history: list[Message], tool_id: Any) -> None:
    once = repair(history, tool_id=tool_id)
    assert repair(once, tool_id=tool_id) == once


@settings(max_examples=150, deadline=None)
@given(histories)
def test_a_signature_goes_back_to_its_own_dialect_alone(history: list[Message]) -> None:
    sent = {dialect: json.dumps(build(dialect, history, None, Quirks())) for dialect in DIALECTS}
    assert "gAAA-sealed" not in sent["anthropic"] + sent["chat"]
    assert SIGNED not in sent["responses"] + sent["chat"]
    assert "cmVkYWN0ZWQ=" not in sent["responses"] + sent["chat"]
    for secret in ("Z29vZ2xl", "reasoning_details"):
        assert secret not in "".join(sent.values())
    google = json.dumps(build("chat", history, None, Quirks(extra_content=True)))
    assert "reasoning_details" not in google


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_was_signed_goes_back_byte_for_byte(dialect: str) -> None:
    use = ToolUse(id="1", name="ls", signature=GOOGLE)
    blocks: tuple[Block, ...] = (
        Thinking(text="a", signature=SIGNED),
        Thinking(redacted="cmVkYWN0ZWQ="),
        Thinking(text="b", signature=SEALED),
        Text(text="c", signature=PHASED),
        use,
    )
    result = ToolResult(tool_use_id="1", name="ls", content="d")
    history = [Message.user("go"), Message.assistant(blocks), Message.user(result)]
    body = build(dialect, history, None, Quirks(extra_content=True))
    strict.check(dialect, body)
    if dialect == "anthropic":
        assert body["messages"][1]["content"][:2] == [
            {"type": "thinking", "thinking": "a", "signature": SIGNED},
            {"type": "redacted_thinking", "data": "cmVkYWN0ZWQ="},
        ]
    elif dialect == "responses":
        summary = [{"type": "summary_text", "text": "b"}]
        seal = json.loads(SEALED)
        assert body["input"][1] == {"type": "reasoning", "summary": summary, **seal}
        assert body["input"][2]["phase"] == "commentary"
    else:
        assert body["messages"][1]["tool_calls"][0]["extra_content"] == json.loads(GOOGLE)


def test_a_history_that_ends_in_the_assistants_words_is_gone_on_from() -> None:
    history = (Message.user("Tell me"), Message.assistant("Once upon"))
    body = anthropic_request.build_request(Request(model="claude-opus-5-5", messages=history))
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    older = Request(model="claude-sonnet-4-5", messages=history)
    assert anthropic_request.build_request(older)["messages"][-1]["role"] == "assistant"
    thinking = Request(model="claude-sonnet-4-5", messages=history, options=Options(thinking="low"))
    assert anthropic_request.build_request(thinking)["messages"][-1]["role"] == "user"
