"""Events whose fields hold anything: the answer ends once, and what is kept can be stored."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from wire import recordings
from wire_helpers import assembly_for, blocks_of, check_rules

from omni_tui.core.errors import ProviderError
from omni_tui.core.messages import Message, decode_message, encode_message
from omni_tui.core.stream import Done, Failed, StreamEvent
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.faults import Origin
from omni_tui.llm.providers.reading import Reading

TRIES = 300
ODD: tuple[Any, ...] = (
    *(None, True, 0, -7, 10**30, 1e300, "", "\ud83d", "\x00\x1b[2J", "x" * 5000),
    *([], [[]], [None], {}, {"type": 5}, {"": {}}, "call_1", "text", "error"),
)

pytestmark = pytest.mark.parametrize("name", recordings.NAMES)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to everything within `value`."""
    items: list[Any] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    found = [path] if path else []
    for key, item in items:
        found += places(item, (*path, key))
    return found


def spoil(events: list[dict[str, Any]], chance: random.Random) -> None:
    """Put something odd into some field of some events, leave fields out, or shuffle events."""
    for _ in range(chance.randint(1, 4)):
        number = chance.randrange(len(events))
        match chance.randrange(8):
            case 0:
                events.insert(number, copy.deepcopy(chance.choice(events)))
            case 1 if len(events) > 1:
                del events[number]
            case _:
                path = chance.choice(places(events[number]) or [("type",)])
                spot: Any = events[number]
                for key in path[:-1]:
                    spot = spot[key]
                if chance.random() < 0.2 and isinstance(spot, dict):
                    spot.pop(path[-1], None)
                else:
                    spot[path[-1]] = copy.deepcopy(chance.choice(ODD))


def read(dialect: str, events: list[dict[str, Any]]) -> list[StreamEvent]:
    reading = Reading(assembly_for(dialect))
    seen: list[StreamEvent] = []
    fault: Exception | None = None
    try:
        for event in events:
            if not reading.finished:
                seen += reading.take(f"data: {json.dumps(event)}\n\n".encode())
        reading.over()
    except Exception as error:
        fault = error
    return [*seen, *reading.ending(fault, Origin(provider=dialect), answered=True)]


def test_events_with_odd_fields(name: str) -> None:
    recorded = json.dumps(recordings.events(name))
    chance = random.Random(name)
    for _ in range(TRIES):
        events = json.loads(recorded)
        spoil(events, chance)
        seen = read(recordings.dialect_of(name), events)
        check_rules(seen)
        end = seen[-1]
        assert isinstance(end, Done | Failed)
        if isinstance(end, Failed):
            assert isinstance(end.error, ProviderError)
        else:
            assert end.model is None or isinstance(end.model, str)
        assert all(0 <= count < 2**53 for count in (end.usage.input, end.usage.output))
        assert isinstance(end.usage, Usage)
        stored = encode_message(Message(role="assistant", content=blocks_of(seen)))
        assert len(decode_message(stored).content) == len(blocks_of(seen))
