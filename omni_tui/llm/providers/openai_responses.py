"""The OpenAI Responses dialect."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from omni_tui.llm.providers.assembly import Assembly, reading
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.faults import ReportedError
from omni_tui.llm.providers.responses_request import build_request
from omni_tui.llm.providers.wire import WireProvider


class ResponsesProvider(WireProvider):
    """Responses API of OpenAI, and of servers that speak it."""

    path: ClassVar[str] = "/responses"
    default_url: ClassVar[str] = "https://api.openai.com/v1"

    def build(self, request: Request) -> dict[str, Any]:
        return build_request(request)

    def _assembly(self, signer: str) -> Assembly:
        return ResponsesAssembly(signer)

    def _connect(self, timeout: tuple[float, float]) -> tuple[Any, Any, Any]:
        return connect_openai(self.name, self.base_url, timeout)


def connect_openai(name: str, base_url: str, timeout: tuple[float, float]) -> tuple[Any, Any, Any]:
    """What `WireProvider._connect` gives, for both dialects of OpenAI.

    The organization and project of an account (`OPENAI_ORG_ID`, `OPENAI_PROJECT_ID`) are told to
    OpenAI alone. `OPENAI_CUSTOM_HEADERS` goes to the provider `openai`, wherever it is (a company's
    gateway wants them), and to no other one: they may hold a key.
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
    if name != "openai":
        client._custom_headers = {}
    return client, openai.AsyncStream[object], openai.omit


class ResponsesAssembly(Assembly):
    """Reads the events of a Responses stream.

    Items are keyed by `output_index`: the ids of one item may differ from event to event.
    """

    def __init__(self, signer: str | None = None) -> None:
        super().__init__(signer)
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
            case str(kind):
                self.opaque(kind, item)

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
