from __future__ import annotations

import pytest
from hostile_text import HOSTILE
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.style import Style

from omni_tui.tui.widgets.transcript.code import Painter
from omni_tui.tui.widgets.transcript.lines import Line
from omni_tui.tui.widgets.transcript.live import LivePart, LiveRow
from omni_tui.tui.widgets.transcript.markdown import Renderer
from omni_tui.tui.widgets.transcript.model import ToolRow
from omni_tui.tui.widgets.transcript.palette import INK, Palette

CORPUS = [
    "# Title\n\nA paragraph with **bold**, *italic* and `code`,\nover lines.\n\n- a\n- b\n  - c\n",
    "1. one\n\n2. two\n\n   more of two\n\n3. three",
    "```python\ndef f():\n\n    return 1\n```\nafter",
    "| a | b |\n|---|--:|\n| 1 | 2 |\n\nend | of | it",
    "> quoted\n> more\n\n***\n\nSetext\n======\n",
    "```\nnever closed\n\n# not a heading",
    "word " * 3_000,
    "".join(f"| {n} | {'x' * (n % 30)} |\n" for n in range(3)),
    "| a | b |\n|---|---|\n" + "".join(f"| {n} | {'x' * (n % 30)} |\n" for n in range(200)),
    "```sql\n" + "select 1;\n" * 200 + "```\n",
    "".join(f"- item {n}\n" for n in range(200)),
    "windows\r\nline\r\rends\r\n\r\n- a\r\n",
    "日本語のテキストは空白なしで折り返す。" * 20,
    "x" * 10_000,
    "שלום עולם مرحبا " * 30,
    "👩‍👩‍👧‍👦 family ❤️ " * 30,
]


def renderer(width: int = 60) -> Renderer:
    palette = Palette(**dict.fromkeys(INK, Style.parse("red on black")))
    return Renderer(palette, width, width + 10, Painter(lambda language: None))


def looks(lines: list[Line]) -> list[tuple[str, int, str, object]]:
    return [(line.text, line.cells, line.join, tuple(line.segments)) for line in lines]


def streamed(text: str, cuts: list[int], using: Renderer) -> list[Line]:
    part = LivePart("text", 0)
    at = 0
    for cut in [*sorted(cut for cut in cuts if cut < len(text)), len(text)]:
        part.feed(text[at:cut])
        part.work(using, 0.0, lambda: -1.0)
        part.lines(True, using)
        at = cut
    lines = part.close()
    assert lines is not None
    return lines


@pytest.mark.parametrize("text", [text for text in CORPUS if not text.endswith("\r")])
def test_a_streamed_message_looks_like_the_settled_one(text: str) -> None:
    using = renderer()
    every = list(range(0, len(text), 1 + len(text) // 200))
    assert looks(streamed(text, every, using)) == looks(using.text(text))


PIECES = st.lists(
    st.sampled_from([*CORPUS[:6], *HOSTILE, "\n", "\n\n", "a", "  ", "`", "|"]), max_size=6
)


@settings(deadline=None, max_examples=60)
@given(PIECES.map("".join), st.lists(st.integers(0, 800), max_size=8))
@example("a\r\nb", [2])
def test_chunks_change_nothing_on_the_screen(text: str, cuts: list[int]) -> None:
    text = text.rstrip("\r")
    using = renderer()
    assert looks(streamed(text, cuts, using)) == looks(using.text(text))


def test_work_stops_at_its_deadline_and_goes_on_later() -> None:
    using, part = renderer(), LivePart("text", 0)
    part.feed("words and words\n\n" * 1_000)
    ticks = iter(range(1_000_000))
    rounds = 0
    while not part.work(using, next(ticks), lambda: float(next(ticks))):
        rounds += 1
        assert part.close() is None
    assert rounds > 3
    assert looks(part.close() or []) == looks(using.text(part.text))


def test_the_words_of_a_thought_are_counted_across_deltas() -> None:
    using, part = renderer(), LivePart("thinking", 0)
    for delta in ["one tw", "o ", "thr", "ee\n", "four"]:
        part.feed(delta)
        part.work(using, 0.0, lambda: -1.0)
    assert "thinking · 4 words" in part.lines(False, using)[0].text
    part.done = True
    assert [line.text for line in part.lines(True, using)] == [
        "▾ thought · 4 words",
        "  one two three four",
    ]


def test_frozen_lines_are_not_rendered_again() -> None:
    using, part = renderer(), LivePart("text", 0)
    part.feed("first block\n\nsecond block\n\ntail")
    part.work(using, 0.0, lambda: -1.0)
    before = part.lines(True, using)
    part.feed(" grows")
    part.work(using, 0.0, lambda: -1.0)
    after = part.lines(True, using)
    assert [a is b for a, b in zip(before, after, strict=True)] == [
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("width", [1, 3, 8, 20, 60])
@pytest.mark.parametrize("text", [*CORPUS, *HOSTILE], ids=range(len(CORPUS) + len(HOSTILE)))
def test_no_line_is_wider_than_its_room_and_none_holds_a_control_character(
    text: str, width: int
) -> None:
    using = renderer(width)
    for line in using.text(text):
        assert all(c.isprintable() or c in "\u200d\ufffd \xa0" or c > "\x9f" for c in line.text)
        assert sum(segment.cell_length for segment in line.segments) == line.cells
        assert line.cells <= max(using.width, 8)


class Counting:
    """A row that tells how often it was asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def row(self) -> ToolRow:
        self.asked += 1
        return ToolRow("1", "bash", f"ls {self.asked}", "writing")


def test_a_growing_row_is_one_line_and_asked_for_only_when_it_is_looked_at() -> None:
    source = Counting()
    row = LiveRow(2, source)
    assert [row.pending, row.work(renderer(), 0.0, lambda: 0.0), row.pending] == [True, True, False]
    assert source.asked == 0
    (line,) = row.lines(True, renderer())
    assert (line.text, line.bar, line.toggles) == ("  … bash  ls 1", "tool", 2)
