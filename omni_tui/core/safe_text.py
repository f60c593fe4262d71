"""Make foreign text safe to show: the one function every face puts text through.

Terminals obey control characters wherever they come from, so a model, a tool, a file name or a
title could set the clipboard, rewrite the screen or reverse the reading order. The stored text
stays as it was; only what is shown is changed.
"""

from __future__ import annotations

import re

# C0 but for newline and tab, DEL and C1; bidirectional controls; zero-width and tag
# characters that hide text (the joiners that emoji and Indic scripts need stay).
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff"
    "\ud800-\udfff\ufff9-\ufffb\ufffe\uffff"
    "\U000e0000-\U000e007f]"
)
_NEWLINES = re.compile("\r\n?")


def safe(text: str) -> str:
    """`text` with all that a terminal might obey as U+FFFD; CR and CRLF become newlines."""
    if "\r" in text:
        text = _NEWLINES.sub("\n", text)
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)


def safe_line(text: str, limit: int = 200) -> str:
    """`text` as one safe line of at most `limit` characters, whitespace collapsed."""
    line = " ".join(safe(text[: limit * 4]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
