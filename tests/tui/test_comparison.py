"""What stands where when two branches are compared, and how its lines are drawn."""

from __future__ import annotations

import pytest
from hostile_text import HOSTILE
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style
from textual.strip import Strip

from omni_tui.core.messages import Attachment, Message, Text, ToolResult, ToolUse
from omni_tui.core.usage import Usage
from omni_tui.session.tree import Tree
from omni_tui.tui.compare_lines import INK, Drawing
from omni_tui.tui.comparison import ENDS, Comparison, Versions, tips_to_compare

INKS = {kind: Style(underline=kind.startswith("marked")) for kind in (*INK, "air")}


def asked(*answers: str) -> Tree:
    """A prompt with these answers."""
    tree = Tree()
    tree.push(Message.user("Name a mountain"))
    for answer in answers:
        tree.add(Message.assistant(answer), parent=1)
    return tree


def drawn(comparison: Comparison, width: int = 40, *, unified: bool = False) -> list[Strip]:
    drawing = Drawing(width, INKS, unified)
    return [strip for face in comparison.faces for strip in drawing.rows(face, apart=False)]


def lines(comparison: Comparison, width: int = 40, *, unified: bool = False) -> list[str]:
    return [strip.text.rstrip() for strip in drawn(comparison, width, unified=unified)]


def underlined(strip: Strip) -> list[str]:
    return [segment.text for segment in strip if segment.style and segment.style.underline]


# Beside each other


def test_both_sides_stand_in_a_row_with_signs_and_marks_on_what_differs() -> None:
    tree = asked("It is the Eiger, in Switzerland.", "It is the Eiger, in Japan.")
    (row,) = drawn(Comparison(tree, 2, 3))
    assert row.text == (
        " -  It is the Eiger, in Switzerland.    │ +  It is the Eiger, in Japan.          "
    )
    assert underlined(row) == ["Switzerland", "Japan"]


def test_one_under_the_other_each_line_says_whose_it_is() -> None:
    tree = asked("Three:\n\n- Eiger\n- Fuji", "Three:\n\n- Eiger\n- Kailash, in Tibet")
    assert lines(Comparison(tree, 2, 3), unified=True) == [
        "    Three:",
        "",
        "    - Eiger",
        " -  - Fuji",
        " +  - Kailash, in Tibet",
    ]


def test_words_that_have_nothing_in_common_have_signs_and_no_marks() -> None:
    tree = asked("Fuji.", "Nobody knows that")
    (row,) = drawn(Comparison(tree, 2, 3), 24)
    assert row.text == " -  Fuji.               │ +  Nobody knows that   "
    assert not underlined(row)


def test_pairs_that_say_the_same_are_muted_and_have_no_sign() -> None:
    tree = asked("Eiger", "Fuji")
    for answer in (2, 3):
        tree.add(Message.user("and more?"), parent=answer)
    found = Comparison(tree, 4, 5)
    assert found.differing == 1
    assert lines(found, 20) == [
        " -  Eiger           │ +  Fuji",
        "  ▌ and more?       │  ▌ and more?",
    ]
    muted = {kind: Style(italic=kind == "muted") for kind in INKS}
    (strip,) = Drawing(20, muted, False).rows(found.faces[1], apart=False)
    assert [part.text for part in strip if part.style and part.style.italic] == ["and more?"] * 2


def test_a_branch_that_ends_before_the_other_says_where() -> None:
    tree = asked("Eiger", "Fuji")
    tree.add(Message.user("How high?"), parent=3)
    assert lines(Comparison(tree, 2, 4), 30)[1] == ("    this branch ends here     │ +▌ How high?")
    assert lines(Comparison(tree, 4, 2), 30, unified=True)[2:] == [
        " -▌ How high?",
        " +  this branch ends here",
    ]


def test_a_branch_that_is_the_beginning_of_the_other_says_so_at_once() -> None:
    tree = asked("Eiger")
    tree.add(Message.user("How high?"), parent=2)
    found = Comparison(tree, 2, 3)
    assert found.headings["left"].title == ENDS
    assert found.headings["left"].facts == ()
    assert lines(found, 30) == ["    this branch ends here     │ +▌ How high?"]


def test_tools_files_and_bad_ends_take_a_line_each() -> None:
    tree = Tree()
    picture = Attachment(media_type="image/png", data=b"x" * 12_000, name="a.png")
    tree.push(Message.user("Look"))
    tree.add(Message.assistant([ToolUse(id="1", name="glob", input={"pattern": "*"})]), parent=1)
    result = ToolResult(tool_use_id="1", name="glob", content="notes.md")
    tree.add(Message.user([result]), parent=2)
    tree.add(Message.assistant("Seen"), parent=3, status="cancelled")
    use = ToolUse(id="2", name="glob", input={"pattern": "*"})
    more = ToolUse(id="3", name="read_file", input={"path": "notes.md"})
    tree.add(Message.assistant([Text(text="I look."), use, more]), parent=1)
    tree.add(Message.user([Text(text="Look"), picture]), parent=None)
    assert lines(Comparison(tree, 4, 5), 34) == [
        "                                  │ +  I look.",
        "  ┆ glob  *                       │  ┆ glob  *",
        "                                  │ +┆ read_file  notes.md",
        " -  Seen                          │    this branch ends here",
        " -  ⊘ stopped by you              │",
    ]
    assert lines(Comparison(tree, 1, 6), 34) == [
        "                                  │ +  ▪ a.png · image · 12 kB",
        "  ▌ Look                          │  ▌ Look",
    ]


def test_rounds_of_tools_alone_are_told_so_that_they_stand_together() -> None:
    tree = asked("Eiger")
    calls = tree.add(
        Message.assistant([ToolUse(id="1", name="glob", input={"pattern": "*"})]), parent=1
    )
    assert [face.is_tools for face in Comparison(tree, 2, calls.id).faces] == [True, False]


# What stands over them


def test_a_heading_tells_name_model_time_tokens_cost_and_tools() -> None:
    tree = asked("**Eiger** it is")
    uses = [ToolUse(id=str(n), name=name, input={}) for n, name in enumerate(("a", "b", "a"))]
    tree.add(
        Message.assistant([Text(text="I look."), *uses]),
        parent=1,
        model="anthropic/claude-sonnet-4-6",
        usage=Usage(input=1200, output=40, cost=0.0123),
        duration_ms=2100,
    )
    found = Comparison(tree, 2, 3)
    assert found.common == "Name a mountain"
    assert found.headings["left"].title == "Eiger it is"
    assert found.headings["right"].facts == (
        "claude-sonnet-4-6",
        "2.1 s",
        "↑1.2k ↓40",
        "$0.012",
        "a ×2, b",
    )
    tree.update(3, label="the [b]best[/b]")
    assert Comparison(tree, 2, 3).headings["right"].title == "“the [b]best[/b]”"


def test_two_first_questions_have_nothing_in_common() -> None:
    tree = asked("Eiger")
    tree.add(Message.user("Name a river"), parent=None)
    found = Comparison(tree, 2, 3)
    assert found.common == ""
    assert found.headings["left"].title == "Name a mountain"


def test_a_side_is_copied_as_its_words_safe_to_paste() -> None:
    tree = asked("Eiger\x1b[2J", "Fuji")
    tree.add(Message.user("How high?"), parent=2)
    found = Comparison(tree, 4, 3)
    assert found.text("left") == "Eiger�[2J\n\nHow high?"
    assert found.text("right") == "Fuji"


# Which versions


@pytest.mark.parametrize(("node", "tips"), [(2, (2, 3)), (3, (3, 4)), (4, (3, 4)), (1, (3, 4))])
def test_a_version_is_compared_with_the_next_and_the_last_with_the_one_before(
    node: int, tips: tuple[int, int]
) -> None:
    tree = asked("Eiger", "Fuji", "Kailash")
    tree.navigate(4)
    assert tips_to_compare(tree, node) == tips


def test_versions_are_compared_to_the_tips_of_their_branches() -> None:
    tree = asked("Eiger", "Fuji")
    high = tree.add(Message.user("How high?"), parent=2)
    tree.add(Message.assistant("3,967 m"), parent=high.id)
    assert tips_to_compare(tree, 2) == (5, 3)
    assert tips_to_compare(tree, 5) is None
    tree.add(Message.user("How old?"), parent=2)
    assert tips_to_compare(tree, 5) == (5, 6)


def test_a_hidden_version_is_not_offered() -> None:
    tree = asked("Eiger", "Fuji")
    tree.prune(3)
    assert tips_to_compare(tree, 2) is None
    assert Versions.at(tree, 1, 3) is None
    assert Versions.at(tree, 1, 2) == Versions((2,), 0)
    assert Versions.at(tree, 2, 2) is None


# Hostile text


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("unified", [False, True])
def test_nothing_that_was_said_reaches_the_terminal_as_a_command(text: str, unified: bool) -> None:
    tree = Tree()
    tree.push(Message.user(text or "?"))
    use = ToolUse(id="1", name=text, input={"path": text, text: text})
    tree.add(Message.assistant([Text(text=f"a {text} b"), use]), parent=1, model=f"x/{text}")
    tree.add(Message.assistant(f"{text} c"), parent=1, status="failed", error=text, label=text)
    found = Comparison(tree, 2, 3)
    shown = "".join(lines(found, 30, unified=unified))
    shown += found.common + repr(found.headings) + found.text("left").replace("\n", "")
    assert all(char.isprintable() or char in "\u200d\xa0" for char in shown)
    strips = drawn(found, 30, unified=unified)
    assert all(strip.cell_length == (30 if unified else 61) for strip in strips)


@given(st.text("ab \n山👩\u200d🚀\u0301é", max_size=60), st.text("ab \n山👩\u200d🚀", max_size=60))
def test_every_line_is_as_wide_as_it_should_be(one: str, other: str) -> None:
    tree = asked(one or "?", other or "!")
    for unified, wide in ((False, 41), (True, 20)):
        for strip in drawn(Comparison(tree, 2, 3), 20, unified=unified):
            assert Strip(list(strip)).cell_length == wide
