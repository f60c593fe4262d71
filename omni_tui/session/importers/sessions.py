"""What is taken over of a foreign session beside its tree: its title and its times, no more.

Folder, system prompt, options, model and permissions stay behind: what a file says must not decide
what a tool may do, or where anything is sent.
"""

from __future__ import annotations

from datetime import datetime

from omni_tui.core.messages import now
from omni_tui.session.store.base import SessionRecord, StoredSession
from omni_tui.session.tree import Tree


def imported(
    id: str,
    tree: Tree,
    *,
    title: str | None,
    created_at: datetime | None = None,
    updated_at: datetime | None = None,
    parent: tuple[str, int, str] | None = None,
) -> StoredSession:
    """A session of ours; `parent` is the session, node and tool use it is the sub-agent of."""
    times = [node.created_at for node in tree.nodes.values() if node.created_at.year > 1970]
    began = created_at or min(times, default=None) or now()
    above, node, use = parent or (None, None, None)
    record = SessionRecord(
        id=id,
        title=title,
        created_at=began,
        updated_at=max(began, updated_at or max(times, default=began)),
        parent_id=above,
        parent_node=node,
        parent_use=use,
        depth=0 if parent is None else 1,
    )
    return StoredSession(record, tree)
