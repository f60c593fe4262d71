"""The event decoder: what servers send, however it is cut up on the way."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omni_tui.llm.providers.sse import MAX_STRAY, Event, EventDecoder, decode


def events(*chunks: bytes) -> list[Event]:
    decoder = EventDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.finish()


@pytest.mark.parametrize(
    "stream",
    [
        b"event: a\ndata: 1\n\nevent: b\ndata: 2\n\n",
        b"event:a\ndata:1\n\nevent:b\ndata:2\n\n",
        b"event: a\r\ndata: 1\r\n\r\nevent: b\r\ndata: 2\r\n\r\n",
        b"event: a\rdata: 1\r\revent: b\rdata: 2\r\r",
        b"\xef\xbb\xbfevent: a\ndata: 1\n\nevent: b\ndata: 2\n\n",
        b": hello\n\n: keep-alive\n\nevent: a\ndata: 1\n\n:\n\nevent: b\ndata: 2\n\n",
        b"id: 1\nretry: 5\nevent: a\nfield\ndata: 1\n\n\n\nevent: b\nid\ndata: 2\n\n",
        b"event: a\ndata: 1\n\nevent: b\ndata: 2",
        b"event: a\ndata: 1\n\nevent: b\ndata: 2\n",
    ],
)
def test_all_forms_of_a_stream_hold_the_same_events(stream: bytes) -> None:
    assert events(stream) == [(b"a", b"1"), (b"b", b"2")]
    one_by_one = [stream[at : at + 1] for at in range(len(stream))]
    assert events(*one_by_one) == [(b"a", b"1"), (b"b", b"2")]


def test_data_in_several_lines_is_one_event() -> None:
    assert events(b"data: {\ndata\ndata:  1}\n\n") == [(b"", b"{\n\n 1}")]


def test_a_name_does_not_outlive_its_event() -> None:
    assert events(b"event: error\n\ndata: 1\n\n") == [(b"", b"1")]


def test_what_stands_before_the_first_event_is_kept_for_an_error() -> None:
    decoder = EventDecoder()
    decoder.feed(b": comment\n<html>\nLog in\n")
    assert decoder.finish() == []
    assert (decoder.found, decoder.stray) == (False, b"<html>\nLog in\n")
    decoder.feed(b"data: 1\n\nmore\n")
    assert (decoder.found, decoder.stray) == (True, b"<html>\nLog in\n")


def test_what_is_kept_of_it_has_a_limit() -> None:
    decoder = EventDecoder()
    for _ in range(3):
        decoder.feed(b"x" * 50_000 + b"\n")
    assert len(decoder.stray) == MAX_STRAY


_lines = st.sampled_from(
    [b"data: 1", b"data:2", b"event: a", b"", b"", b": c", b"id: 3", b"junk", b"data"]
)
_stream = st.lists(st.tuples(_lines, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=20).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


@settings(deadline=None)
@given(_stream, st.lists(st.integers(0, 120), max_size=6))
def test_where_chunks_end_makes_no_difference(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(places)]
    assert events(*chunks) == events(stream)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (rb'"\ud83d"', "\ud83d"),
        (rb'"\u0000"', "\x00"),
        (b'{"a": 1e999}', {"a": float("inf")}),
    ],
)
def test_json_that_servers_send(data: bytes, value: object) -> None:
    assert decode(data) == value


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[" * 100_000, b'"\xff"', b"nonsense", b"\xff\xfe1\x00", b"{}{}"]
)
def test_what_is_no_json_is_a_fault_of_a_known_kind(data: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        decode(data)
