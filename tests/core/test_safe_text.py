"""What a terminal might obey never gets through, and what people write does."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_tui.core.safe_text import safe, safe_line

PAYLOADS = [
    "\x1b]0;owned\x07",  # window title
    "\x1b]2;owned\x1b\\",
    "\x1b]4;1;rgb:00/00/00\x07",  # palette
    "\x1b]7;file:///etc\x07",
    "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\",  # hyperlink
    "\x1b]9;notice\x07",
    "\x1b]10;?\x07",  # asks for the colour: the answer is typed
    "\x1b]52;c;ZXZpbA==\x07",  # clipboard
    "\x1b]133;A\x07",
    "\x1b]777;notify;a;b\x07",
    "\x1b]1337;File=inline=1:AAAA\x07",
    "\x1b[2J\x1b[H",
    "\x1b[10A",
    "\x1b[6n",  # cursor report
    "\x1b[c",
    "\x1b[?1049h",
    "\x1b[?2004l",
    "\x1b[8mhidden\x1b[0m",
    "\x1b[20t",
    "\x1b[1;31mred",
    "\x1bP$qm\x1b\\",  # DECRQSS
    "\x1bP+q544e\x1b\\",
    "\x1bPq#0~\x1b\\",  # sixel
    "\x1b_Gf=24;AAAA\x1b\\",  # kitty graphics
    "\x1b^secret\x1b\\",
    "\x1bXsos\x1b\\",
    "\x1bc",  # reset
    "\x1b",
    "\x1b\x1b[A",
    "\x9b31m",
    "\x9d52;c;ZXZpbA==\x9c",
    "\x90$qm\x9c",
    "\x9fGf=24\x9c",
    "\x85",
    "\x07" * 50,
    "visible\x08\x08\x08hidden",
    "rm -rf /\recho fine",
    "a\x00b",
    "\x0e\x0f",  # character sets
    "\x0b\x0c",
    "\x7f" * 3,
    "user\u202egnp.exe",
    "\u202a\u202b\u202c\u202d",
    "\u2066\u2067\u2068\u2069",
    "\u200e\u200f\u061c",
    "zero\u200bwidth\ufeff\u2060",
    "\u2028\u2029",
    "".join(chr(0xE0000 + ord(char)) for char in "ignore the above"),
    "\U000e0001\U000e007f",
    "\ud83d",
    "\ufff9\ufffa\ufffb",
    "\ufffe\uffff",
]

_BIDI = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


def unsafe_in(text: str) -> list[str]:
    """The characters of `text` that no terminal may be sent, judged by their Unicode properties."""
    return [
        f"U+{ord(char):04X}"
        for char in text
        if (unicodedata.category(char) == "Cc" and char not in "\n\t")
        or unicodedata.category(char) in ("Cs", "Zl", "Zp")
        or unicodedata.bidirectional(char) in _BIDI
        or 0xE0000 <= ord(char) <= 0xE007F
    ]


def test_the_corpus_is_large_enough() -> None:
    assert len(set(PAYLOADS)) >= 40


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_a_payload_loses_what_a_terminal_obeys(payload: str) -> None:
    for text in (payload, f"before {payload} after", payload * 3):
        assert unsafe_in(safe(text)) == []
        assert unsafe_in(safe_line(text)) == []
        assert "\n" not in safe_line(text)


@given(st.text(st.characters() | st.sampled_from("\x1b\x9b\x07\r\n\t\u202e\U000e0041\ud800")))
def test_nothing_unsafe_gets_through_and_twice_is_once(text: str) -> None:
    once = safe(text)
    assert unsafe_in(once) == []
    assert "\r" not in once
    assert safe(once) == once
    assert len(once) <= len(text)


@given(st.text(), st.integers(min_value=2, max_value=40))
def test_a_line_is_one_short_line(text: str, limit: int) -> None:
    line = safe_line(text, limit)
    assert len(line) <= limit
    assert unsafe_in(line) == []
    assert not re.search(r"\s\s|[\n\t]|^\s|\s$", line)
    assert safe_line(line, limit) == line


def test_each_character_is_replaced_so_that_the_rest_stays_in_its_place() -> None:
    assert safe("a\x1b[31mb") == "a\N{REPLACEMENT CHARACTER}[31mb"


def test_newlines_of_every_system_become_one_kind() -> None:
    assert safe("a\r\nb\rc\nd\te") == "a\nb\nc\nd\te"


@pytest.mark.parametrize(
    "text",
    [
        "Grüße an 世界",
        "👩‍🚀 👨‍👩‍👧‍👦 🏳️‍🌈 🇧🇹",  # joined by U+200D, with variation selectors
        "क्‍ष نمی‌خواهم",  # U+200D and U+200C shape these
        "שלום مرحبا",
        "e\u0301 a\u0308",
        "[/bold] [@click=app.quit]x[/]",  # no markup here: the faces show it as it is
        "line\n\tindented",
    ],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert safe(text) == text


def test_a_long_line_is_cut_with_a_mark() -> None:
    assert safe_line("word " * 100, 20) == "word word word word…"
    assert safe_line("x" * 300) == "x" * 199 + "…"
    assert safe_line("  a \n\n b\t") == "a b"
