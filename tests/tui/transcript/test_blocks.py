from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omni_tui.tui.widgets.transcript.blocks import MAX_BLOCK, MAX_CHARS, MAX_LINES, Piece, Splitter

LINES = st.sampled_from(
    ["", "", "word and words", "- item", "  - nested", "1. one", "2. two", "```py", "```", "~~~",
     "    code", "> quote", "# head", "| a | b |", "|---|---|", "| 1 | 2 |", "***", "---",
     "x" * 300, "   ", "\ttab", "- | -", "``", "```` ", "  ```", "a  ", "===", "x" * 5000]
)  # fmt: skip


def split(text: str, cuts: list[int]) -> list[Piece]:
    splitter = Splitter()
    pieces: list[Piece] = []
    at = 0
    for cut in [*sorted(c for c in cuts if c < len(text)), len(text)]:
        splitter.feed(text[at:cut])
        splitter.tail()
        pieces.extend(splitter.take())
        at = cut
    splitter.finish()
    return [*pieces, *splitter.take()]


@settings(deadline=None)
@given(st.lists(LINES, max_size=40).map("\n".join), st.lists(st.integers(0, 12_000), max_size=12))
def test_where_the_cuts_fall_does_not_depend_on_the_chunks(text: str, cuts: list[int]) -> None:
    assert split(text, cuts) == split(text, [])


@settings(deadline=None)
@given(st.lists(LINES, max_size=40).map("\n".join))
def test_no_word_is_lost_or_made_up(text: str) -> None:
    told = ""
    for piece in split(text, []):
        told += (piece.head if piece.kind == "fence" and piece.first else "") + piece.text
    fences = "`~ \t\n"
    kept = sorted(c for c in told if c not in fences)
    # A fence that closes is its own text; nothing else is left out.
    assert kept == sorted(c for c in text if c not in fences)


def test_a_blank_line_inside_a_fence_splits_nothing() -> None:
    pieces = split("before\n```py\na\n\nb\n```\nafter", [])
    assert [(p.kind, p.text, p.head) for p in pieces] == [
        ("flow", "before\n", ""),
        ("fence", "a\n\nb\n", "py"),
        ("flow", "after", ""),
    ]


def test_indented_text_after_a_gap_belongs_to_its_list() -> None:
    pieces = split("- a\n\n  more\n\n- b\n\nend", [])
    assert [p.text for p in pieces] == ["- a\n\n  more\n\n", "- b\n\n", "end"]


def test_a_table_is_its_own_piece_and_long_ones_remember_their_head() -> None:
    rows = "".join(f"| {n} | x |\n" for n in range(MAX_LINES * 2))
    pieces = split(f"text\n| a | b |\n|---|---|\n{rows}", [])
    assert [p.kind for p in pieces] == ["flow", "table", "table", "table"]
    assert pieces[2].head == pieces[1].text
    assert not pieces[2].first


@pytest.mark.parametrize("unit", ["word ", "x", "line\n", "- item\n", "> q\n"])
@pytest.mark.parametrize("before", ["", "```\n"])
def test_no_piece_grows_past_its_bounds(unit: str, before: str) -> None:
    pieces = split(before + unit * 12_000, [])
    assert all(len(p.text) <= MAX_CHARS and p.text.count("\n") <= MAX_LINES for p in pieces)


def test_a_block_without_an_end_is_laid_out_to_a_bound_and_then_counted() -> None:
    text = "x" * 1_000_000
    pieces = split(text, [])
    assert pieces[-1].kind == "more"
    shown = sum(len(p.text) for p in pieces[:-1])
    assert shown <= MAX_BLOCK + MAX_CHARS
    assert int(pieces[-1].text) == len(text) - shown


@pytest.mark.parametrize("before", ["", "```\n", "- item\n"])
@pytest.mark.parametrize("unit", ["x", "word ", "é\u0301"])
def test_an_endless_line_is_cut_alike_however_it_comes(before: str, unit: str) -> None:
    text = before + unit * 200_000
    at_once, in_bits = split(text, []), split(text, list(range(1_024, len(text), 1_024)))
    for pieces in (at_once, in_bits):
        assert pieces[-1].kind == "more"
        said = "".join(piece.text for piece in pieces[:-1])
        assert text.removeprefix("```\n").startswith(said)
        assert len(said) + int(pieces[-1].text) == len(text.removeprefix("```\n"))


def test_a_marker_that_is_not_decided_yet_is_held_back() -> None:
    splitter = Splitter()
    splitter.feed("text\n\n``")
    assert [piece.text for piece in splitter.take()] == ["text\n\n"]
    assert splitter.tail() is None
    splitter.feed("`py\nx = 1\n``")
    tail = splitter.tail()
    assert tail is not None
    assert (tail.kind, tail.text) == ("fence", "x = 1\n")
