"""The line of what is attached: it fits, and says what it leaves out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from omni_tui.tui.widgets.chips import NAME_WIDTH, fitting

CAT, NOTES = ("cat.png", "image · 12 kB"), ("notes.md", "text · 840 B")


def text(chips: list[tuple[str, str]], width: int) -> str:
    return "".join(piece.text for piece in fitting(chips, width))


def test_all_stand_in_order_where_there_is_room() -> None:
    assert text([CAT, NOTES], 80) == "▪ cat.png image · 12 kB   ▪ notes.md text · 840 B"


def test_the_last_are_seen_and_those_before_are_counted() -> None:
    assert text([CAT, CAT, NOTES], 50) == "2 more   ▪ notes.md text · 840 B"
    assert text([CAT, NOTES], 49) == "▪ cat.png image · 12 kB   ▪ notes.md text · 840 B"
    assert text([CAT, NOTES], 48) == "1 more   ▪ notes.md text · 840 B"


def test_a_long_name_is_cut_and_what_it_is_stays() -> None:
    assert text([("n" * 90, "pdf · 2.3 MB")], 120) == f"▪ {'n' * (NAME_WIDTH - 1)}… pdf · 2.3 MB"
    assert text([("n" * 90, "pdf · 2.3 MB")], 30) == f"▪ {'n' * 14}… pdf · 2.3 MB"


def test_nothing_is_nothing() -> None:
    assert fitting([], 80) == []


@given(
    st.lists(st.tuples(st.text("a漢🏔️", min_size=1, max_size=60), st.just("image · 12 kB"))),
    st.integers(45, 160),
)
def test_it_never_needs_more_room_than_there_is(chips: list[tuple[str, str]], width: int) -> None:
    shown = fitting(chips, width)
    assert sum(cell_len(piece.text) for piece in shown) <= width
    seen = sum(piece.kind == "accent" for piece in shown)
    counted = int(shown[0].text.split()[0]) if shown and shown[0].kind == "muted" else 0
    assert seen + counted == len(chips)
    assert bool(seen) == bool(chips)
