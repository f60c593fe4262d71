"""Switchboard: sending never waits, nothing that comes back is lost, and nobody goes on alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from examples.patterns import load
from omni_tui import AgentSupervisor, OmniError, ProviderError
from omni_tui.testing import Fail, Reply, ScriptedProvider, Wait

pattern = load("switchboard")


@asynccontextmanager
async def fleet(**replies: list[Reply]) -> AsyncIterator[Any]:
    async with AgentSupervisor() as agents:
        board = pattern.Switchboard(agents)
        for name, script in replies.items():
            await board.connect(name, model=ScriptedProvider(script).model())
        yield board


async def test_two_agents_work_at_once_and_one_inbox_gets_their_answers() -> None:
    gate = asyncio.Event()
    async with fleet(ann=[[Wait(until=gate), "slow"]], bob=["quick"]) as board:
        request = board.send("ann", "Go.")
        board.send("bob", "Go.")
        assert board.poll("ann", request) == "pending"
        assert [letter.text for letter in await board.wait()] == ["quick"]
        board.ack(1)
        gate.set()
        (letter,) = await board.wait()
        assert (letter.number, letter.sender, letter.text) == (2, "ann", "slow")
        assert [each.text for each in board.letters] == ["quick", "slow"]


async def test_the_inbox_is_a_cursor_that_only_goes_forward() -> None:
    async with fleet(ann=[]) as board:
        for text in ("a", "b", "c"):
            board.deliver("ann", text)
        board.ack(2)
        assert [letter.text for letter in board.inbox()] == ["c"]
        board.ack(1)
        assert [letter.text for letter in board.inbox()] == ["c"]
        board.ack(99)
        board.deliver("ann", "d")
        assert [letter.text for letter in board.inbox()] == ["d"]


async def test_who_is_busy_or_halted_takes_nothing() -> None:
    async with fleet(ann=[[Wait(until=asyncio.Event())]], bob=["later"]) as board:
        board.send("ann", "Go.")
        with pytest.raises(OmniError, match="busy"):
            board.send("ann", "Hurry!")
        board.halt("bob")
        with pytest.raises(OmniError, match="halted"):
            board.send("bob", "Go.")
        board.resume("bob")
        board.send("bob", "Go.")
        assert (await board.wait())[0].text == "later"
        with pytest.raises(LookupError, match="nobody is called 'eve'"):
            board.send("eve", "Go.")


async def test_interrupts_and_failures_are_letters_too() -> None:
    async with fleet(ann=[[Fail(ProviderError("no line"))]]) as board:
        assert not board.interrupt("ann")
        board.send("ann", "Go.")
        assert board.interrupt("ann")  # before its model was asked
        assert [(each.text, each.is_failure) for each in await board.wait()] == [
            ("interrupted", True)
        ]
        board.ack(1)
        request = board.send("ann", "Again.")
        assert [(each.text, each.is_failure) for each in await board.wait()] == [("no line", True)]
        assert board.poll("ann", request) == "error"


async def test_an_answer_is_the_end_until_the_person_says_more() -> None:
    async with fleet(ann=["one", "two", "never asked for"]) as board:
        board.send("ann", "1?")
        await board.wait()
        board.send("ann", "2?")
        board.ack(1)
        await board.wait()
        assert [message.text for message in board.transcript("ann")] == ["1?", "one", "2?", "two"]
        assert [message.text for message in board.transcript("ann", limit=1)] == ["two"]
        board.summaries["ann"] = "counts"
        assert await board.agents.stop("ann")
        assert (len(board.letters), board.summaries) == (2, {"ann": "counts"})
