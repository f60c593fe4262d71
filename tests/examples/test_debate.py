"""Debate: each side answers the other, so many times, and both are halted at the end."""

from __future__ import annotations

import asyncio
from typing import Any

from examples.patterns import asked, load
from omni_tui import AgentSupervisor, ProviderError
from omni_tui.testing import Fail, ScriptedProvider, Wait

pattern = load("debate")


async def argue(script: ScriptedProvider, rounds: int) -> tuple[list[Any], list[str]]:
    """Both sides and their statuses, when it is over."""
    async with AgentSupervisor() as agents:
        return await argue_in(agents, script, rounds)


async def argue_in(
    agents: AgentSupervisor, script: ScriptedProvider, rounds: int
) -> tuple[list[Any], list[str]]:
    sides = [
        await agents.start(
            pattern.Debater,
            name,
            agents=agents,
            opponent=opponent,
            rounds=rounds,
            model=script.model(),
        )
        for name, opponent in (("pro", "con"), ("con", "pro"))
    ]
    agents.notify("pro", pattern.Said("Tea is better than coffee."))
    await asyncio.gather(*(side.is_over.wait() for side in sides))
    return sides, [entry.status for entry in agents.list()]


async def test_each_answers_what_the_other_said_until_the_rounds_are_over() -> None:
    script = ScriptedProvider(["p1", "c1", "p2", "c2"])
    (pro, con), statuses = await argue(script, rounds=2)
    assert [asked(request) for request in script.requests] == [
        "Tea is better than coffee.",
        "p1",
        "c1",
        "p2",
    ]
    assert [message.text for message in pro.messages[1::2]] == ["p1", "p2"]
    assert [message.text for message in con.messages[1::2]] == ["c1", "c2"]
    assert statuses == ["halted", "halted"]


async def test_one_who_fails_ends_the_debate_for_both() -> None:
    script = ScriptedProvider(["p1", [Fail(ProviderError("no voice"))], "never asked for"])
    _, statuses = await argue(script, rounds=3)
    assert statuses == ["halted", "halted"]
    assert len(script.requests) == 2


async def test_one_who_is_cancelled_ends_it_as_well() -> None:
    script = ScriptedProvider(["p1", [Wait(until=asyncio.Event())], "never asked for"])
    async with AgentSupervisor() as agents:
        debate = asyncio.create_task(argue_in(agents, script, rounds=3))
        while len(script.requests) < 2:
            await asyncio.sleep(0)
        assert agents.cancel("con")
        _, statuses = await debate
    assert statuses == ["halted", "halted"]


async def test_the_motion_is_told_to_both_and_minutes_are_printed(capsys: Any) -> None:
    script = ScriptedProvider(["Yes.", "No."])
    await pattern.debate("Cats are better.", script.model(), rounds=1)
    assert capsys.readouterr().out == "Pro: Yes.\nCon: No.\n"
    systems = [str(request.system) for request in script.requests]
    assert ["for the motion: Cats" in systems[0], "against the motion: Cats" in systems[1]] == [
        True,
        True,
    ]
