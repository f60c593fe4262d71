"""Which of several runs at one prompt is looked at, and where the head goes when they end."""

from __future__ import annotations

import asyncio

import pytest
from session_helpers import make_session, quiet, texts

from omni_tui.core.errors import AuthError, IdleError
from omni_tui.llm.providers.scripted import Fail, Reply, ScriptedProvider, Wait
from omni_tui.session.session import Session


async def three_at_once(*replies: Reply) -> Session:
    """A prompt with one reply, and three more on their way."""
    session = make_session(ScriptedProvider(["first", *replies]))
    await session.prompt("a")
    session.alternatives(2, n=3)
    await quiet(200)
    return session


async def test_the_head_goes_with_the_run_that_is_followed() -> None:
    gates = [asyncio.Event() for _ in range(3)]
    replies: list[Reply] = [[Wait(until=gate), "more"] for gate in gates]
    session = await three_at_once(*replies)
    runs = list(session.runs)
    session.follow(runs[1])
    assert session.active_run is session.runs[runs[1]]
    assert [*session.tree.path] == [1]
    gates[0].set()
    await quiet(200)
    assert runs[0] not in session.runs
    assert [*session.tree.path] == [1]  # its reply is there, and not in view
    assert session.tree.children(1) == (2, 3)
    gates[1].set()
    await quiet(200)
    assert [*session.tree.path] == [1, 4]
    gates[2].set()
    await quiet(200)
    assert [*session.tree.path] == [1, 4]
    assert not session.runs
    await session.close()


async def test_without_one_the_head_goes_with_the_first_reply() -> None:
    gate = asyncio.Event()
    session = await three_at_once([Wait(until=gate), "slow"], "quick", [Wait(until=gate), "slow"])
    assert texts(session.tree) == ["a", "quick"]
    gate.set()
    await quiet(200)
    assert texts(session.tree) == ["a", "quick"]
    await session.close()


async def test_one_that_is_followed_can_be_gone_back_to() -> None:
    gate = asyncio.Event()
    session = await three_at_once([Wait(until=gate), "slow"], "quick", "quick too")
    (run_id,) = session.runs
    assert texts(session.tree)[0] == "a"
    session.follow(run_id)
    assert texts(session.tree) == ["a"]
    session.navigate(2)
    gate.set()
    await quiet(200)
    assert texts(session.tree) == ["a", "first"]  # who went away stays away
    await session.close()


async def test_the_run_that_is_followed_is_the_one_that_is_stopped() -> None:
    replies: list[Reply] = [[f"half {number}", Wait(60)] for number in range(3)]
    session = await three_at_once(*replies)
    runs = list(session.runs)
    session.follow(runs[0])
    assert session.cancel()
    await quiet(200)
    assert list(session.runs) == runs[1:]
    for run_id in runs[1:]:
        session.cancel(run_id)
    await quiet(200)
    await session.close()


async def test_a_run_that_is_over_is_not_followed() -> None:
    session = make_session(["first"])
    run = session.prompt("a")
    await run
    with pytest.raises(IdleError):
        session.follow(run.id)
    await session.close()


async def test_one_that_fails_leaves_the_view_on_the_others() -> None:
    gate = asyncio.Event()
    refused = Fail(AuthError("no"))
    session = await three_at_once(
        [refused], [Wait(until=gate), refused], [Wait(until=gate), refused]
    )
    assert len(session.runs) == 2
    assert [*session.tree.path] == [1]
    gate.set()
    await quiet(200)
    assert not session.runs
    assert texts(session.tree) == ["a", "first"]  # back where the person was
    await session.close()
