"""Which words of two texts are marked, and which of their lines face each other."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len, split_graphemes

from omni_tui.core.safe_text import safe
from omni_tui.session.diff import word_diff
from omni_tui.tui.word_marks import Stanza, Words, mark_words, plain_words

LETTERS = "ab \n\t.,山\u0301\u200d👩🚀🏔\ufe0f\x1b\u202e"


def marks(words: Words) -> str:
    """The text with brackets around what is marked."""
    return "".join(f"[{text}]" if marked else text for text, marked in words)


def stanzas(old: str, new: str) -> list[tuple[str, str]]:
    return [(marks(each.left), marks(each.right)) for each in mark_words(word_diff(old, new))]


def plain(words: Words) -> str:
    return "".join(text for text, _ in words)


def test_the_words_that_changed_are_marked_on_both_sides() -> None:
    assert stanzas("the quick brown fox runs", "the slow brown fox runs") == [
        ("the [quick] brown fox runs", "the [slow] brown fox runs")
    ]


def test_a_little_word_between_two_changes_is_marked_with_them() -> None:
    assert stanzas(
        "There they met a baker of bread, and spoke with her.",
        "There they met a keeper of bees, and spoke with her.",
    ) == [
        (
            "There they met a [baker of bread], and spoke with her.",
            "There they met a [keeper of bees], and spoke with her.",
        )
    ]


def test_a_phrase_between_two_changes_is_not_marked() -> None:
    assert stanzas(
        "Nobody knows: it was built by the sea.", "Somebody said it was built of wood."
    ) == [("[Nobody knows:] it was built [by the sea].", "[Somebody said] it was built [of wood].")]


def test_lines_that_both_have_face_each_other() -> None:
    assert stanzas("one\ntwo\nthree", "one\nmore\ntwo\nthree!") == [
        ("one", "one"),
        ("", "[more]"),
        ("two", "two"),
        ("three", "three[!]"),
    ]


def test_a_line_that_went_leaves_the_next_ones_opposite() -> None:
    found = mark_words(word_diff("one\ngone\ntwo words here", "one\ntwo words there"))
    assert found[1] == Stanza((("gone", True),), ())
    assert marks(found[2].left) == "two words [here]"


def test_texts_with_nothing_in_common_are_not_marked() -> None:
    assert stanzas("Fuji, of course, in Japan.", "Nobody can say") == [
        ("Fuji, of course, in Japan.", "Nobody can say")
    ]


def test_empty_lines_stay_between_words_and_go_at_the_ends() -> None:
    assert stanzas("\n\na b c\n\nd e f\n\n", "a b c\n\nd e x\n") == [
        ("a b c", "a b c"),
        ("", ""),
        ("d e [f]", "d e [x]"),
    ]
    assert plain_words("\n\n  a\n\nb \n\n") == (("  a\n\nb", False),)
    assert plain_words(" \n ") == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("we fly \N{WOMAN}\u200d\U0001f680 now", "we fly \N{WOMAN}\u200d\U0001f52c now"),
        ("un cafe\u0301 noir et fort", "un cafe noir et fort"),
        ("red \u2764\ufe0f heart", "red \u2764 heart"),
    ],
)
def test_a_character_of_several_code_points_is_never_cut(old: str, new: str) -> None:
    (stanza,) = mark_words(word_diff(old, new))
    for side, whole in ((stanza.left, old), (stanza.right, new)):
        assert plain(side) == whole
        assert sum(cell_len(text) for text, _ in side) == cell_len(whole)


def within_characters(words: Words) -> set[int]:
    """Where a passage begins within a character."""
    begins = itertools.accumulate((len(text) for text, _ in words), initial=0)
    whole = plain(words)
    characters = {len(whole), *(start for start, _, _ in split_graphemes(whole)[0])}
    return {at for at in begins if at not in characters and whole[at] != "\n"}


@given(st.text(LETTERS, max_size=40), st.text(LETTERS, max_size=40))
@example("a", "\u200da")
def test_no_words_are_lost_and_none_is_cut(old: str, new: str) -> None:
    found = mark_words(word_diff(old, new))
    for text, sides in ((old, [s.left for s in found]), (new, [s.right for s in found])):
        shown = "\n".join(plain(words) for words in sides if words)
        wanted = safe(text).replace("\t", "    ")
        assert "".join(shown.split()) == "".join(wanted.split())
        for words in sides:
            for line in plain(words).split("\n"):
                assert "\x1b" not in line
            assert not within_characters(words)
            # Rich gives a text that begins with a joiner one width whole, and another in its parts.
            if not plain(words).startswith("\u200d"):
                assert sum(cell_len(part) for part, _ in words) == cell_len(plain(words))
