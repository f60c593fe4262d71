"""What a tree cost, added up by message, branch and fork."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from omni_tui.core.messages import Message
from omni_tui.core.usage import Usage
from omni_tui.session.costs import costs_of
from omni_tui.session.tree import Tree


def spent(amount: float | None, tokens: int = 1) -> Usage:
    return Usage(input=tokens, output=tokens, cost=amount)


def forked() -> Tree:
    """a → (2: $1, 3: $2 → b → 5: $4); the last one is in view."""
    tree = Tree()
    tree.push(Message.user("a"))
    tree.push(Message.assistant("1"), usage=spent(1.0))
    tree.navigate(1)
    tree.push(Message.assistant("2"), usage=spent(2.0))
    tree.push(Message.user("b"))
    tree.push(Message.assistant("3"), usage=spent(4.0))
    return tree


def test_a_branch_costs_all_of_its_path_and_a_fork_what_was_not_chosen() -> None:
    costs = costs_of(forked())
    assert costs.total.cost == 7.0
    assert [(each.tip, each.usage.cost, each.own.cost) for each in costs.branches] == [
        (2, 1.0, 1.0),
        (5, 6.0, 6.0),
    ]
    (fork,) = costs.forks
    assert (fork.at, fork.detour.cost) == (1, 1.0)
    assert [(each.node_id, each.usage.cost, each.is_chosen) for each in fork.versions] == [
        (2, 1.0, False),
        (3, 6.0, True),
    ]
    assert costs.unpriced == 0


def test_what_is_hidden_was_paid_for_all_the_same() -> None:
    tree = forked()
    tree.prune(3)
    costs = costs_of(tree)
    assert costs.total.cost == 7.0
    (fork,) = costs.forks
    assert fork.detour.cost == 6.0
    assert [each.tip for each in costs.branches] == [2, 5]


def test_a_detour_that_a_person_came_back_from_is_one_no_more() -> None:
    tree = forked()
    tree.navigate(2)
    assert costs_of(tree).forks[0].detour.cost == 6.0


def test_roots_part_too_and_summaries_count_in_the_total() -> None:
    tree = forked()
    tree.navigate(None)
    tree.push(Message.user("other"))
    tree.push(Message.assistant("4"), usage=spent(None))
    tree.summarize(Message.user("in short"), covers=3, usage=spent(8.0))
    costs = costs_of(tree)
    assert costs.total.cost == 15.0
    assert [fork.at for fork in costs.forks] == [None, 1]
    assert costs.forks[0].detour.cost == 15.0
    assert [each.tip for each in costs.branches] == [2, 5, 7]
    assert costs.unpriced == 1
    assert costs.branches[1].usage.cost == 6.0, "a summary is on no branch"


def test_an_empty_tree_costs_nothing() -> None:
    costs = costs_of(Tree())
    assert costs.total == Usage()
    assert (costs.nodes, costs.branches, costs.forks, costs.unpriced) == ((), (), (), 0)


GROWING = st.lists(
    st.tuples(st.integers(0, 30), st.booleans(), st.none() | st.integers(0, 64)), max_size=30
)


@given(GROWING)
def test_the_sums_are_those_of_the_tree(steps: list[tuple[int, bool, int | None]]) -> None:
    tree = Tree()
    for place, is_hidden, amount in steps:
        ids = [*tree.nodes]
        parent = ids[place % len(ids)] if ids and place else None
        # Quarters add up exactly.
        usage = None if amount is None else spent(amount / 4, amount)
        node = tree.add(Message.assistant("x"), parent=parent, usage=usage)
        if is_hidden:
            tree.prune(node.id)
    costs = costs_of(tree)
    whole = tree.usage()
    assert costs.total == whole
    assert sum((node.usage or Usage() for node in costs.nodes), Usage()) == whole
    for branch in costs.branches:
        assert branch.usage == tree.usage(tree.path_to(branch.tip))
    for fork in costs.forks:
        below = {
            node for v in fork.versions for node in tree.nodes if v.node_id in tree.path_to(node)
        }
        assert sum((each.usage for each in fork.versions), Usage()) == tree.usage(below)
        not_chosen = [each.usage for each in fork.versions if not each.is_chosen]
        assert sum(not_chosen, Usage()) == fork.detour
    # Each message is on one branch alone, or shared: together they are all.
    shared = [
        node
        for node in tree.nodes
        if sum(node in tree.path_to(branch.tip) for branch in costs.branches) > 1
    ]
    own = sum((branch.own for branch in costs.branches), tree.usage(shared))
    assert own == whole
