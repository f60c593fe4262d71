from __future__ import annotations

from test_live import renderer

from omni_tui.tui.widgets.transcript.lines import Line
from omni_tui.tui.widgets.transcript.tables import fit


def painted(text: str, width: int = 60, breaks: bool = False) -> list[str]:
    return [line.text.rstrip() for line in renderer(width).text(text, breaks=breaks)]


def copied(lines: list[Line]) -> list[str]:
    return [line.copy for line in lines]


def test_prose_wraps_by_cells_and_its_source_is_kept_by_the_joins() -> None:
    lines = renderer(10).text("aaa bbb ccc ddd eee 日本語日本語 ffff")
    assert [line.text for line in lines] == ["aaa bbb", "ccc ddd", "eee 日本語", "日本語", "ffff"]
    assert (
        "".join(line.join + line.text for line in lines).strip()
        == "aaa bbb ccc ddd eee 日本語日本語 ffff"
    )


def test_a_newline_is_a_space_for_a_model_and_a_newline_for_a_person() -> None:
    assert painted("a\nb") == ["a b"]
    assert painted("a\nb", breaks=True) == ["a", "b"]
    assert painted("*a*\nb", breaks=True) == ["a", "b"]


def test_nested_lists_hang_and_tasks_have_boxes() -> None:
    text = "- first point that wraps\n  - inner\n- [x] done\n\n10. ten\n11. eleven"
    assert painted(text, 16) == [
        "• first point", "  that wraps", "  ◦ inner", "☑ done", "", "10. ten", "11. eleven"
    ]  # fmt: skip


def test_quotes_have_a_bar_that_is_not_copied() -> None:
    lines = renderer().text("> quoted **words**\n>\n> more")
    assert [line.text for line in lines] == ["▎ quoted words", "▎ ", "▎ more"]
    assert copied(lines) == ["quoted words", "", "more"]


def test_tables_are_aligned_and_shrink() -> None:
    text = "| Mountain | Height |\n|:--|--:|\n| 岡仁波齊 | 6,638 m |\n| K2 | 8 m |"
    assert painted(text) == [
        "Mountain │  Height",
        "─────────┼────────",
        "岡仁波齊 │ 6,638 m",
        "K2       │     8 m",
    ]
    narrow = painted("| a | b |\n|---|---|\n| some words here | other words there |", 14)
    assert max(map(len, narrow)) <= 24
    stacked = painted("| one | two | six |\n|-|-|-|\n| aaaaaaa | bbbbbbb | ccccccc |", 1)
    assert stacked == ["one:", "aaaaaaa", "two:", "bbbbbbb", "six:", "ccccccc"]


def test_only_the_widest_columns_give_way() -> None:
    assert fit([3, 20, 30], 33) == [3, 15, 15]
    assert fit([3, 4], 10) == [3, 4]


def test_a_long_table_keeps_its_columns() -> None:
    rows = "".join(f"| {n} | {'x' * (n % 30)} |\n" for n in range(200))
    lines = painted(f"| number | text |\n|---|---|\n{rows}")
    assert len(lines) == 202
    assert {line.index("│") for line in lines if "│" in line} == {7}


def test_code_keeps_its_spaces_and_says_its_language() -> None:
    lines = renderer().text("```python\nif x:\n    y = 1\n\n```")
    assert [line.text for line in lines] == [" python", " if x:", "     y = 1", " "]
    assert copied(lines) == ["", "if x:", "    y = 1", ""]
    assert all(line.fill for line in lines)


def test_html_is_shown_and_not_read() -> None:
    assert painted("<b>bold</b> &lt;i&gt; <script>x</script>") == [
        "<b>bold</b> <i> <script>x</script>"
    ]
    assert painted("<div>\nblock\n</div>") == ["<div> block </div>"]


def test_links_are_text_and_the_line_knows_where_they_lead() -> None:
    line = renderer().text("see [the page](https://x.y/z) and https://a.b/c.")[0]
    assert line.text == "see the page and https://a.b/c."
    assert [(line.text[x.start : x.end], x.url) for x in line.links] == [
        ("the page", "https://x.y/z"),
        ("https://a.b/c", "https://a.b/c"),
    ]


def test_a_target_that_may_not_be_opened_is_shown_in_words() -> None:
    line = renderer().text("[notes](docs/notes.md) [x](mailto:a@b.c) ![pic](img.png)")[0]
    assert line.text == "notes (docs/notes.md) x [pic] (img.png)"
    assert [x.url for x in line.links] == ["mailto:a@b.c"]


def test_headings_differ_by_style() -> None:
    from rich.style import Style

    from omni_tui.tui.widgets.transcript.code import Painter
    from omni_tui.tui.widgets.transcript.markdown import Renderer
    from omni_tui.tui.widgets.transcript.palette import INK, Palette

    palette = Palette(**{name: Style(color=f"color({place})") for place, name in enumerate(INK)})
    using = Renderer(palette, 60, 60, Painter(lambda language: None))
    styles = [using.text(f"{'#' * level} Head")[0].segments[0].style for level in (1, 2, 3, 4)]
    assert len(set(styles)) == 4


def test_an_8_megabyte_line_is_laid_out_to_a_bound() -> None:
    lines = painted("x" * 8_000_000)
    assert lines[-1].startswith("… ")
    assert len(lines) < 1_500
