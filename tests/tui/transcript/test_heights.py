from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from omni_tui.tui.widgets.transcript.heights import Heights
from omni_tui.tui.widgets.transcript.window import BELOW, Window

SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=40)


@settings(deadline=None)
@given(SIZES, SIZES, st.data())
def test_heights_are_a_list_with_fast_sums(
    start: list[int], added: list[int], data: st.DataObject
) -> None:
    heights = Heights(start)
    for value in added:
        heights.append(value)
    plain = start + added
    cut = data.draw(st.integers(0, len(plain)))
    heights.cut(cut)
    heights.extend(plain[cut:] * 2)
    plain += plain[cut:]
    for _ in range(5):
        index = data.draw(st.integers(0, len(plain) - 1))
        plain[index] = data.draw(st.integers(1, 9))
        heights[index] = plain[index]
    assert [heights[i] for i in range(len(plain))] == plain
    assert [heights.before(i) for i in range(len(plain) + 1)] == [
        sum(plain[:i]) for i in range(len(plain) + 1)
    ]
    lines = [(i, line) for i, size in enumerate(plain) for line in range(size)]
    assert [heights.find(n) for n in range(heights.total)] == lines


@settings(deadline=None)
@given(SIZES, st.integers(1, 30), st.lists(st.integers(-40, 40), max_size=8))
def test_scrolling_through_estimates_shows_each_line_in_order(
    true: list[int], height: int, moves: list[int]
) -> None:
    window = Window()
    window.heights = Heights([3] * len(true))
    lines = [(i, line) for i, size in enumerate(true) for line in range(size)]
    rows = window.arrange(height, true.__getitem__)
    for move in moves:
        before = rows[0]
        window.following = False
        window.move(move, true.__getitem__)
        rows = window.arrange(height, true.__getitem__)
        wanted = max(0, min(lines.index(before) + move, len(lines) + BELOW - height))
        assert lines.index(rows[0]) == min(wanted, len(lines) - 1)
    at = lines.index(rows[0])
    assert rows == lines[at : at + height]
