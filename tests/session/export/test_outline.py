"""The shape of a tree as text, and in two languages of drawings that no words can break out of."""

from __future__ import annotations

import re

import pytest
from export_sample import EVIL, sample
from hypothesis import given
from hypothesis import strategies as st

from omni_tui.core.messages import Message
from omni_tui.core.safe_text import safe_line
from omni_tui.session.export.diagrams import dot_words, mermaid_words, to_dot, to_mermaid
from omni_tui.session.export.outline import outline, to_lines
from omni_tui.session.tree import Tree


def test_a_turn_is_a_line_and_a_fork_is_drawn() -> None:
    assert list(to_lines(sample().tree)) == [
        "├─ ● 1 Hello",
        "│  ├─ ○ 2 First",
        "│  ├─ ○ 3 Second [Hello]",
        "│  └─ ● 5 **Third** Hello  (failed)",
        "└─ ○ 9 Another start",
    ]


def test_what_is_hidden_is_drawn_only_if_asked_for() -> None:
    lines = list(to_lines(sample().tree, everything=True))
    assert "│  ├─ ○ 4 Never mind  (hidden)" in lines
    assert any(line.endswith("○ 8 In short  (summary)") for line in lines)
    assert len(lines) == 7


def test_a_talk_without_forks_stays_in_its_column() -> None:
    tree = Tree()
    for number in range(3):
        tree.push(Message.user(f"q{number}"))
        tree.push(Message.assistant(f"a{number}"))
    assert list(to_lines(tree)) == ["● 1 q0 → a0", "● 3 q1 → a1", "● 5 q2 → a2"]


def test_of_nothing_nothing_is_drawn() -> None:
    assert list(to_lines(Tree())) == []
    assert list(to_dot(Tree()))[-1] == "}"


def test_five_thousand_forks_are_drawn_without_running_off() -> None:
    tree = Tree()
    for _ in range(5_000):
        tree.add(Message.user("side"), parent=tree.head, follow=False)
        tree.push(Message.user("main"))
    lines = list(to_lines(tree))
    assert len(lines) == 10_000
    assert max(map(len, lines)) < 120


def test_nothing_a_terminal_obeys_is_drawn() -> None:
    text = "\n".join(to_lines(sample(EVIL).tree, everything=True))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


MERMAID = re.compile(
    r'flowchart TD|  n\d+\["(?:[^"`#%<>\[\]{}\\;&]|#\d+;)*"\](?::::(?:active|hidden))?'
    r"|  n\d+ (?:-->|-\.->) n\d+|  classDef \w+ [\w:-]+"
)
DOT = re.compile(
    r"digraph session \{|\}|  node \[.*\];"
    r'|  n\d+ \[label="((?:[^"\\\n]|\\\\|\\")*)"(?:, style="rounded,(?:bold|dashed)")?\];'
    r"|  n\d+ -> n\d+(?: \[style=dashed\])?;"
)


def mermaid_text(words: str) -> str:
    """What Mermaid shows for escaped words."""
    return re.sub(r"#(\d+);", lambda found: chr(int(found[1])), words)


def dot_text(words: str) -> str:
    """What Graphviz shows for escaped words."""
    text = re.sub(r"\\(.)", r"\1", words)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("words", ["Hello", EVIL, 'a"]\nb', "\\", "end", "%%{init}%%", "#quot;"])
def test_every_line_of_a_drawing_is_one_of_its_language(words: str, everything: bool) -> None:
    tree = sample(words).tree
    rows = list(outline(tree, everything=everything))
    for make, language in ((to_mermaid, MERMAID), (to_dot, DOT)):
        lines = list(make(tree, everything=everything))
        assert [line for line in lines if not language.fullmatch(line)] == []
        nodes = [line for line in lines if re.match(r"  n\d+ ?\[", line)]
        edges = [line for line in lines if re.match(r"  n\d+ -", line)]
        assert len(nodes) == len(rows)
        assert len(edges) == len([row for row in rows if row.parent is not None])


@given(st.text())
def test_words_come_back_from_both_languages(words: str) -> None:
    line = safe_line(words)
    assert mermaid_text(mermaid_words(line)) == line
    assert dot_text(dot_words(line)) == line
    assert re.fullmatch(r'(?:[^"`#%<>\[\]{}\\;&]|#\d+;)*', mermaid_words(line))
    assert re.fullmatch(r'(?:[^"\\\n]|\\\\|\\")*', dot_words(line))
