"""What the three APIs demand of a conversation, as strictly as the strictest server checks it."""

from __future__ import annotations

import json
import re
from itertools import pairwise, zip_longest
from typing import Any

Body = dict[str, Any]

_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def check(dialect: str, body: Body) -> None:
    """Raises `AssertionError` for a request that a server of `dialect` would refuse."""
    json.dumps(body).encode()
    {"anthropic": check_messages, "responses": check_responses, "chat": check_chat}[dialect](body)


def check_messages(body: Body) -> None:
    """Turns alternate, calls are answered at once, and thinking is signed and leads somewhere."""
    seen: set[str] = set()
    waiting: list[str] = []
    expected = "user"
    for message in body["messages"]:
        role, content = message["role"], message["content"]
        assert role == expected, "turns must alternate, and a person begins"
        expected = "assistant" if role == "user" else "user"
        assert content
        kinds = [block["type"] for block in content]
        answers = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
        assert answers == waiting
        assert kinds[: len(waiting)] == ["tool_result"] * len(waiting)
        waiting = []
        for block in content:
            match block["type"]:
                case "text":
                    assert block["text"].strip()
                case "thinking":
                    assert role == "assistant"
                    assert re.fullmatch(r"[A-Za-z0-9+/=_-]+", block["signature"])
                case "tool_use":
                    assert role == "assistant"
                    _check_call(block["id"], block["name"], seen)
                    assert isinstance(block["input"], dict)
                    waiting.append(block["id"])
                case "image" | "document":
                    assert role == "user"
                case "redacted_thinking":
                    assert role == "assistant"
                    assert block["data"]
        if role == "assistant":
            assert kinds[-1] not in ("thinking", "redacted_thinking")
    assert not waiting
    last = body["messages"][-1:] or [{"role": "user"}]
    assert last[0]["role"] == "user", "models of today refuse a beginning of their answer"


def check_chat(body: Body) -> None:
    """Every call is answered by a tool message right after it; nothing is said without words."""
    seen: set[str] = set()
    waiting: list[str] = []
    for message in body["messages"]:
        role = message["role"]
        if role == "tool":
            assert message["tool_call_id"] == waiting.pop(0)
            assert isinstance(message["content"], str)
            continue
        assert not waiting
        calls = message.get("tool_calls", [])
        assert (role == "assistant") or not calls
        assert message["content"] or calls
        for call in calls:
            _check_call(call["id"], call["function"]["name"], seen)
            assert isinstance(json.loads(call["function"]["arguments"]), dict)
            waiting.append(call["id"])
    assert not waiting


def check_order(body: Body) -> None:
    """What Mistral demands beyond that: results are answered by the model, and a person asks."""
    roles = [message["role"] for message in body["messages"]]
    assert ("tool", "user") not in pairwise(roles)
    assert roles[-1:] != ["assistant"]


def check_responses(body: Body) -> None:
    """Calls have one output each, after them; reasoning has its seal and an item that follows."""
    seen: set[str] = set()
    waiting: list[str] = []
    items = body["input"]
    for item, following in zip_longest(items, items[1:]):
        match item["type"]:
            case "function_call":
                _check_call(item["call_id"], item["name"], seen)
                assert isinstance(json.loads(item["arguments"]), dict)
                waiting.append(item["call_id"])
            case "function_call_output":
                assert item["call_id"] == waiting.pop(0)
            case "reasoning":
                assert item["encrypted_content"]
                assert following is not None
                assert following["type"] in ("reasoning", "function_call", "message")
                assert following.get("role") != "user"
            case "message":
                assert item["role"] == "assistant" or not waiting
                assert item["content"]
                said = [part["text"] for part in item["content"] if "text" in part]
                assert all(text.strip() for text in said)
    assert not waiting


def _check_call(id: str, name: str, seen: set[str]) -> None:
    assert _ID.fullmatch(id)
    assert _ID.fullmatch(name)
    assert id not in seen
    seen.add(id)
