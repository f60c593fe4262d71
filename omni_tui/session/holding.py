"""Holds the branch of a run, where several machines may have its session."""

from __future__ import annotations

import asyncio
import logging

from omni_tui.agent.run import Run
from omni_tui.core.errors import SessionLockedError, StoreError
from omni_tui.session.store.branches import BranchLeases

log = logging.getLogger(__name__)


class Hold:
    """The lease of one run on the branch it grows, from `begin` to `end`."""

    def __init__(self, store: BranchLeases, session_id: str, tip: int | None, run: Run) -> None:
        self._store = store
        self._session_id = session_id
        self._tip = tip
        self._run = run
        self._ended = asyncio.Event()
        self._held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.task = asyncio.get_running_loop().create_task(self._keep(), name="hold a branch")

    async def begin(self) -> None:
        """Wait until the branch is held.

        A store that cannot be reached holds nothing back, as it never does.

        Raises `SessionLockedError` when another machine runs this very branch.
        """
        await asyncio.shield(self._held)

    def end(self) -> asyncio.Task[None]:
        """Let go; the task is done when that is stored."""
        self._ended.set()
        return self.task

    async def _keep(self) -> None:
        try:
            async with self._store.branch(self._session_id, self._tip, self._run.id) as lease:
                self._done(None)
                lost = asyncio.ensure_future(lease.lost.wait())
                ended = asyncio.ensure_future(self._ended.wait())
                await asyncio.wait((lost, ended), return_when=asyncio.FIRST_COMPLETED)
                lost.cancel()
                ended.cancel()
                if lease.lost.is_set() and not self._ended.is_set():
                    log.warning("the branch of run %s is not held any more", self._run.id)
                    self._run.cancel()
        except SessionLockedError as error:
            self._done(error)
        except StoreError as error:
            log.info("run %s goes on without a lease: %s", self._run.id, error)
            self._done(None)
        finally:
            self._done(None)

    def _done(self, error: SessionLockedError | None) -> None:
        if self._held.done():
            return
        if error is None:
            self._held.set_result(None)
        else:
            self._held.set_exception(error)
