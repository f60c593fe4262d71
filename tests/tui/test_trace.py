"""The ring of what happened: folded, bounded, and in order."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from omni_tui.agent.events import Event, MessageAdded, StatusChanged, ToolOutput, ToolStarted
from omni_tui.core.messages import Attachment, Message, ToolUse
from omni_tui.core.stream import TextDelta, TextEnd, ThinkingDelta
from omni_tui.tui.trace import FOLD_CHARS, Trace, note_log, weigh


class Feed:
    """Numbers events and hands them to a trace."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.seq = 0

    def __call__(self, payload: Any, run: str | None = "one") -> None:
        self.seq += 1
        self.trace.add(Event(payload=payload, seq=self.seq, ts=float(self.seq), run_id=run))


def told(trace: Trace) -> list[tuple[str, int]]:
    return [(row.event.type, row.count) for row in trace.rows]


def test_pieces_of_a_text_are_one_row() -> None:
    trace = Trace()
    feed = Feed(trace)
    for word in ("It ", "is ", "sacred."):
        feed(TextDelta(index=0, text=word))
    (row,) = trace.rows
    assert (row.count, row.chars, row.text) == (3, 13, "It is sacred.")
    assert (row.event.seq, row.last.seq) == (1, 3)


def test_other_texts_and_other_events_begin_a_row() -> None:
    trace = Trace()
    feed = Feed(trace)
    feed(ThinkingDelta(index=0, text="hm"))
    feed(TextDelta(index=1, text="a"))
    feed(TextDelta(index=1, text="b"))
    feed(TextDelta(index=2, text="c"))
    feed(StatusChanged(status="idle"))
    feed(TextDelta(index=2, text="d"))
    assert told(trace) == [
        ("thinking_delta", 1),
        ("text_delta", 2),
        ("text_delta", 1),
        ("status", 1),
        ("text_delta", 1),
    ]


def test_branches_that_stream_at_once_have_a_row_each() -> None:
    trace = Trace()
    feed = Feed(trace)
    for _ in range(5):
        feed(TextDelta(index=0, text="a"), "one")
        feed(TextDelta(index=0, text="b"), "two")
    feed(StatusChanged(status="idle"), "two")
    feed(TextDelta(index=0, text="a"), "one")
    assert told(trace) == [("text_delta", 6), ("text_delta", 5), ("status", 1)]


def test_the_output_of_tools_that_run_at_once_is_a_row_each() -> None:
    trace = Trace()
    feed = Feed(trace)
    feed(ToolStarted(tool_use=ToolUse(id="a", name="bash")))
    for _ in range(3):
        feed(ToolOutput(tool_use_id="a", text="x\n"))
        feed(ToolOutput(tool_use_id="b", text="y\n"))
    assert told(trace) == [("tool_started", 1), ("tool_output", 3), ("tool_output", 3)]


def test_a_long_text_is_counted_and_only_its_beginning_kept() -> None:
    trace = Trace()
    feed = Feed(trace)
    for _ in range(10):
        feed(TextDelta(index=0, text="x" * 1000))
    (row,) = trace.rows
    assert (row.count, row.chars, len(row.text)) == (10, 10_000, FOLD_CHARS)


def test_only_the_last_rows_are_kept() -> None:
    trace = Trace(kept=100)
    feed = Feed(trace)
    for _ in range(1000):
        feed(StatusChanged(status="busy"))
        feed(TextDelta(index=0, text="x"))
    assert (len(trace.rows), trace.total) == (100, 2000)
    assert [trace.rows[0].number, trace.rows[-1].number] == [1901, 2000]


def test_what_they_hold_is_bounded_too() -> None:
    trace = Trace(kept_chars=10_000)
    feed = Feed(trace)
    picture = Attachment(media_type="image/png", data=b"x" * 3000)
    for _ in range(50):
        feed(MessageAdded(message=Message.user(picture)))
    assert len(trace.rows) == 3
    feed(MessageAdded(message=Message.user("y" * 50_000)))
    assert len(trace.rows) == 1, "the last one stays, whatever its size"


def test_a_text_whose_row_is_gone_does_no_harm() -> None:
    trace = Trace(kept=2)
    feed = Feed(trace)
    feed(TextDelta(index=0, text="a"), "one")
    for _ in range(3):
        feed(StatusChanged(status="busy"), "two")
    feed(TextDelta(index=0, text="b"), "one")
    feed(TextEnd(index=0, block=Message.user("ab").content[0]), "one")  # type: ignore[arg-type]
    assert told(trace) == [("status", 1), ("text_end", 1)]


def test_depth_is_no_matter() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    trace = Trace()
    Feed(trace)(ToolStarted(tool_use=ToolUse(id="a", name="bash", input=deep)))
    assert len(trace.rows) == 1
    assert weigh(("abc", b"de", {"k": "xyz"})) == 8


async def test_the_log_comes_in_from_any_thread_until_it_is_ended() -> None:
    trace = Trace()
    end = note_log(trace)
    logger = logging.getLogger("omni_tui.somewhere")
    try:
        logger.warning("careful, %s", "you")
        await asyncio.to_thread(logger.error, "from a thread")
        try:
            raise ValueError("broken")
        except ValueError:
            logger.exception("with a trace")
        await asyncio.sleep(0)
    finally:
        end()
    logger.warning("nobody listens")
    await asyncio.sleep(0)
    lines: list[Any] = [row.event.payload for row in trace.rows]
    assert [(line.level, line.logger) for line in lines] == [
        ("WARNING", "omni_tui.somewhere"),
        ("ERROR", "omni_tui.somewhere"),
        ("ERROR", "omni_tui.somewhere"),
    ]
    assert lines[0].text == "careful, you"
    assert "ValueError: broken" in lines[2].text
