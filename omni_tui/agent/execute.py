"""Runs the tools of one message: in parallel, each in its own time, results in the order asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from omni_tui.agent.clock import stopped
from omni_tui.agent.decisions import Answer, Execute, Provide, Reject
from omni_tui.agent.events import AgentEvent, ToolFinished, ToolOutput, ToolStarted
from omni_tui.core.errors import OmniError, ToolError
from omni_tui.core.messages import ToolResult, ToolUse
from omni_tui.core.tool import Tool, ToolContext, ToolReply
from omni_tui.tools.paths import allowed_roots

GRACE = 5.0
"""Seconds past its limit in which a tool may stop by itself and give its partial output."""

Span: TypeAlias = Callable[..., AbstractContextManager[dict[str, Any]]]
Emit: TypeAlias = Callable[[AgentEvent], None]
TimeoutOf: TypeAlias = Callable[[str], float] | float


async def execute(
    uses: Sequence[ToolUse],
    answers: Sequence[Answer],
    tools: Mapping[str, Tool],
    context: ToolContext,
    timeout: TimeoutOf,
    emit: Emit,
    finished: dict[int, ToolResult],
    span: Span,
) -> tuple[ToolResult, ...]:
    """One result per use, in order, whatever was decided and whoever finishes first.

    `finished` gets each result as it comes, by the place of its use (two may share an id), so that
    a cancel, which stops every tool that still runs, does not lose what the others did.
    """

    async def one(place: int, use: ToolUse, answer: Answer) -> None:
        finished[place] = await _result(use, answer, tools, context, timeout, emit, span)

    async with asyncio.TaskGroup() as group:
        for place, (use, answer) in enumerate(zip(uses, answers, strict=True)):
            group.create_task(one(place, use, answer))
    return tuple(finished[place] for place in range(len(uses)))


async def _result(
    use: ToolUse,
    answer: Answer,
    tools: Mapping[str, Tool],
    context: ToolContext,
    timeout: TimeoutOf,
    emit: Emit,
    span: Span,
) -> ToolResult:
    match answer:
        case Reject(reason=reason):
            text = f"Tool rejected: {reason}" if reason else "Tool rejected by the user."
            return refused(use, text, decision="rejected", by=answer.by)
        case Provide():
            return ToolResult(
                tool_use_id=use.id,
                name=use.name,
                content=answer.result,
                is_error=answer.is_error,
                data=_facts(decision="provided", by=answer.by),
            )
        case Execute():
            return await _execute(use, answer, tools.get(use.name), context, timeout, emit, span)


async def _execute(
    use: ToolUse,
    answer: Execute,
    tool: Tool | None,
    context: ToolContext,
    timeout: TimeoutOf,
    emit: Emit,
    span: Span,
) -> ToolResult:
    if tool is None or tool.handler is None:
        known = "Tool not found" if tool is None else "Tool has no handler"
        return refused(use, f"{known}: {use.name}")
    arguments = use.input if answer.input is None else answer.input
    if use.invalid is not None and answer.input is None:
        return refused(use, f"The arguments are not a JSON object: {use.invalid[:500]}")
    limit = tool.timeout if tool.timeout is not None else _limit(timeout, use.name)
    own = replace(
        context,
        tool_use_id=use.id,
        timeout=limit,
        allowed_paths=_places(context, answer),
        emit=lambda text: emit(ToolOutput(tool_use_id=use.id, text=text)),
    )
    emit(ToolStarted(tool_use=use))
    start = time.monotonic()
    with span("tool", tool=use.name, tool_use_id=use.id, input=arguments) as told:
        reply = await _call(tool, arguments, own, limit)
        if reply.is_error:
            told["error"] = ToolError(reply.text)
    facts = _facts(
        decision="allowed" if answer.by else None,
        by=answer.by,
        input=answer.input,
        duration_ms=round((time.monotonic() - start) * 1000),
    )
    text = reply.text
    if answer.input is not None:
        edited = msgspec.json.encode(answer.input).decode()
        text = f"(The user changed the arguments to {edited})\n{text}"
    result = ToolResult(
        tool_use_id=use.id,
        name=use.name,
        content=text,
        is_error=reply.is_error,
        data={**_as_json(reply.data), **facts},
    )
    emit(ToolFinished(result=result))
    return result


async def _call(
    tool: Tool, arguments: dict[str, Any], context: ToolContext, limit: float
) -> ToolReply:
    """What the tool answers, whatever it does: only a cancel of the run gets past here."""
    assert tool.handler is not None
    clock = asyncio.timeout(limit + GRACE)
    if (asks := context.ask) is not None:

        async def ask(question: Any) -> Any:
            with stopped(clock):
                return await asks(question)

        context = replace(context, ask=ask)
    try:
        async with clock:
            return _as_reply(await tool.handler(arguments, context))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return ToolReply(text="The tool cancelled itself.", is_error=True)
    except OmniError as error:
        return ToolReply(text=error.message, is_error=True)
    except (Exception, SystemExit) as error:
        if clock.expired():
            return ToolReply(text=f"Tool execution timed out after {limit:g} s.", is_error=True)
        return ToolReply(text=f"{type(error).__name__}: {error}", is_error=True)


def _places(context: ToolContext, answer: Execute) -> tuple[Path, ...]:
    """Where this call may go: further than others only when it was allowed to."""
    if not answer.allowed_paths:
        return context.allowed_paths
    return (*allowed_roots(context), *answer.allowed_paths)


def _as_reply(value: Any) -> ToolReply:
    if isinstance(value, ToolReply):
        return value
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        return ToolReply(text=value[0], data=value[1])
    if isinstance(value, str):
        return ToolReply(text=value)
    return ToolReply(text=msgspec.json.encode(value).decode())


def _as_json(data: dict[str, Any] | None) -> dict[str, Any]:
    """Facts as values a message can be stored with; what JSON does not know becomes its `str()`."""
    plain: dict[str, Any] = msgspec.to_builtins(data or {}, str_keys=True, enc_hook=str)
    return plain


def _limit(timeout: TimeoutOf, name: str) -> float:
    return timeout(name) if callable(timeout) else timeout


def _facts(**facts: Any) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}


def refused(use: ToolUse, text: str, **facts: Any) -> ToolResult:
    """The error result for a use that did not run."""
    return ToolResult(
        tool_use_id=use.id, name=use.name, content=text, is_error=True, data=_facts(**facts) or None
    )
