"""What the rows of the table change in a Chat Completions request, beyond words for thinking."""

from __future__ import annotations

from typing import Any

import pytest
import strict
from wire.made import closing, opening, text, wrap
from wire.server import Reply, sse_server
from wire_helpers import collect, make

from omni_tui.core.messages import Attachment, Message, Text, ToolResult, ToolUse
from omni_tui.core.tool import tool
from omni_tui.llm.providers.base import Options, Request
from omni_tui.llm.providers.chat_request import build_request
from omni_tui.llm.providers.quirks import Quirks
from omni_tui.llm.providers.table import ENDPOINTS

CLAUDE = "anthropic/claude-sonnet-5.5"
SHORT = {"type": "ephemeral"}
LONG = {"type": "ephemeral", "ttl": "1h"}
USE = ToolUse(id="call_1", name="look")
RESULT = ToolResult(tool_use_id="call_1", name="look", content="found")


@tool
async def look() -> str:
    """Look."""
    return ""


@tool
async def listen() -> str:
    """Listen."""
    return ""


def body(*messages: Message, provider: str = "openrouter", **settings: Any) -> dict[str, Any]:
    request = Request(**{"model": CLAUDE, "system": "Be brief.", **settings}, messages=messages)
    return build_request(request, ENDPOINTS[provider].quirks)


def marks(value: Any, path: str = "") -> dict[str, Any]:
    """Where marks stand, and which."""
    found: dict[str, Any] = {}
    children = enumerate(value) if isinstance(value, list) else ()
    for key, child in value.items() if isinstance(value, dict) else children:
        if key == "cache_control":
            found[path] = child
        found |= marks(child, f"{path}/{key}")
    return found


@pytest.mark.parametrize(("hint", "mark"), [("short", SHORT), ("long", LONG)])
def test_the_prompt_of_a_claude_model_is_marked(hint: Any, mark: dict[str, str]) -> None:
    made = body(
        *(Message.user("a"), Message.assistant("b"), Message.user("c")),
        tools=(look, listen),
        options=Options(cache=hint),
    )
    assert marks(made) == {
        "/tools/1": mark,
        "/messages/0/content/0": mark,
        "/messages/3/content/0": mark,
    }
    assert made["messages"][0] == {
        "role": "system",
        "content": [{"type": "text", "text": "Be brief.", "cache_control": mark}],
    }
    assert made["messages"][1] == {"role": "user", "content": "a"}


def test_results_of_tools_are_marked_while_a_loop_goes_on() -> None:
    made = body(Message.user("a"), Message.assistant(USE), Message.user(RESULT), system=None)
    assert made["messages"][-1] == {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": [{"type": "text", "text": "found", "cache_control": SHORT}],
    }
    assert list(marks(made)) == ["/messages/2/content/0"]


def test_a_mark_stands_on_words_and_not_on_a_picture() -> None:
    picture = Attachment(media_type="image/png", data=b"png")
    made = body(Message.user((Text(text="What is this?"), picture)), system=None)
    assert list(marks(made)) == ["/messages/0/content/0"]
    assert marks(body(Message.user(picture), system=None)) == {}


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "google/gemini-3.8-flash"},
        {"options": Options(cache=None)},
        {"provider": "groq"},
    ],
)
def test_nothing_is_marked_elsewhere(settings: dict[str, Any]) -> None:
    assert marks(body(Message.user("a"), tools=(look,), **settings)) == {}


def mistral(*messages: Message) -> list[dict[str, Any]]:
    made = body(*messages, provider="mistral", model="mistral-large-latest", system=None)
    strict.check("chat", made)
    strict.check_order(made)
    said: list[dict[str, Any]] = made["messages"]
    return said


def test_mistral_hears_the_model_between_results_and_words() -> None:
    history = (Message.user("a"), Message.assistant(USE), Message.user((RESULT, Text(text="b"))))
    assert mistral(*history)[-2:] == [
        {"role": "assistant", "content": "Noted."},
        {"role": "user", "content": "b"},
    ]
    assert [said["role"] for said in mistral(*history[:2])] == ["user", "assistant", "tool"]
    plain = body(*history, provider="groq", system=None)["messages"]
    assert [said["role"] for said in plain] == ["user", "assistant", "tool", "user"]


def test_mistral_is_asked_to_go_on_where_a_history_ends_in_its_words() -> None:
    made = mistral(Message.user("a"), Message.assistant("Once upon"))
    assert made[-1] == {"role": "user", "content": "Go on."}


async def test_the_quirks_of_a_row_reach_the_wire() -> None:
    answer = [*opening("chat"), *text("chat", 0, "Hello."), *closing("chat")]
    with sse_server(Reply(pieces=wrap("chat", answer))) as server:
        for quirks in (ENDPOINTS["openrouter"].quirks, ENDPOINTS["mistral"].quirks, Quirks()):
            provider = make("chat", server.url, quirks=quirks)
            history = (Message.user("a"), Message.assistant(USE))
            asked = (*history, Message.user((RESULT, Text(text="b"))))
            await collect(provider, Request(model=CLAUDE, messages=asked))
            await provider.close()
    marked, ordered, plain = [request.json for request in server.requests]
    assert list(marks(marked)) == ["/messages/3/content/0"]
    assert marks(ordered) == marks(plain) == {}
    assert len(ordered["messages"]) == len(plain["messages"]) + 1
