"""Styles written in the colours of the theme, for widgets that paint their own lines.

A component class would say the same in the stylesheet, but each costs two passes of the cascade
before the first paint, and these widgets need a colour, nothing that cascades.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from textual.color import Color


def ink(rule: str, variables: Mapping[str, str], *, ground: bool = True) -> Style:
    """The style for a rule such as `$primary 55% on $foreground 5% bold`.

    `variables` are the theme's CSS variables; a percentage is how much of the colour lies over what
    is beneath it: the theme's background, or the ground named by `on`. With `ground` false the
    style has no ground of its own unless the rule names one.
    """
    above, _, below = rule.partition(" on ")
    beneath = Color.parse(variables["background"])
    words = below.split()
    if words:
        beneath, words = _lay(words, beneath, variables)
    color, more = _lay(above.split(), beneath, variables)
    return Style.parse(" ".join([*words, *more])) + Style(
        color=color.rich_color, bgcolor=beneath.rich_color if below or ground else None
    )


def _lay(words: list[str], beneath: Color, variables: Mapping[str, str]) -> tuple[Color, list[str]]:
    """The colour named by the first words over what is beneath it, and the words left."""
    name, *rest = words
    color = Color.parse(variables[name.removeprefix("$")])
    if rest and rest[0].endswith("%"):
        color = color.multiply_alpha(float(rest[0].removesuffix("%")) / 100)
        rest = rest[1:]
    return beneath + color, rest
