"""Markdown is for people: what was said is readable, what tools did is folded away."""

from __future__ import annotations

import re

import pytest
from export_sample import EVIL, sample

from omni_tui.core.errors import NodeNotFoundError
from omni_tui.session.export import branch_of, to_markdown, walk


def test_the_branch_in_view_is_written_in_order() -> None:
    stored = sample()
    text = "".join(to_markdown(stored, branch_of(stored.tree)))
    assert text.startswith('---\ntitle: "Hello"\nsession: "a-session-of-the-tests"\n')
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["You", "Hello", "Tools", "Assistant"]
    assert "\n\nHello\n" in text
    assert "**Third**" in text
    assert "First" not in text
    assert "<summary>bash failed</summary>" in text
    assert "`````\nHello\n````\n`````" in text  # a fence longer than the one inside
    assert "version 3 of 3" in text
    assert "*Attached: Hello (image/png, 8 bytes)*" in text


def test_another_branch_is_written_by_any_node_of_it() -> None:
    stored = sample()
    assert [node.id for node in branch_of(stored.tree, 3)] == [1, 3]
    assert [node.id for node in branch_of(stored.tree, 5)] == [1, 5, 6, 7]
    assert [node.id for node in branch_of(stored.tree, 4)] == [1, 4]
    with pytest.raises(NodeNotFoundError):
        branch_of(stored.tree, 99)


def test_the_whole_tree_says_what_follows_what() -> None:
    stored = sample()
    assert [node.id for node in walk(stored.tree)] == [1, 2, 3, 5, 6, 7, 9]
    assert [node.id for node in walk(stored.tree, everything=True)] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    text = "".join(to_markdown(stored, walk(stored.tree, everything=True), everything=True))
    assert "version 3 of 4 · after \\#1 · 2026-03-04 05:06 · hidden" in text
    assert "## Summary of what came before" in text


def test_nothing_a_terminal_obeys_is_written_and_no_heading_is_forged() -> None:
    stored = sample(f"# x\n{EVIL}")
    text = "".join(to_markdown(stored, branch_of(stored.tree)))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    for line in text.splitlines():
        if line.startswith("<summary>"):
            assert line.count("<") == 2
