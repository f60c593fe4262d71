"""Whatever way a message is cut into events, the same message comes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_tui.core.errors import BrokenStreamError
from omni_tui.core.messages import Block, Text, Thinking, ToolUse
from omni_tui.core.stream import (
    Done,
    Failed,
    StopReason,
    StreamEvent,
    TextDelta,
    TextEnd,
    TextStart,
    ThinkingDelta,
    ThinkingEnd,
    ThinkingStart,
    ToolUseDelta,
    ToolUseEnd,
    ToolUseStart,
)
from omni_tui.core.usage import Usage
from omni_tui.llm.accumulator import Accumulator

WORDS = st.text(max_size=12)
BLOCKS: st.SearchStrategy[Block] = st.one_of(
    st.builds(Text, text=WORDS.filter(bool), signature=st.none() | WORDS),
    st.builds(Thinking, text=WORDS, signature=st.none() | WORDS, redacted=st.none() | WORDS),
    st.builds(ToolUse, id=WORDS, name=WORDS, input=st.just({"a": 1})),
)


def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """`text` cut at any places, empty pieces included."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def events_of(draw: st.DrawFn, index: int, block: Block) -> list[StreamEvent]:
    match block:
        case Text(text=text):
            deltas: list[StreamEvent] = [
                TextDelta(index=index, text=part) for part in pieces(draw, text)
            ]
            return [TextStart(index=index), *deltas, TextEnd(index=index, block=block)]
        case Thinking(text=text):
            deltas = [ThinkingDelta(index=index, text=part) for part in pieces(draw, text)]
            return [ThinkingStart(index=index), *deltas, ThinkingEnd(index=index, block=block)]
        case ToolUse(id=id, name=name):
            deltas = [ToolUseDelta(index=index, json=part) for part in pieces(draw, '{"a": 1}')]
            start = ToolUseStart(index=index, id=id, name=name)
            return [start, *deltas, ToolUseEnd(index=index, block=block)]
        case _:
            raise AssertionError(block)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Block], list[StreamEvent]]:
    """Blocks and their events: cut anywhere, blocks interleaved, each in its own order."""
    blocks = draw(st.lists(BLOCKS, max_size=4))
    waiting = [events_of(draw, index, block) for index, block in enumerate(blocks)]
    out: list[StreamEvent] = []
    while any(waiting):
        chosen = draw(st.sampled_from([events for events in waiting if events]))
        out.append(chosen.pop(0))
    return blocks, out


def folded(events: list[StreamEvent]) -> Accumulator:
    accumulator = Accumulator()
    for event in events:
        accumulator.apply(event)
    return accumulator


@given(streams())
def test_any_cutting_of_a_message_gives_the_message(
    stream: tuple[list[Block], list[StreamEvent]],
) -> None:
    blocks, events = stream
    accumulator = folded([*events, Done(stop_reason="stop")])
    assert list(accumulator.message().content) == blocks
    assert all(is_whole for _, _, is_whole in accumulator.parts())


@given(streams(), st.data())
def test_broken_off_anywhere_it_holds_what_came_and_no_half_call(
    stream: tuple[list[Block], list[StreamEvent]], data: st.DataObject
) -> None:
    blocks, events = stream
    cut = data.draw(st.integers(0, len(events)))
    came = events[:cut]
    accumulator = folded(came)
    ended = {e.index for e in came if isinstance(e, TextEnd | ThinkingEnd | ToolUseEnd)}
    expected: list[tuple[int, Block, bool]] = []
    for index, block in enumerate(blocks):
        texts = [
            e.text for e in came if isinstance(e, TextDelta | ThinkingDelta) and e.index == index
        ]
        if index in ended:
            expected.append((index, block, True))
        elif any(texts):
            kind = Text if isinstance(block, Text) else Thinking
            expected.append((index, kind(text="".join(texts)), False))
    assert accumulator.parts() == expected
    assert accumulator.stop_reason == "cancelled"


@given(streams(), streams())
def test_what_comes_after_the_end_is_ignored(
    first: tuple[list[Block], list[StreamEvent]], late: tuple[list[Block], list[StreamEvent]]
) -> None:
    done = Done(stop_reason="length", usage=Usage(input=3), model="m")
    accumulator = folded([*first[1], done])
    before = accumulator.message()
    for event in [*late[1], Failed(error=BrokenStreamError("late")), Done(stop_reason="stop")]:
        accumulator.apply(event)
    assert accumulator.message() == before
    assert accumulator.terminal == done
    assert accumulator.usage == Usage(input=3)


@pytest.mark.parametrize("reason", ["stop", "length", "tool_use", "refusal"])
def test_the_stop_reason_is_the_models(reason: StopReason) -> None:
    assert folded([Done(stop_reason=reason)]).stop_reason == reason


def test_a_failed_step_keeps_what_came_and_what_it_cost() -> None:
    failed = Failed(error=BrokenStreamError("cut"), usage=Usage(output=2))
    accumulator = folded([TextStart(index=0), TextDelta(index=0, text="Hel"), failed])
    assert accumulator.blocks() == (Text(text="Hel"),)
    assert (accumulator.stop_reason, accumulator.usage) == ("error", Usage(output=2))


def test_blocks_come_in_the_order_of_their_index() -> None:
    events = [TextEnd(index=2, block=Text(text="b")), TextEnd(index=0, block=Text(text="a"))]
    assert folded(list(events)).blocks() == (Text(text="a"), Text(text="b"))


def test_empty_text_is_left_out_unless_it_is_signed() -> None:
    events: list[StreamEvent] = [
        TextEnd(index=0, block=Text(text="")),
        TextEnd(index=1, block=Text(text="", signature="s")),
    ]
    assert folded(events).blocks() == (Text(text="", signature="s"),)


def test_a_message_keeps_the_moment_it_began() -> None:
    accumulator = Accumulator()
    assert accumulator.message().created_at == accumulator.created_at
    assert accumulator.message().created_at == accumulator.message().created_at


def test_a_half_call_can_be_watched_until_it_is_whole() -> None:
    events: list[StreamEvent] = [
        ToolUseStart(index=1, id="b", name="bash"),
        ToolUseStart(index=0, id="a", name="glob"),
        ToolUseDelta(index=1, json='{"comm'),
        ToolUseDelta(index=0, json="{}"),
        ToolUseDelta(index=1, json='and": "l'),
    ]
    accumulator = folded(events)
    assert accumulator.open_uses() == [
        (ToolUseStart(index=0, id="a", name="glob"), "{}"),
        (ToolUseStart(index=1, id="b", name="bash"), '{"command": "l'),
    ]
    assert accumulator.blocks() == ()
    accumulator.apply(ToolUseEnd(index=0, block=ToolUse(id="a", name="glob")))
    assert [start.id for start, _ in accumulator.open_uses()] == ["b"]
