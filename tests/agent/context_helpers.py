"""What the tests of contexts share: long conversations, drafts of requests, and what was sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from omni_tui.agent.context import Draft
from omni_tui.core.messages import Message, ToolResult, ToolUse
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.scripted import ScriptedProvider
from omni_tui.llm.retry import RetryPolicy
from omni_tui.llm.tokens import Gauge


def draft_of(
    messages: Iterable[Message],
    *,
    provider: ScriptedProvider | None = None,
    gauge: Gauge | None = None,
) -> Draft:
    """A request about to be made with this history."""
    provider = provider or ScriptedProvider([])
    return Draft(
        model=provider.model(),
        request=Request(model="script", messages=tuple(messages)),
        registry=ProviderRegistry(),
        retry=RetryPolicy(base=0.0),
        gauge=gauge,
    )


def talk(turns: int, size: int = 400) -> list[Message]:
    """So many turns of a question and an answer, `size` characters each."""
    return [
        message
        for turn in range(turns)
        for message in (
            Message.user(f"question {turn} ".ljust(size, "q")),
            Message.assistant(f"answer {turn} ".ljust(size, "a")),
        )
    ]


def round_of(number: int, size: int = 400) -> list[Message]:
    """A message that uses a tool, and the message with its result."""
    use = ToolUse(id=f"use-{number}", name="look", input={"at": f"place {number}"})
    result = ToolResult(tool_use_id=use.id, name="look", content=f"found {number} ".ljust(size))
    return [Message.assistant(use), Message.user(result)]


def sent(provider: ScriptedProvider, place: int = -1) -> list[str]:
    """The messages of a request, in words."""
    return [said(message) for message in provider.requests[place].messages]


def said(message: Message) -> str:
    """A message in words."""
    words = [message.text] if message.text else []
    words += [f"uses {use.id}" for use in message.tool_uses]
    words += [f"{each.tool_use_id}: {each.content}" for each in message.tool_results]
    return " ".join(words).strip()


def orphans(messages: Sequence[Message]) -> list[str]:
    """Tool uses without a result in the next message, and results without a use before them."""
    wrong: list[str] = []
    waiting: list[str] = []
    for message in messages:
        given = [result.tool_use_id for result in message.tool_results]
        wrong += [id for id in given if id not in waiting]
        wrong += [id for id in waiting if id not in given]
        waiting = [use.id for use in message.tool_uses]
    return wrong + waiting
