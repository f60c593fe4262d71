"""Turns: the active path as a person sees it, tool rounds folded into the turn they serve."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from omni_tui.session.node import Node


class Turn(msgspec.Struct, frozen=True):
    """A prompt and all that answered it on one path.

    A path that does not begin with a prompt (an imported one) gives a first turn whose `prompt` is
    simply its first node.
    """

    prompt: Node
    nodes: tuple[Node, ...]
    """Prompt, tool rounds and reply, in order."""
    reply: Node | None
    """The message that closes the turn; `None` while it has none."""
    edits: tuple[Node, ...]
    """The versions of the prompt, this one included, oldest first."""
    regenerations: tuple[Node, ...]
    """The first messages of all answers to this prompt, this turn's included, oldest first."""


def split_turns(
    path: Iterable[Node], children: Callable[[int | None], Iterable[Node]]
) -> list[Turn]:
    """Cut a path into turns; `children` gives the nodes under an id, or the roots for `None`."""
    groups: list[list[Node]] = []
    for node in path:
        if node.kind == "prompt" or not groups:
            groups.append([])
        groups[-1].append(node)
    return [_turn(group, children) for group in groups]


def _turn(nodes: list[Node], children: Callable[[int | None], Iterable[Node]]) -> Turn:
    prompt = nodes[0]
    last = nodes[-1]
    return Turn(
        prompt=prompt,
        nodes=tuple(nodes),
        reply=last if last.kind == "reply" else None,
        edits=tuple(node for node in children(prompt.parent_id) if node.kind == prompt.kind),
        regenerations=tuple(node for node in children(prompt.id) if node.role == "assistant"),
    )
