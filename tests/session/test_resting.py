"""An agent stays at the tip of its branch, and no branch sees what another's agent knows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from session_helpers import make_session, quiet

from omni_tui.agent.agent import Agent
from omni_tui.agent.decisions import BeforeTurn, Proceed
from omni_tui.agent.hooks import Hooks
from omni_tui.core.messages import Content
from omni_tui.llm.providers.scripted import ScriptedProvider, Wait
from omni_tui.session.resting import MAX_RESTING
from omni_tui.session.session import Session


class Knowing(Agent):
    """Counts the turns it was asked, and notes when it is closed."""

    closed: ClassVar[list[list[Any]]] = []

    async def init(self) -> None:
        self.asked: list[Any] = []

    async def pre_turn(self, content: Content | None) -> BeforeTurn:
        assert isinstance(content, tuple)
        self.asked.extend(getattr(block, "text", None) for block in content)
        return Proceed()

    async def terminate(self, reason: str) -> None:
        self.closed.append(self.asked)


@pytest.fixture(autouse=True)
def nobody_closed() -> Iterator[None]:
    Knowing.closed.clear()
    yield
    Knowing.closed.clear()


def make(*replies: Any, **setup: Any) -> Session:
    return make_session(list(replies), agent=Knowing, **setup)


async def test_the_next_prompt_of_a_branch_has_the_agent_of_the_one_before() -> None:
    session = make("1", "2", "3")
    for words in ("a", "b", "c"):
        await session.prompt(words)
    assert Knowing.closed == []
    await session.close()
    assert Knowing.closed == [["a", "b", "c"]]


async def test_another_branch_has_an_agent_of_its_own() -> None:
    session = make("1", "2", "3", "4")
    await session.prompt("a")
    first = session.tree.head
    await session.prompt("b")
    tip = session.tree.head
    await session.branch(first, "other")
    session.navigate(tip)
    await session.prompt("c")
    await session.close()
    assert sorted(Knowing.closed) == [["a", "b", "c"], ["other"]]


async def test_a_session_that_changed_makes_its_agents_anew() -> None:
    session = make("1", "2", "3")
    await session.prompt("a")
    session.set_options(temperature=0.5)
    await session.prompt("b")
    session.set_model(ScriptedProvider(["x"]).model())
    await session.prompt("c")
    await session.close()
    assert sorted(Knowing.closed) == [["a"], ["b"], ["c"]]


async def test_an_agent_with_hooks_of_its_own_is_not_used_again() -> None:
    session = make("1", "2")
    await session.prompt("a", hooks=[Hooks()])
    await quiet()
    assert Knowing.closed == [["a"]]
    await session.prompt("b")
    await session.close()
    assert Knowing.closed == [["a"], ["b"]]


async def test_of_many_that_wait_the_oldest_goes() -> None:
    session = make(*map(str, range(MAX_RESTING + 2)))
    for number in range(MAX_RESTING + 2):
        await session.branch(None, str(number))
    await quiet()
    assert Knowing.closed == [["0"], ["1"]]
    await session.close()
    assert len(Knowing.closed) == MAX_RESTING + 2


async def test_what_waits_in_a_queue_has_the_agent_that_works() -> None:
    gate = asyncio.Event()
    session = make([Wait(until=gate), "1"], "2", "3")
    first = session.prompt("a")
    await quiet()
    second = session.prompt("b", when_busy="queue")
    gate.set()
    await first
    await second
    await session.prompt("c")
    await session.close()
    assert Knowing.closed == [["a", "b", "c"]]


async def test_an_agent_whose_reply_was_cancelled_goes_on_with_what_the_tree_holds() -> None:
    session = make(["half", Wait(60)], "whole")
    run = session.prompt("a")
    await quiet(200)
    run.cancel()
    await run.wait()
    await session.prompt("b")
    requests = session.model.provider.requests  # type: ignore[union-attr]
    assert [message.text for message in requests[-1].messages] == ["a", "half", "b"]
    await session.close()
