"""What a session cost, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import asdict

from omni_tui.cli.output import print_json, write_out
from omni_tui.core.safe_text import safe_line
from omni_tui.core.usage import Usage
from omni_tui.session.costs import Costs, costs_of
from omni_tui.session.export.outline import WORDS
from omni_tui.session.tree import Tree


def write_costs(tree: Tree, *, as_json: bool) -> None:
    """Print what a tree, its branches, forks and messages cost, for people or programs."""
    costs = costs_of(tree)
    if as_json:
        print_json(_json(tree, costs))
    else:
        write_out((f"{line}\n" for line in _lines(tree, costs)), None)


def _lines(tree: Tree, costs: Costs) -> Iterator[str]:
    yield f"{'tokens in':>12}{'out':>10}{'cost':>12}"
    gap = f" ({costs.unpriced} with no known price)" if costs.unpriced else ""
    yield _row(costs.total, f"the whole tree{gap}")
    for branch in costs.branches:
        yield ""
        yield _row(branch.usage, f"branch {_named(tree, branch.tip)}")
        if len(costs.branches) > 1:
            yield _row(branch.own, "  on no other branch")
    for fork in costs.forks:
        where = "the beginning" if fork.at is None else _named(tree, fork.at)
        yield ""
        yield _row(fork.detour, f"detours at {where}")
        for version in fork.versions:
            mark = "●" if version.is_chosen else "○"
            yield _row(version.usage, f"  {mark} {_named(tree, version.node_id)}")
    if costs.nodes:
        yield ""
    for node in costs.nodes:
        model = f"  {safe_line(node.model, 80)}" if node.model else ""
        yield _row(node.usage or Usage(), f"{node.kind} {node.id}{model}")


def _row(usage: Usage, what: str) -> str:
    cost = "-" if usage.cost is None else f"${usage.cost:.4f}"
    return f"{usage.read:>12,}{usage.output:>10,}{cost:>12}  {what}"


def _named(tree: Tree, node_id: int) -> str:
    node = tree[node_id]
    label = f" [{safe_line(node.label, 40)}]" if node.label else ""
    hidden = " (hidden)" if tree.is_hidden(node_id) else ""
    return f"{node_id}{label} {safe_line(node.message.text, WORDS) or f'({node.kind})'}{hidden}"


def _json(tree: Tree, costs: Costs) -> dict[str, Any]:
    return {
        "usage": asdict(costs.total),
        "unpriced": costs.unpriced,
        "branches": [
            {
                "tip": each.tip,
                "label": tree[each.tip].label,
                "is_active": each.tip == tree.head,
                "is_hidden": tree.is_hidden(each.tip),
                "usage": asdict(each.usage),
                "own": asdict(each.own),
            }
            for each in costs.branches
        ],
        "forks": [
            {
                "at": fork.at,
                "detour": asdict(fork.detour),
                "versions": [
                    {
                        "node_id": each.node_id,
                        "is_chosen": each.is_chosen,
                        "is_hidden": tree.is_hidden(each.node_id),
                        "usage": asdict(each.usage),
                    }
                    for each in fork.versions
                ],
            }
            for fork in costs.forks
        ],
        "nodes": [
            {
                "id": node.id,
                "kind": node.kind,
                "model": node.model,
                "usage": asdict(node.usage or Usage()),
            }
            for node in costs.nodes
        ],
    }
