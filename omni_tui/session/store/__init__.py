"""Where sessions are kept."""

from omni_tui.session.store.base import (
    SessionRecord,
    SessionSummary,
    State,
    Store,
    StoredSession,
    new_session_id,
)
from omni_tui.session.store.hits import Hit
from omni_tui.session.store.memory import MemoryStore
from omni_tui.session.store.sqlite import SQLiteStore

__all__ = [
    "Hit",
    "MemoryStore",
    "SQLiteStore",
    "SessionRecord",
    "SessionSummary",
    "State",
    "Store",
    "StoredSession",
    "new_session_id",
]
