"""The folder of a session: `session.json`, `nodes.jsonl`, and who has the session open.

    ROOT/ID/session.json     the record, and what a list says of the tree
    ROOT/ID/nodes.jsonl      the tree; see `jsonl_log`
    ROOT/.leases/ID          locked while something is written; holds who has the session open

Everything blocks. `OSError` comes out as it is.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec

from omni_tui.core.errors import StoreError, StoreUnavailableError, StoreVersionError
from omni_tui.core.messages import scrub
from omni_tui.session.store.base import SessionRecord
from omni_tui.session.store.lease import Holder

FORMAT = 1
"""The number in each `session.json` that says how its folder is to be read."""

PATIENCE = 10.0
"""Seconds to wait for another process that is writing."""

LONGEST_NAME = 200
"""Bytes of a folder's name, at most; what file systems take less what temporary names add."""

_LEASES = ".leases"
_GONE = ".gone-"
_MADE = ".new-"
_FORGOTTEN = 3600.0
"""Seconds after which a folder that was never finished is not being made any more."""


class TreeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a list says of a tree, true for a log of this size in bytes."""

    size: int = 0
    nodes: int = 0
    branches: int = 0
    preview: str = ""
    cost: float = 0.0


class SessionFile(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a `session.json`."""

    format: int = FORMAT
    stored_at: str
    """When the session was created, such that later ones are greater."""
    record: SessionRecord
    tree: TreeFacts = TreeFacts()


class Root:
    """A folder of sessions."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        """Create the folder (0700, with those above it) if it is missing, and clear it up."""
        missing = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=0o700, exist_ok=True)
        leases = self.path / _LEASES
        if not leases.exists():
            leases.mkdir(mode=0o700, exist_ok=True)
            (leases / ".gitignore").write_text("*\n")
        for entry in os.scandir(self.path):
            is_unfinished = entry.name.startswith(_MADE) and (
                time.time() - entry.stat(follow_symlinks=False).st_mtime > _FORGOTTEN
            )
            if is_unfinished or entry.name.startswith(_GONE):
                shutil.rmtree(entry.path, ignore_errors=True)

    def folder(self, id: str) -> SessionFolder | None:
        """The folder of the session with this id, if it is there."""
        name = name_of(id)
        found = None if name is None else SessionFolder(self.path, name)
        return found if found is not None and found.is_there() else None

    def folders(self) -> Iterator[SessionFolder]:
        """All folders that may hold a session."""
        try:
            with os.scandir(self.path) as entries:
                names = [
                    entry.name
                    for entry in entries
                    if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
                ]
        except FileNotFoundError:
            return
        for name in names:
            yield SessionFolder(self.path, name)

    def add(self, file: SessionFile) -> bool:
        """Make the folder of a new session, whole or not at all; false when there is one."""
        name = name_of(file.record.id)
        if name is None:
            raise StoreError(f"The id {file.record.id!r} makes no name for a folder.")
        made = SessionFolder(self.path, f"{_MADE}{secrets.token_hex(8)}")
        os.mkdir(made.path, 0o700)
        try:
            made.write(file)
            os.close(os.open(made.log, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            _sync(made.path)
            try:
                os.rename(made.path, self.path / name)
            except OSError:
                if not (self.path / name).exists():
                    raise
                return False
        finally:
            shutil.rmtree(made.path, ignore_errors=True)
        _sync(self.path)
        return True

    def remove(self, folder: SessionFolder) -> None:
        """Remove a session whose lock is held: it is there whole, or not at all."""
        gone = self.path / f"{_GONE}{secrets.token_hex(8)}"
        os.rename(folder.path, gone)
        _sync(self.path)
        folder.forget_lease()
        shutil.rmtree(gone, ignore_errors=True)


class SessionFolder:
    """One session's folder."""

    def __init__(self, root: Path, name: str) -> None:
        # Thousands of these are made for a list: a `Path` each would double what it costs.
        self.name = name
        self.path = os.path.join(root, name)
        self.file = os.path.join(self.path, "session.json")
        self.log = os.path.join(self.path, "nodes.jsonl")
        self._lease = os.path.join(root, _LEASES, name)

    def is_there(self) -> bool:
        """Whether it is a real folder; one that a link leads to is none."""
        return os.path.isdir(self.path) and not os.path.islink(self.path)

    def read(self) -> SessionFile:
        """Read the record. The folder names the session, so that a copy of one is another.

        Raises `msgspec.MsgspecError` when it is damaged, `StoreVersionError` when it is newer.
        """
        descriptor = os.open(self.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            data = file.read()
        check_format(data, self.file)
        found = msgspec.json.decode(data, type=SessionFile)
        record = msgspec.structs.replace(found.record, id=unquote(self.name))
        return msgspec.structs.replace(found, record=record)

    def write(self, file: SessionFile) -> None:
        """Put a new record in the place of the old one; the lock is held."""
        data = msgspec.json.format(msgspec.json.encode(scrub(msgspec.to_builtins(file))), indent=2)
        new = f"{self.file}.new"  # where one that a killed process left is written over
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(new, flags, 0o600)
        try:
            with open(descriptor, "wb") as opened:
                opened.write(data + b"\n")
                opened.flush()
                os.fsync(opened.fileno())
            os.replace(new, self.file)
        except BaseException:
            os.unlink(new)
            raise
        _sync(self.path)

    def size(self) -> int:
        """How many bytes the log has."""
        return os.stat(self.log, follow_symlinks=False).st_size

    def forget_lease(self) -> None:
        """Remove the file of the lease, whose lock is held, after the folder."""
        with suppress(FileNotFoundError):
            os.unlink(self._lease)

    @contextmanager
    def locked(self) -> Iterator[Lease]:
        """Keep all others from writing; raises `StoreUnavailableError` when one does not finish."""
        deadline = time.monotonic() + PATIENCE
        while True:
            descriptor = os.open(
                self._lease, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
            try:
                _flock(descriptor, fcntl.LOCK_EX, self._lease, deadline)
                if _is_at(descriptor, self._lease):
                    yield Lease(descriptor)
                    return
            finally:
                os.close(descriptor)

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Wait until nothing is being written, and keep it so."""
        try:
            descriptor = os.open(self._lease, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:  # nothing was written since it came to be
            yield
            return
        try:
            _flock(descriptor, fcntl.LOCK_SH, self._lease, time.monotonic() + PATIENCE)
            yield
        finally:
            os.close(descriptor)


class Lease:
    """Who has a session open; true while the lock on its file is held."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @property
    def holder(self) -> Holder | None:
        """The process that has it open; what is damaged names nobody."""
        data = os.pread(self._descriptor, 4096, 0)
        try:
            return Holder(*msgspec.json.decode(data, type=tuple[int, str | None, str]))
        except msgspec.MsgspecError:
            return None

    @holder.setter
    def holder(self, holder: Holder | None) -> None:
        os.ftruncate(self._descriptor, 0)
        if holder is not None:
            os.pwrite(self._descriptor, msgspec.json.encode(tuple(holder)), 0)


def name_of(id: str) -> str | None:
    """The name of a session's folder; `None` for an id that can have none.

    Each id has its own, and none leads out of the folder or is hidden.
    """
    try:
        name = quote(id, safe="")
    except UnicodeEncodeError:
        return None
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    return name if 0 < len(name) <= LONGEST_NAME else None


def check_format(data: bytes, path: str) -> None:
    """Raise `StoreVersionError` when a newer program wrote this."""
    found = re.match(rb'\s*\{\s*"format":\s*(\d{1,9})', data)
    if found is not None and int(found[1]) > FORMAT:
        raise StoreVersionError(
            f"{path} was written by a newer omni-tui: it has format {int(found[1])}, "
            f"this program knows {FORMAT}.",
            hint="update omni-tui, or name another folder with --db",
            path=path,
        )


def _flock(descriptor: int, mode: int, path: str, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StoreUnavailableError(
                    f"{path} is in use: another program is writing and does not finish.",
                    hint="try again, or close the other program",
                    path=path,
                ) from None
            time.sleep(0.005)
        else:
            return


def _is_at(descriptor: int, path: str) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    return False


def _sync(folder: str | Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
