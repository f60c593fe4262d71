"""Checkpointer: idle between the steps, until a person has decided."""

from __future__ import annotations

import asyncio

import pytest

from examples.patterns import asked, load
from omni_tui import ProviderError
from omni_tui.testing import Fail, ScriptedProvider, Wait

pattern = load("checkpointer")
STEPS = ["Title?", "Text?"]


async def test_it_waits_idle_for_each_approval() -> None:
    script = ScriptedProvider(["A title", "A text"])
    async with pattern.Writer(model=script.model(), steps=STEPS) as writer:
        assert writer.phase == "new"
        run = writer.begin()
        assert writer.phase == "working"
        await run
        assert (writer.phase, writer.status, writer.draft) == ("review", "idle", "A title")
        assert (len(script.requests), writer.approved) == (1, [])
        await writer.approve()
        assert (writer.phase, writer.draft) == ("review", "A text")
        assert writer.approve() is None
        assert (writer.phase, writer.approved) == ("finished", ["A title", "A text"])
    assert [asked(request) for request in script.requests] == STEPS


async def test_a_revision_repeats_the_step_with_the_hint() -> None:
    script = ScriptedProvider(["A long title", "Short", "Shorter"])
    async with pattern.Writer(model=script.model(), steps=STEPS) as writer:
        await writer.begin()
        await writer.revise("shorter")
        await writer.revise("even shorter")
        assert (writer.draft, writer.approved) == ("Shorter", [])
        writer.finish()
        assert (writer.phase, writer.approved) == ("finished", [])
    assert [asked(request) for request in script.requests][1:] == [
        "Do that again: shorter",
        "Do that again: even shorter",
    ]


async def test_nothing_is_decided_in_the_wrong_phase() -> None:
    gate = asyncio.Event()
    script = ScriptedProvider([[Wait(until=gate), "A title"]])
    async with pattern.Writer(model=script.model(), steps=STEPS) as writer:
        with pytest.raises(ValueError, match="phase new, not review"):
            writer.approve()
        run = writer.begin()
        with pytest.raises(ValueError, match="phase working, not review"):
            writer.revise("?")
        with pytest.raises(ValueError, match="phase working, not new"):
            writer.begin()
        gate.set()
        await run


async def test_a_step_that_failed_or_was_cancelled_is_decided_about_as_well() -> None:
    wait = [Wait(until=asyncio.Event())]
    script = ScriptedProvider([[Fail(ProviderError("no ink"))], wait, "A title"])
    async with pattern.Writer(model=script.model(), steps=STEPS) as writer:
        assert await writer.begin().wait() == "error"
        assert (writer.phase, writer.status) == ("review", "idle")
        run = writer.revise("use a pencil")
        while len(script.requests) < 2:
            await asyncio.sleep(0)
        run.cancel()
        assert await run.wait() == "cancelled"
        await writer.revise("now")
        assert (writer.phase, writer.draft) == ("review", "A title")


async def test_a_reviewer_leads_it_through_all_steps() -> None:
    script = ScriptedProvider(["Long", "Short", "Text"])
    async with pattern.Writer(model=script.model(), steps=STEPS) as writer:
        review = pattern.answers("shorter", "approve", "finish")
        assert await pattern.write(writer, review) == ["Short"]
