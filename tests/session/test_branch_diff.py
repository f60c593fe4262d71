"""Two branches compared: word by word, and with what each of them took."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_tui.core.messages import Message, ToolResult, ToolUse
from omni_tui.core.usage import Usage
from omni_tui.session import diff
from omni_tui.session.diff import Span, diff_branches, word_diff
from omni_tui.session.tree import Tree


def test_words_that_changed_stand_between_those_that_stayed() -> None:
    assert word_diff("the quick brown fox", "the slow brown fox!") == [
        Span("same", "the "),
        Span("removed", "quick"),
        Span("added", "slow"),
        Span("same", " brown fox"),
        Span("added", "!"),
    ]


def test_scripts_without_spaces_are_compared_by_character() -> None:
    assert word_diff("東京は雨です", "東京は晴です") == [
        Span("same", "東京は"),
        Span("removed", "雨"),
        Span("added", "晴"),
        Span("same", "です"),
    ]


def test_a_line_that_came_leaves_the_others_alone() -> None:
    assert word_diff("one\ntwo\n", "one\nmore\ntwo\n") == [
        Span("same", "one\n"),
        Span("added", "more\n"),
        Span("same", "two\n"),
    ]


@given(st.text(max_size=80), st.text(max_size=80))
def test_the_spans_hold_both_texts_whole(old: str, new: str) -> None:
    spans = word_diff(old, new)
    assert "".join(span.text for span in spans if span.change != "added") == old
    assert "".join(span.text for span in spans if span.change != "removed") == new
    assert all(one.change != other.change for one, other in itertools.pairwise(spans))


@given(st.text("ab \n\t.東", max_size=40), st.text("ab \n\t.東", max_size=40))
def test_space_is_kept_wherever_it_stands(old: str, new: str) -> None:
    spans = word_diff(old, new)
    assert "".join(span.text for span in spans if span.change != "added") == old
    assert "".join(span.text for span in spans if span.change != "removed") == new
    assert (old == new) == all(span.change == "same" for span in spans)


def test_a_word_between_two_others_takes_one_space_with_it() -> None:
    assert word_diff("a c", "a b  c") == [
        Span("same", "a"),
        Span("added", " b"),
        Span("removed", " "),
        Span("added", "  "),
        Span("same", "c"),
    ]


def test_words_are_compared_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Tree()
    tree.push(Message.user("name one"))
    left = tree.push(Message.assistant("Fuji."))
    right = tree.add(Message.assistant("Fuji!"), parent=1)
    compared: list[str] = []

    def counted(old: str, new: str) -> list[Span]:
        compared.append(old)
        return word_diff(old, new)

    monkeypatch.setattr(diff, "word_diff", counted)
    (pair,) = diff_branches(tree, left.id, right.id).pairs
    assert not pair.is_equal
    assert not compared
    assert pair.spans[0] == Span("same", "Fuji")
    assert pair.spans[1] == Span("removed", ".")
    assert compared == ["Fuji."]


def test_a_passage_too_large_to_compare_is_still_whole() -> None:
    size = int(diff.MAX_COMPARED**0.5) + 50
    old = "same " + " ".join(f"a{number}" for number in range(size)) + " end"
    new = "same " + " ".join(f"b{number}" for number in range(size)) + " end"
    spans = word_diff(old, new)
    assert [span.change for span in spans] == ["same", "removed", "added", "same"]
    assert "".join(span.text for span in spans if span.change != "removed") == new


def test_two_branches_face_each_other_from_where_they_part() -> None:
    tree = Tree()
    tree.push(Message.user("name one"))
    left = tree.push(
        Message.assistant("Fuji."), usage=Usage(output=2, cost=0.1), model="a/b", duration_ms=10
    )
    tree.push(Message.user("and more"))
    end = tree.push(Message.assistant("Eiger."), model="a/b", duration_ms=5)
    calls = tree.add(
        Message.assistant([ToolUse(id="t", name="look", input={})]), parent=1, model="c/d"
    )
    answer = ToolResult(tool_use_id="t", name="look", content="a mountain")
    results = tree.add(Message.user([answer]), parent=calls.id)
    right = tree.add(Message.assistant("Fuji!"), parent=results.id, model="c/d")
    found = diff_branches(tree, end.id, right.id)
    assert found.ancestor == 1
    assert (found.left.usage.cost, found.left.duration_ms, found.left.models) == (0.1, 15, ("a/b",))
    assert found.right.tools == ("look",)
    first = found.pairs[0]
    assert (first.left, first.right) == (None, calls)
    faced = next(pair for pair in found.pairs if pair.left is left)
    assert faced.right is right
    assert faced.spans == (Span("same", "Fuji"), Span("removed", "."), Span("added", "!"))
    assert [pair.left for pair in found.pairs if pair.right is None] == [tree[3], end]


def test_a_branch_and_its_own_beginning_differ_by_the_rest() -> None:
    tree = Tree()
    tree.push(Message.user("a"))
    tree.push(Message.assistant("1"))
    tree.push(Message.user("b"))
    found = diff_branches(tree, 1, 3)
    assert found.ancestor == 1
    assert found.left.nodes == ()
    assert [pair.right and pair.right.id for pair in found.pairs] == [2, 3]
    assert diff_branches(tree, 3, 3).pairs == ()
