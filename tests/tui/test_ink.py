from __future__ import annotations

from collections.abc import Iterator

import pytest
from textual.app import App, ComposeResult
from textual.widget import Widget

from omni_tui.config.themes import load_themes
from omni_tui.tui.app import as_theme
from omni_tui.tui.ink import ink
from omni_tui.tui.widgets.bars import INK as OF_BARS
from omni_tui.tui.widgets.transcript.palette import INK as OF_TRANSCRIPT

BLACK = {"background": "#000000", "primary": "#ff0000", "foreground": "#ffffff"}


def test_a_share_of_a_colour_lies_over_the_ground_it_is_on() -> None:
    style = ink("$primary 50% on $foreground 20% bold", BLACK)
    assert style.bold
    assert style.bgcolor is not None
    assert style.bgcolor.name == "#333333"
    assert style.color is not None
    assert style.color.name == "#991919"


def test_without_a_ground_what_is_beneath_shows() -> None:
    assert ink("$primary", BLACK, ground=False).bgcolor is None
    assert ink("$primary", BLACK).bgcolor == ink("$foreground on $background", BLACK).bgcolor


def rules() -> Iterator[str]:
    yield from dict.fromkeys((*OF_TRANSCRIPT.values(), *OF_BARS.values()))


def page(rule: str) -> App[None]:
    """An application with one widget, styled by the cascade in the same words."""
    above, _, below = rule.partition(" on ")
    color, *words = above.split()
    share = words.pop(0) if words and words[0].endswith("%") else ""
    css = f"color: {color} {share}; background: {below or '$background'};"
    css += f"text-style: {' '.join(words)};" if words else ""

    class Page(App[None]):
        CSS = f"#it {{ {css} }}"

        def compose(self) -> ComposeResult:
            yield Widget(id="it")

    app = Page()
    theme = as_theme(load_themes()[0]["omni-dark"])
    app.register_theme(theme)
    app.theme = theme.name
    return app


@pytest.mark.parametrize("rule", rules())
async def test_a_rule_means_what_it_means_in_a_stylesheet(rule: str) -> None:
    app = page(rule)
    async with app.run_test():
        app.screen.styles.background = app.theme_variables["background"]
        styled = app.query_one("#it").rich_style
        inked = ink(rule, app.theme_variables)
        assert (inked.color, inked.bgcolor) == (styled.color, styled.bgcolor)
        assert (inked.bold or False, inked.italic or False) == (
            styled.bold or False,
            styled.italic or False,
        )
