"""Values are cut out of a stream one at a time, whatever stands between them."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_tui.session.importers import values as module
from omni_tui.session.importers.values import Damage, decode, read_values

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def read(text: str | bytes, limit: int = 2**20) -> list[Any]:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return list(read_values(io.BufferedReader(io.BytesIO(data)), limit=limit))


@given(
    st.lists(json_values, max_size=5), st.sampled_from([None, 2]), st.booleans(), st.integers(1, 9)
)
def test_an_array_gives_its_elements_wherever_the_stream_is_cut(
    elements: list[Any], indent: int | None, ascii: bool, chunk: int
) -> None:
    text = json.dumps(elements, indent=indent, ensure_ascii=ascii)
    whole = json.loads(text.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK", chunk)
        assert read(text) == whole


@given(st.lists(st.dictionaries(st.text(), json_values, max_size=3), min_size=1, max_size=5))
def test_lines_give_their_values(lines: list[Any]) -> None:
    text = "\n".join(json.dumps(line) for line in lines)
    assert read(text) == lines
    assert read(f"\n\n{text}\n") == lines


@given(st.dictionaries(st.text(), json_values, min_size=1, max_size=3))
def test_one_object_over_many_lines_is_one_value(value: dict[str, Any]) -> None:
    assert read(json.dumps(value, indent=1)) == [value]


@given(json_values)
def test_what_is_too_deep_for_the_stack_is_read_just_as_well(value: Any) -> None:
    assert module._decode_deep(json.dumps(value)) == value


def test_a_value_of_any_depth_is_read() -> None:
    depth = 100_000
    (value,) = read('[{"a":' + "[" * depth + "1" + "]" * depth + "}]")
    found = 0
    value = value["a"]
    while isinstance(value, list):
        (value,) = value
        found += 1
    assert (found, value) == (depth, 1)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ('[{"a":1},{"b":},{"c":3}]', [{"a": 1}, {"c": 3}]),
        ('[{"a":1},nonsense,{"c":3}]', [{"a": 1}, {"c": 3}]),
        ('[{"a":1},{"c":3}', [{"a": 1}]),
        ('[{"a":1},"never closed', [{"a": 1}]),
        ('[{"a":1}] and more', [{"a": 1}]),
        ('{"a":1}\n{broken\n{"c":3}\n', [{"a": 1}, {"c": 3}]),
        ('{broken\n{"c":3}\n', [{"c": 3}]),
        ("nothing of this is JSON", []),
        ("[1]]", [1]),
        ("\x00\x00", []),
        pytest.param("[" * 50_000, [], id="brackets"),
        pytest.param('{"a":' * 20_000, [], id="braces"),
    ],
)
def test_what_is_broken_costs_itself_alone(text: str, good: list[Any]) -> None:
    found = read(text)
    assert [each for each in found if not isinstance(each, Damage)] == good
    assert any(isinstance(each, Damage) for each in found)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('["\\ud800"]', "\ud800"),
        ('["\\u0000"]', "\0"),
        ("[NaN]", None),
        ("[-Infinity]", None),
        ("[123456789012345678901234567890]", 123456789012345678901234567890),
        (b'["\xff"]', "\ufffd"),
        (b'\xef\xbb\xbf ["x"]', "x"),
        ('["]},\\"["]', ']},"['),
        ('["\\\\"]', "\\"),
    ],
)
def test_odd_values_are_read(text: str | bytes, value: Any) -> None:
    assert read(text) == [value]


@pytest.mark.parametrize("text", ["", " \n ", "[]", "[ ]"])
def test_of_nothing_comes_nothing(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize("form", ["[{0},{1},{0}]", "{0}\n{1}\n{0}\n"])
def test_a_value_that_is_too_long_is_left_out(form: str) -> None:
    long = json.dumps({"a": "x" * 200})
    text = form.replace("{0}", '{"b":1}').replace("{1}", long)
    found = read(text, limit=100)
    assert found == [{"b": 1}, Damage(found[1].problem), {"b": 1}]
    assert "longer than 100 characters" in found[1].problem


class Endless(io.RawIOBase):
    """A stream that is made while it is read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        part = self._rest[: len(buffer)]
        self._rest = self._rest[len(part) :]
        buffer[: len(part)] = part
        return len(part)


def many(count: int, size: int) -> Iterator[bytes]:
    one = json.dumps({"words": "x" * size}).encode()
    yield b"["
    for _ in range(count - 1):
        yield one + b","
    yield one + b"]"


def test_a_large_array_takes_no_more_memory_than_a_value() -> None:
    stream = io.BufferedReader(cast(io.RawIOBase, Endless(many(20, 1_000_000))))
    tracemalloc.start()
    try:
        found = len([None for _ in read_values(stream)])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == 20
    assert peak < 12_000_000


def test_a_string_without_end_takes_no_more_memory_than_the_limit() -> None:
    def endless() -> Iterator[bytes]:
        yield b'[{"a":"'
        for _ in range(20):
            yield b"x" * 1_000_000

    tracemalloc.start()
    try:
        found = list(
            read_values(io.BufferedReader(cast(io.RawIOBase, Endless(endless()))), limit=2_000_000)
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [type(each) for each in found] == [Damage]
    assert peak < 12_000_000


def test_decoding_says_what_is_wrong() -> None:
    assert isinstance(decode(b"{"), Damage)
