"""Rows of lists: columns that stand under each other at any width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.content import Content

from omni_tui.tui.widgets.rows import Hanging, Row, Sheet, column_widths

FACTS = [("just now", "2 messages", ""), ("12 min ago", "120 messages", "2 branches")]
NAMES = ["plain", "山は静かにして性をやしなひ、水はうごいて情を慰す", "x" * 200, "👩‍🚀 🏔️ ✅"]


def row(name: str, facts: tuple[str, ...]) -> Row:
    return Row(Content(name), facts=facts, widths=column_widths(FACTS))


@pytest.mark.parametrize("width", [30, 44, 60, 76, 100])
def test_columns_stand_under_each_other(width: int) -> None:
    lines = [row(name, facts).lines(width) for name in NAMES for facts in FACTS]
    assert all(len(each) == 1 for each in lines)
    assert {each[0].cell_length for each in lines} == {width}
    ends = {
        Content(line.plain[: line.plain.rindex(" messages")]).cell_length
        for (line,) in lines
        if " messages" in line.plain
    }
    assert len(ends) <= 1


def test_columns_give_way_from_the_last_one() -> None:
    wide = row("name", FACTS[1]).lines(100)[0].plain
    assert "12 min ago   120 messages   2 branches" in wide
    middle = row("name", FACTS[1]).lines(60)[0].plain
    assert middle.endswith("12 min ago   120 messages")
    assert row("name", FACTS[1]).lines(46)[0].plain.endswith("12 min ago")
    assert row("name", FACTS[1]).lines(30)[0].plain.strip() == "name"


def test_what_is_cut_says_so() -> None:
    assert "…" in row("x" * 200, FACTS[0]).lines(60)[0].plain
    assert "…" not in row("short", FACTS[0]).lines(60)[0].plain


@given(st.text(max_size=80), st.integers(min_value=4, max_value=100))
def test_a_row_is_one_line_of_the_width_whatever_it_is_called(name: str, width: int) -> None:
    (line,) = Row(Content(name.replace("\n", " "))).lines(width)
    assert line.cell_length == width


def hanging(width: int, first: str = "Ctrl+P") -> list[str]:
    text = Content("Find any command by its name, or by words of it.")
    return [line.plain.rstrip() for line in Hanging(Content(first), text, 12).lines(width)]


def test_text_hangs_under_itself() -> None:
    assert hanging(44) == [
        "Ctrl+P      Find any command by its name, or",
        "            by words of it.",
    ]


def test_text_stands_under_the_column_where_it_is_narrow() -> None:
    assert hanging(30) == [
        "Ctrl+P",
        "    Find any command by its",
        "    name, or by words of it.",
    ]


def test_a_first_column_too_wide_has_a_line_of_its_own() -> None:
    assert hanging(44, "Shift+Enter  Alt+Enter")[:2] == [
        "Shift+Enter  Alt+Enter",
        "            Find any command by its name, or",
    ]


def test_a_sheet_is_as_high_as_its_rows() -> None:
    rows: list[Hanging | Content] = [
        Content("title"),
        Hanging(Content("F1"), Content("words " * 20), 12),
    ]
    for width in (20, 40, 80):
        sheet = Sheet(rows)
        assert sheet.get_height({}, width) == len(sheet.lines(width))
