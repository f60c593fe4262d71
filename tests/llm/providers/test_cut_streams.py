"""Every recorded stream, cut at every event and at 200 random bytes, and with bytes turned over."""

from __future__ import annotations

import json
import random
from itertools import accumulate
from typing import Any

import pytest
from wire import golden, recordings
from wire.server import Reply, sse_server
from wire_helpers import assembly_for, blocks_of, check_rules, collect, make

from omni_tui.core.errors import ProviderError
from omni_tui.core.messages import Block, Opaque, Text, Thinking, ToolUse
from omni_tui.core.stream import Done, Failed, StreamEvent
from omni_tui.llm.providers.faults import Origin
from omni_tui.llm.providers.reading import Reading

RANDOM_CUTS = 200
STREAMS = recordings.streams()

pytestmark = pytest.mark.parametrize("name", STREAMS)


def payloads(pieces: tuple[bytes, ...]) -> list[dict[str, Any]]:
    """The JSON in whole pieces of a stream."""
    data = [line[6:] for line in b"".join(pieces).split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(line) for line in data]


def ended(dialect: str, events: list[dict[str, Any]]) -> int:
    """How many blocks these events bring to their end, by the rules of the dialect alone."""
    if dialect == "anthropic":
        return sum(event["type"] == "content_block_stop" for event in events)
    if dialect == "responses":
        return sum(event["type"] == "response.output_item.done" for event in events)
    choices = [choice for event in events for choice in event.get("choices") or ()]
    deltas = [choice["delta"] for choice in choices]
    thought = any(delta.get("reasoning_content") for delta in deltas)
    said = any(delta.get("content") or delta.get("tool_calls") for delta in deltas)
    over = any(choice.get("finish_reason") for choice in choices)
    return int(thought and (said or over)) + int(said and over)


def kept_as_sent(kept: tuple[Block, ...], full: tuple[Block, ...], complete: int) -> None:
    """All that was complete is there unchanged; of the rest, only a beginning."""
    assert kept[:complete] == full[:complete]
    for block, whole in zip(kept[complete:], full[complete:], strict=False):
        if isinstance(whole, ToolUse | Opaque):
            assert block == whole
        else:
            assert isinstance(block, Text | Thinking)
            assert isinstance(whole, Text | Thinking)
            assert type(block) is type(whole)
            assert whole.text.startswith(block.text)
    assert len(kept) <= len(full)


class Cuts:
    """A recording, and what must be left of it when it is cut."""

    def __init__(self, name: str, whole: list[StreamEvent]) -> None:
        pieces = STREAMS[name]
        dialect = recordings.dialect_of(name)
        self.whole = whole
        self.stream = b"".join(pieces)
        self.boundaries = list(accumulate(map(len, pieces), initial=0))
        come = range(len(pieces) + 1)
        self.complete = [ended(dialect, payloads(pieces[:number])) for number in come]

    def check(self, cut: int, events: list[StreamEvent]) -> None:
        """`events` are a fair account of the first `cut` bytes."""
        come = sum(boundary <= cut for boundary in self.boundaries[1:])
        kept, full, end = blocks_of(events), blocks_of(self.whole), events[-1]
        kept_as_sent(kept, full, self.complete[come])
        if isinstance(end, Done):
            assert kept == full, f"cut at {cut}: an answer called whole is not"
            assert isinstance(self.whole[-1], Done)
            assert end.stop_reason == self.whole[-1].stop_reason
        else:
            assert isinstance(end, Failed)
            assert isinstance(end.error, ProviderError)


async def test_a_cut_at_any_event_keeps_what_was_complete(name: str) -> None:
    cuts = Cuts(name, await golden.replay(name))
    starts = [cuts.stream[:cut] for cut in cuts.boundaries[:-1]]
    with sse_server(*(Reply(pieces=(start,) if start else ()) for start in starts)) as server:
        provider = make(recordings.dialect_of(name), server.url)
        for cut in cuts.boundaries[:-1]:
            cuts.check(cut, await collect(provider))
        await provider.close()
        assert len(server.requests) == len(starts)


def test_a_cut_at_any_byte_keeps_what_was_complete(name: str) -> None:
    dialect, stream = recordings.dialect_of(name), b"".join(STREAMS[name])
    cuts = Cuts(name, play(dialect, stream))
    chance = random.Random(name)
    for _ in range(RANDOM_CUTS):
        cut = chance.randrange(len(stream))
        cuts.check(cut, play(dialect, stream[:cut]))


def test_bytes_turned_over_end_in_one_typed_error_or_an_answer(name: str) -> None:
    stream = bytearray(b"".join(STREAMS[name]))
    chance = random.Random(name)
    for _ in range(RANDOM_CUTS):
        broken = bytearray(stream)
        for _ in range(chance.randint(1, 5)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        end = play(recordings.dialect_of(name), bytes(broken))[-1]
        if not isinstance(end, Done):
            assert isinstance(end, Failed)
            assert isinstance(end.error, ProviderError)


def play(dialect: str, stream: bytes) -> list[StreamEvent]:
    """What `stream` becomes when it comes in one piece, without a server."""
    reading = Reading(assembly_for(dialect))
    events: list[StreamEvent] = []
    fault: Exception | None = None
    try:
        events += reading.take(stream)
        if not reading.finished:
            reading.over()
    except Exception as error:
        fault = error
    events += reading.ending(fault, Origin(provider=dialect), answered=True)
    check_rules(events)
    return events
