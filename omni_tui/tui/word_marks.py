"""Which words to mark in two texts, so that a person sees what changed and not how it was found."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import msgspec
from rich.cells import split_graphemes

from omni_tui.core.safe_text import safe
from omni_tui.session.diff import Span

FEW = 12
"""Characters both texts have between two changes that are not worth telling from them."""
LEAST_SHARED = 0.25
"""The part of the longer text both must have; below it all words are other words."""

Words: TypeAlias = tuple[tuple[str, bool], ...]
"""Passages of a text, safe to show, and whether the other text has something else there."""


class Stanza(msgspec.Struct, frozen=True):
    """Lines that face each other, up to a line break both texts have; `()` is no line at all."""

    left: Words
    right: Words


class _Passage(msgspec.Struct):
    """What both say, and what each says after it."""

    same: str = ""
    gone: str = ""
    came: str = ""

    @property
    def changed(self) -> int:
        return max(len(self.gone), len(self.came))


def mark_words(spans: Iterable[Span]) -> list[Stanza]:
    """The words to mark in the old text and in the new one, cut where their lines meet.

    A few shared words between longer changes count as changed too, or every "the" would stand out
    of a sentence written anew; characters of several code points are never cut. Of texts that have
    almost nothing in common no word is marked.
    """
    passages = _settled(_passages(spans))
    if _are_others(passages):
        left = "".join(part.same + part.gone for part in passages)
        right = "".join(part.same + part.came for part in passages)
        return [Stanza(plain_words(left), plain_words(right))]
    return _trimmed([Stanza(_side(left), _side(right)) for left, right in _stanzas(passages)])


def plain_words(text: str) -> Words:
    """A text of which nothing is marked."""
    text = safe(text).strip("\n").rstrip()
    return _side([(text, False)]) if text else ()


def _passages(spans: Iterable[Span]) -> list[_Passage]:
    passages = [_Passage()]
    for span in spans:
        last = passages[-1]
        if span.change == "removed":
            last.gone += span.text
        elif span.change == "added":
            last.came += span.text
        elif last.changed:
            passages.append(_Passage(span.text))
        else:
            last.same += span.text
    return passages


def _settled(passages: Sequence[_Passage]) -> list[_Passage]:
    """Join changes on one line that have little between them, and less than either has."""
    kept: list[_Passage] = []
    for passage in passages:
        kept.append(passage)
        while len(kept) > 1 and "\n" not in kept[-1].same:
            if len(kept[-1].same) > min(FEW, kept[-2].changed, kept[-1].changed):
                break
            _join(kept)
    return kept


def _are_others(passages: Sequence[_Passage]) -> bool:
    """Whether the texts share too little to be told apart word by word."""
    shared = sum(len(part.same.strip()) for part in passages)
    gone = sum(len(part.gone) for part in passages)
    came = sum(len(part.came) for part in passages)
    return shared < LEAST_SHARED * (shared + max(gone, came))


def _join(passages: list[_Passage]) -> None:
    last = passages.pop()
    passages[-1].gone += last.same + last.gone
    passages[-1].came += last.same + last.came


_Parts: TypeAlias = list[tuple[str, bool]]


def _stanzas(passages: Iterable[_Passage]) -> Iterator[tuple[_Parts, _Parts]]:
    left: _Parts = []
    right: _Parts = []
    for passage in passages:
        if passage.same and (left or right) and _begins_line(left) and _begins_line(right):
            yield left, right
            left, right = [], []
        *lines, rest = passage.same.split("\n")
        for line in lines:
            yield [*left, (line + "\n", False)], [*right, (line + "\n", False)]
            left, right = [], []
        left += [(rest, False), (passage.gone, True)]
        right += [(rest, False), (passage.came, True)]
        left, right = ([part for part in parts if part[0]] for parts in (left, right))
    yield left, right


def _begins_line(parts: _Parts) -> bool:
    """Whether what follows stands at the beginning of a line."""
    return not parts or parts[-1][0].endswith("\n")


def _side(parts: _Parts) -> Words:
    """The passages of a stanza without the line break that ends it."""
    shown = [(safe(text).replace("\t", "    "), marked) for text, marked in parts]
    if shown:
        shown[-1] = (shown[-1][0].removesuffix("\n"), shown[-1][1])
    return tuple(_whole_characters(shown))


def _trimmed(stanzas: list[Stanza]) -> list[Stanza]:
    """The stanzas without empty lines at the ends."""
    while stanzas and _is_empty(stanzas[-1]):
        del stanzas[-1]
    while stanzas and _is_empty(stanzas[0]):
        del stanzas[0]
    if stanzas:
        last = stanzas[-1]
        stanzas[-1] = Stanza(_without_end(last.left), _without_end(last.right))
    return stanzas


def _without_end(words: Words) -> Words:
    while words and not words[-1][0].strip():
        words = words[:-1]
    return (*words[:-1], (words[-1][0].rstrip(), words[-1][1])) if words else ()


def _is_empty(stanza: Stanza) -> bool:
    return not any(text.strip() for text, _ in (*stanza.left, *stanza.right))


def _whole_characters(parts: _Parts) -> _Parts:
    """The passages, none of which begins within a character; a marked one takes it whole."""
    text = "".join(part for part, _ in parts)
    if text.isascii() or len(parts) < 2:
        return parts
    stops = [end for _, end, _ in split_graphemes(text)[0]]
    whole: _Parts = []
    start = place = 0
    for part, marked in parts:
        place += len(part)
        at = bisect_left(stops, place)
        cut = stops[at] if marked or stops[at] == place else stops[at - 1] if at else 0
        if cut > start:
            whole.append((text[start:cut], marked))
            start = cut
    return whole
