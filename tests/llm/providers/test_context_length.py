"""An agent with a context asks again with less when a server says that it was too much."""

from __future__ import annotations

from typing import Any

import pytest
from wire.made import DIALECTS, closing, opening, text, wrap
from wire.server import Reply, sse_server
from wire_helpers import make

from omni_tui.agent.agent import Agent
from omni_tui.agent.truncation import MARK, Truncate
from omni_tui.core.errors import AgentRunError, ContextLengthError
from omni_tui.core.messages import Message
from omni_tui.llm.providers.base import Model

pytestmark = pytest.mark.parametrize("dialect", DIALECTS)

REFUSAL = Reply(
    status=400,
    content_type="application/json",
    pieces=(b'{"type":"error","error":{"type":"x","message":"prompt is too long: 9 > 8"}}',),
)
HISTORY = [
    message
    for number in range(20)
    for message in (Message.user(f"Q{number} " + "q" * 400), Message.assistant(f"A{number}"))
]


def whole(dialect: str) -> Reply:
    events = [*opening(dialect), *text(dialect, 0, "Hello"), *closing(dialect)]
    return Reply(pieces=wrap(dialect, events))


def sent(body: dict[str, Any]) -> str:
    return str(body.get("messages") or body["input"])


async def test_what_was_too_long_is_sent_again_with_less(dialect: str) -> None:
    with sse_server(REFUSAL, whole(dialect)) as server:
        provider = make(dialect, server.url)
        agent = Agent(model=Model(provider, "m"), messages=HISTORY, context=Truncate())
        response = await agent.ask("And now?")
        await agent.close()
        await provider.close()
    first, second = (sent(request.json) for request in server.requests)
    assert response.message.text == "Hello"
    assert MARK not in first
    assert MARK in second
    assert len(second) < 0.7 * len(first)
    assert all(f"{said}" in second for said in ("Q0 ", "A19", "And now?"))
    assert agent.messages[: len(HISTORY)] == tuple(HISTORY)


async def test_what_is_still_too_long_fails_as_before(dialect: str) -> None:
    with sse_server(REFUSAL) as server:
        provider = make(dialect, server.url)
        agent = Agent(model=Model(provider, "m"), messages=HISTORY, context=Truncate())
        with pytest.raises(AgentRunError) as caught:
            await agent.ask("And now?")
        await agent.close()
        await provider.close()
    assert isinstance(caught.value.__cause__, ContextLengthError)
    assert len(server.requests) == 2
