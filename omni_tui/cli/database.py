"""`--db`: where the sessions of a command are."""

from __future__ import annotations

import argparse

from omni_tui.config.paths import find_paths
from omni_tui.session.references import split_reference
from omni_tui.session.store.base import Store, StoredSession
from omni_tui.session.store.memory import MemoryStore
from omni_tui.session.store.opening import Place, open_store, place_of


def place_at(arguments: argparse.Namespace) -> Place:
    """The place that `--db` names, or the user's own file; raises `ConfigError` for none."""
    return place_of(find_paths().database if arguments.db is None else arguments.db)


def stored_at(arguments: argparse.Namespace, *, create: bool = False) -> Store:
    """The store at the place of `--db`, to be closed by the caller.

    Args:
        arguments: What was typed, `db` among it.
        create: Make the file or folder if it is missing. Without it nothing is created: where
            there is none, there are no sessions.

    Raises:
        ConfigError: `--db` names no place, or a store that is not installed.
    """
    place = place_at(arguments)
    if not create and place.path is not None and not place.path.exists():
        return MemoryStore()
    return open_store(place)


async def load_named(arguments: argparse.Namespace) -> tuple[StoredSession, str | None]:
    """The session that `ID[@LABEL]` of the command names, and the label.

    Raises `StoreError`.
    """
    store = stored_at(arguments)
    try:
        id, label = await split_reference(store, arguments.id)
        return await store.load(id), label
    finally:
        await store.close()
