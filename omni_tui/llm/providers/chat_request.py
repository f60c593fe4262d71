"""What goes out in the OpenAI Chat Completions dialect, with the differences of its servers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
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
    data_url,
    is_image,
    is_pdf,
    is_text,
    require_sendable,
)
from omni_tui.llm.providers.base import Options, Request, add_extra, named_tool
from omni_tui.llm.providers.cache_marks import cache_mark
from omni_tui.llm.providers.openai_terms import (
    cache_hints,
    effort_for,
    is_reasoning,
    output_format,
)
from omni_tui.llm.providers.quirks import Quirks, ThinkingStyle
from omni_tui.llm.repair import GO_ON, merge_roles, repair, safe_tool_id
from omni_tui.llm.schema import strict_schema

API = "Chat Completions"
EXTRA = frozenset(
    (
        *("frequency_penalty", "logit_bias", "logprobs", "metadata", "min_p", "prediction"),
        *("presence_penalty", "prompt_cache_key", "prompt_cache_options"),
        *("prompt_cache_retention", "repetition_penalty", "response_format", "safety_identifier"),
        *("seed", "service_tier", "stop", "store", "top_k", "top_logprobs", "top_p", "user"),
        *("verbosity", "web_search_options"),
    )
)
"""Fields a caller may add to the body; some only compatible servers know."""
NOTED = "Noted."
"""Said for the model between the results of tools and a person's words, where that is a must."""


def build_request(request: Request, quirks: Quirks | None = None) -> dict[str, Any]:
    """The body of a Chat Completions request."""
    quirks = quirks or Quirks()
    options = request.options
    require_sendable(request, lambda attachment: _can_send(attachment, quirks), API)
    tool_id: Callable[[str], str] = _short_id if quirks.short_tool_ids else safe_tool_id
    history = merge_roles(repair(request.messages, tool_id=tool_id))
    messages: list[dict[str, Any]] = []
    system = _system(request, quirks)
    if system:
        messages.append({"role": quirks.system_role, "content": system})
    loop_start = _loop_start(history)
    for position, message in enumerate(history):
        if message.role == "user":
            messages.extend(_user(message.content))
        else:
            in_loop = position > loop_start
            messages.extend(_assistant(message.content, quirks, in_loop=in_loop))
    if quirks.strict_order:
        messages = _in_order(messages)
    body: dict[str, Any] = {
        "model": request.model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": messages,
    }
    if request.tools:
        body["tools"] = [_tool(tool, quirks) for tool in request.tools]
        body |= _tool_choice(request)
    body |= _response_format(request, quirks)
    if options.max_tokens is not None:
        body[quirks.max_tokens_name] = options.max_tokens
    own = quirks.thinking == "openai"
    if options.temperature is not None and not (own and is_reasoning(request.model)):
        body["temperature"] = options.temperature
    body |= _thinking(request.model, options, quirks.thinking)
    if own:
        body |= cache_hints(request)
    if quirks.cache_marks and options.cache is not None and "claude" in request.model:
        _mark_for_cache(body, cache_mark(options.cache))
    return add_extra(body, options, allowed=EXTRA, api=API)


def _system(request: Request, quirks: Quirks) -> str:
    """The system prompt, with the shape of the answer where it has to be said in words."""
    parts = [request.system or ""]
    if request.output is not None and not _holds_to_schema(request, quirks):
        parts.append(instruction(request.output))
    return "\n\n".join(part for part in parts if part)


def _holds_to_schema(request: Request, quirks: Quirks) -> bool:
    output = request.output
    return output is not None and output.native and quirks.output == "json_schema"


def _response_format(request: Request, quirks: Quirks) -> dict[str, Any]:
    output = request.output
    if output is None:
        return {}
    if _holds_to_schema(request, quirks):
        shape = output_format(output)
        kind = shape.pop("type")
        return {"response_format": {"type": kind, "json_schema": shape}}
    if quirks.output == "json_object":
        return {"response_format": {"type": "json_object"}}
    return {}


def _tool_choice(request: Request) -> dict[str, Any]:
    named, options = named_tool(request), request.options
    said: dict[str, Any] = {}
    if options.tool_choice is not None:
        choice = {"type": "function", "function": {"name": named}} if named else options.tool_choice
        said["tool_choice"] = choice
    if options.parallel_tool_calls is not None:
        said["parallel_tool_calls"] = options.parallel_tool_calls
    return said


def _thinking(model: str, options: Options, style: ThinkingStyle | None) -> dict[str, Any]:
    level = options.thinking_level
    if level is None:
        return {}
    match style:
        case "openai" if is_reasoning(model):
            return {"reasoning_effort": effort_for(model, level)}
        case "openrouter":
            if isinstance(options.thinking, int) and options.thinking:
                return {"reasoning": {"max_tokens": options.thinking}}
            return {"reasoning": {"effort": effort_for(model, level)}}
        case "effort":
            effort = {"off": "none", "xhigh": "high", "max": "high"}.get(level, level)
            return {"reasoning_effort": effort}
        case "switch":
            return {"thinking": {"type": "disabled" if level == "off" else "enabled"}}
        case "flag":
            return {"enable_thinking": level != "off"}
        case _:
            return {}


def _in_order(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages with words of the model between results and a person's, and a person's last."""
    ordered: list[dict[str, Any]] = []
    for message in messages:
        if message["role"] == "user" and ordered and ordered[-1]["role"] == "tool":
            ordered.append({"role": "assistant", "content": NOTED})
        ordered.append(message)
    if ordered and ordered[-1]["role"] == "assistant":
        ordered.append({"role": "user", "content": GO_ON})
    return ordered


def _mark_for_cache(body: dict[str, Any], mark: dict[str, str]) -> None:
    """Mark where the parts of the prompt end that the next request will share."""
    messages = body["messages"]
    if "tools" in body:
        body["tools"][-1]["cache_control"] = mark
    ends = [message for message in messages[:1] if message["role"] == "system"]
    ends += [message for message in messages[-1:] if message["role"] in ("user", "tool")]
    for message in ends:
        if isinstance(message["content"], str):
            message["content"] = [{"type": "text", "text": message["content"]}]
        texts = [part for part in message["content"] if part["type"] == "text"]
        if texts:
            texts[-1]["cache_control"] = mark


def _short_id(id: str) -> str:
    if len(id) == 9 and id.isalnum() and id.isascii():
        return id
    return hashlib.sha256(id.encode("utf-8", "replace")).hexdigest()[:9]


def _loop_start(history: tuple[Message, ...]) -> int:
    """Where a person last spoke; assistant messages after it belong to the tool loop under way."""
    prompts = [position for position, message in enumerate(history) if message.is_prompt]
    return prompts[-1] if prompts else -1


def _tool(tool: Tool, quirks: Quirks) -> dict[str, Any]:
    may_be_strict = tool.strict and quirks.output == "json_schema"
    strict = strict_schema(tool.input_schema) if may_be_strict else None
    function: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": strict or tool.input_schema,
    }
    if strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _user(blocks: tuple[Block, ...]) -> list[dict[str, Any]]:
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
                parts.append(_attachment(block))
    if parts:
        messages.append({"role": "user", "content": _plain(parts)})
    return messages


def _plain(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Text alone goes as a string, which every server takes."""
    if all(part["type"] == "text" for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return parts


def _can_send(attachment: Attachment, quirks: Quirks) -> bool:
    pdf = quirks.pdf and is_pdf(attachment) and attachment.data is not None
    return pdf or is_image(attachment) or is_text(attachment)


def _attachment(block: Attachment) -> dict[str, Any]:
    if is_image(block):
        return {"type": "image_url", "image_url": {"url": data_url(block)}}
    if is_text(block):
        return {"type": "text", "text": as_text(block)}
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
    if quirks.thinking == "openrouter":
        details = [detail for block in blocks for detail in _reasoning_details(block)]
        if details:
            message["reasoning_details"] = details
    return [message]


def _reasoning_details(block: Block) -> list[Any]:
    """What OpenRouter said of the reasoning, which it wants back as it was."""
    if isinstance(block, ToolResult | Attachment | Opaque):
        return []
    details = _opaque(block.signature).get("reasoning_details")
    return details if isinstance(details, list) else []


def _opaque(signature: str | None) -> dict[str, Any]:
    """What this dialect put into a signature; nothing when another one wrote it."""
    if signature is None or not signature.startswith("{"):
        return {}
    try:
        value = json.loads(signature)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _call(use: ToolUse, quirks: Quirks) -> dict[str, Any]:
    arguments = json.dumps(use.input, ensure_ascii=False)
    call: dict[str, Any] = {
        "id": use.id,
        "type": "function",
        "function": {"name": use.name, "arguments": arguments},
    }
    extra = _opaque(use.signature)
    if quirks.extra_content and extra and "reasoning_details" not in extra:
        call["extra_content"] = extra
    return call
