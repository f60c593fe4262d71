"""The line of hints: each whole or not at all."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult

from omni_tui.tui.widgets.bars import Bar, Piece

HINTS = [(Piece("Enter", "accent"), Piece(" send   ")), (Piece("Ctrl+S"), Piece(" sessions   "))]


class BarApp(App[None]):
    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {"omni-muted": "#808080", "omni-faint": "#404040", "omni-warn": "#ffff00"}

    def compose(self) -> ComposeResult:
        yield Bar()


async def line(width: int, left: str, right: str = "", *, hints: bool = True) -> str:
    async with BarApp().run_test(size=(width, 3)) as pilot:
        bar = pilot.app.query_one(Bar)
        bar.show([Piece(left)], [Piece(right)] if right else [], hints=HINTS if hints else ())
        await pilot.pause()
        return bar.render_line(0).text


@pytest.mark.parametrize("width", range(8, 60))
async def test_a_hint_is_whole_or_not_there(width: int) -> None:
    shown = await line(width, " left")
    assert len(shown) == width
    assert shown.startswith(" left")
    rest = shown[5:].strip()
    assert rest in ("", "Enter send", "Enter send   Ctrl+S sessions")


async def test_hints_are_dropped_from_the_end() -> None:
    assert (await line(40, " left")).rstrip().endswith("Enter send   Ctrl+S sessions")
    assert (await line(30, " left")).rstrip().endswith("Enter send")
    assert (await line(12, " left")).rstrip() == " left"


async def test_words_that_are_no_hints_are_cut_with_an_ellipsis() -> None:
    shown = await line(30, " left", "a model with a very long name", hints=False)
    assert shown.rstrip().endswith("…")
    assert "a model with" in shown
