from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omni_tui.core.messages import Attachment, Message, Text, ToolResult, ToolUse
from omni_tui.session.tree import Node, Tree
from omni_tui.tui.tree_layout import (
    Mark,
    Row,
    Rows,
    State,
    plain_line,
    row_label,
    row_state,
    row_text,
)

GLYPHS = {"rail": "│ ", "tee": "├ ", "corner": "└ ", "blank": "  ", "fold": "… "}
ACTIVE = {"rail": "┃ ", "tee": "┣ ", "corner": "┗ ", "blank": "  ", "fold": "… "}


def ask(text: str) -> Message:
    return Message.user(text)


def say(text: str) -> Message:
    return Message.assistant(text)


def call(name: str = "bash", text: str = "") -> Message:
    use = ToolUse(id="1", name=name, input={})
    return Message.assistant([Text(text=text), use] if text else use)


def result() -> Message:
    return Message.user(ToolResult(tool_use_id="1", name="bash", content="# output"))


def talk(*messages: Message) -> Tree:
    tree = Tree()
    for message in messages:
        tree.push(message)
    return tree


def picture(rows: Rows, levels: int = 99) -> list[str]:
    """The tree as text; the guide lines along the active path are heavy."""
    lines = []
    for row in rows:
        guides = rows.guides(row, levels)
        indent = "".join((ACTIVE if g.active else GLYPHS)[g.kind] for g in guides)
        lines.append(f"{indent}{'●' if rows.is_active(row) else '○'} {row_text(rows.tree, row)}")
    return lines


def mountains() -> Tree:
    """Two first prompts, three answers to the second, and a talk under the first of them."""
    tree = talk(ask("Name five rivers"))
    tree.navigate(None)
    prompt = tree.push(ask("Name three mountains"))
    tree.push(say("Gangkhar Puensum"))
    tree.push(ask("and in Bhutan?"))
    head = tree.push(say("It is sacred"))
    tree.add(say("Muchu Chhish"), parent=prompt.id)
    tree.add(say("Kailash"), parent=prompt.id, label="best")
    assert tree.head == head.id
    return tree


def nested(depth: int) -> Tree:
    """A talk whose every prompt but the last was left again for another, the first one last."""
    tree = talk(*(ask(f"old {number}") for number in range(depth + 1)))
    for fork in reversed(tree.path[:-1]):
        tree.add(ask(f"young {fork}"), parent=fork)
    return tree


def test_a_talk_without_forks_is_a_straight_line() -> None:
    tree = talk(ask("one"), say("1"), ask("two"), say("2"))

    assert picture(Rows(tree)) == ["● one", "● 1", "● two", "● 2"]


def test_an_empty_tree_has_no_rows() -> None:
    rows = Rows(Tree())

    assert len(rows) == 0
    assert rows.active_count == 0
    assert rows.row_of(None) is None
    assert not rows.is_stale


def test_branches_hang_under_their_fork_with_lines() -> None:
    assert picture(Rows(mountains())) == [
        "● Name three mountains",
        "┣ ○ Name five rivers",
        "● Gangkhar Puensum",
        "┣ ○ Muchu Chhish",
        '┣ ○ "best"',
        "● and in Bhutan?",
        "● It is sacred",
    ]


def test_the_main_line_goes_on_in_its_column_and_older_versions_hang_beside_it() -> None:
    tree = Tree()
    for number in (1, 2):
        prompt = tree.push(ask(f"question {number}"))
        old = tree.add(say(f"old {number}"), parent=prompt.id, follow=False)
        tree.add(ask(f"aside {number}"), parent=old.id)
        tree.push(say(f"new {number}"))

    assert picture(Rows(tree)) == [
        "● question 1",
        "● new 1",
        "┣ ○ old 1",
        "┃ ○ aside 1",
        "● question 2",
        "○ old 2",
        "┣ ● new 2",
        "○ aside 2",
    ]


def test_a_switch_moves_no_row() -> None:
    tree = mountains()
    rows = Rows(tree)
    before = [(row.first, row.line.depth) for row in rows]

    for node_id in tree.nodes:
        tree.navigate(node_id)

        assert rows.is_stale
        assert not rows.update()
        assert [(row.first, row.line.depth) for row in rows] == before
        assert [(row.first, row.line.depth) for row in Rows(tree)] == before


def test_the_line_last_written_to_is_the_straight_one() -> None:
    tree = talk(ask("q"), say("old"))
    tree.add(say("young"), parent=1)
    rows = Rows(tree)
    assert picture(rows) == ["● q", "○ young", "┗ ● old"]

    tree.push(ask("more"))
    assert rows.update()
    assert picture(rows) == ["● q", "● old", "┣ ○ young", "● more"]

    tree.navigate(3)
    tree.push(ask("the other way"))
    assert rows.update()
    assert picture(rows) == ["● q", "● young", "┣ ○ old", "┃ ○ more", "● the other way"]


def test_replies_that_come_in_the_background_move_no_line() -> None:
    tree = talk(ask("q"), say("a"), ask("more"))
    aside = tree.add(call(), parent=1)
    rows = Rows(tree)
    shown = ["● q", "● a", "┣ ○ bash", "● more"]
    assert picture(rows) == shown

    back = tree.add(result(), parent=aside.id)
    tree.add(call(), parent=back.id)
    rows.update()

    assert picture(rows) == shown


def test_forks_in_branches_nest() -> None:
    tree = talk(ask("q"), say("a"), ask("deep"), say("x"))
    tree.add(say("y"), parent=3)
    tree.add(say("z"), parent=3)
    tree.add(ask("why"), parent=tree.add(say("b"), parent=1).id)
    tree.navigate(4)

    assert picture(Rows(tree)) == [
        "● q",
        "○ b",
        "┣ ● a",
        "│ ● deep",
        "│ ○ z",
        "│ ┣ ● x",
        "│ └ ○ y",
        "○ why",
    ]


def test_rails_are_lit_down_to_the_branch_the_active_path_takes() -> None:
    tree = talk(ask("q"), say("a"), ask("aside"))
    tree.add(say("b"), parent=1)
    tree.add(say("c"), parent=1)
    tree.add(ask("main"), parent=tree.add(say("d"), parent=1).id)
    tree.navigate(4)

    assert picture(Rows(tree)) == [
        "● q",
        "○ d",
        "┣ ○ a",
        "┃ ○ aside",
        "┣ ● b",
        "├ ○ c",
        "○ main",
    ]


def test_rails_beside_the_main_line_are_lit_as_far_as_it_is_active() -> None:
    tree = talk(ask("q"), say("a"), ask("aside"))
    tree.add(ask("main"), parent=tree.add(say("b"), parent=1).id)
    rows = Rows(tree)
    for head, drawn in (
        (5, ["● q", "● b", "┣ ○ a", "┃ ○ aside", "● main"]),
        (4, ["● q", "● b", "├ ○ a", "│ ○ aside", "○ main"]),
        (1, ["● q", "○ b", "├ ○ a", "│ ○ aside", "○ main"]),
    ):
        tree.navigate(head)
        rows.update()

        assert picture(rows) == drawn


def test_several_roots_stand_like_the_children_of_one_fork() -> None:
    tree = talk(ask("one"), say("1"))
    tree.add(ask("two"), parent=None)
    tree.add(ask("three"), parent=None)

    assert picture(Rows(tree)) == ["○ three", "┣ ● one", "│ ● 1", "└ ○ two"]


def test_tool_rounds_fold_into_the_answer_they_serve() -> None:
    tree = talk(ask("q"), call(text="Let me look."), result(), call(), result(), say("Done."))
    rows = Rows(tree)

    assert picture(rows) == ["● q", "● Done."]
    assert [(row.first, row.tip) for row in rows] == [(1, 1), (2, 6)]
    assert rows.row_of(4) is rows[1]
    assert rows.active_count == 2


def test_an_answer_that_forks_in_the_middle_shows_every_ending() -> None:
    tree = talk(ask("q"), call(), result(), say("first try"), ask("then"))
    tree.add(say("second try"), parent=3)

    assert picture(Rows(tree)) == ["● q", "● bash", "● first try", "┣ ○ second try", "● then"]


def test_an_imported_talk_may_begin_with_an_answer() -> None:
    assert picture(Rows(talk(say("hello"), ask("hi")))) == ["● hello", "● hi"]


def test_a_talk_of_5000_turns_stays_in_the_first_column() -> None:
    tree = Tree()
    for number in range(5_000):
        tree.push(ask(f"question {number}"))
        tree.push(say(f"answer {number}"))
    rows = Rows(tree)

    assert len(rows) == rows.active_count == 10_000
    assert {row.line.depth for row in rows} == {0}
    assert rows[9_999].tip == tree.head


def test_forks_nested_5000_deep_are_laid_out_and_folded() -> None:
    rows = Rows(nested(5_000))

    assert max(row.line.depth for row in rows) == 5_000
    assert all(len(rows.guides(row, 6)) <= 6 for row in rows)


@pytest.mark.parametrize("levels", [1, 2, 3, 6])
def test_folded_rows_keep_to_the_width_and_say_so(levels: int) -> None:
    rows = Rows(nested(20))

    assert max(row.line.depth for row in rows) == 20
    for row in rows:
        guides = rows.guides(row, levels)
        assert len(guides) <= levels
        assert (row.line.depth > levels) == any(guide.kind == "fold" for guide in guides)
        assert all(guide.kind != "fold" for guide in guides[1:])
        assert len(guides) == row.line.depth or guides[0].kind == "fold"


def test_parents_children_and_versions_are_found_from_a_row() -> None:
    tree = mountains()
    rows = Rows(tree)
    prompt, gangkhar = rows[0], rows[2]

    assert rows.parent(gangkhar) is prompt
    assert rows.parent(prompt) is None
    assert rows.child(prompt) is gangkhar
    assert rows.child(rows[6]) is None
    assert rows.child(rows[4]) is None
    assert rows.versions(gangkhar) == [3, 6, 7]
    assert rows.versions(prompt) == [1, 2]
    tree.navigate(6)
    assert rows.child(prompt) is rows.row_of(6)


def test_edits_and_answers_are_counted_apart() -> None:
    tree = talk(ask("q"), say("a"))
    edit = tree.add(ask("follow-up"), parent=1)
    rows = Rows(tree)

    assert [row.first for row in rows] == [1, edit.id, 2]
    assert rows.versions(rows[1]) == [edit.id]
    assert rows.versions(rows[2]) == [2]


# Keeping up with the tree


def test_growth_at_the_end_keeps_the_rows_there_were() -> None:
    tree = talk(ask("q"), call())
    rows = Rows(tree)
    before = list(rows)
    for message in (result(), say("done"), ask("more")):
        tree.push(message)
    was_stale = rows.is_stale

    assert rows.update()

    assert was_stale
    assert [*rows][:2] == before
    assert [(row.first, row.tip) for row in rows] == [(1, 1), (2, 4), (5, 5)]
    assert not rows.is_stale
    assert not rows.update()


def test_growth_in_the_middle_moves_the_rows_below() -> None:
    tree = talk(ask("q"), say("a"), ask("aside"))
    tree.add(say("b"), parent=1)
    tree.add(ask("main"), parent=4)
    rows = Rows(tree)
    last = rows[4]

    tree.push(say("done"))
    rows.update()

    assert picture(rows) == ["● q", "○ b", "┣ ● a", "│ ● aside", "│ ● done", "○ main"]
    assert [row.index for row in rows] == [0, 1, 2, 3, 4, 5]
    assert rows[5] is last


def test_a_line_that_goes_on_past_its_branches_opens_their_corner() -> None:
    tree = talk(ask("q"), say("a"))
    tree.add(say("b"), parent=1)
    tree.navigate(3)
    rows = Rows(tree)
    assert picture(rows) == ["● q", "● b", "└ ○ a"]

    tree.push(ask("more"))
    rows.update()

    assert picture(rows) == ["● q", "● b", "┣ ○ a", "● more"]


def test_a_removal_that_is_made_good_by_another_node_is_noticed() -> None:
    tree = talk(ask("q"), say("a"))
    rows = Rows(tree)
    tree.remove(2)
    tree.push(say("b"))

    assert rows.is_stale
    rows.update()

    assert picture(rows) == ["● q", "● b"]


def test_going_from_no_head_to_another_root_is_a_switch() -> None:
    tree = talk(ask("old"))
    tree.navigate(None)
    tree.push(ask("young"))
    tree.navigate(None)
    rows = Rows(tree)
    tree.navigate(1)
    rows.update()

    assert picture(rows) == ["○ young", "┗ ● old"]


MESSAGES = (ask("q"), say("a"), call(), result())
Step = tuple[str, int, int]


def steps() -> st.SearchStrategy[list[Step]]:
    verbs = ["push", "push", "push", "add", "add", "navigate", "remove", "hide", "show", "sum up"]
    verb = st.sampled_from(verbs)
    return st.lists(st.tuples(verb, st.integers(0, 10_000), st.integers(0, 3)), max_size=40)


def take(tree: Tree, step: Step) -> None:
    verb, choice, kind = step
    ids = [None, *(node.id for node in tree.nodes.values() if node.kind != "summary")]
    chosen = ids[choice % len(ids)]
    if verb == "push":
        tree.push(MESSAGES[kind])
    elif verb == "add":
        tree.add(MESSAGES[kind], parent=chosen)
    elif verb == "navigate":
        tree.navigate(chosen)
    elif chosen is None:
        pass
    elif verb == "hide":
        tree.prune(chosen)
    elif verb == "show":
        tree.restore(chosen)
    elif verb == "sum up":
        tree.summarize(ask("in short"), covers=chosen)
    elif kind == 0:
        tree.remove(chosen)


def covered(rows: Iterable[Row], tree: Tree) -> list[int]:
    """Every node by walking each row from its tip up to its first node."""
    ids = []
    for row in rows:
        node = tree[row.tip]
        ids.append(node.id)
        while node.id != row.first:
            assert node.parent_id is not None
            node = tree[node.parent_id]
            ids.append(node.id)
    return ids


@given(steps())
@settings(max_examples=300, deadline=None)
def test_every_node_is_in_exactly_one_row_under_its_parent(plan: list[Step]) -> None:
    tree = Tree()
    for step in plan:
        take(tree, step)
    rows = Rows(tree)

    shown = tree.shown()
    assert sorted(covered(rows, tree)) == [node.id for node in shown]
    assert len({row.first for row in rows}) == len(rows)
    prompts = [row.first for row in rows if row.is_prompt]
    assert sorted(prompts) == [node.id for node in shown if node.kind == "prompt"]
    for row in rows:
        assert rows[row.index] is row
        assert all((rows.row_of(node_id) is row) for node_id in covered([row], tree))
        above = rows.parent(row)
        assert (above is None) == (tree[row.first].parent_id is None)
        if above is not None:
            assert above.index < row.index
            assert above.line.depth <= row.line.depth <= above.line.depth + 1
        guides = rows.guides(row, 99)
        assert len(guides) == row.line.depth
        assert [g.kind in ("tee", "corner") for g in guides] == [
            row.opens and place == row.line.depth - 1 for place in range(row.line.depth)
        ]


@given(steps())
@settings(max_examples=300, deadline=None)
def test_guide_lines_join_from_row_to_row(plan: list[Step]) -> None:
    tree = Tree()
    for step in plan:
        take(tree, step)
    rows = Rows(tree)
    drawn = [[guide.kind for guide in rows.guides(row, 99)] for row in rows]

    for upper, lower in pairwise(drawn):
        for place, kind in enumerate(upper):
            if kind in ("tee", "rail") and place < len(lower):
                assert lower[place] in ("tee", "rail", "corner")
            if kind in ("corner", "blank") and place < len(lower):
                assert lower[place] in ("blank", "tee", "corner")


@given(steps(), st.integers(1, 5))
@settings(max_examples=300, deadline=None)
def test_catching_up_gives_the_same_picture_as_starting_over(plan: list[Step], every: int) -> None:
    tree = Tree()
    rows = Rows(tree)
    for number, step in enumerate(plan):
        take(tree, step)
        if number % every == 0:
            rows.update()
    rows.update()
    fresh = Rows(tree)

    assert picture(rows) == picture(fresh)
    assert [(row.first, row.tip) for row in rows] == [(row.first, row.tip) for row in fresh]
    assert [row.index for row in rows] == list(range(len(rows)))
    assert rows.active_count == fresh.active_count


# Words and states


def test_the_layout_reads_no_message_and_a_row_only_its_own() -> None:
    source = mountains()
    nodes = [
        Node(n.id, n.parent_id, n.raw, n.kind, created_at=n.created_at)
        for n in source.nodes.values()
    ]
    tree = Tree.from_rows(nodes, cursors=source.cursors, head=source.head)
    rows = Rows(tree)
    assert all(node._message is None for node in tree.nodes.values())

    assert row_text(tree, rows[2]) == "Gangkhar Puensum"

    assert [node.id for node in tree.nodes.values() if node._message is not None] == [3]


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("plain words", "plain words"),
        ("\n\n  second line first\nno", "second line first"),
        ("## Heading", "Heading"),
        ("- **bold** item", "bold item"),
        ("12. numbered", "numbered"),
        ("- [x] done", "done"),
        ("> > quoted", "quoted"),
        ("```python\nprint(1)\n```", "print(1)"),
        ("---\n# After the rule", "After the rule"),
        ("| a | b |\n|---|---|", "a | b"),
        ("see [the docs](https://x.example/a_b) now", "see the docs now"),
        ("![alt text](x.png) here", "alt text here"),
        ("use `snake_case` and ``a`b``", "use snake_case and a`b"),
        ("snake_case_name stays", "snake_case_name stays"),
        ("an _emphasis_ and __strong__", "an emphasis and strong"),
        ("***both*** and ~~gone~~", "both and gone"),
        ("2 * 3 * 4 = 24", "2 * 3 * 4 = 24"),
        ("list[str] [/x] [@click=app.quit]", "list[str] [/x] [@click=app.quit]"),
        ("C# and #hashtag", "C# and #hashtag"),
        ("#hashtag", "#hashtag"),
        ("-5 degrees", "-5 degrees"),
        ("山の名前", "山の名前"),
        ("", ""),
        ("\n---\n```\n", ""),
    ],
)
def test_a_row_tells_the_first_line_without_its_markup(markdown: str, words: str) -> None:
    assert plain_line(markdown) == words


def test_no_control_character_survives_in_a_row() -> None:
    text = plain_line("a\x1b]52;c;eA==\x07b\x9b31mc\u202ed\u200b\x00e\tf")

    assert text == "a�]52;c;eA==�b�31mc�d��e f"


@given(st.text(alphabet="[]()*_`~#>-|! \n\\ab1.", max_size=80))
@settings(max_examples=500, deadline=None)
def test_any_markup_gives_one_line(text: str) -> None:
    assert "\n" not in plain_line(text)


def test_stripping_is_quick_on_text_made_to_be_slow() -> None:
    for nasty in (
        "*" * 50_000,
        "[" * 50_000,
        "`" * 50_000,
        "_a" * 25_000,
        "> " * 25_000,
        "|-" * 25_000,
    ):
        assert len(plain_line(nasty)) <= 200


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([call(text="Let me look.")], "Let me look."),
        ([call("read_file"), result()], "read_file"),
        ([call(text="I will."), result(), call()], "I will."),
        ([say("")], "…"),
    ],
)
def test_an_answer_on_its_way_is_told_by_its_last_words_or_tools(
    messages: list[Message], words: str
) -> None:
    tree = talk(ask("q"), *messages)

    assert row_text(tree, Rows(tree)[1]) == words


def test_a_prompt_that_is_only_a_file_is_told_by_its_name() -> None:
    image = Attachment(media_type="image/png", data=b"x", name="cat\x1b.png")
    tree = talk(Message.user([image]))

    assert row_text(tree, Rows(tree)[0]) == "cat�.png"


def test_a_label_on_any_message_of_an_answer_names_its_row() -> None:
    tree = talk(ask("q"), call(), result(), say("done"))
    rows = Rows(tree)
    assert row_label(tree, rows[1]) is None

    tree.update(2, label="the \x1b[31mtry")

    assert row_text(tree, rows[1]) == '"the �[31mtry"'
    assert row_state(rows, rows[1], None) == "labelled"


@pytest.mark.parametrize(
    ("mark", "state"),
    [
        (None, "failed"),
        ("unread", "failed"),
        ("running", "running"),
        ("asks", "asks"),
        ("interrupted", "interrupted"),
    ],
)
def test_what_goes_on_now_is_told_before_what_went_wrong(mark: Mark | None, state: State) -> None:
    tree = talk(ask("q"))
    tree.push(say("half"), status="failed", label="x")
    rows = Rows(tree)

    assert row_state(rows, rows[1], mark) == state


def test_states_follow_from_the_tree() -> None:
    tree = talk(ask("q"), say("whole"), ask("unanswered"))
    tree.add(say("half"), parent=1, status="cancelled")
    tree.add(say("other"), parent=1)
    rows = Rows(tree)

    assert [(row.first, row_state(rows, row, None)) for row in rows] == [
        (1, "active"),
        (2, "active"),
        (4, "interrupted"),
        (5, "elsewhere"),
        (3, "interrupted"),
    ]
    assert row_state(rows, rows[3], "unread") == "unread"
