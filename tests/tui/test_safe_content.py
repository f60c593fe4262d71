from __future__ import annotations

from omni_tui.tui.safe_content import safe_content, safe_label


def test_markup_and_control_characters_are_text() -> None:
    content = safe_content("[b]x[/b]\x1b[2J\n\ty", "bold")
    assert content.plain == "[b]x[/b]\N{REPLACEMENT CHARACTER}[2J\n    y"
    assert [span.style for span in content.spans] == ["bold"]
    assert not safe_content("plain").spans


def test_a_label_is_one_short_line() -> None:
    assert safe_label("a\nb\t" + "c" * 300, limit=10).plain == "a b cccccc"[:9] + "…"
    assert safe_label("x", "red").spans[0].style == "red"
