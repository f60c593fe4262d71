"""The context of an agent: what is sent, what is told of it, and what becomes of its faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from agent_helpers import Recorder, all_events, labels, make_agent
from context_helpers import sent, talk
from test_telemetry import listening

from omni_tui.agent.agent import Agent
from omni_tui.agent.context import Draft, View, unseen
from omni_tui.agent.decisions import AfterError, Retry, Stop
from omni_tui.agent.hooks import Hooks
from omni_tui.agent.truncation import MARK, Truncate
from omni_tui.core.errors import AgentRunError, ContextLengthError, OmniError
from omni_tui.core.messages import Message
from omni_tui.core.usage import Usage
from omni_tui.llm.catalog import Catalog
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Model
from omni_tui.llm.providers.scripted import Call, Fail, Say, ScriptedProvider
from omni_tui.llm.tokens import UNKNOWN_WINDOW, estimate_tokens

TOO_LONG = Fail(ContextLengthError("too long"))


class LastOnly:
    """Sends the last message; when that is refused, `smaller` of it."""

    def __init__(self, smaller: View | None = None) -> None:
        self.smaller = smaller
        self.drafts: list[Draft] = []
        self.asked_for_less = 0

    async def view(self, draft: Draft) -> View:
        self.drafts.append(draft)
        messages = draft.history[-1:]
        return View(messages=messages, removed=unseen(draft.history, messages))

    async def shrink(self, draft: Draft, error: ContextLengthError) -> View | None:
        self.asked_for_less += 1
        return self.smaller


class Listener(Hooks):
    def __init__(self, fault: Exception | None = None) -> None:
        self.removed: list[tuple[Message, ...]] = []
        self.fault = fault

    async def on_compaction(self, removed: tuple[Message, ...]) -> None:
        self.removed.append(removed)
        if self.fault is not None:
            raise self.fault


async def test_the_model_reads_the_view_and_the_history_stays_whole() -> None:
    provider = ScriptedProvider(["one", "two"])
    listener = Listener()
    async with make_agent(provider, context=LastOnly(), hooks=[listener]) as agent:
        await agent.ask("First")
        await agent.ask("Second")
        assert [sent(provider, place) for place in (0, 1)] == [["First"], ["Second"]]
        assert [message.text for message in agent.messages] == ["First", "one", "Second", "two"]
        assert [[each.text for each in gone] for gone in listener.removed] == [["First", "one"]]


async def test_without_a_context_all_of_it_is_sent() -> None:
    provider = ScriptedProvider(["one", "two"])
    async with make_agent(provider) as agent:
        await agent.ask("First")
        await agent.ask("Second")
        assert sent(provider) == ["First", "one", "Second"]


async def test_a_hook_that_fails_on_a_compaction_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    listener = Listener(RuntimeError("broken hook"))
    async with make_agent(["one", "two"], context=LastOnly(), hooks=[listener]) as agent:
        await agent.ask("First")
        assert (await agent.ask("Second")).message.text == "two"
        assert len(listener.removed) == 1
    assert "on_compaction failed" in caplog.text


async def test_a_context_that_fails_is_logged_and_all_of_it_is_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(LastOnly):
        async def view(self, draft: Draft) -> View:
            raise RuntimeError("broken context")

    provider = ScriptedProvider(["one"])
    async with make_agent(provider, context=Broken(), messages=talk(1, 20)) as agent:
        await agent.ask("Next")
        assert len(sent(provider)) == 3
    assert "broken context" in caplog.text


async def test_every_step_is_asked_about_with_the_count_of_the_step_before() -> None:
    context = LastOnly()
    tool = Recorder().tool()
    provider = ScriptedProvider([[Say("x" * 400), Call("look")], "done"])
    async with make_agent(provider, context=context, tools=[tool], system="s" * 40) as agent:
        response = await agent.ask("y" * 4000)
    first, second = context.drafts
    assert first.gauge is None
    assert second.gauge is not None
    assert second.gauge.real == 1010 + 100  # what the script counts for the first step
    assert second.gauge.estimated == estimate_tokens(
        response.messages[:2], system="s" * 40, tools=[tool]
    )
    assert len(second.history) == 3


async def test_what_making_a_view_consumed_counts_for_the_agent() -> None:
    class Costly(LastOnly):
        async def view(self, draft: Draft) -> View:
            return View(messages=draft.history, usage=Usage(input=1000, output=10, cost=0.5))

    async with make_agent(["one"], context=Costly()) as agent:
        response = await agent.ask("x" * 40)
        assert response.usage == Usage(input=10)
        assert agent.usage == Usage(input=1010, output=10, cost=0.5)


async def test_telemetry_tells_a_compaction_once() -> None:
    telemetry, heard = listening("context")
    messages = talk(40)
    async with make_agent(
        ["one", "two"], context=Truncate(2000), messages=messages, telemetry=telemetry
    ) as agent:
        await agent.ask("Next")
        await agent.ask("And next")
    assert heard.names == ["context.compact"]
    (facts,) = heard.facts("context.compact")
    assert facts["tokens_before"] == estimate_tokens([*messages, Message.user("Next")])
    assert facts["tokens_after"] < 2000
    assert facts["removed"] + 12 > len(messages) - facts["kept"] > 20
    assert facts["agent"] == "Agent"


# A conversation that is too long


async def test_a_refused_conversation_is_made_smaller_once_and_asked_again() -> None:
    provider = ScriptedProvider([[TOO_LONG], "done"])
    listener = Listener()
    messages = talk(30)
    async with make_agent(
        provider, context=Truncate(), messages=messages, hooks=[listener]
    ) as agent:
        run = agent.prompt("Next")
        told = labels(await all_events(run))
        assert (await run).message.text == "done"
        assert agent.messages[:60] == tuple(messages)
    assert told.count("retry") == 1
    assert len(provider.requests[0].messages) == 61
    assert MARK in sent(provider)
    assert len(listener.removed) == 1


async def test_a_second_refusal_in_a_turn_fails_as_without_a_context() -> None:
    provider = ScriptedProvider([[TOO_LONG], [TOO_LONG], "later"])
    async with make_agent(provider, context=Truncate(), messages=talk(30)) as agent:
        with pytest.raises(AgentRunError) as caught:
            await agent.ask("Next")
        assert isinstance(caught.value.__cause__, ContextLengthError)
        assert len(provider.requests) == 2
        assert (await agent.ask("Next")).message.text == "later"  # a turn of its own


async def test_once_in_a_turn_holds_over_its_steps_and_over_a_hook_that_tries_again() -> None:
    class Again(Hooks):
        tried = 0

        async def handle_error(self, error: OmniError) -> AfterError:
            self.tried += 1
            return Retry(0.0) if self.tried == 1 else Stop()

    hook, context = Again(), LastOnly(View(messages=(Message.user("less"),)))
    recorder = Recorder()
    script: list[Any] = [[TOO_LONG], [Call("look")], [TOO_LONG], [TOO_LONG]]
    provider = ScriptedProvider(script)
    async with make_agent(
        provider, context=context, hooks=[hook], tools=[recorder.tool()]
    ) as agent:
        with pytest.raises(AgentRunError):
            await agent.ask("Next")
    assert context.asked_for_less == 1
    assert hook.tried == 2
    assert len(provider.requests) == 4


@pytest.mark.parametrize(
    "replies",
    [
        [[Say("half "), TOO_LONG], "never"],
        [[Fail(OmniError("another fault"))], "never"],
    ],
    ids=["something was said", "another error"],
)
async def test_nothing_else_is_asked_again(replies: list[Any]) -> None:
    provider = ScriptedProvider(replies)
    async with make_agent(provider, context=Truncate(), messages=talk(30)) as agent:
        with pytest.raises(AgentRunError):
            await agent.ask("Next")
    assert len(provider.requests) == 1


async def test_a_context_that_cannot_get_smaller_leaves_the_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(LastOnly):
        async def shrink(self, draft: Draft, error: ContextLengthError) -> View | None:
            raise RuntimeError("broken context")

    contexts: list[LastOnly] = [LastOnly(None), Broken()]
    for context in contexts:
        provider = ScriptedProvider([[TOO_LONG], "never"])
        async with make_agent(provider, context=context) as agent:
            with pytest.raises(AgentRunError):
                await agent.ask("Next")
        assert len(provider.requests) == 1
    assert "broken context" in caplog.text


# The window


def window(limit: Callable[[Draft], int], **info: Any) -> int:
    provider = ScriptedProvider([])
    catalog = Catalog(overrides={"scripted/script": info})
    draft = Draft(
        model=Model(provider, "script", catalog),
        request=None,  # type: ignore[arg-type]
        registry=ProviderRegistry(),
        retry=None,  # type: ignore[arg-type]
    )
    return limit(draft)


def test_a_request_is_too_large_at_the_threshold_or_at_nine_tenths_of_the_window() -> None:
    assert window(lambda draft: draft.limit(), context=10_000) == 9000
    assert window(lambda draft: draft.limit(5000), context=10_000) == 5000
    assert window(lambda draft: draft.limit(50_000), context=10_000) == 9000
    assert window(lambda draft: draft.limit()) == UNKNOWN_WINDOW * 9 // 10


async def test_the_window_is_looked_up_before_the_first_request() -> None:
    seen: list[int] = []

    class Looks(LastOnly):
        async def view(self, draft: Draft) -> View:
            seen.append(draft.window)
            return View(messages=draft.history)

    provider = ScriptedProvider(["one"])
    catalog = Catalog(overrides={"scripted/script": {"context": 4242}})
    registry = ProviderRegistry({"scripted": lambda: provider}, catalog)
    async with Agent(model="scripted/script", registry=registry, context=Looks()) as agent:
        await agent.ask("Hi")
    await registry.close()
    assert seen == [4242]
