"""The styles of a transcript, in the colours of the theme now used."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from rich.style import Style

from omni_tui.tui.ink import ink

INK = MappingProxyType(
    {
        "text": "$foreground",
        "muted": "$foreground 62%",
        "faint": "$foreground 34%",
        "accent": "$primary",
        "user": "$primary",
        "user_dim": "$primary 55%",
        "name": "$foreground 88% bold",
        "success": "$text-success",
        "warning": "$text-warning",
        "error": "$text-error",
        "heading": "$primary bold",
        "link": "$text-primary underline",
        "code": "$text-accent on $foreground 7%",
        "block": "$foreground on $foreground 5%",
        "block_label": "$foreground 45% on $foreground 5%",
        "quote": "$foreground 78% italic",
        "thought": "$foreground 62% italic",
        "added": "$text-success on $success 12%",
        "removed": "$text-error on $error 12%",
        "keyword": "$text-primary on $foreground 5%",
        "string": "$text-success on $foreground 5%",
        "number": "$text-warning on $foreground 5%",
        "comment": "$foreground 50% on $foreground 5%",
        "function": "$text-accent on $foreground 5%",
        "type": "$text-warning on $foreground 5%",
    }
)


class Palette(msgspec.Struct, frozen=True):
    """One Rich style per meaning, as `INK` says it."""

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
    def of(cls, variables: Mapping[str, str]) -> Palette:
        """The palette of the theme with these CSS variables."""
        return cls(**{name: ink(rule, variables) for name, rule in INK.items()})


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
}
"""
