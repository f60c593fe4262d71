"""`omni-tui branch label|prune|restore|graft|fork`: what the terminal does, done from the shell."""

from __future__ import annotations

import argparse

from omni_tui.core.errors import MisplacedError
from omni_tui.core.safe_text import safe_line
from omni_tui.session.manager import SessionManager
from omni_tui.session.references import node_at
from omni_tui.session.session import Session
from omni_tui.session.store.base import Store
from omni_tui.session.tree import Tree

ROOT = "root"
"""What `graft --onto` takes for no message at all."""


async def change(store: Store, arguments: argparse.Namespace) -> None:
    """Do it, wait until it is durable, and print what came of it; closes the store.

    Raises:
        NotFoundError, AmbiguousIdError: The session or a message is not there.
        SessionLockedError: Another process has it open. Only `fork` does not mind: it reads.
        TreeError: The message does not fit.
        StoreError: It could not be written.
    """
    async with SessionManager(store) as manager:
        id = await store.find(arguments.id)
        if arguments.action == "fork":
            session = await _fork(manager, id, arguments.node)
            said = session.id
        else:
            session, _ = await manager.open(id)
            said = _change(session, arguments)
        assert session.saver is not None
        await session.saver.flush()
        if session.saver.error is not None:
            raise session.saver.error
    print(said)


async def _fork(manager: SessionManager, id: str, wanted: str) -> Session:
    tree = (await manager.store.load(id)).tree
    return await manager.fork(id, node_at(tree, wanted, hidden=True))


def _change(session: Session, arguments: argparse.Namespace) -> str:
    tree, action = session.tree, arguments.action
    place = node_at(tree, arguments.node, hidden=action == "restore")
    if action == "label":
        session.label(place, arguments.name)
        name = tree[place].label
        return f"{place} [{safe_line(name, 60)}]" if name else f"{place} has no label"
    if action == "prune":
        session.prune(place)
        return f"{place} is hidden, with {tree.descendants(place)} below it"
    if action == "restore":
        _require_own_prune(tree, place)
        session.restore(place)
        return f"{place} is shown"
    onto = None if arguments.onto == ROOT else node_at(tree, arguments.onto)
    return str(session.graft(place, onto, deep=not arguments.turn).id)


def _require_own_prune(tree: Tree, place: int) -> None:
    """Raise `MisplacedError` for what is hidden only because something above it is."""
    if tree[place].is_pruned:
        return
    above = next((node.id for node in tree.ancestors(place) if node.is_pruned), None)
    if above is not None:
        raise MisplacedError(
            f"Message {place} is hidden with message {above} above it.",
            hint=f"restore {above}",
            node_id=place,
        )
