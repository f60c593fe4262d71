"""What goes out to the Messages API."""

from __future__ import annotations

from typing import Any

import pytest

from omni_tui.core.errors import UnsupportedModalityError
from omni_tui.core.messages import Attachment, Block, Message, Text, Thinking, ToolResult, ToolUse
from omni_tui.core.tool import Tool
from omni_tui.llm.providers.anthropic_request import build_request
from omni_tui.llm.providers.base import THINKING_BUDGETS, Options, Request, ThinkingLevel

CACHE = {"type": "ephemeral"}
SIGNATURE = "EvQBCkYICxgCKkAxhD4N/+=="


def body(*messages: Message, model: str = "claude-sonnet-4-6", **options: Any) -> dict[str, Any]:
    history = messages or (Message.user("Hello"),)
    return build_request(Request(model=model, messages=history, options=Options(**options)))


def sent(*blocks: Block, role: str = "user") -> list[dict[str, Any]]:
    if role == "assistant":
        history = (Message.user("Hi"), Message.assistant(blocks), Message.user("go on"))
        content: list[dict[str, Any]] = body(*history)["messages"][1]["content"]
        return content
    content = body(Message.user(blocks))["messages"][0]["content"]
    for part in content:
        part.pop("cache_control", None)
    return content


def test_the_plainest_request() -> None:
    assert body() == {
        "model": "claude-sonnet-4-6",
        "stream": True,
        "max_tokens": 16_384,
        "messages": [
            {
                "role": "user",
                "content": [{"type": "text", "text": "Hello", "cache_control": CACHE}],
            }
        ],
    }


def test_system_tools_and_the_last_message_are_marked_for_the_cache() -> None:
    tools = (
        Tool(name="ls", description="List", input_schema={"type": "object"}),
        Tool(name="rm", input_schema={"type": "object"}),
    )
    made = build_request(
        Request(
            model="claude-sonnet-4-6",
            messages=(Message.user("a"), Message.assistant("b"), Message.user("c")),
            system="Be kind",
            tools=tools,
        )
    )
    assert made["system"] == [{"type": "text", "text": "Be kind", "cache_control": CACHE}]
    assert made["tools"] == [
        {"name": "ls", "description": "List", "input_schema": {"type": "object"}},
        {"name": "rm", "input_schema": {"type": "object"}, "cache_control": CACHE},
    ]
    marks = ["cache_control" in message["content"][-1] for message in made["messages"]]
    assert marks == [False, False, True]


def test_a_tool_loop() -> None:
    use = ToolUse(id="t1", name="ls", input={"path": "."})
    result = ToolResult(tool_use_id="t1", name="ls", content="nothing", is_error=True)
    made = body(
        Message.user("list"),
        Message.assistant((Text(text="Looking."), use)),
        Message.user((result, Text(text="hurry"))),
    )["messages"]
    assert made[1]["content"] == [
        {"type": "text", "text": "Looking."},
        {"type": "tool_use", "id": "t1", "name": "ls", "input": {"path": "."}},
    ]
    assert made[2]["content"][0] == {
        "type": "tool_result",
        "tool_use_id": "t1",
        "content": "nothing",
        "is_error": True,
    }
    assert made[2]["content"][1]["text"] == "hurry"


def test_thinking_goes_back_byte_for_byte() -> None:
    assert sent(
        Thinking(text="hm", signature=SIGNATURE),
        Thinking(redacted="ZW5jcnlwdGVk"),
        Text(text="Yes"),
        role="assistant",
    ) == [
        {"type": "thinking", "thinking": "hm", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": "ZW5jcnlwdGVk"},
        {"type": "text", "text": "Yes"},
    ]


@pytest.mark.parametrize("signature", [None, '{"id": "rs_1", "encrypted_content": "gAAA"}'])
def test_thinking_of_another_dialect_is_left_out(signature: str | None) -> None:
    blocks = (Thinking(text="hm", signature=signature), Text(text="Yes"))
    assert sent(*blocks, role="assistant") == [{"type": "text", "text": "Yes"}]


def test_a_message_of_foreign_thinking_alone_is_left_out() -> None:
    thought = Message.assistant((Thinking(text="hm"),))
    assert len(body(Message.user("a"), thought)["messages"]) == 1


def test_turns_alternate_and_begin_with_the_user() -> None:
    made = body(Message.assistant("I was here first"), Message.user("a"), Message.user("b"))[
        "messages"
    ]
    assert [message["role"] for message in made] == ["user", "assistant", "user"]
    assert [part["text"] for part in made[2]["content"]] == ["a", "b"]


def test_a_last_message_of_the_assistant_loses_its_trailing_blanks() -> None:
    made = body(Message.user("a"), Message.assistant("Once upon \n"), model="claude-sonnet-4-5")[
        "messages"
    ]
    assert made[1]["content"] == [{"type": "text", "text": "Once upon"}]


def test_attachments() -> None:
    image = Attachment(media_type="image/png", data=b"\x89PNG")
    linked = Attachment(media_type="image/png", url="https://example.com/a.png")
    pdf = Attachment(media_type="application/pdf", data=b"%PDF")
    note = Attachment(media_type="text/plain", data="é".encode(), name="note.txt")
    parts = sent(image, linked, pdf, note)
    assert parts[0] == {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="},
    }
    assert parts[1]["source"] == {"type": "url", "url": "https://example.com/a.png"}
    assert parts[2]["type"] == "document"
    assert parts[3] == {"type": "text", "text": "File note.txt:\n```\né\n```"}


@pytest.mark.parametrize(
    "attachment",
    [
        Attachment(media_type="video/mp4", data=b"x"),
        Attachment(media_type="image/png"),
        Attachment(media_type="text/plain", url="https://example.com/a.txt"),
    ],
)
def test_an_attachment_that_cannot_be_read_is_an_error(attachment: Attachment) -> None:
    with pytest.raises(UnsupportedModalityError, match=attachment.media_type) as caught:
        sent(attachment)
    assert "claude-sonnet-4-6" in str(caught.value)


@pytest.mark.parametrize(
    ("level", "budget"),
    [("low", 1024), ("medium", 4096), ("high", 16_384), ("xhigh", 24_576), ("max", 32_768)],
)
def test_budgets_come_on_top_of_the_answer(level: ThinkingLevel, budget: int) -> None:
    made = body(model="claude-sonnet-4-5", thinking=level, max_tokens=4096)
    assert made["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert made["max_tokens"] == 4096 + budget


def test_budget_and_answer_stay_within_what_the_model_can_write() -> None:
    made = body(model="claude-opus-4-1", thinking="max", max_tokens=16_000)
    assert made["max_tokens"] == 32_000
    assert made["thinking"]["budget_tokens"] < 32_000
    assert body(model="claude-3-haiku-20240307")["max_tokens"] == 4096
    assert body(model="claude-3-5-haiku-latest")["max_tokens"] == 8192


@pytest.mark.parametrize(
    ("model", "level", "effort"),
    [
        ("claude-sonnet-4-6", "low", "low"),
        ("claude-opus-4-6", "xhigh", "high"),
        ("claude-opus-4-6", "max", "max"),
        ("claude-opus-4-8", "xhigh", "xhigh"),
        ("claude-sonnet-5-5", "medium", "medium"),
    ],
)
def test_newer_models_get_an_effort(model: str, level: ThinkingLevel, effort: str) -> None:
    made = body(model=model, thinking=level)
    assert made["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert made["output_config"] == {"effort": effort}
    assert made["max_tokens"] == 16_384 + THINKING_BUDGETS[level]
    assert body(model=model, thinking=level, max_tokens=900)["max_tokens"] == 900


def test_thinking_can_be_off_or_unknown_to_the_model() -> None:
    assert body(model="claude-opus-5-5", thinking="off")["thinking"] == {"type": "disabled"}
    assert "thinking" not in body(model="claude-sonnet-4-5", thinking="off")
    assert "thinking" not in body(model="claude-3-5-haiku-latest", thinking="high")
    assert body(model="glm-4.7", thinking="low")["thinking"]["type"] == "enabled"


def test_a_budget_is_not_asked_for_in_a_tool_loop_of_another_model() -> None:
    use = ToolUse(id="t1", name="ls")
    result = ToolResult(tool_use_id="t1", name="ls", content="x")
    ours = (Thinking(text="hm", signature=SIGNATURE), use)
    history = (Message.user("a"), Message.assistant(use), Message.user(result))
    assert "thinking" not in body(*history, model="claude-sonnet-4-5", thinking="low")
    history = (Message.user("a"), Message.assistant(ours), Message.user(result))
    assert "thinking" in body(*history, model="claude-sonnet-4-5", thinking="low")


def test_temperature_goes_only_where_it_is_taken() -> None:
    assert body(model="claude-sonnet-4-5", temperature=0.2)["temperature"] == 0.2
    assert "temperature" not in body(model="claude-sonnet-4-5", temperature=0.2, thinking="low")
    assert "temperature" not in body(model="claude-opus-4-8", temperature=0.2)
