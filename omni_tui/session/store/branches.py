"""Leases on branches: that no two machines run one branch of a session.

The lease of a session (`Store.lease`) says who may write its tree. A run may outlive it: another
program can take the session over while the run still waits for its model or its tools. Hence a
lease of its own for every run, on the branch it grows.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

import msgspec


class BranchLease(msgspec.Struct):
    """A branch that is held."""

    lost: asyncio.Event
    """Set when the branch is not held any more although nobody let go of it: the store could not be
    reached for as long as a lease lasts, or the session was deleted. The run should end then."""


@runtime_checkable
class BranchLeases(Protocol):
    """A store that several machines share, and that can keep a branch for one of them."""

    def branch(
        self, id: str, tip: int | None, run_id: str
    ) -> AbstractAsyncContextManager[BranchLease]:
        """Hold the branch of session `id` that the run `run_id` grows from `tip`, for the block.

        Held is `tip` until the run has stored a message; from then on every message it stored, as
        told by their `run_id`: so the lease moves with the branch by itself. `tip=None`, a new
        root, holds just those messages. Runs of the same store are not held off by each other.

        Raises `SessionLockedError` when a run of another store holds `tip`, with its process in
        `details` as for a session and the node in `details["node_id"]`, and `NotFoundError` for
        an unknown session.
        """
