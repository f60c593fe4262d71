"""The OpenAI Responses dialect, used without server-side storage: we send the whole history."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, ClassVar

from omni_tui.core.messages import Attachment, Block, Text, Thinking, ToolResult, ToolUse
from omni_tui.core.tool import Tool
from omni_tui.llm.providers.assembly import Assembly, reading
from omni_tui.llm.providers.attachments import as_text, data_url, is_image, is_pdf
from omni_tui.llm.providers.base import Request, ThinkingLevel
from omni_tui.llm.providers.faults import ReportedError
from omni_tui.llm.providers.wire import WireProvider
from omni_tui.llm.repair import repair

_NO_REASONING = re.compile(r"(?:gpt-[34]|chatgpt-|davinci|.*-chat\b)")
_EFFORTS: dict[ThinkingLevel, str] = {
    "off": "none",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "xhigh",
}
_EARLY = re.compile(r"(?:o\d|gpt-5(?:-|$)|gpt-5\.1(?!-codex-max))")
"""Models from before effort `xhigh`."""
_NO_NONE = (("gpt-5.", None), ("gpt-5", "minimal"), ("o", "low"))
"""Prefixes of models that cannot stop reasoning, with the least they can do."""


class ResponsesProvider(WireProvider):
    """Responses API of OpenAI, and of servers that speak it."""

    path: ClassVar[str] = "/responses"
    default_url: ClassVar[str] = "https://api.openai.com/v1"

    def build(self, request: Request) -> dict[str, Any]:
        return build_request(request)

    def _assembly(self) -> Assembly:
        return ResponsesAssembly()

    def _connect(self, timeout: tuple[float, float]) -> tuple[Any, Any, Any]:
        return connect_openai(self.base_url, timeout)


def connect_openai(base_url: str, timeout: tuple[float, float]) -> tuple[Any, Any, Any]:
    """What `WireProvider._connect` gives, for both dialects of OpenAI.

    The organization and project of an account (`OPENAI_ORG_ID`, `OPENAI_PROJECT_ID`) are told to
    OpenAI alone.
    """
    import openai

    connect, silence = timeout
    client = openai.AsyncOpenAI(
        api_key="sent-with-each-request",
        base_url=base_url,
        max_retries=0,
        timeout=openai.Timeout(silence, connect=connect),
    )
    if base_url != ResponsesProvider.default_url:
        client.organization = client.project = None
    return client, openai.AsyncStream[object], openai.omit


def is_reasoning(model: str) -> bool:
    """Whether an OpenAI model thinks before it answers: all but the known older ones."""
    return _NO_REASONING.match(model) is None


def effort_for(model: str, level: ThinkingLevel) -> str:
    """OpenAI's word for a thinking level, as far as `model` knows it."""
    effort = _EFFORTS[level]
    if effort == "none":
        least = next((word for prefix, word in _NO_NONE if model.startswith(prefix)), None)
        return least or effort
    return "high" if effort == "xhigh" and _EARLY.match(model) else effort


def build_request(request: Request) -> dict[str, Any]:
    """The body of a Responses request."""
    options = request.options
    items: list[dict[str, Any]] = []
    for message in repair(request.messages):
        if message.role == "user":
            items.extend(_user_items(message.content))
        else:
            items.extend(_assistant_items(message.content))
    body: dict[str, Any] = {
        "model": request.model,
        "stream": True,
        "store": False,
        "input": items,
    }
    if request.system:
        body["instructions"] = request.system
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if options.max_tokens is not None:
        body["max_output_tokens"] = options.max_tokens
    if is_reasoning(request.model):
        body["include"] = ["reasoning.encrypted_content"]
        if options.thinking is not None:
            effort = effort_for(request.model, options.thinking)
            body["reasoning"] = {"effort": effort, "summary": "auto"}
    elif options.temperature is not None:
        body["temperature"] = options.temperature
    return body


def _tool(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.input_schema,
        "strict": False,
    }


def _user_items(blocks: tuple[Block, ...]) -> Iterator[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for block in blocks:
        match block:
            case ToolResult():
                yield {
                    "type": "function_call_output",
                    "call_id": block.tool_use_id,
                    "output": f"Error: {block.content}" if block.is_error else block.content,
                }
            case Text():
                parts.append({"type": "input_text", "text": block.text})
            case Attachment():
                parts.append(_attachment(block))
    if parts:
        yield {"type": "message", "role": "user", "content": parts}


def _attachment(block: Attachment) -> dict[str, Any]:
    if is_image(block):
        return {"type": "input_image", "image_url": data_url(block), "detail": "auto"}
    if not is_pdf(block):
        return {"type": "input_text", "text": as_text(block)}
    if block.url is not None:
        return {"type": "input_file", "file_url": block.url}
    name = block.name or "document.pdf"
    return {"type": "input_file", "filename": name, "file_data": data_url(block)}


def _assistant_items(blocks: tuple[Block, ...]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for block in blocks:
        match block:
            case Text():
                item: dict[str, Any] = {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": block.text}],
                }
                items.append({**item, **_opaque(block.signature, "phase")})
            case Thinking():
                reasoning = _opaque(block.signature, "id", "encrypted_content")
                if "encrypted_content" in reasoning:
                    summary = [{"type": "summary_text", "text": block.text}] if block.text else []
                    items.append({"type": "reasoning", "summary": summary, **reasoning})
            case ToolUse():
                items.append(
                    {
                        "type": "function_call",
                        "call_id": block.id,
                        "name": block.name,
                        "arguments": json.dumps(block.input, ensure_ascii=False),
                    }
                )
    while items and items[-1]["type"] == "reasoning":
        items.pop()
    return items


def _opaque(signature: str | None, *names: str) -> dict[str, Any]:
    """What this dialect put into a signature; nothing when another dialect wrote it."""
    if signature is None or not signature.startswith("{"):
        return {}
    try:
        value = json.loads(signature)
    except ValueError:
        return {}
    return {name: value[name] for name in names if isinstance(value.get(name), str)}


class ResponsesAssembly(Assembly):
    """Reads the events of a Responses stream.

    Items are keyed by `output_index`: the ids of one item may differ from event to event.
    """

    def __init__(self) -> None:
        super().__init__()
        self._phases: dict[Any, str] = {}
        self._refused = False

    def feed(self, data: Any) -> None:
        kind = data.get("type", "")
        place = data.get("output_index")
        match kind:
            case "response.output_text.delta" | "response.refusal.delta":
                self._refused |= kind == "response.refusal.delta"
                self._words((place, data.get("content_index")), data.get("delta"))
            case "response.function_call_arguments.delta":
                if place in self.blocks:
                    self.add(place, data.get("delta"))
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self._thought(place, data.get("delta"))
            case "response.reasoning_summary_part.added":
                block = self.blocks.get(place)
                if block is not None and block.parts:
                    self.add(place, "\n\n")
            case "response.output_item.added":
                self._item_added(place, data["item"])
            case "response.output_item.done":
                self._item_done(place, data["item"])
            case "response.created":
                self.model = data["response"].get("model") or self.model
            case "response.completed" | "response.incomplete" | "response.failed":
                self._over(data["response"])
            case "error":
                raise ReportedError(data.get("error") or data)

    def _words(self, key: Any, piece: Any) -> None:
        if key not in self.blocks:
            phase = self._phases.get(key[0])
            self.begin_text(key, signature=json.dumps({"phase": phase}) if phase else None)
        self.add(key, piece)

    def _thought(self, place: Any, piece: Any) -> None:
        if place not in self.blocks:
            self.begin_thinking(place)
        self.add(place, piece)

    def _item_added(self, place: Any, item: dict[str, Any]) -> None:
        match item.get("type"):
            case "function_call":
                self.begin_tool(place, item.get("call_id") or item.get("id"), item.get("name"))
            case "reasoning":
                self.begin_thinking(place)
            case "message" if item.get("phase"):
                self._phases[place] = item["phase"]

    def _item_done(self, place: Any, item: dict[str, Any]) -> None:
        match item.get("type"):
            case "function_call":
                if place not in self.blocks:
                    self._item_added(place, item)
                arguments = item.get("arguments")
                self.end(place, arguments=arguments if isinstance(arguments, str) else None)
            case "reasoning":
                self._reasoning_done(place, item)
            case "message":
                self._message_done(place, item)

    def _reasoning_done(self, place: Any, item: dict[str, Any]) -> None:
        if place not in self.blocks:
            self.begin_thinking(place)
        block = self.blocks[place]
        if not block.parts:
            summary = item.get("summary") or []
            self.add(place, "\n\n".join(part.get("text") or "" for part in summary))
        if item.get("encrypted_content"):
            block.signature = json.dumps(
                {"id": item.get("id"), "encrypted_content": item["encrypted_content"]}
            )
        self.end(place)

    def _message_done(self, place: Any, item: dict[str, Any]) -> None:
        if item.get("phase"):
            self._phases[place] = item["phase"]
        for number, part in enumerate(item.get("content") or []):
            key = (place, number)
            if key not in self.blocks:
                self._refused |= part.get("type") == "refusal"
                self._words(key, part.get("text") or part.get("refusal"))
            self.end(key)

    def _over(self, response: dict[str, Any]) -> None:
        self.model = response.get("model") or self.model
        usage = response.get("usage")
        if usage:
            cached = usage.get("input_tokens_details") or {}
            self.usage = reading(
                usage.get("input_tokens"),
                cached.get("cached_tokens"),
                cached.get("cache_write_tokens"),
                usage.get("output_tokens"),
            )
        if response.get("status") == "failed" or response.get("error"):
            raise ReportedError(response.get("error"))
        reason = (response.get("incomplete_details") or {}).get("reason")
        if reason is None:
            self.stop_reason = "refusal" if self._refused else "stop"
        else:
            self.stop_reason = "refusal" if reason == "content_filter" else "length"
        self.finished = True
