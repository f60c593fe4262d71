"""What a shell command is made of, as far as that can be proved without running it.

Two readings. `parse_simple` is strict: it gives the exact words of a command that no shell can read
in another way, or `None`; only that reading may ever allow anything. `segments` is lenient: it
gives every place where a program might start, for refusing and warning.
"""

from __future__ import annotations

import re
import unicodedata

MAX_COMMAND = 4000
"""Characters of the longest command that can be proved simple."""

# Whatever is not printable ASCII, and each character a shell may treat as more than itself, even
# inside quotes: shells differ there, and a doubt costs only a question.
_NOT_PLAIN = re.compile(r"[^ -~]|[;&|<>$`(){}*?\[\]!#~\\]")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(\[[^]]*\])?\+?=")
# fmt: off
_RESERVED = frozenset({
    "if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for", "in",
    "function", "select", "time", "coproc",
})
# fmt: on
_SEPARATOR = re.compile(r"[;&|\n\r(){}`]+")
_PLAIN_NAME = re.compile(r"[\w./+:@%-]+", re.ASCII)
_LOOK_ALIKE = re.compile("CYRILLIC|GREEK|ARMENIAN|CHEROKEE|COPTIC|LISU|FULLWIDTH|MATHEMATICAL")


def parse_simple(command: str) -> tuple[str, ...] | None:
    """The words of a command that is one program with literal arguments, else `None`."""
    if len(command) > MAX_COMMAND or _NOT_PLAIN.search(command):
        return None
    words: list[str] = []
    quote, inside = "", False
    for char in command:
        if quote:
            if char == quote:
                quote = ""
            else:
                words[-1] += char
        elif char == " ":
            inside = False
        else:
            if not inside:
                words.append("")
                inside = True
            if char in "'\"":
                quote = char
            else:
                words[-1] += char
    if quote or not words or not words[0]:
        return None
    if words[0] in _RESERVED or _ASSIGNMENT.match(words[0]):
        return None
    return tuple(words)


def segments(command: str) -> tuple[tuple[str, ...], ...]:
    """The words of every part of a command where a program might start, quotes taken away.

    Leading assignments and reserved words are left out.
    """
    bare = re.sub(r"\\\n|['\"\\]", "", command)
    found = []
    for part in _SEPARATOR.split(bare):
        words = [word for word in re.split(r"[\s<>]+", part) if word]
        while words and (words[0] in _RESERVED or words[0] == "!" or _ASSIGNMENT.match(words[0])):
            del words[0]
        if words:
            found.append(tuple(words))
    return tuple(found)


def is_readable(command: str) -> bool:
    """Whether `segments` can be trusted to have found every program by its name.

    Not so when a program's name is computed (`$x`, `r?`) or spelled with escapes (`$'…'`), or when
    a character is one that shells disagree about.
    """
    if re.search(r"[^\t\n -~]|\$['\"]", command):
        return False
    return all(_PLAIN_NAME.fullmatch(words[0]) for words in segments(command))


def has_word(text: str, word: str) -> bool:
    """Whether `word` stands in `text` by itself rather than as a part of a longer one."""
    return bool(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text, re.IGNORECASE))


def has_look_alikes(text: str) -> bool:
    """Whether `text` has characters that pass for others: foreign letters, odd spaces, no width."""
    return any(
        unicodedata.category(char) in ("Cf", "Zs", "Zl", "Zp", "Co", "Cn", "Cs")
        or unicodedata.normalize("NFKC", char).isascii()
        or _LOOK_ALIKE.match(unicodedata.name(char, ""))
        for char in text
        if not char.isascii()
    )
