"""Two servers that play the same answers in all dialects: the loopback server, and llmock."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Fail, Match, StreamFault, ToolCall
from llmock.scenarios import Reply as Scripted
from wire import made
from wire.server import Reply, SSEServer, sse_server
from wire_helpers import make

from omni_tui.llm.providers.base import Model

MODEL = "some-model"

Calls: TypeAlias = tuple[tuple[str, str, dict[str, Any]], ...]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the model shall say, or how the request shall fail."""

    thinking: str = ""
    signature: str = "c2lnbmVk"
    """Of the thinking."""
    text: str = ""
    calls: Calls = ()
    """(id, name, arguments) of each; llmock makes ids of its own."""
    stop: str = "stop"
    """`stop`, `tool_use`, `length` or `refusal`."""
    status: int = 200
    stalls: bool = False
    """Stops in the middle, for as long as the client waits."""


class Backend(ABC):
    """A server under test conditions."""

    model: Model

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect

    @abstractmethod
    def play(self, *answers: Answer) -> None:
        """Give these answers, one to each request; skips the test when the server cannot.

        Whether a server thinks aloud is its own affair: llmock does not.
        """

    @property
    @abstractmethod
    def bodies(self) -> list[Any]:
        """The request bodies so far."""

    @abstractmethod
    def was_left(self) -> bool:
        """Wait until the client has gone from the answer that stalls."""


class Loopback(Backend):
    """The server of `wire.server`: any answer, event by event."""

    def __init__(self, dialect: str, server: SSEServer) -> None:
        super().__init__(dialect)
        self._server = server
        self.model = Model(make(dialect, server.url), MODEL)

    def play(self, *answers: Answer) -> None:
        self._server.replies[:] = [self._reply(answer) for answer in answers]

    @property
    def bodies(self) -> list[Any]:
        return [request.json for request in self._server.requests]

    def was_left(self) -> bool:
        return self._server.client_left.wait(10)

    def _reply(self, answer: Answer) -> Reply:
        if answer.status != 200:
            said = json.dumps({"error": {"type": "x", "message": "said no"}}).encode()
            return Reply(status=answer.status, pieces=(said,), content_type="application/json")
        events = made.opening(self.dialect)
        if answer.thinking:
            events += made.thinking(self.dialect, 0, answer.thinking, answer.signature)
        if answer.text:
            words = answer.text.split(" ")
            spaced = [word if word is words[-1] else f"{word} " for word in words]
            events += made.text(self.dialect, 1, *spaced)
        for place, (id, name, arguments) in enumerate(answer.calls, start=2):
            number = place if self.dialect != "chat" else place - 2
            said_in_pieces = json.dumps(arguments)
            half = len(said_in_pieces) // 2
            events += made.tool(
                self.dialect, number, id, name, said_in_pieces[:half], said_in_pieces[half:]
            )
        if answer.stalls:
            return Reply(pieces=made.wrap(self.dialect, events)[:-1], ending="stall")
        events += made.closing(self.dialect, answer.stop)
        return Reply(pieces=made.wrap(self.dialect, events))


class Mocked(Backend):
    """llmock, which nobody here wrote: the same answers in its reading of the three dialects."""

    def __init__(self, dialect: str, llmock: LLMock, *, silence: float = 60.0) -> None:
        super().__init__(dialect)
        self.llmock = llmock
        url = llmock.base_url("anthropic") if dialect == "anthropic" else llmock.url
        self.model = Model(make(dialect, url, silence=silence), MODEL)

    def play(self, *answers: Answer) -> None:
        for answer in answers:
            if answer.stop == "refusal" and self.dialect == "responses":
                pytest.skip("llmock 0.2.2 ends every Responses stream as completed or cut")
            if answer.status != 200:
                self.llmock.add(Fail(answer.status))
                continue
            calls = tuple(ToolCall(name, arguments) for _, name, arguments in answer.calls)
            reason = {"tool_use": "tool_calls", "refusal": "content_filter"}
            self.llmock.add(
                Scripted(
                    text=answer.text or None,
                    tool_calls=calls,
                    finish_reason=reason.get(answer.stop, answer.stop),
                )
            )
            if answer.stalls:
                match = Match(stream=True)
                self.llmock.add(StreamFault("stall", after_chunks=6, match=match))

    @property
    def bodies(self) -> list[Any]:
        return [record.body for record in self.llmock.requests]

    def was_left(self) -> bool:
        return not self.llmock.last_request.completed


@contextmanager
def loopback(dialect: str) -> Iterator[Loopback]:
    """A running loopback server."""
    with sse_server(Reply()) as server:
        yield Loopback(dialect, server)
