"""A store of sessions that also notes who was written to, and what, in a file beside it."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Unpack

from omni_tui import SQLiteStore
from omni_tui.session.store import SessionRecord, State
from omni_tui.session.tree import Changes


class AuditedStore(SQLiteStore):
    """Keeps sessions as the default store does. `audited:PATH` names the file."""

    def __init__(self, url: str) -> None:
        path = Path(url.removeprefix("audited:"))
        super().__init__(path)
        self.trail = path.with_suffix(".audit.jsonl")

    async def create(self, record: SessionRecord) -> None:
        await super().create(record)
        await self._note(record.id, "created")

    async def save_tree(self, id: str, changes: Changes) -> None:
        await super().save_tree(id, changes)
        await self._note(id, "saved", nodes=[node.id for node in changes.nodes])

    async def save_state(self, id: str, **changes: Unpack[State]) -> None:
        await super().save_state(id, **changes)
        await self._note(id, "changed", fields=sorted(changes))

    async def delete(self, id: str) -> None:
        await super().delete(id)
        await self._note(id, "deleted")

    async def _note(self, id: str, what: str, **facts: Any) -> None:
        line = {"at": datetime.now(UTC).isoformat(), "session": id, "what": what, **facts}
        await asyncio.to_thread(self._append, json.dumps(line) + "\n")

    def _append(self, line: str) -> None:
        with self.trail.open("a", encoding="utf-8") as trail:
            trail.write(line)
