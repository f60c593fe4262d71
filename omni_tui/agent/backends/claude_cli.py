"""The `claude` program as a backend: `claude -p` with lines of JSON both ways.

Its messages come as the raw events of the Messages API inside `stream_event` lines, and once more
block by block in `assistant` lines with one id. Tools run there; before one that its own rules do
not allow, it asks for leave in a `control_request`. Every turn is a process, and a conversation of
its own: one that goes on is forked, so that a reply's mark stands for what led to it and no more.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from omni_tui.agent.backends.base import denial
from omni_tui.agent.backends.claude_lines import (
    STOP_REASONS,
    OpenMessage,
    dicts,
    incoming,
    index_of,
    newer,
    outgoing,
    words_of,
)
from omni_tui.agent.backends.claude_tools import in_its_words, in_our_words
from omni_tui.agent.backends.cli_turn import (
    JSON,
    CliTurn,
    UnknownConversationError,
    difference,
    is_id,
)
from omni_tui.agent.backends.earlier import Plan
from omni_tui.agent.decisions import Execute
from omni_tui.agent.events import Retrying
from omni_tui.core.errors import BrokenStreamError
from omni_tui.core.messages import Text, Thinking, ToolResult, ToolUse
from omni_tui.core.stream import (
    TextDelta,
    TextEnd,
    TextStart,
    ThinkingDelta,
    ThinkingEnd,
    ThinkingStart,
    ToolUseDelta,
    ToolUseEnd,
    ToolUseStart,
)
from omni_tui.core.usage import Usage
from omni_tui.llm.accumulator import Accumulator
from omni_tui.llm.providers.base import finish_tool_use

_SYNTHETIC = "<synthetic>"
"""The model of a message that the program made up, such as an error in words."""
_GONE = "No conversation found"
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


class ClaudeTurn(CliTurn):
    """A turn of Claude Code."""

    signer = "claude-cli"
    own_names = ("ANTHROPIC_", "CLAUDE_", "AWS_", "GOOGLE_", "CLOUD_ML_", "DISABLE_", "OTEL_")

    message: OpenMessage | None = None
    told = Usage()
    """Of the messages that were finished."""

    def arguments(self, plan: Plan) -> list[str]:
        given = ["-p", "--output-format", "stream-json", "--input-format", "stream-json"]
        given += ["--verbose", "--include-partial-messages", "--permission-prompt-tool", "stdio"]
        if self.model_name is not None:
            given.append(f"--model={self.model_name}")
        level = self.engine.settings.options.thinking_level
        if level in _EFFORTS:
            given.append(f"--effort={level}")
        if self.instructions:
            given.append(f"--append-system-prompt={self.instructions}")
        if plan.mark is not None:
            given += [f"--resume={plan.mark}", "--fork-session"]
        return given

    def is_mark(self, text: str) -> bool:
        return is_id(text)

    async def begin(self, plan: Plan) -> None:
        self.message, self.told = None, Usage()
        self._streamed: set[str] = set()
        self._questions: dict[str, asyncio.Task[None]] = {}
        self._early: list[JSON] = []
        await self._send(
            {
                "type": "control_request",
                "request_id": "begin",
                "request": {"subtype": "initialize"},
            }
        )
        content = [outgoing(block) for block in plan.content]
        await self._send(
            {
                "type": "user",
                "message": {"role": "user", "content": content},
                "parent_tool_use_id": None,
                "session_id": "default",
            }
        )

    async def interrupt(self) -> None:
        await self._send(
            {"type": "control_request", "request_id": "end", "request": {"subtype": "interrupt"}}
        )

    def stop_asking(self) -> None:
        for task in self._questions.values():
            task.cancel()

    async def ended(self) -> None:
        if _GONE in self.program.complaints:
            raise UnknownConversationError(self.program.complaints)
        await super().ended()

    async def _send(self, data: JSON) -> None:
        await self.program.send(msgspec.json.encode(data) + b"\n")

    # Its lines

    async def take(self, data: JSON) -> None:
        kind = data.get("type")
        if kind == "control_request":
            await self._control(data)
        elif kind == "control_cancel_request":
            if (task := self._questions.get(str(data.get("request_id")))) is not None:
                task.cancel()
        elif kind == "result":
            await self._result(data)
        elif kind == "system":
            self._system(data)
        elif data.get("parent_tool_use_id") is not None:
            self._sub_agent(data)
        elif kind == "stream_event" and isinstance(event := data.get("event"), dict):
            await self._event(event)
        elif kind in ("assistant", "user") and isinstance(said := data.get("message"), dict):
            await (self._assistant(said) if kind == "assistant" else self._user(said))

    def _system(self, data: JSON) -> None:
        if data.get("subtype") == "init" and isinstance(id := data.get("session_id"), str):
            self.mark = id
        elif data.get("subtype") == "api_retry":
            status, delay = data.get("error_status"), data.get("retry_delay_ms")
            told = str(data.get("error", ""))
            error = self.failed(told, status if isinstance(status, int) else None)
            attempt = data.get("attempt")
            self._void()
            self.engine.emit(
                Retrying(
                    attempt=attempt if isinstance(attempt, int) else 1,
                    delay=delay / 1000 if isinstance(delay, int | float) else 0.0,
                    error=error,
                    model=str(self.model),
                )
            )

    def _sub_agent(self, data: JSON) -> None:
        """What a sub-agent says is shown as the output of the tool that runs it."""
        message = data.get("message")
        if data.get("type") == "assistant" and isinstance(message, dict):
            for block in dicts(message.get("content")):
                if isinstance(text := block.get("text"), str):
                    self.tool_says(str(data["parent_tool_use_id"]), f"{text}\n")

    # Messages

    async def _event(self, event: JSON) -> None:
        match event.get("type"):
            case "message_start" if isinstance(said := event.get("message"), dict):
                self._streamed.add(str(said.get("id")))
                await self._open(said)
            case "content_block_start":
                await self._block_start(index_of(event), event.get("content_block") or {})
            case "content_block_delta":
                await self._block_delta(index_of(event), event.get("delta") or {})
            case "content_block_stop":
                await self._block_stop(index_of(event))
            case "message_delta" if self.message is not None:
                delta, usage = event.get("delta") or {}, event.get("usage") or {}
                reason = STOP_REASONS.get(str(delta.get("stop_reason")))
                self.message.stop_reason = reason or self.message.stop_reason
                self.message.usage = newer(self.message.usage, usage)
            case "message_stop" if self.message is not None:
                self.message.is_whole = True
                if self.message.stop_reason == "tool_use":
                    await self._close()

    async def _open(self, said: JSON) -> None:
        """Another message begins."""
        if self.message is not None and self.message.is_whole:
            await self._close()
        else:
            self._void()
        await self.finish_tools()
        if self.engine.accumulator is None:
            self.begin_step()
        model = said.get("model")
        self.message = OpenMessage(
            str(said.get("id")),
            model if isinstance(model, str) else None,
            newer(Usage(), said.get("usage") or {}),
        )

    async def _close(self, extra: Usage | None = None) -> None:
        """The message is complete."""
        message, self.message = self.message, None
        if message is None:
            return
        self.told += message.usage
        usage = message.usage + extra if extra is not None else message.usage
        await self.finish_step(message.stop_reason, usage, message.model)
        early, self._early = self._early, []
        asked = {str(request["request"].get("tool_use_id")) for request in early}
        for use in self.open_uses:
            if use.id not in asked:
                self.tool_started(use.id)
        if self.ending is None:
            for request in early:
                self._question(request)

    def _void(self) -> None:
        """What has come of the open message counts no more: it is asked for again."""
        if self.message is not None:
            self.message = None
            self.engine.accumulator = Accumulator()

    async def _block_start(self, index: int, block: JSON) -> None:
        if self.message is None:
            return
        match block.get("type"):
            case "text":
                await self.tell(TextStart(index=index))
            case "thinking":
                await self.tell(ThinkingStart(index=index))
            case "tool_use":
                id, name = str(block.get("id")), str(block.get("name"))
                await self.tell(ToolUseStart(index=index, id=id, name=name))
            case _:
                return
        self.message.open[index] = (block, [])

    async def _block_delta(self, index: int, delta: JSON) -> None:
        if self.message is None or index not in self.message.open:
            return
        pieces = self.message.open[index][1]
        match delta:
            case {"type": "text_delta", "text": str(text)}:
                pieces.append(text)
                await self.tell(TextDelta(index=index, text=text))
            case {"type": "thinking_delta", "thinking": str(text)}:
                pieces.append(text)
                await self.tell(ThinkingDelta(index=index, text=text))
            case {"type": "input_json_delta", "partial_json": str(text)}:
                pieces.append(text)
                await self.tell(ToolUseDelta(index=index, json=text))

    async def _block_stop(self, index: int) -> None:
        if self.message is None or index not in self.message.open:
            return
        block, pieces = self.message.open.pop(index)
        text = "".join(pieces)
        match block.get("type"):
            case "text":
                await self.tell(TextEnd(index=index, block=Text(text=text)))
            case "thinking":
                await self.tell(ThinkingEnd(index=index, block=Thinking(text=text)))
            case _:
                use = finish_tool_use(str(block.get("id")), str(block.get("name")), text)
                await self.tell(ToolUseEnd(index=index, block=use))

    async def _assistant(self, said: JSON) -> None:
        """A finished block, which counts only where its message did not come in pieces."""
        id = str(said.get("id"))
        if id in self._streamed or said.get("model") == _SYNTHETIC:
            return
        if self.message is None or self.message.id != id:
            await self._open(said)
        message = self.message
        assert message is not None
        message.is_whole = True
        for fields in dicts(said.get("content")):
            if (block := incoming(fields)) is not None:
                await self.tell_block(block, message.blocks)
                message.blocks += 1
                if isinstance(block, ToolUse):
                    message.stop_reason = "tool_use"

    async def _user(self, said: JSON) -> None:
        """The results of tools."""
        results = [
            block for block in dicts(said.get("content")) if block.get("type") == "tool_result"
        ]
        if results and self.message is not None:
            await self._close()
        for block in results:
            result = ToolResult(
                tool_use_id=str(block.get("tool_use_id")),
                name="",
                content=words_of(block.get("content")),
                is_error=block.get("is_error") is True,
            )
            if await self.tool_finished(result):
                self.begin_step()

    # Questions

    async def _control(self, data: JSON) -> None:
        """It asks for something: leave to run a tool, or what nobody here can do."""
        request = data.get("request")
        if not isinstance(request, dict) or request.get("subtype") != "can_use_tool":
            await self._reply(data, "error", error="not supported")
        elif self.message is None:
            self._question(data)
        elif request.get("tool_use_id") is not None and not self.message.is_whole:
            # First the message goes into the tree, then what it wants is asked about.
            self._early.append(data)
        else:
            await self._close()
            self._question(data)

    def _question(self, data: JSON) -> None:
        task = self.tasks.create_task(self._ask_leave(data))
        self._questions[str(data.get("request_id"))] = task

    async def _ask_leave(self, data: JSON) -> None:
        request = data["request"]
        given = request.get("input")
        use = ToolUse(
            id=str(request.get("tool_use_id")),
            name=str(request.get("tool_name")),
            input=given if isinstance(given, dict) else {},
        )
        known = in_our_words(use)
        reason = "question" if known.name == "human" else "approval"
        answer = await self.permit(use, known, reason=reason)
        if isinstance(answer, Execute):
            changed = in_its_words(use.name, answer.input or {})
            response: JSON = {"behavior": "allow", "updatedInput": changed or use.input}
        else:
            response = {"behavior": "deny", "message": denial(answer)}
        await self._reply(data, "success", response=response)

    async def _reply(self, data: JSON, subtype: str, **fields: Any) -> None:
        response = {"subtype": subtype, "request_id": data.get("request_id"), **fields}
        await self._send({"type": "control_response", "response": response})

    # The end

    async def _result(self, data: JSON) -> None:
        self.is_over = True
        errors = [str(error) for error in data.get("errors") or ()]
        if any(_GONE in error for error in errors):
            raise UnknownConversationError(errors[0])
        text = data.get("result")
        if data.get("is_error") or data.get("subtype") != "success":
            status = data.get("api_error_status")
            words = text if isinstance(text, str) and text else "; ".join(errors)
            raise self.failed(words, status if isinstance(status, int) else None)
        cost = data.get("total_cost_usd")
        whole = msgspec.structs.replace(
            newer(Usage(), data.get("usage") or {}),
            cost=float(cost) if isinstance(cost, int | float) else None,
        )
        if self.message is None and isinstance(text, str) and text and not self._has_answered():
            # The answer of a slash command comes without a message.
            await self._open({"id": "result"})
            await self.tell_block(Text(text=text), 0)
        told = self.told + self.message.usage if self.message is not None else self.told
        extra = difference(whole, told)
        if self.message is not None:
            await self._close(extra)
        else:
            await self.finish_step("stop", extra)
        if self.last is None:
            raise BrokenStreamError(f"{self.signer} ended without an answer", hint="try again")

    def _has_answered(self) -> bool:
        return self.last is not None and not self.last.message.tool_uses
