"""Text made to take over a terminal, and what of a program's output such text could have made."""

from __future__ import annotations

import base64
import re

ATTACKS = (
    # The clipboard, the title, links, notifications, colours, files, the shell's prompt marks
    "\x1b]52;c;UFdO\x07",
    "\x1b]52;c;UFdO\x1b\\",
    "\x1b]0;PWN\x07",
    "\x1b]2;PWN\x1b\\",
    "\x1b]4;1;rgb:f/0/0\x07",
    "\x1b]8;;http://pwn.example/\x1b\\x\x1b]8;;\x1b\\",
    "\x1b]9;PWN\x07",
    "\x1b]11;rgb:f/f/f\x1b\\",
    "\x1b]133;A\x07",
    "\x1b]777;notify;PWN;PWN\x07",
    "\x1b]1337;File=:UFdO\x07",
    "\x1b]0;PWN",
    # The screen, the cursor, modes, questions that the terminal answers by typing
    "\x1b[2J\x1b[H",
    "\x1b[3J\x1b[9A\x1b[2K",
    "\x1b[?1049l",
    "\x1b[?1003l\x1b[?2004l\x1b[?25l",
    "\x1b[31;5m",
    "\x1b[1;2r\x1b[5i\x1b[21t",
    "\x1b[6n\x1b[c\x1b[>c\x1b[5n",
    "\x1b[?996n\x1b[>q\x1b[?u\x1b[>31u",
    "\x1b[200~PWN\x1b[201~",
    "\x1bP+q544e\x1b\\",
    "\x1bP$qm\x1b\\",
    "\x1bPq#0;2;0;0;0#0~~\x1b\\",
    "\x1b_Gf=100;UFdO\x1b\\",
    "\x1b^PWN\x1b\\\x1bXPWN\x1b\\",
    "\x1bc",
    "\x1b7\x1b8\x1b#8\x1b=",
    "\x1b(0\x0eqqq\x0f",
    "\x1b",
    # The same in one character
    "\x9b2J",
    "\x9d0;PWN\x9c",
    "\x90qPWN\x9c",
    "\x9fGUFdO\x9c\x9ePWN\x9c\x98PWN\x9c",
    "\x84\x85\x8d",
    # Single controls
    "\x00",
    "\x05",
    "\x7f\x7f\x7f",
    "\x07" * 50,
    "\r",
    "\x08" * 8,
    "\x0b\x0c\x18\x1a",
    # What turns, hides and splits text
    "\u202ePWN\u202c",
    "\u2066PWN\u2069\u200f\u061c",
    "\u200b\u2060\ufeff",
    "\u2028\u2029",
    "\U000e0041\U000e0042\U000e007f",
    # Markup
    "[/x]",
    "[@click=app.exit]x[/]",
    "[link='http://pwn.example/']x[/link]",
)
TITLE_ATTACK, CLICK_ATTACK = "\x1b]0;PWN\x07", "[@click=app.exit]x[/]"


def hostile(place: str) -> str:
    """Every attack, a line each, with a marker that says where it was and which one."""
    return "\n".join(f"{place}{n:02} {attack} end" for n, attack in enumerate(ATTACKS))


def hostile_line(place: str) -> str:
    """Every attack on one line."""
    return f"{place} " + " ".join(ATTACKS)


def markdown(place: str) -> str:
    """Every attack in every construct of Markdown."""
    row = re.sub(r"[\n|]", " ", hostile_line(place + "T"))
    return "\n\n".join(
        (
            hostile(place).replace("\n", "\n\n"),
            f"```{TITLE_ATTACK}py\n{hostile(place + 'C')}\n```",
            f"| a | b |\n|---|---|\n| {row} | x |",
            f"# {hostile_line(place + 'H')}",
            f"- `{hostile_line(place + 'I')}` [x]({TITLE_ATTACK}javascript:PWN)",
        )
    )


_COLOUR = r"[34]8;2;\d+;\d+;\d+"
_OURS = re.compile(
    # What the application paints with …
    r"\x1b\[\d+;\d+H"
    rf"|\x1b\[(?:(?:[0-4]|[79]|22|23|24|27|29|39|49|{_COLOUR})(?:;(?!m)|(?=m)))*m"
    r"|\x1b\[\?2026[hl]|\x1b\]22;[a-z-]*\x1b\\|\x1b\]22;[a-z-]*\x07"
    # … how it begins and ends …
    r"|\x1b\[\?(?:7|25|1000|1003|1004|1006|1015|1049|2004)[hl]"
    r"|\x1b\[\?(?:2026|2048)\$p|\x1b\[>25u|\x1b\[<u"
    # … and words.
    r"|[^\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff"
    r"\ufffe\uffff\U000e0000-\U000e007f]+|\r?\n|\r"
)
_COPIED = re.compile("\x1b\\]52;c;([A-Za-z0-9+/=]*)\x07")
_ONCE = ("\x1b[?1049l", "\x1b[?1049h", "\x1b[?2004l", "\x1b[?25l")


def foreign(raw: bytes, *, copies: int = 0) -> list[str]:
    """What is in a program's output that the program has no reason to write.

    Each item begins where something unknown begins. `copies` is how often it was told to copy;
    what it put on the clipboard must be words as well.
    """
    text = raw.decode("utf-8")
    copied = [base64.b64decode(found).decode("utf-8") for found in _COPIED.findall(text)]
    text = _COPIED.sub("", text)
    found, at = [], 0
    while at < len(text):
        ours = _OURS.match(text, at)
        if ours is None:
            found.append(text[at : at + 40])
        at = ours.end() if ours is not None else at + 1
    found += [f"{text.count(mode)} × {mode}" for mode in _ONCE if text.count(mode) > 1]
    if len(copied) != copies:
        found.append(f"copied {len(copied)} times, not {copies}")
    for words in copied:
        if (ours := _OURS.fullmatch(re.sub(r"[\t\n]", " ", words))) is None and words:
            found.append(f"copied {words!r}")
    return found
