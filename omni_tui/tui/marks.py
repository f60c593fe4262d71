"""What the tree shows beside a row: which branches run, wait, failed or were interrupted."""

from __future__ import annotations

from omni_tui.session.session import Session
from omni_tui.tui.tree_layout import Mark


def mark_of(session: Session, node_id: int) -> Mark | None:
    """The mark of a node as the tip of its branch; `None` for one that is simply there."""
    run = session.run_at(node_id)
    if run is not None:
        return "asks" if run.paused is not None else "running"
    return None
