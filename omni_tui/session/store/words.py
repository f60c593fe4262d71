"""What a person searches for, and where a text has it: the same rules for every store.

A word is a run of letters and digits; case and accents do not count. Scripts that are written
without spaces (Chinese, Japanese, Korean, Thai and others) have no words to go by: there each
character counts as one, and a run of them must stand in the text as it stands in the query.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple

import msgspec

from omni_tui.core.messages import scrub
from omni_tui.core.safe_text import safe
from omni_tui.session.node import Kind
from omni_tui.session.store.filters import PATTERN, Filters
from omni_tui.session.store.folding import Folding, composed, fold

MAX_QUERY = 1000
"""Characters of a query that are read."""

MAX_TERMS = 32
"""Terms of a query that are looked for."""

PREFIX_LENGTH = 3
"""Letters from which on the last word also finds longer ones: fewer would fit nearly anything."""

SNIPPET_LENGTH = 160
"""Characters of a snippet, at most, but for the marks where it is cut."""

_HEAD = 20_000
"""Characters of a text that its score is made from, and that a snippet is first looked for in."""

_MAX_PLACES = 200
"""Matches that compete for the snippet."""

# Fixed, not asked of `unicodedata`: the same text must give the same words in every Python, else
# they could not be taken out of an index again.
_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Burmese
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"  # Korean
    "\u1780-\u17ff"  # Khmer
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uffdc"  # halfwidth kana and Hangul
    "\U00020000-\U0003ffff"
)
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_TOKEN = re.compile(rf"(?=[^\W_])[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_PIECE = re.compile(rf'{PATTERN}|"([^"]*)("|$)|([^\s"]+)')
_ANY_LETTER = r"[^\W_]"
_SPACED_LETTER = rf"[^\W_{_UNSPACED}]"
_SPACES = re.compile(r"\s+")


class Term(msgspec.Struct, frozen=True):
    """Words that must follow each other; a single one, mostly."""

    tokens: tuple[str, ...]
    is_prefix: bool = False
    """Whether the last word may go on."""


class Query:
    """A query as a person types it, read once and looked for in many texts.

    All words must be there, "quoted ones" side by side, and the last may be the beginning of a
    longer one unless a space or a quote ends it. Beside `filters` nothing in it is an operator.

    Args:
        text: What a person types.
        now: What times such as `7d` in its filters are counted from; by default this moment.
    """

    terms: tuple[Term, ...]
    """May be empty, and `filters` too; if both are, the query finds nothing."""
    filters: Filters
    is_unfinished: bool
    """Whether it ends in a word too short to go on or in a filter without a value, as while a
    person types."""

    def __init__(self, text: str, now: datetime | None = None) -> None:
        terms, filters, self.is_unfinished = _read(text[:MAX_QUERY])
        self.terms = tuple(terms[:MAX_TERMS])
        self.filters = Filters(filters[:MAX_TERMS], now or datetime.now(UTC))
        self._folding = Folding()

    @property
    def is_vain(self) -> bool:
        """Whether it can find nothing: it asks for nothing, or what it asks for has faults."""
        return bool(self.filters.faults) or not (self.terms or self.filters)

    @cached_property
    def kinds(self) -> frozenset[Kind]:
        """Which nodes it may find: the results of tools only where words stand beside them."""
        return self.filters.kinds(with_results=bool(self.terms))

    @property
    def fts5(self) -> str:
        """The query in SQLite's words, for text that went through `spaced`."""
        return " AND ".join(
            f'"{" ".join(term.tokens)}"{" *" if term.is_prefix else ""}' for term in self.terms
        )

    @property
    def words(self) -> tuple[tuple[str, bool], ...]:
        """The words that a text must have, as `words_of` gives them; true for one that may go on.

        A text without them is no match; one with them all may be.
        """
        return tuple(
            (self._fold(token), term.is_prefix and index == len(term.tokens))
            for term in self.terms
            for index, token in enumerate(term.tokens, 1)
        )

    def matches(self, text: str) -> bool:
        """Whether every term is in the text; filters are not looked at."""
        if self.is_vain:
            return False
        folded = self._fold(composed(text))
        return all(each.search(folded) for each in self._patterns(folded).each)

    def names(self, id: str, title: str, time: datetime) -> bool:
        """Whether a session is found by its title, which was last written to at this time."""
        filters = self.filters
        return (
            bool(self.terms or filters.titles)
            and not filters.about_messages
            and filters.fits_session(id, title)
            and filters.fits_time(time)
            and self.matches(title)
        )

    def score(self, text: str) -> float:
        """How well the text fits, above 0; to be compared within one query.

        More of the words in fewer characters score higher, and the words side by side highest.
        """
        folded = self._fold(composed(text[:_HEAD]))
        length = 0.5 + len(folded) / 800
        patterns = self._patterns(folded)
        counts = (sum(1 for _ in each.finditer(folded)) for each in patterns.each)
        score = sum(count / (count + length) for count in counts)
        return score + (len(patterns.each) > 1 and patterns.together.search(folded) is not None)

    def snippet(self, text: str) -> tuple[str, tuple[tuple[int, int], ...]]:
        """One safe line around the words, and where in it they are: (start, end) in characters."""
        whole = composed(text)
        start, end = self._place(whole)
        line = _SPACES.sub(" ", safe(whole[start:end])).strip()
        line = f"{'…' if start else ''}{line}{'…' if end < len(whole) else ''}"
        folded = self._fold(line)
        return line, tuple(match.span() for match in self._patterns(folded).any.finditer(folded))

    def _place(self, text: str) -> tuple[int, int]:
        """The part of the text to show: where most of the terms are."""
        found = self._matches(text[:_HEAD]) or self._matches(text)
        best, most = 0, 0
        for index, (start, _) in enumerate(found):
            near = {term for at, term in found[index:] if at - start < SNIPPET_LENGTH * 3 // 4}
            if len(near) > most:
                best, most = start, len(near)
            if most == len(self.terms):
                break
        if best + SNIPPET_LENGTH <= len(text):
            start = max(0, best - SNIPPET_LENGTH // 5)
        else:
            start = max(0, len(text) - SNIPPET_LENGTH)
        end = min(len(text), start + SNIPPET_LENGTH)
        return _whole_words(text, start, end, best)

    def _matches(self, text: str) -> list[tuple[int, int]]:
        """(start, which term) of the matches, in order; a bounded number of each term."""
        folded = self._fold(text)
        found = []
        for number, pattern in enumerate(self._patterns(folded).each):
            for _, match in zip(range(_MAX_PLACES), pattern.finditer(folded), strict=False):
                found.append((match.start(), number))
        return sorted(found)[:_MAX_PLACES]

    def _fold(self, text: str) -> str:
        return fold(text, self._folding)

    def _patterns(self, folded: str) -> _Patterns:
        """What to look for in this text: where a word ends is dear to tell in mixed scripts."""
        return self._mixed if _IS_UNSPACED.search(folded) else self._plain

    @cached_property
    def _plain(self) -> _Patterns:
        return self._compile(_ANY_LETTER)

    @cached_property
    def _mixed(self) -> _Patterns:
        return self._compile(_SPACED_LETTER)

    def _compile(self, letter: str) -> _Patterns:
        each = [
            _pattern([self._fold(token) for token in term.tokens], term.is_prefix, letter)
            for term in self.terms
        ]
        tokens = [self._fold(token) for term in self.terms for token in term.tokens]
        together = _pattern(tokens, bool(self.terms) and self.terms[-1].is_prefix, letter)
        return _Patterns(
            each=tuple(re.compile(pattern) for pattern in each),
            together=re.compile(together),
            any=re.compile("|".join(each) or r"(?!)"),
        )


class _Patterns(NamedTuple):
    each: tuple[re.Pattern[str], ...]
    """One for each term."""
    together: re.Pattern[str]
    """All terms, side by side."""
    any: re.Pattern[str]


def _pattern(tokens: Sequence[str], is_prefix: bool, letter: str) -> str:
    """These words one after another; `letter` is what must not go on where a word ends."""
    made = ""
    for index, token in enumerate(tokens):
        unspaced = _IS_UNSPACED.match(token) is not None
        if index:
            may_touch = unspaced or _IS_UNSPACED.match(tokens[index - 1]) is not None
            made += r"[\W_]*" if may_touch else r"[\W_]+"
        elif not unspaced:
            made += f"(?<!{letter})"
        made += re.escape(token)
    if is_prefix:
        return f"{made}{letter}*"
    return made if tokens and _IS_UNSPACED.match(tokens[-1]) else f"{made}(?!{letter})"


def words_of(text: str) -> set[str]:
    """The words of a text, folded, for an index other than SQLite's (see `Query.words`)."""
    return set(_TOKEN.findall(fold(composed(text))))


def spaced(text: str) -> str:
    """The text as SQLite's tokenizer `unicode61` must get it to find the same words."""
    whole = composed(text)
    return whole if whole.isascii() else _IS_UNSPACED.sub(r" \g<0> ", whole)


def _read(text: str) -> tuple[list[Term], list[tuple[str, str]], bool]:
    """The words, the filters, and whether the end looks as if more would be typed."""
    text = composed(scrub(text))
    terms, filters = [], []
    is_unfinished = False
    for piece in _PIECE.finditer(text):
        name, quoted_value, value, quoted, quote, plain = piece.groups()
        is_last = piece.end() == len(text)
        if name is not None:
            filters.append((name, value if quoted_value is None else quoted_value))
            is_unfinished = is_last and not value and not quoted_value
            continue
        tokens = tuple(_TOKEN.findall(plain if quoted is None else quoted))
        if tokens:
            goes_on = is_last and not quote and tokens[-1].isalnum()
            terms.append(Term(tokens, goes_on and _may_go_on(tokens[-1])))
            is_unfinished = goes_on and not _may_go_on(tokens[-1])
            is_unfinished = is_unfinished and not _IS_UNSPACED.match(tokens[-1])
    return terms, filters, is_unfinished


def _may_go_on(word: str) -> bool:
    return len(word) >= PREFIX_LENGTH and not _IS_UNSPACED.match(word)


def _whole_words(text: str, start: int, end: int, keep: int) -> tuple[int, int]:
    """Move a cut out of a word, but never past `keep` and not far."""
    if start:
        space = text.find(" ", start, min(start + 20, keep))
        start = space + 1 if space >= 0 else start
    if end < len(text):
        space = text.rfind(" ", max(end - 20, keep + 1), end)
        end = space if space >= 0 else end
    return start, end
