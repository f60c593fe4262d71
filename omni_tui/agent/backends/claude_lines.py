"""What the lines of `claude` hold, in our types: blocks, usage, and the message under way."""

from __future__ import annotations

import json
from typing import Any

from omni_tui.agent.backends.cli_turn import JSON, count
from omni_tui.core.messages import Attachment, Block, Text, Thinking, ToolUse
from omni_tui.core.stream import StopReason
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.attachments import as_text, base64_data, is_image, is_text
from omni_tui.llm.providers.base import finish_tool_use

STOP_REASONS: dict[str, StopReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_use",
    "refusal": "refusal",
}


class OpenMessage:
    """The message that is being told."""

    def __init__(self, id: str, model: str | None, usage: Usage) -> None:
        self.id = id
        self.model = model
        self.usage = usage
        self.stop_reason: StopReason = "stop"
        self.is_whole = False
        self.blocks = 0
        """How many came whole."""
        self.open: dict[int, tuple[JSON, list[str]]] = {}
        """The blocks under way: how they began, and their pieces."""


def outgoing(block: Block) -> JSON:
    """A block of the prompt as the Messages API has it."""
    if isinstance(block, Attachment):
        if is_text(block):
            return {"type": "text", "text": as_text(block)}
        source = (
            {"type": "url", "url": block.url}
            if block.url is not None
            else {"type": "base64", "media_type": block.media_type, "data": base64_data(block)}
        )
        return {"type": "image" if is_image(block) else "document", "source": source}
    return {"type": "text", "text": block.text if isinstance(block, Text) else ""}


def incoming(fields: JSON) -> Text | Thinking | ToolUse | None:
    """A whole block; `None` for a kind that is not known."""
    match fields:
        case {"type": "text", "text": str(text)}:
            return Text(text=text)
        case {"type": "thinking", "thinking": str(text)}:
            return Thinking(text=text)
        case {"type": "tool_use", "id": str(id), "name": str(name), "input": dict(given)}:
            return finish_tool_use(id, name, json.dumps(given))
        case _:
            return None


def words_of(content: Any) -> str:
    """The content of a tool's result as text."""
    if isinstance(content, str):
        return content
    return "\n".join(
        str(block["text"]) if block.get("type") == "text" else f"[{block.get('type')}]"
        for block in dicts(content)
    )


def newer(before: Usage, told: JSON) -> Usage:
    """The tokens of a message after another line about them; what it leaves out stays."""
    return Usage(
        input=count(told, "input_tokens") or before.input,
        output=count(told, "output_tokens") or before.output,
        cache_read=count(told, "cache_read_input_tokens") or before.cache_read,
        cache_write=count(told, "cache_creation_input_tokens") or before.cache_write,
    )


def dicts(value: Any) -> list[JSON]:
    """The objects in what should be a list of them."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def index_of(event: JSON) -> int:
    """Which block an event is about."""
    index = event.get("index")
    return index if isinstance(index, int) else 0
