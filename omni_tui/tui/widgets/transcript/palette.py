"""The styles of a transcript, resolved from its component classes so that themes switch live."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from rich.style import Style

PREFIX = "transcript--"


class Palette(msgspec.Struct, frozen=True):
    """One Rich style per meaning; each field is the component class `transcript--<name>`."""

    text: Style
    muted: Style
    faint: Style
    accent: Style
    user: Style
    user_dim: Style
    name: Style
    success: Style
    warning: Style
    error: Style
    heading: Style
    link: Style
    code: Style
    block: Style
    block_label: Style
    quote: Style
    thought: Style
    added: Style
    removed: Style
    keyword: Style
    string: Style
    number: Style
    comment: Style
    function: Style
    type: Style

    @classmethod
    def resolve(cls, style: Callable[[str], Style]) -> Palette:
        """The palette of a theme; `style` gives the style of a component class."""
        return cls(**{name: style(component(name)) for name in cls.__struct_fields__})


def component(name: str) -> str:
    """The component class of a palette field."""
    return PREFIX + name.replace("_", "-")


COMPONENTS = frozenset(component(name) for name in Palette.__struct_fields__)

CSS = """
Transcript {
    height: 1fr;
    overflow-x: hidden;
    overflow-y: scroll;
    scrollbar-size-vertical: 1;
    scrollbar-background: $background;
    scrollbar-background-hover: $background;
    scrollbar-background-active: $background;
    scrollbar-color: $foreground 15%;
    scrollbar-color-hover: $foreground 30%;
    scrollbar-color-active: $primary;
    & > .transcript--text { color: $foreground; }
    & > .transcript--muted { color: $foreground 62%; }
    & > .transcript--faint { color: $foreground 34%; }
    & > .transcript--accent { color: $primary; }
    & > .transcript--user { color: $primary; }
    & > .transcript--user-dim { color: $primary 55%; }
    & > .transcript--name { color: $foreground 88%; text-style: bold; }
    & > .transcript--success { color: $text-success; }
    & > .transcript--warning { color: $text-warning; }
    & > .transcript--error { color: $text-error; }
    & > .transcript--heading { color: $primary; text-style: bold; }
    & > .transcript--link { color: $text-primary; text-style: underline; }
    & > .transcript--code { color: $text-accent; background: $foreground 7%; }
    & > .transcript--block { color: $foreground; background: $foreground 5%; }
    & > .transcript--block-label { color: $foreground 45%; background: $foreground 5%; }
    & > .transcript--quote { color: $foreground 78%; text-style: italic; }
    & > .transcript--thought { color: $foreground 62%; text-style: italic; }
    & > .transcript--added { color: $text-success; background: $success 12%; }
    & > .transcript--removed { color: $text-error; background: $error 12%; }
    & > .transcript--keyword { color: $text-primary; background: $foreground 5%; }
    & > .transcript--string { color: $text-success; background: $foreground 5%; }
    & > .transcript--number { color: $text-warning; background: $foreground 5%; }
    & > .transcript--comment { color: $foreground 50%; background: $foreground 5%; }
    & > .transcript--function { color: $text-accent; background: $foreground 5%; }
    & > .transcript--type { color: $text-warning; background: $foreground 5%; }
}
"""
