"""What goes out in the Anthropic Messages dialect."""

from __future__ import annotations

import re
from typing import Any

from omni_tui.core.messages import (
    Attachment,
    Block,
    Message,
    Opaque,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)
from omni_tui.core.tool import Tool
from omni_tui.llm.output import instruction
from omni_tui.llm.providers.attachments import (
    as_text,
    base64_data,
    is_image,
    is_pdf,
    is_text,
    require_sendable,
)
from omni_tui.llm.providers.base import (
    THINKING_BUDGETS,
    CacheHint,
    Options,
    Request,
    add_extra,
    named_tool,
)
from omni_tui.llm.providers.cache_marks import cache_mark
from omni_tui.llm.repair import GO_ON, merge_roles, repair
from omni_tui.llm.schema import strict_schema

DEFAULT_MAX_TOKENS = 16_384
API = "Anthropic Messages"
EXTRA = frozenset(
    (
        *("container", "inference_geo", "metadata", "output_config", "service_tier", "speed"),
        *("stop_sequences", "thinking", "top_k", "top_p"),
    )
)
"""Fields a caller may add to the body."""

_MIN_ANSWER = 1024

_NO_THINKING = re.compile(r"claude-(?:2|instant|3-5|3-(?:opus|sonnet|haiku))")
_BY_BUDGET = re.compile(r"claude-(?:3-7|(?:opus|sonnet|haiku)-4-[0-5])")
_NO_XHIGH = re.compile(r"claude-(?:opus|sonnet)-4-6")
_OUTPUT_LIMITS = (
    (re.compile(r"claude-3-5"), 8192),
    (re.compile(r"claude-(?:2|instant|3-(?:opus|sonnet|haiku))"), 4096),
    (re.compile(r"claude-opus-4-(?:[01]|2025)"), 32_000),
)
_OUTPUT_LIMIT = 64_000
_NO_SHAPES = re.compile(r"claude-(?:2|instant|3|(?:opus|sonnet)-4-(?:0|2025)|(?:opus|sonnet)-4$)")
"""Models from before structured output and strict tools."""
_OWN_SIGNATURE = re.compile(r"[A-Za-z0-9+/=_-]+")


def build_request(request: Request) -> dict[str, Any]:
    """The body of a Messages request. Marks the stable part of the prompt for caching."""
    require_sendable(request, _can_send, API)
    history = merge_roles(repair(request.messages))
    if history and history[0].role == "assistant":
        history = (Message.user("…"), *history)
    contents = ((message.role, _content(message.content)) for message in history)
    messages: list[dict[str, Any]] = [
        {"role": role, "content": content} for role, content in contents if content
    ]
    _settle_end(messages, request)
    body: dict[str, Any] = {"model": request.model, "stream": True, "messages": messages}
    shapes = "claude" in request.model and not _NO_SHAPES.search(request.model)
    system = request.system or ""
    if request.output is not None and not (shapes and request.output.native):
        system = "\n\n".join(part for part in (system, instruction(request.output)) if part)
    if system:
        body["system"] = [{"type": "text", "text": system}]
    if request.tools:
        body["tools"] = [_tool(tool, may_be_strict=shapes) for tool in request.tools]
        body |= _tool_choice(request)
    _mark_for_cache(body, request.options.cache)
    body |= _thinking(request, messages)
    if request.output is not None and shapes and request.output.native:
        schema = strict_schema(request.output.schema, add_null=True)
        if schema is not None:
            output = {"format": {"type": "json_schema", "schema": schema}}
            body["output_config"] = {**body.get("output_config", {}), **output}
    temperature = request.options.temperature
    if temperature is not None and _takes_temperature(request.model, body):
        body["temperature"] = temperature
    return add_extra(body, request.options, allowed=EXTRA, api=API)


def _mark_for_cache(body: dict[str, Any], hint: CacheHint | None) -> None:
    """Mark where the parts of the prompt end that the next request will share."""
    if hint is None:
        return
    mark = cache_mark(hint)
    ends = [part[-1] for part in (body.get("system"), body.get("tools")) if part]
    messages = body["messages"]
    if messages and messages[-1]["role"] == "user":
        ends.append(messages[-1]["content"][-1])
    for end in ends:
        end["cache_control"] = mark


def _tool_choice(request: Request) -> dict[str, Any]:
    choice, parallel = request.options.tool_choice, request.options.parallel_tool_calls
    named = named_tool(request)
    said: dict[str, Any] = {"type": {"required": "any", None: "auto"}.get(choice, choice)}
    if named is not None:
        said = {"type": "tool", "name": named}
    if parallel is not None and choice != "none":
        said["disable_parallel_tool_use"] = not parallel
    return {"tool_choice": said} if choice is not None or parallel is not None else {}


def _thinking(request: Request, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """`max_tokens`, which the API counts thinking into, and how to think."""
    model, options = request.model, request.options
    level = options.thinking_level
    limit = _output_limit(model)
    answer = options.max_tokens or min(DEFAULT_MAX_TOKENS, limit)
    claude = "claude" in model
    if level is None or (claude and _NO_THINKING.search(model)):
        return {"max_tokens": answer}
    adaptive = claude and not _BY_BUDGET.search(model)
    if level == "off" or _must_use_tool(options):
        off = {"thinking": {"type": "disabled"}} if adaptive or not claude else {}
        return {"max_tokens": answer, **off}
    if adaptive:
        effort = "high" if level == "xhigh" and _NO_XHIGH.search(model) else level
        room = 0 if options.max_tokens else THINKING_BUDGETS[level]
        return {
            "max_tokens": min(answer + room, limit),
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": effort},
        }
    if _tool_loop_without_thinking(messages):
        return {"max_tokens": answer}
    asked = THINKING_BUDGETS[level]
    if isinstance(options.thinking, int):
        asked = max(options.thinking, THINKING_BUDGETS["low"])
    total = min(answer + asked, limit)
    budget = min(asked, total - _MIN_ANSWER)
    if budget < THINKING_BUDGETS["low"]:
        return {"max_tokens": answer}
    return {"max_tokens": total, "thinking": {"type": "enabled", "budget_tokens": budget}}


def _must_use_tool(options: Options) -> bool:
    """Whether a tool is forced, which the API refuses to join with thinking."""
    return options.tool_choice not in (None, "auto", "none")


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


def _settle_end(messages: list[dict[str, Any]], request: Request) -> None:
    """A history may end in the assistant's words, but not in blanks.

    Newer models, and all while they think, refuse the beginning of an answer: they are asked to go
    on instead.
    """
    if not messages or messages[-1]["role"] != "assistant":
        return
    model = request.model
    older = _NO_THINKING.search(model) or _BY_BUDGET.search(model)
    if "claude" in model and not (older and request.options.thinking_level in (None, "off")):
        messages.append({"role": "user", "content": [{"type": "text", "text": GO_ON}]})
        return
    last = messages[-1]["content"][-1]
    if last["type"] == "text":
        last["text"] = last["text"].rstrip()


def _tool(tool: Tool, *, may_be_strict: bool) -> dict[str, Any]:
    strict = strict_schema(tool.input_schema) if tool.strict and may_be_strict else None
    body: dict[str, Any] = {"name": tool.name, "input_schema": strict or tool.input_schema}
    if tool.description:
        body["description"] = tool.description
    if strict:
        body["strict"] = True
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
        case Opaque():
            return dict(block.data)


def _can_send(attachment: Attachment) -> bool:
    return is_image(attachment) or is_pdf(attachment) or is_text(attachment)


def _attachment(block: Attachment) -> dict[str, Any]:
    if is_text(block):
        return {"type": "text", "text": as_text(block)}
    if block.url is not None:
        source = {"type": "url", "url": block.url}
    else:
        source = {
            "type": "base64",
            "media_type": block.media_type,
            "data": base64_data(block),
        }
    return {"type": "image" if is_image(block) else "document", "source": source}
