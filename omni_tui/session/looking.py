"""Which branch of a session a person looks at, and which of the runs that grow there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omni_tui.core.errors import IdleError
from omni_tui.session.runs import BranchRun
from omni_tui.session.tree import Tree

if TYPE_CHECKING:
    import asyncio


class Looking:
    """The side of a `Session` that moves about in its tree."""

    if TYPE_CHECKING:
        tree: Tree
        runs: dict[str, BranchRun]

        def tree_changed(
            self, *, new: tuple[int, ...] = (), changed: tuple[int, ...] = ()
        ) -> asyncio.Future[None] | None: ...

    followed: str | None = None
    """The run that was looked at last by `follow`."""

    def navigate(self, node_id: int | None) -> None:
        """Look at the branch that holds this node, on the tip last used there.

        Never refused, and never stops a run. `None` clears the path: the next prompt is a new root.
        """
        if node_id is None:
            self.tree.navigate(None)
        else:
            self.tree.switch(node_id)
        self.tree_changed()

    def follow(self, run_id: str) -> None:
        """Look at the branch that a run grows.

        Of several runs that answer the same prompt it is the active one, and the head goes on with
        its reply and not with the one that comes first.

        Raises `IdleError` when there is no such run.
        """
        branch = self.runs.get(run_id)
        if branch is None:
            raise IdleError("This run is over.")
        self.followed = run_id
        self.tree.navigate(branch.tip)
        self.tree_changed()

    @property
    def active_run(self) -> BranchRun | None:
        """The run that grows the branch now in view, as `run_at` finds it."""
        return self.run_at(self.tree.head)

    def run_at(self, node_id: int | None) -> BranchRun | None:
        """The run whose tip is this node; of several the followed one, else the newest."""
        found = self.runs_at(node_id)
        newest = found[-1] if found else None
        return next((branch for branch in found if branch.run.id == self.followed), newest)

    def runs_at(self, node_id: int | None) -> list[BranchRun]:
        """The runs whose tip is this node, oldest first: several where a prompt is answered so."""
        return [branch for branch in self.runs.values() if branch.tip == node_id]

    def leads(self, branch: BranchRun) -> bool:
        """Whether the head may go with this run: not when another at the same tip is followed."""
        followed = self.runs.get(self.followed or "")
        return followed is None or followed is branch or followed.tip != branch.tip
