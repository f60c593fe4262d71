"""Retry: errors and bad answers are tried again, so often, and kept."""

from __future__ import annotations

from typing import Any

import pytest

from examples.patterns import asked, load
from omni_tui import ProviderError
from omni_tui.testing import Fail, Reply, ScriptedProvider

pattern = load("retry")


def anything(text: str) -> None:
    """No answer is wrong."""


def failing(*words: str) -> list[Reply]:
    return [[Fail(ProviderError(word))] for word in words]


async def test_the_pauses_grow_and_the_same_step_is_asked_for() -> None:
    script = ScriptedProvider([*failing("one", "two", "three"), "At last."])
    async with pattern.Persistent(model=script.model(), check=anything, base=0.001) as agent:
        run = agent.prompt("Go.")
        told: list[Any] = [event.payload async for event in run if event.type == "retry"]
        assert (await run).text == "At last."
        assert [retry.delay for retry in told] == pytest.approx([0.001, 0.002, 0.004])
        assert [str(error) for error in agent.errors] == ["one", "two", "three"]
        assert [message.text for message in agent.messages] == ["Go.", "At last."]


async def test_a_bad_answer_is_sent_back_with_what_was_wrong() -> None:
    script = ScriptedProvider(['["a"]', '["a", "b", "c"]'])
    async with pattern.Persistent(model=script.model(), check=pattern.check_rivers) as agent:
        assert (await agent.ask("Rivers?")).text == '["a", "b", "c"]'
        assert not agent.has_failed
    assert asked(script.requests[1]) == (
        "That will not do: I want a list of three names. Answer again."
    )


async def test_errors_and_bad_answers_count_alike_and_the_last_one_halts() -> None:
    script = ScriptedProvider([*failing("no"), "no JSON", *failing("no again"), "never asked for"])
    async with pattern.Persistent(
        model=script.model(), check=pattern.check_rivers, attempts=3, base=0.0
    ) as agent:
        assert await agent.prompt("Rivers?").wait() == "halted"
        assert agent.has_failed
        assert agent.status == "halted"
        assert [type(error).__name__ for error in agent.errors] == [
            "ProviderError",
            "JSONDecodeError",
            "ProviderError",
        ]
    assert len(script.requests) == 3


async def test_a_last_answer_that_is_bad_halts_too() -> None:
    script = ScriptedProvider(["bad", "worse"])
    async with pattern.Persistent(
        model=script.model(), check=pattern.check_rivers, attempts=2
    ) as agent:
        assert await agent.prompt("Rivers?").wait() == "halted"
        assert len(agent.errors) == 2
