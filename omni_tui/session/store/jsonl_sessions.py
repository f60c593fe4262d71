"""What the threads of a `JSONLStore` do. Everything blocks; an object belongs to one thread."""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from omni_tui.core.errors import AlreadyExistsError, SessionLockedError, StoreVersionError
from omni_tui.core.messages import scrub
from omni_tui.core.safe_text import safe_line
from omni_tui.session.store.base import (
    Page,
    SessionRecord,
    SessionSummary,
    StoredSession,
    not_found,
)
from omni_tui.session.store.hits import Hit
from omni_tui.session.store.jsonl_folder import (
    Lease,
    Root,
    SessionFile,
    SessionFolder,
    TreeFacts,
)
from omni_tui.session.store.jsonl_log import NodeLog
from omni_tui.session.store.kept import KeptTree, page_before, search, summary_of
from omni_tui.session.store.lease import Holder, this_process
from omni_tui.session.tree import Changes

log = logging.getLogger(__name__)

LOGS_KEPT = 16
"""How many trees stay in memory, those used last, so that saving reads no file again."""


class Sessions:
    """The sessions of a folder."""

    def __init__(self, path: Path) -> None:
        self._root = Root(path)
        self._leases: set[str] = set()
        self._logs: OrderedDict[str, NodeLog] = OrderedDict()
        self._files: dict[str, tuple[tuple[int, int, int], SessionFile]] = {}
        self._damaged: set[str] = set()
        self._last = datetime.fromtimestamp(0, UTC)

    def open(self) -> None:
        """Make the folder."""
        self._root.make()

    # Writing

    def create(self, record: SessionRecord) -> None:
        """See `Store.create`."""
        with ExitStack() as stack:
            if record.parent_id is not None:
                # Its parent is not deleted meanwhile.
                self._locked(record.parent_id, stack)
            file = SessionFile(stored_at=_text(self._now()), record=record)
            if not self._root.add(file):
                raise AlreadyExistsError(f"There is a session {record.id} already.", id=record.id)

    def save_tree(self, id: str, changes: Changes) -> None:
        """See `Store.save_tree`. The commit is made when the log has it; the rest follows."""
        with ExitStack() as stack:
            folder, lease = self._locked(id, stack)
            holder = lease.holder
            if holder is not None and holder != this_process() and not holder.is_gone:
                raise _locked(id, holder)
            file = folder.read()
            tree = self._log(folder)
            tree.read()
            at = self._now()
            if changes:
                tree.append(changes, _text(at))
            record = msgspec.structs.replace(file.record, updated_at=at)
            facts = _facts(tree, record)
            folder.write(msgspec.structs.replace(file, record=record, tree=facts))

    def save_state(self, id: str, values: dict[str, Any]) -> None:
        """See `Store.save_state`."""
        with ExitStack() as stack:
            folder, _ = self._locked(id, stack)
            file = folder.read()
            values = {"updated_at": self._now(), **values}
            record = msgspec.structs.replace(file.record, **values)
            folder.write(msgspec.structs.replace(file, record=record))

    def delete(self, id: str) -> None:
        """See `Store.delete`. Those beneath go first, so that none is ever without its parent."""
        with ExitStack() as stack:
            family = [id]
            folders = []
            for each in family:  # grows on the way
                folder, lease = self._locked(each, stack)
                if (holder := lease.holder) is not None and not self._may_pass(each, holder):
                    raise _locked(each, holder)
                folders.append(folder)
                family += [r.id for r in self._records() if r.parent_id == each]
            for folder in reversed(folders):
                self._root.remove(folder)
            self._leases.difference_update(family)

    # Reading

    def load(self, id: str) -> StoredSession:
        """See `Store.load`."""
        folder = self._folder(id)
        with folder.at_rest():
            file = folder.read()
            tree = self._log(folder)
            tree.read()
        is_whole = file.tree.size == tree.end
        record = file.record if is_whole else _updated(file.record, tree)
        return StoredSession(record, tree.kept.tree())

    def list(self, limit: int, before: SessionSummary | None) -> Page:
        """See `Store.list`."""
        summaries = (
            self._summary(folder, file)
            for folder, file in self._readable()
            if file.record.parent_id is None
        )
        return page_before(summaries, limit, before)

    def search(
        self, query: str, limit: int, offset: int, session_id: str | None
    ) -> tuple[Hit, ...]:
        """See `Store.search`."""
        return search(query, self._trees(session_id), limit, offset)

    def child(self, id: str, node: int, use: str) -> str | None:
        """See `Store.child`."""
        wanted = id, node, scrub(use)
        found = [
            (file.record.created_at, file.stored_at, file.record.id)
            for _, file in self._readable()
            if (file.record.parent_id, file.record.parent_node, file.record.parent_use) == wanted
        ]
        return max(found)[2] if found else None

    def exists(self, id: str) -> bool:
        """See `Store.exists`."""
        return self._root.folder(id) is not None

    def known(self) -> Sequence[tuple[str, str | None, str | None]]:
        """Id, title and parent of every session."""
        return [(each.id, each.title, each.parent_id) for each in self._records()]

    # Leases

    def lease(self, id: str, *, take_over: bool) -> None:
        """See `Store.lease`."""
        with ExitStack() as stack:
            _, lease = self._locked(id, stack)
            holder = lease.holder
            if holder is not None and not take_over and not self._may_pass(id, holder):
                raise _locked(id, holder)
            lease.holder = this_process()
            self._leases.add(id)

    def release(self, id: str) -> None:
        """See `Store.release`."""
        if id not in self._leases:
            return
        self._leases.discard(id)
        if self._root.folder(id) is None:
            return
        with ExitStack() as stack:
            _, lease = self._locked(id, stack)
            if lease.holder == this_process():
                lease.holder = None

    def release_all(self) -> None:
        """Give back every lease."""
        for id in tuple(self._leases):
            self.release(id)

    # Beneath

    def _folder(self, id: str) -> SessionFolder:
        if (folder := self._root.folder(id)) is None:
            raise not_found(id)
        return folder

    def _locked(self, id: str, stack: ExitStack) -> tuple[SessionFolder, Lease]:
        folder = self._folder(id)
        lease = stack.enter_context(folder.locked())
        if not folder.is_there():  # deleted while this waited
            folder.forget_lease()
            raise not_found(id)
        return folder, lease

    def _may_pass(self, id: str, holder: Holder) -> bool:
        return holder.is_gone or (holder == this_process() and id in self._leases)

    def _now(self) -> datetime:
        """The present moment, later than any this object has told before."""
        self._last = max(datetime.now(UTC), self._last + timedelta(microseconds=1))
        return self._last

    def _log(self, folder: SessionFolder) -> NodeLog:
        found = self._logs.pop(folder.name, None) or NodeLog(folder.log)
        self._logs[folder.name] = found
        if len(self._logs) > LOGS_KEPT:
            self._logs.popitem(last=False)
        return found

    def _readable(self) -> Iterator[tuple[SessionFolder, SessionFile]]:
        """Every session that can be read; of one that cannot, the log tells once."""
        files = {}
        for folder in self._root.folders():
            try:
                status = os.stat(folder.file, follow_symlinks=False)
                stamp = status.st_mtime_ns, status.st_ino, status.st_size
                kept, file = self._files.get(folder.name, (None, None))
                if file is None or kept != stamp:
                    file = folder.read()
                files[folder.name] = stamp, file
                yield folder, file
            except FileNotFoundError:
                continue  # deleted meanwhile
            except (msgspec.MsgspecError, UnicodeDecodeError, StoreVersionError) as error:
                if folder.file not in self._damaged:
                    self._damaged.add(folder.file)
                    reason = safe_line(str(error), 200)
                    log.warning("%s cannot be read and is left out: %s", folder.file, reason)
        self._files = files

    def _records(self) -> Iterator[SessionRecord]:
        return (file.record for _, file in self._readable())

    def _summary(self, folder: SessionFolder, file: SessionFile) -> SessionSummary:
        record, facts = file.record, file.tree
        if facts.size != folder.size():  # the process died before it wrote them
            tree = self._log(folder)
            tree.read(warn=False)
            record = _updated(record, tree)
            facts = _facts(tree, record)
        return SessionSummary(
            id=record.id,
            title=record.title,
            model=record.model,
            cwd=record.cwd,
            created_at=record.created_at,
            updated_at=record.updated_at,
            nodes=facts.nodes,
            branches=facts.branches,
            preview=facts.preview,
            cost=facts.cost,
            origin_id=record.origin_id,
        )

    def _trees(self, session_id: str | None) -> Iterator[tuple[SessionRecord, KeptTree]]:
        for folder, file in self._readable():
            if session_id in (None, file.record.id):
                # Not kept: a search would drive out the trees that are in use.
                tree = self._logs.get(folder.name) or NodeLog(folder.log)
                tree.read(warn=False)
                yield file.record, tree.kept


def _facts(tree: NodeLog, record: SessionRecord) -> TreeFacts:
    summary = summary_of(record, tree.kept)
    return TreeFacts(
        size=tree.end,
        nodes=summary.nodes,
        branches=summary.branches,
        preview=summary.preview,
        cost=summary.cost,
    )


def _updated(record: SessionRecord, tree: NodeLog) -> SessionRecord:
    """The record with the time of the last commit, if the process died before it wrote that."""
    try:
        at = datetime.fromisoformat(tree.updated)
    except ValueError:
        return record
    if at.tzinfo is None or at <= record.updated_at:
        return record
    return msgspec.structs.replace(record, updated_at=at)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _locked(id: str, holder: Holder) -> SessionLockedError:
    where = "this process" if holder == this_process() else f"process {holder.pid}"
    return SessionLockedError(
        f"The session {id} is open in {where} on {holder.host}.",
        hint="close it there first",
        id=id,
        pid=holder.pid,
        host=holder.host,
    )
