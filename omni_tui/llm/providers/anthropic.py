"""The Anthropic Messages dialect."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from omni_tui.core.stream import StopReason
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.anthropic_request import build_request
from omni_tui.llm.providers.assembly import Assembly, count, text_of
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.faults import ReportedError
from omni_tui.llm.providers.wire import WireProvider

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

    def _signer(self, model: str) -> str:
        # A thought is refused by every model but the one that signed it.
        return f"{self.name}/{model}"

    def _assembly(self, signer: str) -> Assembly:
        return MessagesAssembly(signer)

    def _connect(self, timeout: tuple[float, float]) -> tuple[Any, Any, Any]:
        import anthropic

        connect, silence = timeout
        client = anthropic.AsyncAnthropic(
            api_key="sent-with-each-request",
            base_url=self.base_url,
            max_retries=0,
            timeout=anthropic.Timeout(silence, connect=connect),
        )
        if self.name != "anthropic":
            # ANTHROPIC_CUSTOM_HEADERS may hold a key: other servers must not see them.
            client._custom_headers = {}
        return client, anthropic.AsyncStream[object], anthropic.omit


_ARGUMENTS = "partial_json"
"""Where pieces of a tool's arguments come."""


class MessagesAssembly(Assembly):
    """Reads the events of a Messages stream; blocks are keyed by their index on the wire.

    Blocks of kinds we never ask for (server tools and their results) are kept as they came.
    """

    def __init__(self, signer: str | None = None) -> None:
        super().__init__(signer)
        self._passed_over: set[Any] = set()
        self._unknown: dict[Any, dict[str, Any]] = {}
        """Open blocks of unknown kinds."""
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
        self._passed_over.discard(index)
        match block.get("type"):
            case "text":
                self.begin_text(index)
                self.add(index, block.get("text"))
            case "thinking":
                self.begin_thinking(index)
                self.add(index, block.get("thinking"))
                self.blocks[index].signature = text_of(block.get("signature")) or None
            case "redacted_thinking":
                self.redacted_thinking(text_of(block.get("data")))
                self._passed_over.add(index)
            case "tool_use":
                self.begin_tool(index, block.get("id"), block.get("name"))
                if block.get("input"):
                    self._whole_inputs[index] = json.dumps(block["input"])
            case str():
                self._unknown[index] = dict(block)
            case _:
                self._passed_over.add(index)

    def _delta(self, index: Any, delta: dict[str, Any]) -> None:
        if index in self._unknown:
            _grow(self._unknown[index], delta)
            return
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
                block.signature = (block.signature or "") + text_of(delta.get("signature"))

    def _stop(self, index: Any) -> None:
        if (unknown := self._unknown.pop(index, None)) is not None:
            arguments = unknown.pop(_ARGUMENTS, None)
            if arguments:
                unknown["input"] = json.loads(arguments)
            self.opaque(unknown["type"], unknown)
            return
        block = self.blocks.get(index)
        if block is None:
            return
        whole = self._whole_inputs.pop(index, None)
        self.end(index, arguments=None if block.parts else whole)

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


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a piece to a block of an unknown kind: text grows, lists grow, all else is replaced."""
    for key, piece in delta.items():
        before = block.get(key)
        if key == "type":
            continue
        if isinstance(piece, str) and isinstance(before, str | None):
            block[key] = (before or "") + piece
        elif isinstance(piece, list) and isinstance(before, list):
            block[key] = [*before, *piece]
        else:
            block[key] = piece
