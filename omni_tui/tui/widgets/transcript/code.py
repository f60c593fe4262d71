"""Colours for code blocks; pygments is imported in a thread, and only when code is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style

from omni_tui.core.safe_text import safe
from omni_tui.tui.widgets.transcript.palette import Palette

if TYPE_CHECKING:
    from pygments.lexer import Lexer

_PLAIN = frozenset({"", "text", "txt", "plain", "plaintext", "output", "none"})


class Painter:
    """Paints code in the languages whose lexers are there; asks for the others.

    `want` is called once for each language that is missing; who gets the call should run `load`
    in a thread and then have the code painted again.
    """

    def __init__(self, want: Callable[[str], None]) -> None:
        self._want = want
        self._lexers: dict[str, Lexer | None] = {}
        self._asked: set[str] = set()

    def load(self, language: str) -> bool:
        """Import the lexer of `language` (slow the first time); whether there is one."""
        from pygments.lexers import get_lexer_by_name
        from pygments.util import ClassNotFound

        try:
            self._lexers[language] = get_lexer_by_name(language, stripnl=False, ensurenl=False)
        except ClassNotFound:
            self._lexers[language] = None
        return self._lexers[language] is not None

    def paint(self, code: str, language: str, palette: Palette) -> list[list[Segment]]:
        """The lines of `code` as segments; in one colour where no lexer is loaded."""
        language = language.lower()
        lexer = None if language in _PLAIN else self._lexers.get(language)
        if lexer is None:
            if (
                language not in _PLAIN
                and language not in self._lexers
                and language not in self._asked
            ):
                self._asked.add(language)
                self._want(language)
            return [[Segment(line, palette.block)] if line else [] for line in code.split("\n")]
        return _lines(lexer, code, palette)


def _lines(lexer: Lexer, code: str, palette: Palette) -> list[list[Segment]]:
    styles: dict[object, Style] = {}
    lines: list[list[Segment]] = [[]]
    for token, text in lexer.get_tokens(code):
        style = styles.get(token)
        if style is None:
            style = styles[token] = _style(str(token), palette)
        first, *others = safe(text).split("\n")
        if first:
            lines[-1].append(Segment(first, style))
        lines.extend([Segment(other, style)] if other else [] for other in others)
    return lines


def _style(token: str, palette: Palette) -> Style:
    """The style of a pygments token, named as pygments prints it."""
    name = token.removeprefix("Token.")
    for prefix, style in (
        ("Comment", palette.comment),
        ("Keyword.Type", palette.type),
        ("Keyword", palette.keyword),
        ("Operator.Word", palette.keyword),
        ("Literal.String", palette.string),
        ("Literal.Number", palette.number),
        ("Name.Function", palette.function),
        ("Name.Class", palette.type),
        ("Name.Builtin", palette.type),
        ("Name.Decorator", palette.function),
        ("Name.Tag", palette.keyword),
        ("Name.Attribute", palette.function),
        ("Generic.Inserted", palette.added),
        ("Generic.Deleted", palette.removed),
    ):
        if name.startswith(prefix):
            return style
    return palette.block
