"""The helpers for the tests of others: what they do, and what they say when something is amiss."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from omni_tui import testing
from omni_tui.agent.agent import Agent
from omni_tui.agent.decisions import Decision, Execute, Pause, Reject
from omni_tui.agent.events import Event, MessageAdded
from omni_tui.core.errors import AuthError, OverloadedError
from omni_tui.core.messages import Message, Text, ToolUse
from omni_tui.core.stream import Response, StreamEvent
from omni_tui.core.tool import tool
from omni_tui.llm.api import generate_text, stream_text
from omni_tui.llm.retry import RetryPolicy
from omni_tui.testing import (
    Call,
    Fail,
    Ran,
    ScriptedProvider,
    assert_tool_called,
    last_text,
    run_with_responses,
    tool_uses,
)


@tool
async def height(mountain: str, unit: str = "m") -> str:
    """Look up how high a mountain is."""
    return "3776"


class Careful(Agent):
    async def handle_tool_use(self, tool_use: ToolUse) -> Decision:
        return Pause("requires_approval") if tool_use.name == "height" else Execute()


USE = Call("height", {"mountain": "Fuji", "unit": "m"})


async def asked() -> Ran:
    return await run_with_responses({"tools": [height]}, [[USE], "3776 m."], "How high?")


# Running


async def test_a_script_takes_the_place_of_the_model() -> None:
    ran = await asked()
    assert (ran.outcome, ran.error, ran.text) == ("completed", None, "3776 m.")
    assert [message.role for message in ran.messages] == ["user", "assistant", "user", "assistant"]
    assert ran.requests[1].messages[-1].tool_results[0].content == "3776"
    assert ran.response is not None
    assert ran.response.text == "3776 m."


async def test_an_agent_of_ones_own_is_left_open_with_its_models() -> None:
    async with Agent(model="nobody/m", system="S", fallbacks=["nobody/spare"]) as agent:
        ran = await run_with_responses(agent, ["one", "two"], "first", "second")
        assert agent.model == "nobody/m"
        assert [message.text for message in agent.messages] == ["first", "one", "second", "two"]
    assert [request.system for request in ran.requests] == ["S", "S"]
    assert ran.text == "two"


async def test_fallbacks_are_asked_of_the_script_too() -> None:
    ran = await run_with_responses(
        {"fallbacks": ["nobody/spare"], "retry": RetryPolicy(max_retries=0)},
        [[Fail(OverloadedError("busy"))], "Here."],
        "Hello?",
    )
    assert ran.text == "Here."
    assert ran.requests[1].model == "nobody/spare"


async def test_pauses_are_answered_in_order() -> None:
    ran = await run_with_responses(
        Careful(model="nobody/m", tools=[height]),
        [[USE, USE], "Once."],
        "Twice, please",
        answers=[Reject("not now"), Execute()],
    )
    first, second = ran.messages[2].tool_results
    assert (first.is_error, second.is_error) == (True, False)


async def test_a_run_that_fails_raises_nothing() -> None:
    ran = await run_with_responses({}, [[Fail(AuthError("no key"))]], "Hello?")
    assert (ran.outcome, ran.response) == ("error", None)
    assert isinstance(ran.error, AuthError)


@pytest.mark.parametrize(
    ("agent", "responses", "answers", "words"),
    [
        ({"tools": [height]}, [[USE]], [], r"asked 2 times, for 1 response; at last: height said"),
        ({}, ["one", "two"], [], r"asked 1 times, for 2 responses; not asked for: 'two'"),
        ({}, ["one"], [Reject("no")], r"nothing was asked that this would answer: Reject"),
    ],
)
async def test_a_script_must_fit(
    agent: dict[str, Any], responses: list[Any], answers: list[Any], words: str
) -> None:
    with pytest.raises(AssertionError, match=words):
        await run_with_responses(agent, responses, "hi", answers=answers)


async def test_a_pause_without_an_answer_is_an_error_and_the_agent_is_free_again() -> None:
    async with Careful(model="nobody/m", tools=[height]) as agent:
        with pytest.raises(AssertionError, match=r"paused \(requires_approval\).*height\(mountain"):
            await run_with_responses(agent, [[USE], "…"], "hi")
        assert (agent.status, agent.model) == ("idle", "nobody/m")
        assert (await run_with_responses(agent, ["fine"], "again")).text == "fine"


async def test_a_prompt_is_needed() -> None:
    with pytest.raises(TypeError, match="prompt"):
        await run_with_responses({}, ["one"])


# Looking


async def stream_events() -> list[StreamEvent]:
    script = ScriptedProvider([["Wait.", USE]])
    async with stream_text(script.model(), "hi", tools=[height]) as stream:
        return [event async for event in stream]


async def every_form() -> list[Any]:
    ran = await asked()
    assert ran.response is not None
    response = await generate_text(ScriptedProvider([["Wait.", USE]]).model(), "hi", tools=[height])
    return [
        ran,
        ran.response,
        ran.messages,
        iter(ran.events),
        [event.payload for event in ran.events if isinstance(event.payload, MessageAdded)],
        ran.messages[1],
        response,
        await stream_events(),
    ]


@pytest.mark.parametrize("place", range(8))
async def test_a_tool_use_is_found_in_all_that_tells_of_it(place: int) -> None:
    told = (await every_form())[place]
    use = assert_tool_called(told, "height", mountain="Fuji")
    assert use.input == {"mountain": "Fuji", "unit": "m"}


async def test_a_use_counts_once_however_often_it_is_told() -> None:
    ran = await asked()
    assert len(tool_uses(ran)) == len(tool_uses(ran.events)) == len(tool_uses(ran, "height")) == 1
    assert tool_uses(ran, "bash") == []


async def test_what_was_used_instead_is_said() -> None:
    ran = await asked()
    with pytest.raises(AssertionError) as caught:
        assert_tool_called(ran, "height", mountain="Elbrus", unit="m")
    assert str(caught.value) == (
        "the model did not use height with mountain='Elbrus', unit='m'; it used:\n"
        "  height(mountain='Fuji', unit='m')"
    )
    with pytest.raises(AssertionError, match=r"did not use bash; it used:\n  height"):
        assert_tool_called(ran, "bash")
    with pytest.raises(AssertionError, match="it used no tool"):
        assert_tool_called(Message.assistant("words"), "bash")


def test_an_argument_that_is_not_there_is_not_none() -> None:
    use = Message.assistant(ToolUse(id="1", name="search", input={"name": "x", "told": None}))
    assert assert_tool_called(use, "search", name="x", told=None).id == "1"
    with pytest.raises(AssertionError):
        assert_tool_called(use, "search", limit=None)


async def test_the_last_text_is_that_of_the_model() -> None:
    ran = await asked()
    assert last_text(ran) == last_text(ran.events) == last_text(ran.messages) == "3776 m."
    assert last_text(await stream_events()) == "Wait."
    response = Response(message=Message.assistant(Text(text="alone")))
    assert last_text([*ran.messages, Message.user("thanks")]) == "3776 m."
    assert last_text(response) == "alone"


async def test_it_is_said_when_there_is_no_last_text() -> None:
    ran = await asked()
    with pytest.raises(AssertionError, match="said nothing"):
        last_text([Message.user("hi")])
    with pytest.raises(AssertionError, match=r"no text: height\(mountain='Fuji', unit='m'\)"):
        last_text(ran.messages[:2])


def test_events_without_a_message_hold_none() -> None:
    assert tool_uses([Event(payload=None, seq=1)]) == []


# The module


def test_all_that_a_script_is_made_of_is_here() -> None:
    pieces = {"Call", "Fail", "Raise", "Reply", "Say", "ScriptedProvider", "Stop", "Think", "Wait"}
    assert pieces < set(testing.__all__)
    assert all(hasattr(testing, name) for name in testing.__all__)


def test_it_brings_no_test_framework_no_screen_and_no_sdk() -> None:
    program = "import sys, omni_tui.testing; print(*{n.partition('.')[0] for n in sys.modules})"
    names = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=50
    ).stdout.split()
    assert "omni_tui" in names
    heavy = {"pytest", "_pytest", "textual", "rich", "anthropic", "openai", "httpx", "pydantic"}
    assert heavy & set(names) == set()
