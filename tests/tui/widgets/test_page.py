"""A page of plain text: nothing is lost at any width, and nothing is obeyed."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from omni_tui.core.safe_text import safe
from omni_tui.tui.widgets.page import Line, _cut, json_lines

TEXT = (
    '{\n  "why": "山は静かにして性をやしなひ 👩‍🚀 '
    + "w" * 60
    + '",\n  "deep": {\n    "a": [\n      1\n    ]\n  }\n}'
)


def rows(lines: list[Line], width: int) -> list[str]:
    return ["".join(piece.text for piece in row) for line in lines for row in _cut(line, width)]


@pytest.mark.parametrize("width", [24, 40, 80, 200])
def test_all_of_it_is_there_and_fits(width: int) -> None:
    shown = rows(json_lines(TEXT), width)
    assert all(cell_len(row) <= width for row in shown)
    assert "".join("".join(shown).split()) == "".join(TEXT.split())


def test_a_wide_page_shows_it_as_it_is() -> None:
    assert rows(json_lines(TEXT), 200) == TEXT.split("\n")


def test_what_is_long_goes_on_under_its_name() -> None:
    (line,) = json_lines('    "why": "' + "w" * 40 + '"')
    first, *others = rows([line], 30)
    assert first.startswith('    "why": "w')
    assert others
    assert all(row.startswith(" " * 6 + "w") for row in others)


def test_a_name_wider_than_the_page_stands_over_its_text() -> None:
    (line,) = json_lines('  "' + "n" * 50 + '": 1')
    shown = rows([line], 30)
    assert shown[-1].strip() == "1"
    assert all(cell_len(row) <= 30 for row in shown)


def test_words_stay_whole_where_they_can() -> None:
    shown = rows([Line("one two three four", "  words   ", 10, by_words=True)], 22)
    assert shown == ["  words   one two", " " * 10 + "three four"]


def test_control_characters_are_replaced() -> None:
    shown = rows([Line("a\x1b[2J\x07\u202eb", "\x9bname ")], 40)
    assert all(safe(row) == row for row in shown)
    assert "a" in shown[0]
