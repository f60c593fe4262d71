"""Themes as data: TOML files checked before any of them can reach the screen.

A colour that cannot be parsed crashes the terminal application long after the theme was set, so
every value is judged here, and a bad file is a notice that names the file and the key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec

from omni_tui.config.settings import nearest
from omni_tui.core.errors import ConfigError
from omni_tui.core.safe_text import safe_line

DEFAULT_THEME = "omni-dark"

COLORS = (
    "primary",
    "secondary",
    "accent",
    "foreground",
    "background",
    "surface",
    "panel",
    "success",
    "warning",
    "error",
)
"""What every theme file sets."""

VARIABLES = {
    "omni-muted": "metadata and hints: readable, but never the first thing seen",
    "omni-faint": "rules between panes and lines of the tree: structure, not text",
    "omni-code-background": "behind code blocks and inline code",
    "omni-selection": "behind the row or message the cursor is on",
    "omni-user-bar": "the bar left of what a person wrote",
    "omni-tool-bar": "the bar left of a tool's row",
    "omni-warn": "what waits for a person: approvals and questions",
    "omni-added": "added lines of a diff",
    "omni-removed": "removed lines of a diff",
}
"""The colours of our own that the style sheet uses, and what each is for."""

_COLOR = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_VARIABLE = re.compile(r"[a-z][a-z0-9-]{0,59}")
_STYLE = re.compile(r"(?:none|(?:not )?(?:bold|italic|underline|reverse|dim)(?: |$))+")
_MAX_BYTES = 65_536


class ThemeFile(msgspec.Struct, frozen=True):
    """One theme, every colour `#rrggbb` or `#rgb`."""

    name: str
    """Lower-case letters, digits, dashes and underscores."""
    dark: bool
    """Whether the background is darker than the text."""
    primary: str
    """You are here: active path, focused message, focused pane."""
    secondary: str
    """A quieter companion of `primary`."""
    accent: str
    """Keys in hints, links."""
    foreground: str
    """Words."""
    background: str
    """Behind everything."""
    surface: str
    """Behind the composer and lists."""
    panel: str
    """Behind dialogs."""
    success: str
    """Done."""
    warning: str
    """Waits for you."""
    error: str
    """Failed."""
    variables: Mapping[str, str] = msgspec.field(default_factory=dict)
    """The colours of `VARIABLES`, and any style variable of Textual."""


def load_themes(user_dir: Path | None = None) -> tuple[dict[str, ThemeFile], list[str]]:
    """Every theme by name and a notice for each file that was left out.

    The shipped themes come first; a file in `user_dir` replaces the one of the same name. The
    notices are safe to show.
    """
    themes: dict[str, ThemeFile] = {}
    notices: list[str] = []
    for folder in (_shipped(), user_dir):
        for file in _toml_files(folder):
            try:
                theme = _read(file)
            except ConfigError as error:
                notices.append(safe_line(str(error)))
            else:
                themes[theme.name] = theme
    return themes, notices


def parse_theme(text: str, source: str) -> ThemeFile:
    """The theme written in `text`; `source` names it in errors.

    Raises:
        ConfigError: it is no TOML, a colour is missing or wrong, or a key is unknown.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: {safe_line(str(error))}", source=source) from error
    known = ("name", "dark", *COLORS, "variables")
    for key in table:
        if key not in known:
            raise _wrong(source, key, f"unknown; did you mean {nearest(key, known) or 'variables'}")
    name, dark = table.get("name"), table.get("dark")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _wrong(source, "name", "expected lower-case letters, digits and dashes")
    if not isinstance(dark, bool):
        raise _wrong(source, "dark", "expected true or false")
    colors = {key: _color(source, key, table.get(key)) for key in COLORS}
    return ThemeFile(name, dark, **colors, variables=_variables(source, table, colors))


def _variables(source: str, table: Mapping[str, Any], colors: Mapping[str, str]) -> dict[str, str]:
    """The file's own variables over ones derived from its colours."""
    given = table.get("variables", {})
    if not isinstance(given, dict):
        raise _wrong(source, "variables", "expected a table")
    variables = {
        "omni-muted": colors["foreground"],
        "omni-faint": colors["panel"],
        "omni-code-background": colors["surface"],
        "omni-selection": colors["panel"],
        "omni-user-bar": colors["primary"],
        "omni-tool-bar": colors["panel"],
        "omni-warn": colors["warning"],
        "omni-added": colors["success"],
        "omni-removed": colors["error"],
    }
    for key, value in given.items():
        where = f"variables.{key}"
        if not _VARIABLE.fullmatch(key):
            raise _wrong(source, where, "expected lower-case letters, digits and dashes")
        if key.startswith("omni-") and key not in VARIABLES:
            raise _wrong(source, where, f"unknown; did you mean {nearest(key, VARIABLES)}")
        if key.endswith("-style"):
            if not isinstance(value, str) or not _STYLE.fullmatch(value):
                raise _wrong(source, where, "expected words as bold, italic, underline, reverse")
            variables[key] = value
        else:
            variables[key] = _color(source, where, value)
    return variables


def _color(source: str, key: str, value: object) -> str:
    if isinstance(value, str) and _COLOR.fullmatch(value):
        return value.lower()
    shown = "is missing" if value is None else f"is {safe_line(str(value), 40)}"
    raise _wrong(source, key, f"{shown}: expected #rrggbb or #rgb")


def _wrong(source: str, key: str, what: str) -> ConfigError:
    key = safe_line(key, 60)
    return ConfigError(f"{source}: {key} {what}", source=source, key=key)


def _shipped() -> Traversable:
    """The themes inside the installed package, else those beside it in a checkout."""
    package = files("omni_tui")
    inside = package / "themes"
    return inside if inside.is_dir() else Path(str(package)).parent / "themes"


def _toml_files(folder: Traversable | None) -> Iterator[Traversable]:
    if folder is None or not folder.is_dir():
        return
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError:
        return
    yield from (entry for entry in entries if entry.name.endswith(".toml"))


def _read(file: Traversable) -> ThemeFile:
    source = safe_line(str(file))
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{source}: {error.strerror or error}", source=source) from error
    if len(content) > _MAX_BYTES:
        raise ConfigError(f"{source}: larger than {_MAX_BYTES} bytes", source=source)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source}: not UTF-8", source=source) from error
    return parse_theme(text, source)
