"""The shipped themes and the key names are ones that Textual takes."""

import string

import pytest
from textual.app import App, ComposeResult
from textual.color import Color
from textual.keys import _character_to_key
from textual.theme import Theme
from textual.widgets import Input, OptionList

from omni_tui.config.keymap import resolve_keymap
from omni_tui.config.themes import COLORS, VARIABLES, ThemeFile, load_themes


class Painted(App[None]):
    """Uses every colour a theme file sets."""

    CSS = "\n".join(
        f"#c{number} {{ background: ${name}; }}"
        for number, name in enumerate([*COLORS, *VARIABLES])
    )

    def __init__(self, theme: ThemeFile) -> None:
        super().__init__()
        colors = {color: getattr(theme, color) for color in COLORS}
        self.register_theme(
            Theme(theme.name, dark=theme.dark, variables=dict(theme.variables), **colors)
        )
        self.theme = theme.name

    def compose(self) -> ComposeResult:
        for number in range(len(COLORS) + len(VARIABLES)):
            yield Input("text", id=f"c{number}")
        yield OptionList("one", "two")

    def get_theme_variable_defaults(self) -> dict[str, str]:
        # Themes are parsed before the first one of ours is chosen.
        return dict.fromkeys(VARIABLES, "#000000")


@pytest.mark.parametrize("name", ["omni-contrast", "omni-dark", "omni-light"])
async def test_an_application_paints_every_colour_of_a_theme(name: str) -> None:
    theme = load_themes()[0][name]
    async with (app := Painted(theme)).run_test() as pilot:
        await pilot.pause()
        wanted = [getattr(theme, color) for color in COLORS]
        wanted += [theme.variables[variable] for variable in VARIABLES]
        shown = [app.query_one(f"#c{at}").styles.background for at in range(len(wanted))]
        # Textual takes its shades through Lab, which may round a channel by one.
        for color, parsed in zip(shown, map(Color.parse, wanted), strict=True):
            assert all(abs(a - b) <= 1 for a, b in zip(color.rgb, parsed.rgb, strict=True))


@pytest.mark.parametrize("character", string.punctuation)
def test_a_character_gets_the_name_textual_gives_it(character: str) -> None:
    if character == ",":
        keymap = resolve_keymap({"app.quit": [","]})  # in a string it stands between keys
    else:
        others = {"app.help": "none", "session.search": "none"}  # they have ? and /
        keymap = resolve_keymap({"app.quit": character, **others})
    assert keymap["app.quit"] == (_character_to_key(character),)
