"""The sequences a person makes with branches, pinned one by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from msgspec import UNSET

from omni_tui.core.errors import NodeNotFoundError
from omni_tui.core.messages import Message, Text, ToolResult, ToolUse, encode_message
from omni_tui.core.usage import Usage
from omni_tui.session.tree import Changes, Node, Status, Tree


def user(text: str) -> Message:
    return Message.user(text)


def assistant(text: str) -> Message:
    return Message.assistant(text)


def calls(*ids: str) -> Message:
    return Message.assistant([ToolUse(id=id, name="bash") for id in ids])


def results(*ids: str) -> Message:
    return Message.user([ToolResult(tool_use_id=id, name="bash") for id in ids])


def chat(*texts: str) -> Tree:
    """A tree of one branch: user and assistant in turn."""
    tree = Tree()
    for index, text in enumerate(texts):
        tree.push(assistant(text) if index % 2 else user(text))
    return tree


@pytest.fixture
def edited() -> Tree:
    """1 - 2 - 3 - 4, and 5 - 6 after the second prompt (3) was edited."""
    tree = chat("one", "two", "three", "four")
    tree.navigate(2)
    tree.push(user("three again"))
    tree.push(assistant("six"))
    return tree


def test_a_new_tree_has_nothing() -> None:
    tree = Tree()
    assert (len(tree), tree.head, tree.path, tree.roots, dict(tree.cursors)) == (
        0,
        None,
        (),
        (),
        {},
    )
    assert tree.tip_of(None) is None
    assert tree.turns() == []
    assert not tree.take_changes()


def test_pushed_messages_form_a_path_and_number_from_one() -> None:
    tree = chat("a", "b", "c")
    assert tree.path == (1, 2, 3)
    assert [node.message.text for node in tree.nodes.values()] == ["a", "b", "c"]
    assert tree[3].parent_id == 2
    assert dict(tree.cursors) == {None: 1, 1: 2, 2: 3}


def test_regenerating_node_1_of_a_two_node_tree_adds_a_sibling_reply() -> None:
    tree = chat("prompt", "reply")
    tree.navigate(1)
    assert list(tree.path) == [1]
    tree.push(assistant("another reply"))
    assert tree.children(1) == (2, 3)
    assert tree.path == (1, 3)
    assert tree.cursors[1] == 3


def test_editing_the_second_prompt_branches_under_the_first_reply(edited: Tree) -> None:
    assert edited.siblings(3) == (5,)
    assert edited.path == (1, 2, 5, 6)
    assert edited.path_to(4) == (1, 2, 3, 4)


def test_editing_the_first_prompt_makes_a_new_root() -> None:
    tree = chat("one", "two", "three", "four")
    tree.navigate(None)
    assert not tree.path
    assert len(tree) == 4
    tree.push(user("one again"))
    assert tree.roots == (1, 5)
    assert tree.siblings(1) == (5,)
    assert tree.path == (5,)


def test_switching_to_4_and_then_to_2_lands_on_4_both_times(edited: Tree) -> None:
    edited.switch(4)
    assert edited.head == 4
    edited.switch(2)
    assert edited.head == 4


def test_leaving_a_branch_and_coming_back_restores_its_deep_tip(edited: Tree) -> None:
    edited.push(user("seven"))
    edited.push(assistant("eight"))
    edited.switch(3)
    assert edited.head == 4
    edited.switch(5)
    assert edited.path == (1, 2, 5, 6, 7, 8)


def test_a_cleared_path_keeps_nodes_and_cursors_and_extends_to_the_tip_last_used(
    edited: Tree,
) -> None:
    cursors = dict(edited.cursors)
    edited.navigate(None)
    assert (edited.head, len(edited), dict(edited.cursors)) == (None, 6, cursors)
    edited.extend()
    assert edited.head == 6


def test_navigating_sets_every_cursor_on_the_way() -> None:
    tree = chat("a", "b", "c")
    tree.navigate(None)
    tree.push(user("other root"))
    tree.navigate(3)
    assert dict(tree.cursors) == {None: 1, 1: 2, 2: 3}


def test_extend_takes_the_newest_child_where_no_cursor_points() -> None:
    nodes = [Node(1, None, user("a")), Node(2, 1, assistant("b")), Node(3, 1, assistant("c"))]
    tree = Tree.from_rows(nodes, cursors={}, head=1)
    tree.extend()
    assert tree.head == 3


def test_a_branch_off_screen_grows_without_moving_the_head(edited: Tree) -> None:
    node = edited.add(user("later"), parent=4)
    assert (node.id, edited.path) == (7, (1, 2, 5, 6))
    assert edited.cursors[4] == 7, "a parent without a cursor gets one"
    edited.add(assistant("second reply"), parent=3)
    assert edited.cursors[3] == 4, "a cursor that names a child stays"


@pytest.mark.parametrize(("follow", "head"), [(True, 3), (False, 2)])
def test_a_node_under_the_head_moves_the_head_if_it_may(follow: bool, head: int) -> None:
    tree = chat("a", "b")
    tree.add(user("c"), parent=2, follow=follow)
    assert tree.head == head
    assert tree.cursors[2] == 3


@pytest.mark.parametrize(
    "call",
    [
        lambda tree: tree[9],
        lambda tree: tree.navigate(9),
        lambda tree: tree.switch(9),
        lambda tree: tree.add(user("x"), parent=9),
        lambda tree: tree.update(9, label="x"),
        lambda tree: tree.remove(9),
        lambda tree: tree.children(9),
        lambda tree: tree.siblings(9),
        lambda tree: tree.path_to(9),
        lambda tree: tree.tip_of(9),
        lambda tree: tree.depth(9),
        lambda tree: tree.on_path(9),
        lambda tree: tree.common_ancestor(1, 9),
        lambda tree: tree.common_ancestor(9, 9),
        lambda tree: list(tree.subtree(9)),
        lambda tree: list(tree.ancestors(9)),
        lambda tree: tree.turn_prompt(9),
        lambda tree: tree.dangling(9),
        lambda tree: tree.is_finished(9),
        lambda tree: tree.is_interrupted(9),
        lambda tree: tree.messages(9),
        lambda tree: tree.usage([9]),
    ],
)
def test_an_unknown_node_is_refused_and_changes_nothing(call: Callable[[Tree], object]) -> None:
    tree = chat("a", "b")
    tree.take_changes()
    with pytest.raises(NodeNotFoundError, match="no node 9"):
        call(tree)
    assert not tree.take_changes()
    assert tree.path == (1, 2)


def test_ids_go_on_after_the_highest_when_they_are_sparse() -> None:
    nodes = [Node(3, None, user("a")), Node(40, 3, assistant("b"))]
    tree = Tree.from_rows(nodes, cursors={None: 3, 3: 40}, head=40)
    assert tree.push(user("c")).id == 41


def test_structure_queries_of_a_branching_tree(edited: Tree) -> None:
    assert edited.common_ancestor(4, 6) == 2
    assert edited.common_ancestor(2, 6) == 2
    assert edited.common_ancestor(5, 5) == 5
    assert edited.depth(6) == 4
    assert edited.descendants(2) == 4
    assert [node.id for node in edited.subtree(2)] == [2, 3, 4, 5, 6]
    assert [node.id for node in edited.ancestors(6)] == [5, 2, 1]
    assert edited.tips() == (4, 6)
    assert edited.on_path(5)
    assert not edited.on_path(3)
    edited.navigate(None)
    edited.push(user("elsewhere"))
    assert edited.common_ancestor(7, 6) is None


def test_messages_of_a_path_are_what_the_model_reads(edited: Tree) -> None:
    assert [message.text for message in edited.messages(4)] == ["one", "two", "three", "four"]
    assert edited.messages(None) == ()


# Turns


def test_tool_rounds_fold_into_the_turn_they_serve() -> None:
    tree = Tree()
    for message in (user("q"), calls("a"), results("a"), assistant("r"), user("q2")):
        tree.push(message)
    first, second = tree.turns()
    assert [node.kind for node in first.nodes] == ["prompt", "calls", "results", "reply"]
    assert (first.prompt.id, first.reply) == (1, tree[4])
    assert (second.prompt.id, second.reply, second.regenerations) == (5, None, ())
    assert [tree.turn_prompt(id).id for id in range(1, 6)] == [1, 1, 1, 1, 5]


def test_edits_and_regenerations_are_counted_apart(edited: Tree) -> None:
    edited.navigate(5)
    edited.push(calls("a"))
    first, second = edited.turns()
    assert [node.id for node in second.edits] == [3, 5]
    assert [node.id for node in second.regenerations] == [6, 7]
    assert [node.id for node in first.edits] == [1]
    assert [node.id for node in first.regenerations] == [2]


def test_a_path_that_begins_with_a_reply_is_a_turn_of_its_own() -> None:
    tree = Tree()
    tree.push(assistant("welcome"))
    tree.push(user("hi"))
    assert [turn.prompt.id for turn in tree.turns()] == [1, 2]
    assert tree.turn_prompt(1).id == 1


@pytest.mark.parametrize(
    ("message", "status", "finished", "interrupted"),
    [
        (user("q"), "done", False, True),
        (calls("a"), "done", False, True),
        (results("a"), "done", False, True),
        (assistant("r"), "done", True, False),
        (assistant("half"), "cancelled", False, False),
        (assistant("half"), "failed", False, False),
        (user("q"), "cancelled", False, False),
        (user("q"), "failed", False, False),
    ],
)
def test_a_tip_tells_whether_its_run_ended(
    message: Message, status: Status, finished: bool, interrupted: bool
) -> None:
    tree = Tree()
    tree.push(message, status=status)
    assert (tree.is_finished(1), tree.is_interrupted(1)) == (finished, interrupted)


def test_dangling_tool_uses_are_those_without_a_result() -> None:
    tree = Tree()
    tree.push(user("q"))
    tree.push(calls("a", "b"))
    assert [use.id for use in tree.dangling(2)] == ["a", "b"]
    tree.push(results("a"))
    assert [use.id for use in tree.dangling(3)] == ["b"]
    tree.add(results("a", "b"), parent=2)
    assert tree.dangling(4) == ()
    assert tree.dangling(1) == ()


# Facts


def test_usage_sums_over_all_branches_or_over_some_nodes() -> None:
    tree = chat("a")
    tree.push(assistant("b"), usage=Usage(input=1, output=2, cost=0.5))
    tree.navigate(1)
    assert tree.usage() == Usage(input=1, output=2, cost=0.5)
    tree.push(assistant("c"), usage=Usage(input=10, cost=0.25))
    assert tree.usage() == Usage(input=11, output=2, cost=0.75)
    assert tree.usage(tree.path) == tree.path_usage == Usage(input=10, cost=0.25)
    tree.push(user("d"))
    tree.push(assistant("e"), usage=Usage(input=5))
    assert tree.path_usage == Usage(input=15, cost=0.25)
    tree.navigate(2)
    assert tree.path_usage == Usage(input=1, output=2, cost=0.5)
    tree.remove(4)
    tree.update(3, usage=None)
    assert tree.usage() == Usage(input=1, output=2, cost=0.5)
    tree.remove(2)
    assert tree.usage() == tree.path_usage == Usage()


def test_an_update_replaces_the_node_and_leaves_the_old_one_as_it_was() -> None:
    tree = chat("a", "b")
    tree.take_changes()
    before = tree[2]
    after = tree.update(2, label="good", status="failed", error="503")
    assert (before.label, before.status) == (None, "done")
    assert (after.label, after.status, after.error) == ("good", "failed", "503")
    assert after.message is before.message
    assert tree[2] is after
    assert tree.take_changes() == Changes(nodes=(after,))
    tree.update(2, label=None)
    assert tree[2].label is None


def test_an_update_that_says_nothing_new_is_no_change() -> None:
    tree = chat("a")
    tree.take_changes()
    assert tree.update(1, status="done", label=None) is tree[1]
    assert not tree.take_changes()


def test_a_node_takes_its_time_from_the_message_unless_told() -> None:
    moment = datetime(2001, 2, 3, tzinfo=UTC)
    tree = Tree()
    message = user("a")
    assert tree.push(message).created_at == message.created_at
    assert tree.push(message, created_at=moment).created_at == moment


def test_nodes_made_from_json_decode_their_message_when_asked() -> None:
    message = Message.assistant([Text(text="x"), ToolUse(id="1", name="bash")])
    node = Node(7, None, encode_message(message), "calls", created_at=message.created_at)
    assert node._message is None
    assert node.message == message
    assert node == Node(7, None, message)
    assert node.raw == encode_message(message)


def test_a_damaged_message_reads_as_a_notice_and_keeps_its_bytes() -> None:
    moment = datetime(2001, 2, 3, tzinfo=UTC)
    for raw in (b'{"role": "assis', b"\xff\xfe", b'{"role":"user","content":7}', b""):
        node = Node(1, None, raw, "reply", created_at=moment)
        assert node.message.role == "assistant"
        assert "damaged" in node.message.text
        assert node.raw == raw


# Removing


def test_removing_what_a_run_added_restores_the_tree_as_it_was(edited: Tree) -> None:
    edited.switch(4)
    before = (edited.path, dict(edited.cursors), dict(edited.nodes), edited.usage())
    edited.navigate(5)
    edited.push(assistant("regenerated"))
    edited.push(user("and on"))
    removed = edited.remove(7)
    edited.navigate(4)
    assert [node.id for node in removed] == [7, 8]
    assert (edited.path, dict(edited.cursors), dict(edited.nodes), edited.usage()) == before
    assert edited.cursors[5] == 6


def test_removing_a_branch_off_screen_leaves_head_and_path_alone(edited: Tree) -> None:
    edited.remove(3)
    assert edited.path == (1, 2, 5, 6)
    assert edited.children(2) == (5,)
    assert 4 not in edited


def test_removing_the_only_root_leaves_an_empty_tree_that_never_reuses_ids() -> None:
    tree = chat("a", "b")
    tree.remove(1)
    assert (tree.head, tree.roots, dict(tree.cursors), len(tree)) == (None, (), {}, 0)
    assert tree.push(user("c")).id == 3


# Changes


def test_changes_hold_what_is_new_and_nothing_else(edited: Tree) -> None:
    edited.take_changes()
    node = edited.push(user("seven"))
    changes = edited.take_changes()
    assert changes == Changes(nodes=(node,), cursors={6: 7}, head=7)
    assert not edited.take_changes()


def test_navigation_changes_cursors_and_head_but_no_node(edited: Tree) -> None:
    edited.take_changes()
    edited.switch(4)
    assert edited.take_changes() == Changes(cursors={2: 3}, head=4)
    edited.switch(4)
    assert not edited.take_changes()


def test_a_head_that_is_cleared_differs_from_one_that_did_not_move() -> None:
    tree = chat("a")
    tree.take_changes()
    tree.update(1, label="x")
    assert tree.take_changes().head is UNSET
    tree.navigate(None)
    changes = tree.take_changes()
    assert changes.head is None
    assert changes


def test_removed_nodes_are_reported_children_first() -> None:
    tree = chat("a", "b", "c")
    tree.take_changes()
    tree.remove(2)
    assert tree.take_changes() == Changes(removed=(3, 2), cursors={1: None}, head=1)


def test_changes_put_back_come_again_with_what_happened_since() -> None:
    tree = chat("a", "b")
    failed = tree.take_changes()
    tree.push(user("c"))
    tree.update(1, label="first")
    tree.put_back(failed)
    changes = tree.take_changes()
    assert [node.id for node in changes.nodes] == [1, 2, 3]
    assert changes.nodes[0].label == "first", "never the older state"
    assert (dict(changes.cursors), changes.head) == ({None: 1, 1: 2, 2: 3}, 3)


def test_changes_put_back_after_a_removal_do_not_bring_the_node_back() -> None:
    tree = chat("a", "b")
    failed = tree.take_changes()
    tree.remove(2)
    tree.put_back(failed)
    changes = tree.take_changes()
    assert [node.id for node in changes.nodes] == [1]
    assert changes.removed == (2,)
    assert changes.cursors == {None: 1, 1: None}


# Scale and damage


def test_a_chain_of_twenty_thousand_does_not_recurse() -> None:
    tree = Tree()
    message = user("x")
    for _ in range(20_000):
        tree.push(message)
    tree.navigate(1)
    tree.extend()
    assert tree.head == 20_000
    assert tree.descendants(1) == 19_999
    assert tree.common_ancestor(10_000, 20_000) == 10_000
    assert len(tree.turns()) == 20_000
    assert len(tree.remove(2)) == 19_999


def test_a_stored_tree_with_damage_keeps_every_node() -> None:
    nodes = [
        Node(1, None, user("a")),
        Node(3, 2, assistant("its parent is gone")),
        Node(4, 3, user("b")),
    ]
    tree = Tree.from_rows(nodes, cursors={None: 1, 1: 3, 3: 4, 9: 1}, head=8)
    assert tree.roots == (1, 3)
    assert dict(tree.cursors) == {None: 1, 3: 4}
    assert tree.path == (1,)
    assert not tree.take_changes()


def test_opening_a_stored_tree_decodes_no_message() -> None:
    moment = datetime(2001, 2, 3, tzinfo=UTC)
    nodes = [Node(i, i - 1 or None, b"not json", "reply", created_at=moment) for i in range(1, 9)]
    tree = Tree.from_rows(nodes, cursors={}, head=8)
    tree.navigate(2)
    tree.extend()
    assert tree.path == tuple(range(1, 9))
    assert all(node._message is None for node in tree.nodes.values())
