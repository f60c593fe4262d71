"""A listener's queue: bounded, in order, and no word is lost."""

from __future__ import annotations

import asyncio

from agent_helpers import payload_of
from hypothesis import given
from hypothesis import strategies as st

from omni_tui.agent.events import Event, StatusChanged, ToolOutput
from omni_tui.agent.subscription import MERGED_CHARS, Subscription
from omni_tui.core.stream import StreamEvent, TextDelta, ThinkingDelta, ToolUseDelta


def event(payload: StreamEvent | StatusChanged | ToolOutput, seq: int, run: str = "r") -> Event:
    return Event(payload=payload, seq=seq, run_id=run)


def text_of(payload: object) -> str:
    assert isinstance(payload, TextDelta | ThinkingDelta | ToolUseDelta | ToolOutput)
    return payload.json if isinstance(payload, ToolUseDelta) else payload.text


def stream_of(payload: object) -> tuple[str, object]:
    """Which text a piece belongs to."""
    match payload:
        case ToolOutput(tool_use_id=id):
            return "output", id
        case TextDelta(index=index) | ThinkingDelta(index=index) | ToolUseDelta(index=index):
            return type(payload).__name__, index
        case _:
            return "other", None


PIECES: st.SearchStrategy[StreamEvent | StatusChanged | ToolOutput] = st.one_of(
    st.builds(TextDelta, index=st.integers(0, 1), text=st.text(max_size=3)),
    st.builds(ThinkingDelta, index=st.integers(0, 1), text=st.text(max_size=3)),
    st.builds(ToolUseDelta, index=st.integers(0, 1), json=st.text(max_size=3)),
    st.builds(ToolOutput, tool_use_id=st.sampled_from("ab"), text=st.text(max_size=3)),
    st.builds(StatusChanged, status=st.sampled_from(["idle", "busy"])),
)


async def drained(subscription: Subscription) -> list[Event]:
    subscription.close()
    return [event async for event in subscription]


@given(st.lists(st.tuples(PIECES, st.sampled_from("rs")), max_size=40), st.integers(1, 10))
def test_past_the_limit_pieces_are_merged_and_no_word_is_lost(
    pieces: list[tuple[StreamEvent | StatusChanged | ToolOutput, str]], limit: int
) -> None:
    async def scenario() -> list[Event]:
        subscription = Subscription(limit=limit)
        for seq, (payload, run) in enumerate(pieces):
            subscription.put(event(payload, seq, run))
        return await drained(subscription)

    got = asyncio.run(scenario())

    def joined(items: list[tuple[object, str | None]]) -> list[tuple[str | None, object, str]]:
        """The texts in order, neighbouring pieces of one text joined."""
        out: list[tuple[str | None, object, str]] = []
        for payload, run in items:
            key = stream_of(payload)
            if key[0] == "other":
                out.append((run, payload, ""))
            elif out and out[-1][:2] == (run, key):
                out[-1] = (run, key, out[-1][2] + text_of(payload))
            else:
                out.append((run, key, text_of(payload)))
        return out

    assert joined([(e.payload, e.run_id) for e in got]) == joined([(p, r) for p, r in pieces])
    assert [e.seq for e in got] == sorted(e.seq for e in got)
    assert [e.payload for e in got[: limit - 1]] == [p for p, _ in pieces[: limit - 1]]


async def test_a_listener_that_sleeps_does_not_fill_the_memory() -> None:
    subscription = Subscription(limit=10)
    for seq in range(100_000):
        subscription.put(event(TextDelta(index=0, text="x"), seq))
    got = await drained(subscription)
    assert len(got) <= 10 + 100_000 // MERGED_CHARS + 1
    assert sum(len(payload_of(e).text) for e in got) == 100_000
    assert max(len(payload_of(e).text) for e in got) <= MERGED_CHARS


async def test_a_batch_is_all_that_waits_and_waits_for_at_least_one() -> None:
    subscription = Subscription()
    for seq in range(3):
        subscription.put(event(StatusChanged(status="busy"), seq))
    assert [e.seq for e in await subscription.batch()] == [0, 1, 2]
    waiting = asyncio.create_task(subscription.batch())
    await asyncio.sleep(0)
    assert not waiting.done()
    subscription.put(event(StatusChanged(status="idle"), 3))
    assert [e.seq for e in await waiting] == [3]


async def test_closing_ends_the_events_after_those_that_wait() -> None:
    closed: list[Subscription] = []
    subscription = Subscription(on_close=closed.append)
    subscription.put(event(StatusChanged(status="busy"), 0))
    subscription.close()
    subscription.close()
    subscription.put(event(StatusChanged(status="idle"), 1))
    assert [e.seq async for e in subscription] == [0]
    assert await subscription.batch() == []
    assert closed == [subscription]


async def test_closing_wakes_who_waits() -> None:
    subscription = Subscription()
    waiting = asyncio.create_task(subscription.batch())
    await asyncio.sleep(0)
    subscription.close()
    assert await waiting == []


async def test_leaving_the_loop_and_coming_back_loses_nothing() -> None:
    subscription = Subscription()
    for seq in range(5):
        subscription.put(event(StatusChanged(status="busy"), seq))
    async for first in subscription:
        assert first.seq == 0
        break
    assert [e.seq for e in await subscription.batch()] == [1, 2, 3, 4]
