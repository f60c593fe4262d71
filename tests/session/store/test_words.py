"""What a query is, and where a text has it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_tui.session.store.words import (
    MAX_TERMS,
    SNIPPET_LENGTH,
    Query,
    Term,
    spaced,
)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("two Words", [Term(("two",)), Term(("Words",), is_prefix=True)]),
        ("two words ", [Term(("two",)), Term(("words",))]),
        ('"side by side" now', [Term(("side", "by", "side")), Term(("now",), is_prefix=True)]),
        ('"side by side"', [Term(("side", "by", "side"))]),
        ('say "side by si', [Term(("say",)), Term(("side", "by", "si"))]),
        ('say "side by sid', [Term(("say",)), Term(("side", "by", "sid"), is_prefix=True)]),
        ("snake_case", [Term(("snake", "case"), is_prefix=True)]),
        ("go", [Term(("go",))]),
        ("東京", [Term(("東", "京"))]),
        ("use東京sql", [Term(("use", "東", "京", "sql"), is_prefix=True)]),
        ("  ", []),
        ("", []),
        ('"', []),
        ('* - ( ) "" ^ 🎉', []),
    ],
)
def test_a_query_is_read_as_a_person_means_it(text: str, terms: list[Term]) -> None:
    assert list(Query(text).terms) == terms


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("HELLO", "well, hello there"),
        ("naïve", "a naive thought"),
        ("naive", "a NAÏVE thought"),
        ("cafe\u0301", "the café"),
        ("thought naive", "a naive thought"),
        ("though", "a naive thought"),
        ('"naive thought"', "a naive\n\n*thought*"),
        ("snake_case", "the snake case"),
        ("foo.bar", "import foo.bar"),
        ("京", "東京都"),
        ("東京", "これは東京です"),
        ("sqlite", "使用sqlite数据库"),
        ("한국", "한국어를 배우다"),
        ("ภาษา", "ฉันรักภาษาไทย"),
        ("straße", "Die STRASSE, die Straße"),
        ("ПРИВЕТ", "Скажи привет"),
        ("42", "the answer: 42."),
    ],
)
def test_a_text_with_all_the_words_matches(query: str, text: str) -> None:
    wanted = Query(query)
    assert wanted.matches(text)
    assert in_sqlite(wanted, text)
    assert wanted.score(text) > 0
    snippet, matches = wanted.snippet(text)
    assert matches
    assert all(snippet[start:end].strip() for start, end in matches)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("hello", "hell"),
        ("ell", "hello"),
        ("hell ", "hello"),
        ("he", "hello"),
        ('"thought naive"', "a naive thought"),
        ("naive feeling", "a naive thought"),
        ("京東", "東京都"),
        ("か", "が"),
        ("thought OR feeling", "a naive thought"),
        ("NOT thought", "a naive feeling"),
        ("words : x", "x"),
    ],
)
def test_a_text_without_one_of_the_words_does_not(query: str, text: str) -> None:
    wanted = Query(query)
    assert not wanted.matches(text)
    assert not in_sqlite(wanted, text)


@given(st.text(max_size=80), st.text(max_size=200))
def test_no_query_is_an_error_and_no_text(query: str, text: str) -> None:
    wanted = Query(query)
    wanted.matches(text)
    wanted.score(text)
    snippet, matches = wanted.snippet(text)
    assert len(snippet) <= SNIPPET_LENGTH + 2
    assert "\n" not in snippet
    assert all(0 <= start < end <= len(snippet) for start, end in matches)
    if wanted.terms:
        in_sqlite(wanted, "some text")


WORDS = st.text("abcéß東京が한ก _-", min_size=1, max_size=12)


@given(WORDS, WORDS, st.booleans())
def test_sqlite_finds_the_same_words(query: str, text: str, quoted: bool) -> None:
    wanted = Query(f'"{query}"' if quoted else query)
    if wanted.terms:
        assert wanted.matches(text) == in_sqlite(wanted, text)


def test_an_endless_query_is_cut() -> None:
    wanted = Query("word " * 1_000_000)
    assert len(wanted.terms) == MAX_TERMS
    assert wanted.matches("word")


def test_a_snippet_shows_the_place_where_most_words_are() -> None:
    text = f"alpha {'filler ' * 400} then alpha meets\nbeta\there {'filler ' * 400}"
    snippet, matches = Query("alpha beta").snippet(text)
    assert "then alpha meets beta here" in snippet
    assert snippet[0] == snippet[-1] == "…"
    assert [snippet[start:end] for start, end in matches] == ["alpha", "beta"]


def test_words_far_down_a_long_text_are_shown() -> None:
    snippet, matches = Query("needle").snippet(f"{'hay ' * 20_000} needle {'hay ' * 20}")
    assert [snippet[start:end] for start, end in matches] == ["needle"]


def test_a_snippet_holds_nothing_that_a_terminal_obeys() -> None:
    snippet, matches = Query("evil").snippet("\x1b]0;owned\x07 evil \u202e[b]x[/b]")
    assert snippet == "�]0;owned� evil �[b]x[/b]"
    assert [snippet[start:end] for start, end in matches] == ["evil"]


def test_more_words_in_fewer_characters_and_side_by_side_fit_better() -> None:
    query = Query("red fox")
    side_by_side = query.score("The red fox ran.")
    apart = query.score("A fox that was red ran.")
    lost = query.score(f"A fox that was red. {'Much more was said. ' * 200}")
    assert side_by_side > apart > lost > 0


def in_sqlite(query: Query, text: str) -> bool:
    """Whether SQLite finds the query in the text."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(
            "CREATE VIRTUAL TABLE t USING fts5 "
            "(words, content = '', tokenize = 'unicode61 remove_diacritics 2')"
        )
        connection.execute("INSERT INTO t (rowid, words) VALUES (1, ?)", (spaced(text),))
        found = connection.execute("SELECT rowid FROM t WHERE t MATCH ?", (query.fts5,))
        return found.fetchone() is not None


@pytest.mark.parametrize(
    ("text", "is_unfinished"),
    [
        ("", False),
        ("a", True),
        ("fu", True),
        ("fuj", False),
        ("fu ", False),
        ("mount fu", True),
        ('"fu"', False),
        ("富", False),
        ("use京", False),
        ("model:", True),
        ("fuji model:", True),
        ("model:d", False),
        ("model: fuji", False),
    ],
)
def test_a_query_tells_whether_its_end_is_still_being_typed(text: str, is_unfinished: bool) -> None:
    assert Query(text).is_unfinished is is_unfinished
