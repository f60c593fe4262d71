"""The Anthropic Messages dialect."""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar

from omni_tui.core.messages import Attachment, Block, Message, Text, Thinking, ToolResult, ToolUse
from omni_tui.core.stream import StopReason
from omni_tui.core.tool import Tool
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.assembly import Assembly, count
from omni_tui.llm.providers.attachments import as_text, base64_data, is_image, is_pdf, unsupported
from omni_tui.llm.providers.base import Request, ThinkingLevel
from omni_tui.llm.providers.faults import ReportedError
from omni_tui.llm.providers.wire import WireProvider
from omni_tui.llm.repair import merge_roles, repair

DEFAULT_MAX_TOKENS = 16_384
BUDGETS: dict[ThinkingLevel, int] = {
    "low": 1024,
    "medium": 4096,
    "high": 16_384,
    "xhigh": 24_576,
    "max": 32_768,
}
_MIN_ANSWER = 1024
_CACHE = {"type": "ephemeral"}

_NO_THINKING = re.compile(r"claude-(?:2|instant|3-5|3-(?:opus|sonnet|haiku))")
_BY_BUDGET = re.compile(r"claude-(?:3-7|(?:opus|sonnet|haiku)-4-[0-5])")
_NO_XHIGH = re.compile(r"claude-(?:opus|sonnet)-4-6")
_OUTPUT_LIMITS = (
    (re.compile(r"claude-3-5"), 8192),
    (re.compile(r"claude-(?:2|instant|3-(?:opus|sonnet|haiku))"), 4096),
    (re.compile(r"claude-opus-4-(?:[01]|2025)"), 32_000),
)
_OUTPUT_LIMIT = 64_000
_OWN_SIGNATURE = re.compile(r"[A-Za-z0-9+/=_-]+")

_STOP_REASONS: dict[str, StopReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_use",
    "refusal": "refusal",
}


class AnthropicProvider(WireProvider):
    """Messages API of Anthropic, and of servers that speak it."""

    path: ClassVar[str] = "/v1/messages"
    default_url: ClassVar[str] = "https://api.anthropic.com"

    def build(self, request: Request) -> dict[str, Any]:
        return build_request(request)

    def _assembly(self) -> Assembly:
        return MessagesAssembly()

    def _connect(self, timeout: tuple[float, float]) -> tuple[Any, Any, Any]:
        import anthropic

        connect, silence = timeout
        client = anthropic.AsyncAnthropic(
            api_key="sent-with-each-request",
            base_url=self.base_url,
            max_retries=0,
            timeout=anthropic.Timeout(silence, connect=connect),
        )
        return client, anthropic.AsyncStream[object], anthropic.omit


def build_request(request: Request) -> dict[str, Any]:
    """The body of a Messages request. Marks the stable part of the prompt for caching."""
    history = merge_roles(repair(request.messages))
    if history and history[0].role == "assistant":
        history = (Message.user("…"), *history)
    contents = ((message.role, _content(message.content)) for message in history)
    messages: list[dict[str, Any]] = [
        {"role": role, "content": content} for role, content in contents if content
    ]
    _trim_prefill(messages)
    body: dict[str, Any] = {"model": request.model, "stream": True, "messages": messages}
    if request.system:
        body["system"] = [{"type": "text", "text": request.system, "cache_control": _CACHE}]
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        body["tools"][-1]["cache_control"] = _CACHE
    if messages and messages[-1]["role"] == "user":
        messages[-1]["content"][-1]["cache_control"] = _CACHE
    body |= _thinking(request, messages)
    temperature = request.options.temperature
    if temperature is not None and _takes_temperature(request.model, body):
        body["temperature"] = temperature
    return body


def _thinking(request: Request, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """`max_tokens`, and how to think."""
    model, level = request.model, request.options.thinking
    limit = _output_limit(model)
    answer = request.options.max_tokens or min(DEFAULT_MAX_TOKENS, limit)
    claude = "claude" in model
    if level is None or (claude and _NO_THINKING.search(model)):
        return {"max_tokens": answer}
    adaptive = claude and not _BY_BUDGET.search(model)
    if level == "off":
        off = {"thinking": {"type": "disabled"}} if adaptive or not claude else {}
        return {"max_tokens": answer, **off}
    if adaptive:
        effort = "high" if level == "xhigh" and _NO_XHIGH.search(model) else level
        return {
            "max_tokens": answer,
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": effort},
        }
    if _tool_loop_without_thinking(messages):
        return {"max_tokens": answer}
    total = min(answer + BUDGETS[level], limit)
    budget = min(BUDGETS[level], total - _MIN_ANSWER)
    if budget < BUDGETS["low"]:
        return {"max_tokens": answer}
    return {"max_tokens": total, "thinking": {"type": "enabled", "budget_tokens": budget}}


def _tool_loop_without_thinking(messages: list[dict[str, Any]]) -> bool:
    """Whether tool results answer a message without thinking of this dialect.

    Such a history (another model made the call) is refused while thinking with a budget is on.
    """
    if len(messages) < 2 or messages[-1]["content"][0]["type"] != "tool_result":
        return False
    return messages[-2]["content"][0]["type"] not in ("thinking", "redacted_thinking")


def _takes_temperature(model: str, body: dict[str, Any]) -> bool:
    if body.get("thinking", {}).get("type") in ("enabled", "adaptive"):
        return False
    older = _NO_THINKING.search(model) or _BY_BUDGET.search(model) or _NO_XHIGH.search(model)
    return "claude" not in model or older is not None


def _output_limit(model: str) -> int:
    return next((limit for names, limit in _OUTPUT_LIMITS if names.search(model)), _OUTPUT_LIMIT)


def _trim_prefill(messages: list[dict[str, Any]]) -> None:
    """A history may end in the assistant's words, but not in blanks."""
    if messages and messages[-1]["role"] == "assistant":
        last = messages[-1]["content"][-1]
        if last["type"] == "text":
            last["text"] = last["text"].rstrip()


def _tool(tool: Tool) -> dict[str, Any]:
    body: dict[str, Any] = {"name": tool.name, "input_schema": tool.input_schema}
    if tool.description:
        body["description"] = tool.description
    return body


def _content(blocks: tuple[Block, ...]) -> list[dict[str, Any]]:
    content = [part for block in blocks if (part := _part(block)) is not None]
    while content and content[-1]["type"] in ("thinking", "redacted_thinking"):
        content.pop()
    return content


def _part(block: Block) -> dict[str, Any] | None:
    match block:
        case Text():
            return {"type": "text", "text": block.text}
        case Thinking(redacted=str(data)):
            return {"type": "redacted_thinking", "data": data}
        case Thinking():
            if block.signature is None or not _OWN_SIGNATURE.fullmatch(block.signature):
                return None
            return {"type": "thinking", "thinking": block.text, "signature": block.signature}
        case ToolUse():
            return {"type": "tool_use", "id": block.id, "name": block.name, "input": block.input}
        case ToolResult():
            result = {
                "type": "tool_result",
                "tool_use_id": block.tool_use_id,
                "content": block.content,
            }
            return {**result, "is_error": True} if block.is_error else result
        case Attachment():
            return _attachment(block)


def _attachment(block: Attachment) -> dict[str, Any]:
    if not (is_image(block) or is_pdf(block)):
        return {"type": "text", "text": as_text(block)}
    if block.url is not None:
        source = {"type": "url", "url": block.url}
    elif block.data is not None:
        data = base64_data(block)
        source = {"type": "base64", "media_type": block.media_type, "data": data}
    else:
        raise unsupported(block)
    return {"type": "image" if is_image(block) else "document", "source": source}


class MessagesAssembly(Assembly):
    """Reads the events of a Messages stream; blocks are keyed by their index on the wire.

    Blocks of kinds we never ask for (server tools and their results) are passed over.
    """

    def __init__(self) -> None:
        super().__init__()
        self._passed_over: set[Any] = set()
        self._whole_inputs: dict[Any, str] = {}

    def feed(self, data: Any) -> None:
        match data.get("type"):
            case "content_block_delta":
                self._delta(data.get("index"), data["delta"])
            case "content_block_start":
                self._start(data.get("index"), data["content_block"])
            case "content_block_stop":
                self._stop(data.get("index"))
            case "message_start":
                self.model = data["message"].get("model") or self.model
                self._count_tokens(data["message"].get("usage"))
            case "message_delta":
                reason = data["delta"].get("stop_reason")
                if reason is not None:
                    self.stop_reason = _STOP_REASONS.get(reason, "stop")
                self._count_tokens(data.get("usage"))
            case "message_stop":
                self.finished = self.stop_reason is not None
            case "error":
                raise ReportedError(data)

    def _start(self, index: Any, block: dict[str, Any]) -> None:
        if index in self.blocks:
            self._replace(index)
        self._passed_over.discard(index)
        match block.get("type"):
            case "text":
                self.begin_text(index)
                self.add(index, block.get("text"))
            case "thinking":
                self.begin_thinking(index)
                self.add(index, block.get("thinking"))
                self.blocks[index].signature = block.get("signature") or None
            case "redacted_thinking":
                self.redacted_thinking(block.get("data") or "")
                self._passed_over.add(index)
            case "tool_use":
                self.begin_tool(index, block.get("id"), block.get("name"))
                if block.get("input"):
                    self._whole_inputs[index] = json.dumps(block["input"])
            case _:
                self._passed_over.add(index)

    def _delta(self, index: Any, delta: dict[str, Any]) -> None:
        if index in self._passed_over:
            return
        match delta.get("type"):
            case "text_delta":
                if index not in self.blocks:
                    self.begin_text(index)
                self.add(index, delta.get("text"))
            case "thinking_delta":
                if index not in self.blocks:
                    self.begin_thinking(index)
                self.add(index, delta.get("thinking"))
            case "input_json_delta":
                self.add(index, delta.get("partial_json"))
            case "signature_delta" if index in self.blocks:
                block = self.blocks[index]
                block.signature = (block.signature or "") + delta["signature"]

    def _stop(self, index: Any) -> None:
        block = self.blocks.get(index)
        if block is None:
            return
        whole = self._whole_inputs.pop(index, None)
        self.end(index, arguments=None if block.parts else whole)

    def _replace(self, index: Any) -> None:
        """A second start at one index: words stand as they are, half a call is forgotten."""
        if self.blocks[index].kind == "tool":
            del self.blocks[index]
        else:
            self.end(index)

    def _count_tokens(self, usage: Any) -> None:
        """Counts are running totals; a later event may leave some out."""
        if not usage:
            return
        so_far = self.usage

        def latest(key: str, before: int) -> int:
            return before if usage.get(key) is None else count(usage[key])

        self.usage = Usage(
            input=latest("input_tokens", so_far.input),
            output=latest("output_tokens", so_far.output),
            cache_read=latest("cache_read_input_tokens", so_far.cache_read),
            cache_write=latest("cache_creation_input_tokens", so_far.cache_write),
        )
