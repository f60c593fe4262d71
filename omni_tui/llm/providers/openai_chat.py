"""The OpenAI Chat Completions dialect, which most other servers speak with small differences."""

from __future__ import annotations

import json
import math
from typing import Any, ClassVar, Literal

from omni_tui.core.stream import Done, StopReason
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.assembly import Assembly, reading, text_of
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.chat_request import build_request
from omni_tui.llm.providers.faults import ReportedError
from omni_tui.llm.providers.openai_responses import connect_openai
from omni_tui.llm.providers.quirks import Quirks
from omni_tui.llm.providers.wire import WireProvider

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

    def _signer(self, model: str) -> str:
        # OpenRouter hands on the signatures of many makers.
        return f"{self.name}/{model}" if self.quirks.thinking == "openrouter" else self.name

    def _assembly(self, signer: str) -> Assembly:
        return ChatAssembly(self.quirks, signer)

    def _connect(self, timeout: tuple[float, float]) -> tuple[Any, Any, Any]:
        return connect_openai(self.name, self.base_url, timeout)


class ChatAssembly(Assembly):
    """Reads the chunks of a Chat Completions stream.

    The dialect does not say where a block ends, so tool calls stay open until the stop reason. A
    call is known by its index and its id: some servers give every call the index 0.
    """

    def __init__(self, quirks: Quirks | None = None, signer: str | None = None) -> None:
        super().__init__(signer)
        self._quirks = quirks or Quirks()
        self._calls: dict[Any, tuple[str, int]] = {}
        self._opened = 0
        self._words: tuple[str, int] | None = None
        self._details: list[dict[str, Any]] = []

    def feed(self, data: Any) -> None:
        if data.get("object") == "error":
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
            if self._details:
                self._sign()
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
        if self._quirks.thinking == "openrouter":
            for detail in delta.get("reasoning_details") or ():
                self._detail(detail)

    def _part(self, part: dict[str, Any]) -> None:
        """Content in parts, as reasoning models of Mistral send it."""
        if part.get("type") == "text":
            self._say("text", part.get("text"))
        elif part.get("type") == "thinking":
            for thought in part.get("thinking") or ():
                self._say("thinking", thought.get("text"))

    def _say(self, kind: Literal["text", "thinking"], said: Any) -> None:
        piece = text_of(said)
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
        block.name = block.name or text_of(function.get("name"))
        arguments = function.get("arguments")
        self.add(known[1], json.dumps(arguments) if isinstance(arguments, dict) else arguments)

    def _detail(self, detail: dict[str, Any]) -> None:
        """A piece of the reasoning as OpenRouter wants it back: joined to the one it goes on from.

        Encrypted data comes whole.
        """
        last = self._details[-1] if self._details else {}
        place = (detail.get("type"), detail.get("index"))
        if not last or (last.get("type"), last.get("index")) != place or detail.get("data"):
            self._details.append(dict(detail))
            return
        for name, value in detail.items():
            if name in ("text", "summary"):
                last[name] = text_of(last.get(name)) + text_of(value)
            elif value is not None:
                last[name] = value

    def _sign(self) -> None:
        """Keep the reasoning details with the message: in the signature of its last block."""
        if not self.blocks:
            self.begin_thinking("details")
        block = list(self.blocks.values())[-1]
        block.signature = json.dumps({"reasoning_details": self._details})

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
        if self._quirks.reports_cost and isinstance(cost, int | float) and 0 < cost < math.inf:
            return total + Usage(cost=float(cost))
        return total
