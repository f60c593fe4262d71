"""What waits for an agent while it is busy: runs, one steering text, and events."""

from __future__ import annotations

from collections import deque
from typing import Any, Literal, TypeAlias

import msgspec

from omni_tui.agent.run import Run
from omni_tui.core.errors import QueueFullError
from omni_tui.core.messages import Block

WhenBusy: TypeAlias = Literal["reject", "queue", "steer"]
Boundary: TypeAlias = Literal["turn", "step"]

KEPT = 100
"""Finished requests that `poll` still knows."""


class Steer(msgspec.Struct, frozen=True):
    """A text for the run under way, and where it may go in."""

    content: tuple[Block, ...]
    at: Boundary


class Queue:
    """First in, first out, at most `limit` runs; the rest of what waits is beside it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.runs: deque[Run] = deque()
        self.steer: Steer | None = None
        """One slot: the last text wins."""
        self.events: deque[Any] = deque()
        """What `notify` was told meanwhile."""
        self.follow_ups: deque[tuple[Block, ...]] = deque()
        """Prompts that hooks made of events."""

    def add(self, run: Run) -> None:
        """Let a run wait; raises `QueueFullError`."""
        if len(self.runs) >= self.limit:
            raise QueueFullError(
                f"No more prompts can wait: the limit is {self.limit}.",
                hint="wait for the run under way, or cancel it",
                limit=self.limit,
            )
        self.runs.append(run)

    def take(self, run_id: str) -> Run | None:
        """Take a run out of the queue, wherever it stands."""
        for run in self.runs:
            if run.id == run_id:
                self.runs.remove(run)
                return run
        return None

    def take_steer(self, *boundaries: Boundary) -> tuple[Block, ...] | None:
        """The steering text, if it may go in at one of these."""
        steer = self.steer
        if steer is None or steer.at not in boundaries:
            return None
        self.steer = None
        return steer.content


class Requests:
    """The runs of an agent by id, for whoever asks later: all that go on, and the last finished."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._runs: dict[str, Run] = {}
        self._finished: deque[str] = deque()

    def add(self, run: Run) -> None:
        """Know a run from now on."""
        self._runs[run.id] = run

    def finished(self, run: Run) -> None:
        """Begin to forget a run: it stays until `kept` others have finished after it."""
        self._finished.append(run.id)
        while len(self._finished) > self._kept:
            self._runs.pop(self._finished.popleft(), None)

    def get(self, run_id: str) -> Run | None:
        """The run, or `None` when it was never there or is forgotten."""
        return self._runs.get(run_id)
