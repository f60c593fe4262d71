"""The OpenAI Chat Completions dialect, which most other servers speak with small differences."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from omni_tui.core.messages import Attachment, Block, Message, Text, Thinking, ToolResult, ToolUse
from omni_tui.core.stream import Done, StopReason
from omni_tui.core.tool import Tool
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.assembly import Assembly, reading
from omni_tui.llm.providers.attachments import as_text, data_url, is_image, is_pdf, unsupported
from omni_tui.llm.providers.base import Request, ThinkingLevel
from omni_tui.llm.providers.faults import ReportedError
from omni_tui.llm.providers.openai_responses import connect_openai, effort_for, is_reasoning
from omni_tui.llm.providers.wire import WireProvider
from omni_tui.llm.repair import merge_roles, repair, safe_tool_id

ThinkingStyle: TypeAlias = Literal["openai", "effort", "openrouter", "switch"]

_STOP_REASONS: dict[str, StopReason] = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
}
_FAULT_REASONS = {"error": "server_error", "insufficient_system_resource": "overloaded"}


@dataclass(frozen=True, kw_only=True)
class Quirks:
    """How an endpoint differs from the plainest form of the dialect."""

    system_role: Literal["system", "developer"] = "system"
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    thinking: ThinkingStyle | None = None
    """How a thinking level is said: OpenAI's words, an effort up to `high`, OpenRouter's object, or
    only on and off; `None` says nothing."""
    replay_reasoning: bool = False
    """Wants the `reasoning_content` of the tool loop under way back."""
    extra_content: bool = False
    """Puts opaque `extra_content` on tool calls and wants it back."""
    pdf: bool = False
    """Reads PDF files."""
    short_tool_ids: bool = False
    """Takes only tool ids of nine letters and digits."""
    reports_cost: bool = False
    """States the price of an answer in US dollars in its usage."""


class ChatProvider(WireProvider):
    """Chat Completions API of OpenAI, and of the many servers that speak it."""

    path: ClassVar[str] = "/chat/completions"
    default_url: ClassVar[str] = "https://api.openai.com/v1"

    def __init__(self, name: str, *, quirks: Quirks | None = None, **settings: Any) -> None:
        """Like `WireProvider`; `quirks` default to the plainest form of the dialect."""
        super().__init__(name, **settings)
        self.quirks = quirks or Quirks()

    def build(self, request: Request) -> dict[str, Any]:
        return build_request(request, self.quirks)

    def _assembly(self) -> Assembly:
        return ChatAssembly(self.quirks)

    def _connect(self, timeout: tuple[float, float]) -> tuple[Any, Any, Any]:
        return connect_openai(self.base_url, timeout)


def build_request(request: Request, quirks: Quirks | None = None) -> dict[str, Any]:
    """The body of a Chat Completions request."""
    quirks = quirks or Quirks()
    options = request.options
    tool_id: Callable[[str], str] = _short_id if quirks.short_tool_ids else safe_tool_id
    history = merge_roles(repair(request.messages, tool_id=tool_id))
    messages: list[dict[str, Any]] = []
    if request.system:
        messages.append({"role": quirks.system_role, "content": request.system})
    loop_start = _loop_start(history)
    for position, message in enumerate(history):
        if message.role == "user":
            messages.extend(_user(message.content, quirks))
        else:
            in_loop = position > loop_start
            messages.extend(_assistant(message.content, quirks, in_loop=in_loop))
    body: dict[str, Any] = {
        "model": request.model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": messages,
    }
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if options.max_tokens is not None:
        body[quirks.max_tokens_name] = options.max_tokens
    own = quirks.thinking == "openai"
    if options.temperature is not None and not (own and is_reasoning(request.model)):
        body["temperature"] = options.temperature
    if options.thinking is not None:
        body |= _thinking(request.model, options.thinking, quirks.thinking)
    return body


def _thinking(model: str, level: ThinkingLevel, style: ThinkingStyle | None) -> dict[str, Any]:
    match style:
        case "openai" if is_reasoning(model):
            return {"reasoning_effort": effort_for(model, level)}
        case "openrouter":
            return {"reasoning": {"effort": effort_for(model, level)}}
        case "effort":
            effort = {"off": "none", "xhigh": "high", "max": "high"}.get(level, level)
            return {"reasoning_effort": effort}
        case "switch":
            return {"thinking": {"type": "disabled" if level == "off" else "enabled"}}
        case _:
            return {}


def _short_id(id: str) -> str:
    if len(id) == 9 and id.isalnum() and id.isascii():
        return id
    return hashlib.sha256(id.encode("utf-8", "replace")).hexdigest()[:9]


def _loop_start(history: tuple[Message, ...]) -> int:
    """Where a person last spoke; assistant messages after it belong to the tool loop under way."""
    prompts = [position for position, message in enumerate(history) if message.is_prompt]
    return prompts[-1] if prompts else -1


def _tool(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.input_schema,
    }
    return {"type": "function", "function": function}


def _user(blocks: tuple[Block, ...], quirks: Quirks) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for block in blocks:
        match block:
            case ToolResult():
                content = f"Error: {block.content}" if block.is_error else block.content
                messages.append(
                    {"role": "tool", "tool_call_id": block.tool_use_id, "content": content}
                )
            case Text():
                parts.append({"type": "text", "text": block.text})
            case Attachment():
                parts.append(_attachment(block, quirks))
    if parts:
        messages.append({"role": "user", "content": _plain(parts)})
    return messages


def _plain(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Text alone goes as a string, which every server takes."""
    if all(part["type"] == "text" for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return parts


def _attachment(block: Attachment, quirks: Quirks) -> dict[str, Any]:
    if is_image(block):
        return {"type": "image_url", "image_url": {"url": data_url(block)}}
    if not is_pdf(block):
        return {"type": "text", "text": as_text(block)}
    if not quirks.pdf or block.data is None:
        raise unsupported(block)
    file = {"filename": block.name or "document.pdf", "file_data": data_url(block)}
    return {"type": "file", "file": file}


def _assistant(blocks: tuple[Block, ...], quirks: Quirks, *, in_loop: bool) -> list[dict[str, Any]]:
    texts = [block.text for block in blocks if isinstance(block, Text)]
    calls = [_call(block, quirks) for block in blocks if isinstance(block, ToolUse)]
    if not texts and not calls:
        return []
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "\n\n".join(texts) if texts else None,
    }
    if calls:
        message["tool_calls"] = calls
    if quirks.replay_reasoning and in_loop:
        thoughts = [block.text for block in blocks if isinstance(block, Thinking) and block.text]
        if thoughts:
            message["reasoning_content"] = "\n\n".join(thoughts)
    return [message]


def _call(use: ToolUse, quirks: Quirks) -> dict[str, Any]:
    arguments = json.dumps(use.input, ensure_ascii=False)
    call: dict[str, Any] = {
        "id": use.id,
        "type": "function",
        "function": {"name": use.name, "arguments": arguments},
    }
    if quirks.extra_content and use.signature:
        with contextlib.suppress(ValueError):
            call["extra_content"] = json.loads(use.signature)
    return call


class ChatAssembly(Assembly):
    """Reads the chunks of a Chat Completions stream.

    The dialect does not say where a block ends, so tool calls stay open until the stop reason. A
    call is known by its index and its id: some servers give every call the index 0.
    """

    def __init__(self, quirks: Quirks | None = None) -> None:
        super().__init__()
        self._quirks = quirks or Quirks()
        self._calls: dict[Any, tuple[str, int]] = {}
        self._opened = 0
        self._words: tuple[str, int] | None = None

    def feed(self, data: Any) -> None:
        if data.get("error"):
            raise ReportedError(data)
        self.model = data.get("model") or self.model
        usage = data.get("usage") or (data.get("x_groq") or {}).get("usage")
        if usage:
            self.usage = self._usage(usage)
        for choice in data.get("choices") or ():
            if choice.get("index"):
                continue
            delta = choice.get("delta")
            if delta:
                self._delta(delta)
            reason = choice.get("finish_reason")
            if reason in _FAULT_REASONS:
                raise ReportedError(choice.get("error") or {"code": _FAULT_REASONS[reason]})
            if reason:
                self.stop_reason = _STOP_REASONS.get(reason, "stop")

    def conclude(self) -> Done:
        if self.stop_reason is not None:
            self.end_words()
            for key, block in list(self.blocks.items()):
                if self.stop_reason == "length" and not block.parts:
                    del self.blocks[key]
                else:
                    self.end(key)
        return super().conclude()

    def _delta(self, delta: dict[str, Any]) -> None:
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if thought:
            self._say("thinking", thought)
        content = delta.get("content")
        if isinstance(content, list):
            for part in content:
                self._part(part)
        elif content:
            self._say("text", content)
        if delta.get("refusal"):
            self._say("text", delta["refusal"])
        for call in delta.get("tool_calls") or ():
            self._call(call)

    def _part(self, part: dict[str, Any]) -> None:
        """Content in parts, as reasoning models of Mistral send it."""
        if part.get("type") == "text":
            self._say("text", part.get("text"))
        elif part.get("type") == "thinking":
            for thought in part.get("thinking") or ():
                self._say("thinking", thought.get("text"))

    def _say(self, kind: Literal["text", "thinking"], piece: Any) -> None:
        if self._words is None or self._words[0] != kind:
            self.end_words()
            self._words = (kind, self._next())
            if kind == "text":
                self.begin_text(self._words)
            else:
                self.begin_thinking(self._words)
        self.add(self._words, piece)

    def _call(self, call: dict[str, Any]) -> None:
        index, id = call.get("index"), call.get("id")
        function = call.get("function") or {}
        known = self._calls.get(index)
        if known is None or (id and known[0] and id != known[0]):
            self.end_words()
            self._words = None
            known = (id or "", self._next())
            self._calls[index] = known
            extra = call.get("extra_content")
            keep = self._quirks.extra_content and isinstance(extra, dict)
            signature = json.dumps(extra) if keep else None
            self.begin_tool(known[1], id, function.get("name"), signature=signature)
        block = self.blocks[known[1]]
        block.name = block.name or function.get("name") or ""
        arguments = function.get("arguments")
        self.add(known[1], json.dumps(arguments) if isinstance(arguments, dict) else arguments)

    def _next(self) -> int:
        self._opened += 1
        return self._opened

    def _usage(self, usage: dict[str, Any]) -> Usage:
        details = usage.get("prompt_tokens_details") or {}
        cached = details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens")
        total = reading(
            usage.get("prompt_tokens"),
            cached,
            details.get("cache_write_tokens"),
            usage.get("completion_tokens"),
        )
        cost = usage.get("cost")
        if self._quirks.reports_cost and isinstance(cost, int | float) and cost > 0:
            return total + Usage(cost=float(cost))
        return total
