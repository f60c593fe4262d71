"""The Markdown of messages as HTML for an exported page: nothing in it acts or fetches."""

from __future__ import annotations

import re
from collections.abc import Callable

from markdown_it import MarkdownIt

from omni_tui.core.safe_text import safe

_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)


def markdown_renderer() -> Callable[[str], str]:
    """A function from Markdown to HTML: markup of the text is escaped, images become links."""
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False})
    parser.enable(["table", "strikethrough"])
    parser.disable(["image"])
    parser.validateLink = _is_link  # type: ignore[method-assign]
    return lambda text: str(parser.render(safe(text)))


def _is_link(url: str) -> bool:
    return _LINK.match(url.strip()) is not None
