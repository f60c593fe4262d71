"""Foreign text as Textual content: no markup, no control characters."""

from __future__ import annotations

from textual.content import Content

from omni_tui.core.safe_text import safe, safe_line


def safe_content(text: str, style: str = "") -> Content:
    """`text` (it may have many lines) as content that is shown literally, in `style`."""
    return (
        Content.styled(safe(text).expandtabs(4), style)
        if style
        else Content(safe(text).expandtabs(4))
    )


def safe_label(text: str, style: str = "", limit: int = 200) -> Content:
    """`text` as one line of at most `limit` characters, for titles, labels and names."""
    line = safe_line(text, limit)
    return Content.styled(line, style) if style else Content(line)
