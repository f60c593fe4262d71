"""What goes out to the Responses and the Chat Completions API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from omni_tui.core.errors import UnsupportedModalityError
from omni_tui.core.messages import Attachment, Message, Text, Thinking, ToolResult, ToolUse
from omni_tui.core.tool import Tool
from omni_tui.llm.providers import chat_request, responses_request
from omni_tui.llm.providers.base import Options, Request, ThinkingLevel
from omni_tui.llm.providers.quirks import Quirks
from omni_tui.llm.providers.table import ENDPOINTS, OPENAI_QUIRKS

SEALED = json.dumps({"id": "rs_1", "encrypted_content": "gAAA+/=="})
TOOL = Tool(name="ls", description="List", input_schema={"type": "object", "properties": {}})
USE = ToolUse(id="call_1", name="ls", input={"path": "é"})
RESULT = ToolResult(tool_use_id="call_1", name="ls", content="a.txt")


def request(*messages: Message, model: str = "gpt-5.5", **more: Any) -> Request:
    options = Options(**more.pop("options", {}))
    return Request(
        model=model, messages=messages or (Message.user("Hello"),), options=options, **more
    )


def responses(*messages: Message, **more: Any) -> dict[str, Any]:
    return responses_request.build_request(request(*messages, **more))


def chat(*messages: Message, quirks: Quirks | None = None, **more: Any) -> dict[str, Any]:
    return chat_request.build_request(request(*messages, **more), quirks)


def test_the_plainest_responses_request() -> None:
    assert responses(options={"cache": None}) == {
        "model": "gpt-5.5",
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Hello"}],
            }
        ],
    }


def test_a_responses_tool_loop_with_sealed_reasoning() -> None:
    thought = Thinking(text="Let me look", signature=SEALED)
    spoken = Text(text="Looking.", signature='{"phase": "commentary"}')
    made = responses(
        Message.user("list"),
        Message.assistant((thought, spoken, USE)),
        Message.user(RESULT),
        system="Be kind",
        tools=(TOOL,),
        options={"max_tokens": 99},
    )
    assert made["instructions"] == "Be kind"
    assert made["max_output_tokens"] == 99
    assert made["tools"] == [
        {
            "type": "function",
            "name": "ls",
            "description": "List",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        }
    ]
    assert made["input"][1:] == [
        {
            "type": "reasoning",
            "id": "rs_1",
            "encrypted_content": "gAAA+/==",
            "summary": [{"type": "summary_text", "text": "Let me look"}],
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Looking."}],
            "phase": "commentary",
        },
        {
            "type": "function_call",
            "call_id": "call_1",
            "name": "ls",
            "arguments": '{"path": "é"}',
        },
        {"type": "function_call_output", "call_id": "call_1", "output": "a.txt"},
    ]


@pytest.mark.parametrize("signature", [None, "EvQBCkYICxgCKkAx", "{broken", '{"id": 7}', "[]"])
def test_reasoning_that_is_not_sealed_by_openai_is_left_out(signature: str | None) -> None:
    blocks = (Thinking(text="hm", signature=signature), Text(text="Yes"))
    made = responses(Message.user("a"), Message.assistant(blocks))["input"]
    assert [item["type"] for item in made] == ["message", "message"]


def test_reasoning_that_leads_to_nothing_is_left_out() -> None:
    thought = Thinking(text="hm", signature=SEALED)
    made = responses(Message.user("a"), Message.assistant(thought), Message.user("b"))["input"]
    assert [item["type"] for item in made] == ["message", "message"]


@pytest.mark.parametrize(
    ("model", "level", "effort"),
    [
        ("gpt-5.5", "off", "none"),
        ("gpt-5.5", "low", "low"),
        ("gpt-5.5", "xhigh", "xhigh"),
        ("gpt-5.5", "max", "xhigh"),
        ("gpt-6-sol", "off", "none"),
        ("gpt-5-mini", "off", "minimal"),
        ("gpt-5", "max", "high"),
        ("gpt-5.1-codex", "xhigh", "high"),
        ("gpt-5.1-codex-max", "xhigh", "xhigh"),
        ("o3", "off", "low"),
        ("o4-mini", "max", "high"),
    ],
)
def test_efforts_fit_the_model(model: str, level: ThinkingLevel, effort: str) -> None:
    options = {"thinking": level}
    made = responses(model=model, options=options)
    assert made["reasoning"] == {"effort": effort, "summary": "auto"}
    made = chat(model=model, options=options, quirks=OPENAI_QUIRKS)
    assert made["reasoning_effort"] == effort


def test_models_that_do_not_reason_get_a_temperature_and_no_effort() -> None:
    options = {"thinking": "high", "temperature": 0.3}
    for model in ("gpt-4.1-mini", "gpt-4o", "chatgpt-4o-latest", "gpt-5-chat-latest"):
        made = responses(model=model, options=options)
        assert made["temperature"] == 0.3
        assert "reasoning" not in made
        assert "include" not in made
    assert "temperature" not in responses(model="gpt-5.5", options=options)


def test_responses_attachments() -> None:
    made = responses(
        Message.user(
            (
                Attachment(media_type="image/png", data=b"x"),
                Attachment(media_type="application/pdf", data=b"x", name="a.pdf"),
                Attachment(media_type="application/pdf", url="https://example.com/a.pdf"),
                Attachment(media_type="application/json", data=b"{}", name="a.json"),
            )
        )
    )
    image, pdf, linked, note = made["input"][0]["content"]
    assert image["image_url"] == "data:image/png;base64,eA=="
    assert pdf["file_data"] == "data:application/pdf;base64,eA=="
    assert pdf["filename"] == "a.pdf"
    assert linked == {"type": "input_file", "file_url": "https://example.com/a.pdf"}
    assert note["text"].startswith("File a.json:")


def test_the_plainest_chat_request() -> None:
    assert chat(system="Be kind", options={"max_tokens": 9, "temperature": 0.5}) == {
        "model": "gpt-5.5",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": "Be kind"},
            {"role": "user", "content": "Hello"},
        ],
        "max_tokens": 9,
        "temperature": 0.5,
    }


def test_openai_itself_has_its_own_words() -> None:
    made = chat(system="Be kind", options={"max_tokens": 9}, quirks=OPENAI_QUIRKS)
    assert made["messages"][0]["role"] == "developer"
    assert made["max_completion_tokens"] == 9
    assert "max_tokens" not in made


def test_a_chat_tool_loop() -> None:
    failed = ToolResult(tool_use_id="call_1", name="ls", content="no such folder", is_error=True)
    made = chat(
        Message.user("list"),
        Message.assistant((Thinking(text="hm"), USE)),
        Message.user((failed, Text(text="hurry"))),
        tools=(TOOL,),
    )
    assert made["tools"][0]["function"]["name"] == "ls"
    assert made["messages"][1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "ls", "arguments": '{"path": "é"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "Error: no such folder"},
        {"role": "user", "content": "hurry"},
    ]


def test_reasoning_goes_back_only_within_the_tool_loop_under_way() -> None:
    quirks = ENDPOINTS["deepseek"].quirks
    thought = Thinking(text="hm")
    made = chat(
        Message.user("a"),
        Message.assistant((thought, Text(text="b"))),
        Message.user("c"),
        Message.assistant((thought, USE)),
        Message.user(RESULT),
        quirks=quirks,
    )["messages"]
    replayed = [message.get("reasoning_content") for message in made]
    assert replayed == [None, None, None, "hm", None]


def test_a_call_cut_in_its_arguments_goes_back_as_valid_json() -> None:
    broken = ToolUse(id="call_1", name="ls", invalid='{"pa')
    made = chat(Message.user("a"), Message.assistant(broken), Message.user(RESULT))
    assert made["messages"][1]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_opaque_content_goes_back_where_it_came_from() -> None:
    extra = {"google": {"thought_signature": "c2ln"}}
    signed = ToolUse(id="call_1", name="ls", signature=json.dumps(extra))
    history = (Message.user("a"), Message.assistant(signed), Message.user(RESULT))
    made = chat(*history, quirks=ENDPOINTS["google"].quirks)
    assert made["messages"][1]["tool_calls"][0]["extra_content"] == extra
    assert "extra_content" not in chat(*history)["messages"][1]["tool_calls"][0]


def test_mistral_gets_ids_of_nine_letters_and_digits() -> None:
    quirks = ENDPOINTS["mistral"].quirks
    history = (Message.user("a"), Message.assistant(USE), Message.user(RESULT))
    made = chat(*history, quirks=quirks)["messages"]
    id = made[1]["tool_calls"][0]["id"]
    assert len(id) == 9
    assert id.isalnum()
    assert made[2]["tool_call_id"] == id


@pytest.mark.parametrize(
    ("provider", "level", "said"),
    [
        ("openrouter", "max", {"reasoning": {"effort": "xhigh"}}),
        ("openrouter", "off", {"reasoning": {"effort": "none"}}),
        ("groq", "xhigh", {"reasoning_effort": "high"}),
        ("google", "off", {"reasoning_effort": "none"}),
        ("ollama", "medium", {"reasoning_effort": "medium"}),
        ("deepseek", "low", {"thinking": {"type": "enabled"}}),
        ("zai", "off", {"thinking": {"type": "disabled"}}),
        ("xai", "high", {}),
    ],
)
def test_each_endpoint_is_told_to_think_in_its_words(
    provider: str, level: ThinkingLevel, said: dict[str, Any]
) -> None:
    quirks = ENDPOINTS[provider].quirks
    plain = chat(model="some-model", quirks=quirks)
    made = chat(model="some-model", quirks=quirks, options={"thinking": level})
    assert {key: value for key, value in made.items() if key not in plain} == said


def test_chat_attachments() -> None:
    image = Attachment(media_type="image/png", url="https://example.com/a.png")
    pdf = Attachment(media_type="application/pdf", data=b"x", name="a.pdf")
    parts = chat(Message.user((Text(text="see"), image)))["messages"][0]["content"]
    assert parts == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    (file,) = chat(Message.user(pdf), quirks=OPENAI_QUIRKS)["messages"][0]["content"]
    assert file["file"]["filename"] == "a.pdf"
    with pytest.raises(UnsupportedModalityError):
        chat(Message.user(pdf))
