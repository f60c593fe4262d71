"""What goes out in the OpenAI Responses dialect: without server-side storage, the whole history."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from omni_tui.core.messages import Attachment, Block, Opaque, Text, Thinking, ToolResult, ToolUse
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
from omni_tui.llm.providers.openai_terms import (
    cache_hints,
    effort_for,
    is_reasoning,
    output_format,
)
from omni_tui.llm.repair import repair
from omni_tui.llm.schema import strict_schema

API = "OpenAI Responses"
EXTRA = frozenset(
    (
        *("include", "max_tool_calls", "metadata", "prompt_cache_key", "prompt_cache_options"),
        *("prompt_cache_retention", "reasoning", "safety_identifier", "service_tier", "store"),
        *("text", "top_logprobs", "top_p", "truncation", "user"),
    )
)
"""Fields a caller may add to the body."""


def build_request(request: Request) -> dict[str, Any]:
    """The body of a Responses request."""
    require_sendable(request, _can_send, API)
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
    body |= _instructions(request)
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        body |= _tool_choice(request)
    if options.max_tokens is not None:
        body["max_output_tokens"] = options.max_tokens
    if is_reasoning(request.model):
        body["include"] = ["reasoning.encrypted_content"]
        body |= _reasoning(request.model, options)
    elif options.temperature is not None:
        body["temperature"] = options.temperature
    body |= cache_hints(request)
    return add_extra(body, options, allowed=EXTRA, api=API)


def _instructions(request: Request) -> dict[str, Any]:
    """The system prompt, and the shape of the answer."""
    output = request.output
    if output is None or output.native:
        said: dict[str, Any] = {"instructions": request.system} if request.system else {}
        return said | ({"text": {"format": output_format(output)}} if output else {})
    parts = (request.system or "", instruction(output))
    return {"instructions": "\n\n".join(part for part in parts if part)}


def _reasoning(model: str, options: Options) -> dict[str, Any]:
    level = options.thinking_level
    if level is None:
        return {}
    return {"reasoning": {"effort": effort_for(model, level), "summary": "auto"}}


def _tool_choice(request: Request) -> dict[str, Any]:
    named, options = named_tool(request), request.options
    said: dict[str, Any] = {}
    if options.tool_choice is not None:
        choice = {"type": "function", "name": named} if named else options.tool_choice
        said["tool_choice"] = choice
    if options.parallel_tool_calls is not None:
        said["parallel_tool_calls"] = options.parallel_tool_calls
    return said


def _tool(tool: Tool) -> dict[str, Any]:
    strict = strict_schema(tool.input_schema) if tool.strict else None
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": strict or tool.input_schema,
        "strict": strict is not None,
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


def _can_send(attachment: Attachment) -> bool:
    return is_image(attachment) or is_pdf(attachment) or is_text(attachment)


def _attachment(block: Attachment) -> dict[str, Any]:
    if is_image(block):
        return {"type": "input_image", "image_url": data_url(block), "detail": "auto"}
    if is_text(block):
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
            case Opaque():
                items.append(block.data)
    while items and items[-1].get("type") == "reasoning":
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
