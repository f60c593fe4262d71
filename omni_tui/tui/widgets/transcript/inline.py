"""Inline Markdown to styled spans."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.style import Style

from omni_tui.core.safe_text import safe
from omni_tui.tui.widgets.transcript.palette import Palette
from omni_tui.tui.widgets.transcript.wrap import Span

if TYPE_CHECKING:
    from markdown_it.token import Token

_URL = re.compile(r"https?://[^\s<>\"'`]+[^\s<>\"'`.,;:!?)\]}*_]")
_OPENABLE = re.compile(r"(https?://|mailto:)\S", re.IGNORECASE)

_MARKS = {
    "strong": Style(bold=True),
    "em": Style(italic=True),
    "s": Style(strike=True),
}


def openable(url: str) -> bool:
    """Whether a link may be offered for opening: http, https and mailto only."""
    return _OPENABLE.match(url) is not None


class Inline:
    """Reads the inline tokens of a paragraph, heading or table cell."""

    def __init__(self, palette: Palette) -> None:
        self._palette = palette
        self._styles: dict[tuple[Style, tuple[str, ...], bool], Style] = {}

    def spans(self, tokens: Sequence[Token], base: Style, breaks: bool) -> list[Span]:
        """The spans of `tokens` on `base`; `breaks`: a newline in the source is one on screen."""
        spans: list[Span] = []
        marks: list[str] = []
        urls: list[str] = []
        for token in tokens:
            kind = token.type
            if kind == "text":
                self._text(
                    spans,
                    safe(token.content).replace("\n", " "),
                    self._style(base, marks, urls),
                    urls,
                )
            elif kind == "code_inline":
                code = safe(token.content).replace("\n", " ")
                spans.append(Span(code, self._palette.code, urls[-1] if urls else ""))
            elif kind == "softbreak":
                spans.append(Span("\n" if breaks else " ", base))
            elif kind == "hardbreak":
                spans.append(Span("\n", base))
            elif kind == "link_open":
                urls.append(_shown(str(token.attrGet("href") or "")))
            elif kind == "link_close" and urls:
                self._close_link(spans, urls.pop())
            elif kind == "image":
                self._image(spans, token)
            elif token.nesting == 1:
                marks.append(kind.removesuffix("_open"))
            elif token.nesting == -1 and marks:
                marks.pop()
            elif token.content:
                spans.append(Span(safe(token.content), self._style(base, marks, urls)))
        return spans

    def _style(self, base: Style, marks: list[str], urls: list[str]) -> Style:
        if not marks and not urls:
            return base
        linked = bool(urls and openable(urls[-1]))
        key = (base, tuple(marks), linked)
        style = self._styles.get(key)
        if style is None:
            style = base
            for mark in marks:
                style += _MARKS.get(mark, Style.null())
            if linked:
                style += Style(
                    color=self._palette.link.color, underline=self._palette.link.underline
                )
            self._styles[key] = style
        return style

    def _text(self, spans: list[Span], text: str, style: Style, urls: list[str]) -> None:
        if urls:
            spans.append(Span(text, style, urls[-1] if openable(urls[-1]) else ""))
            return
        at = 0
        if "://" in text:
            for match in _URL.finditer(text):
                if match.start() > at:
                    spans.append(Span(text[at : match.start()], style))
                linked = style + Style(color=self._palette.link.color, underline=True)
                spans.append(Span(match.group(), linked, match.group()))
                at = match.end()
        if at < len(text):
            spans.append(Span(text[at:], style))

    def _close_link(self, spans: list[Span], url: str) -> None:
        """A target that cannot be opened is shown in words after its text."""
        if url and not openable(url):
            spans.append(Span(f" ({url})", self._palette.muted))

    def _image(self, spans: list[Span], token: Token) -> None:
        url = _shown(str(token.attrGet("src") or ""))
        label = safe(token.content).replace("\n", " ") or "image"
        if openable(url):
            spans.append(Span(f"[{label}]", self._palette.link, url))
        else:
            spans.append(Span(f"[{label}]", self._palette.muted))
            self._close_link(spans, url)


def _shown(url: str) -> str:
    return safe(url).replace("\n", "").replace("\t", "")
