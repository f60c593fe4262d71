"""`ID@label`: a session, and in it the place a person gave a name."""

from __future__ import annotations

from omni_tui.core.errors import AmbiguousIdError, NodeNotFoundError, NotFoundError
from omni_tui.core.safe_text import safe_line
from omni_tui.session.store.base import Store
from omni_tui.session.tree import Tree


async def split_reference(store: Store, wanted: str) -> tuple[str, str | None]:
    """The full id of the session a person means, and the label they put after an `@`, if any.

    What fits a session as a whole is not cut, for titles may hold an `@`. Raises as `Store.find`.
    """
    try:
        return await store.find(wanted), None
    except NotFoundError as error:
        at = len(wanted)
        while (at := wanted.rfind("@", 0, at)) > 0:
            if not (label := wanted[at + 1 :]):
                continue
            try:
                return await store.find(wanted[:at]), label
            except NotFoundError:
                continue
        raise error from None


def node_at(tree: Tree, wanted: str, *, hidden: bool = False) -> int:
    """The node with this number or label; what is all digits is a number.

    With `hidden` the labels of hidden nodes count too. Raises as `labelled` does.
    """
    if not (wanted.isascii() and wanted.isdigit()):
        return labelled(tree, wanted, hidden=hidden)
    try:
        return tree[int(wanted)].id
    except (NodeNotFoundError, ValueError):
        raise NotFoundError(
            f"The session has no message {wanted[:20]}.",
            hint="omni-tui tree shows the messages there are",
        ) from None


def labelled(tree: Tree, label: str, *, hidden: bool = False) -> int:
    """The node with this label, or the only one whose label begins so.

    Hidden ones do not count unless `hidden` says so.

    Raises `NotFoundError`, or `AmbiguousIdError` when it fits several.
    """
    known = [
        (node.label, node.id)
        for node in tree.nodes.values()
        if node.label and (hidden or not tree.is_hidden(node.id))
    ]
    found = [pair for pair in known if pair[0] == label]
    found = found or [pair for pair in known if pair[0].startswith(label)]
    if len(found) == 1:
        return found[0][1]
    shown = safe_line(label, 60)
    if not found:
        names = ", ".join(safe_line(name, 40) for name, _ in known[:8])
        raise NotFoundError(
            f"No message of the session has the label {shown!r}.",
            hint=f"its labels are: {names}" if names else "it has no labels",
        )
    places = ", ".join(f"{safe_line(name, 40)} ({id})" for name, id in found[:8])
    raise AmbiguousIdError(
        f"The label {shown!r} fits {len(found)} messages: {places}.",
        hint="type more of it",
        matches=found,
    )
