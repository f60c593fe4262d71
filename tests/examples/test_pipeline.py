"""Pipeline: work moves down the line, and so does a failure."""

from __future__ import annotations

import asyncio

from examples.patterns import asked, load
from omni_tui import AgentSupervisor, ProviderError
from omni_tui.testing import Fail, ScriptedProvider, Wait

pattern = load("pipeline")
ROLES = {"a": "You are a.", "b": "You are b.", "c": "You are c."}


async def test_each_stage_gets_what_the_one_before_made() -> None:
    script = ScriptedProvider(["one", "two", "three"])
    made = await pattern.run_pipeline(ROLES, "zero", script.model())
    assert {name: work.text for name, work in made.items()} == {
        "a": "one",
        "b": "two",
        "c": "three",
    }
    assert [(request.system, asked(request)) for request in script.requests] == [
        ("You are a.", "zero"),
        ("You are b.", "one"),
        ("You are c.", "two"),
    ]


async def test_a_failure_goes_down_the_line_and_nobody_works_on_it() -> None:
    script = ScriptedProvider(["one", [Fail(ProviderError("no ink"))], "never asked for"])
    made = await pattern.run_pipeline(ROLES, "zero", script.model())
    broken = pattern.Broken("b", "no ink")
    assert made == {"a": pattern.Work("one"), "b": broken, "c": broken}
    assert len(script.requests) == 2


async def test_a_stage_halts_after_one_turn_even_if_it_is_cancelled() -> None:
    script = ScriptedProvider([[Wait(until=asyncio.Event())]])
    async with AgentSupervisor() as agents:
        first, last = [
            await agents.start(
                pattern.Stage,
                name,
                agents=agents,
                name=name,
                next_stage=after,
                model=script.model(),
            )
            for name, after in (("first", "last"), ("last", None))
        ]
        agents.notify("first", pattern.Work("zero"))
        while not script.requests:
            await asyncio.sleep(0)
        assert agents.cancel("first")
        await last.is_done.wait()
        assert last.made == pattern.Broken("first", "cancelled")
        assert [entry.status for entry in agents.list()] == ["halted", "halted"]
        assert first.messages == ()
