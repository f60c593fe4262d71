"""Text as it is compared: without case and accents, each character in its place."""

from __future__ import annotations

import unicodedata


class Folding(dict[int, str]):
    """What each character becomes, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        parts = unicodedata.normalize("NFD", chr(code))
        # Only accents go: a voiced kana or a syllable of Hangul comes apart too.
        is_accented = len(parts) > 1 and all("\u0300" <= part <= "\u036f" for part in parts[1:])
        self[code] = folded = (parts[0] if is_accented else chr(code)).lower()[0]
        return folded


def fold(text: str, folding: Folding | None = None) -> str:
    """Without case and accents; `folding` remembers, where many texts are folded."""
    return text.lower() if text.isascii() else text.translate(folding or Folding())


def composed(text: str) -> str:
    """Letters with their accents as one character each, where there is such a one."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)
