"""Agents whose branch is answered, kept at its tip for the prompt that goes on from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omni_tui.session.runs import BranchRun

if TYPE_CHECKING:
    from omni_tui.session.session import Session

MAX_RESTING = 8
"""Agents of one session that wait; the one that waited longest goes first."""


class Resting:
    """An agent stays with its tip, so that what its hooks keep to themselves stays on its branch.

    Any other branch gets a fresh one, made from its path.
    """

    def __init__(self) -> None:
        self._branches: list[BranchRun] = []

    def add(self, branch: BranchRun) -> BranchRun | None:
        """Keep the agent of a branch; gives back one that has to go instead."""
        self.discard(branch)
        self._branches.append(branch)
        return self._branches.pop(0) if len(self._branches) > MAX_RESTING else None

    def discard(self, branch: BranchRun) -> None:
        """It works again."""
        if branch in self._branches:
            self._branches.remove(branch)

    def take(self, tip: int, session: Session) -> BranchRun | None:
        """The agent that waits at this tip, if it is still as the session would make it."""
        for branch in self._branches:
            if branch.tip == tip and _is_current(branch, session):
                self._branches.remove(branch)
                return branch
        return None

    def clear(self) -> list[BranchRun]:
        """Let go of all, and give them back to be closed."""
        gone, self._branches = self._branches, []
        return gone


def _is_current(branch: BranchRun, session: Session) -> bool:
    agent = branch.agent
    health = agent.health()
    return (
        not agent.is_closed
        and not health.busy
        and not health.pending_count
        and agent.status == "idle"
        and (agent.model, agent.options) == (session.model, session.options)
        and agent.system == session.record.system
        and branch.setup is session.setup
        and branch.tip is not None
        and len(agent.messages) == session.tree.depth(branch.tip)
    )
