"""JSON that is still being written, read for a person to watch."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_tui.llm.partial_json import MAX_CHARS, MAX_NESTING, PartialJson


def read(*pieces: str) -> Any:
    partial = PartialJson()
    for piece in pieces:
        partial.feed(piece)
    return partial.value()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("  ", None),
        ("{", {}),
        ('{"pa', {}),
        ('{"path"', {}),
        ('{"path":', {}),
        ('{"path": "', {"path": ""}),
        ('{"path": "src/ma', {"path": "src/ma"}),
        ('{"path": "src", "te', {"path": "src"}),
        ('{"path": "src", "text": "a\\', {"path": "src", "text": "a"}),
        ('{"text": "a\\n', {"text": "a\n"}),
        ('{"text": "\\u00', {"text": ""}),
        ('{"text": "\\u00e9', {"text": "é"}),
        ('{"n": 12', {}),
        ('{"n": 12,', {"n": 12}),
        ('{"n": tru', {}),
        ('{"n": true}', {"n": True}),
        ('{"list": [1, [2', {"list": [1, []]}),
        ('{"list": [{"a": "b"}, {"c": "d', {"list": [{"a": "b"}, {"c": "d"}]}),
        ('{"a": "}]"', {"a": "}]"}),
        ('"only words', "only words"),
    ],
)
def test_what_has_come_is_shown(text: str, value: Any) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    "text", ['{"a": "b"}}', '{"a" "b"', '{"a": "b"]', "{,", '{"a": "\\ux"', '{"a": "b" "c"', "]"]
)
def test_nonsense_ends_the_reading_and_keeps_what_was(text: str) -> None:
    assert read(text, ', "late": "no"') in (None, {}, {"a": "b"}, {"a": ""})


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
json_objects = st.dictionaries(st.text(), json_values, max_size=6)


@given(value=json_objects, ascii_only=st.booleans(), data=st.data())
def test_the_whole_text_gives_the_value_however_it_is_cut(
    value: dict[str, Any], ascii_only: bool, data: st.DataObject
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert read(*pieces) == value


@given(value=json_objects, data=st.data())
def test_a_cut_text_gives_a_beginning_of_the_value(
    value: dict[str, Any], data: st.DataObject
) -> None:
    text = json.dumps(value)
    cut = data.draw(st.integers(0, len(text)))
    assert list(read(text[:cut]) or {}) == list(value)[: len(read(text[:cut]) or {})]


@given(text=st.text(alphabet='{}[]:,"\\ut1. ', max_size=60))
def test_no_text_is_too_odd(text: str) -> None:
    whole, pieces = read(text), read(*text)
    assert whole == pieces


def test_no_more_is_looked_at_than_a_person_reads() -> None:
    partial = PartialJson()
    for _ in range(40):
        partial.feed('{"a":"' if partial.value() is None else "x" * 4096)
    assert len(partial.value()["a"]) == MAX_CHARS - len('{"a":"')


def test_a_number_that_never_ends_is_given_up() -> None:
    partial = PartialJson()
    partial.feed('{"a": "b", "n": ')
    for _ in range(100):
        partial.feed("1")
    partial.feed("}")
    assert partial.value() == {"a": "b"}


def test_nothing_is_read_past_a_sane_depth() -> None:
    partial = PartialJson()
    partial.feed('{"a": ' + "[" * 20_000)
    value, depth = partial.value(), 0
    while value:
        value, depth = next(iter(value.values() if isinstance(value, dict) else value)), depth + 1
    assert depth == MAX_NESTING - 1


def test_less_may_be_looked_at() -> None:
    partial = PartialJson(20)
    for _ in range(9):
        partial.feed('{"a": "b", "c": "defghij')
    assert partial.value() == {"a": "b", "c": "def"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", None),
        ('{"path', None),
        ('{"path": ', None),
        ('{"path": "', ""),
        ('{"path": "src/ma', "src/ma"),
        ('{"path": "src/main.py", "path2": "x', "src/main.py"),
        ('{"text": "long \\"quoted\\" ', None),
        ('{"text": {"path": "inner"}, "list": ["path", "x"], "path": "outer', "outer"),
        ('{"path": {"path": "inner"', None),
        ('[{"path": "inner"', None),
        ('{"path": "one", "path": "two', "two"),
        ('{"p\\u0061th": "a\\', "a"),
        ('{"path": "a\\n\\u00', "a\n"),
        ('{"path": "a\\ud83d\\ude00"', "a\N{GRINNING FACE}"),
        ('{"path": 7, "n": "path', None),
        ('{"path": "bad \\x escape"', None),
    ],
)
def test_one_string_can_be_watched(text: str, shown: str | None) -> None:
    for cuts in (1, 3, len(text) or 1):
        partial = PartialJson()
        for start in range(0, len(text), cuts):
            partial.feed(text[start : start + cuts])
        assert partial.text("path", 100) == shown


@given(
    value=st.dictionaries(st.text(max_size=3), st.text() | json_values, max_size=4),
    ascii_only=st.booleans(),
    data=st.data(),
)
def test_a_watched_string_is_a_beginning_of_the_one_in_the_value(
    value: dict[str, Any], ascii_only: bool, data: st.DataObject
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    whole, part = PartialJson(), PartialJson()
    whole.feed(text)
    part.feed(text[: data.draw(st.integers(0, len(text)))])
    for name, each in value.items():
        wanted = each if isinstance(each, str) else None
        assert whole.text(name, len(text)) == wanted
        begun = part.text(name, data.draw(st.integers(1, 20)))
        # Half of a pair of surrogates stands for the character it will become.
        assert begun is None or (wanted or "").startswith(
            begun.rstrip("".join(map(chr, range(0xD800, 0xE000))))
        )


def test_to_watch_costs_no_more_the_longer_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    loads = json.loads

    def counted(text: str) -> Any:
        read.append(len(text))
        return loads(text)

    partial = PartialJson()
    partial.feed('{"command": "')
    monkeypatch.setattr(json, "loads", counted)
    for _ in range(200):
        partial.feed("x" * 300)
        assert set(partial.text("command", 50) or "") == {"x"}
    assert max(read) == 52
