"""Open and replace files without ever following a link or waiting for a pipe.

Every call takes a path that is already resolved. Each component is opened in its parent without
following links, so a folder swapped for a link after the check is an error and no way out. All
calls block: they belong in a thread.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from omni_tui.core.errors import ToolError

_STEP = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK_SECONDS = 10.0


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn an `OSError` about the file a person knows as `name` into a `ToolError`."""
    try:
        yield
    except OSError as error:
        raise ToolError(f"{_reason(error)}: {name}") from None


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.ENOENT:
            return "Not found"
        case errno.EISDIR:
            return "Is a directory"
        case errno.ELOOP | errno.ENOTDIR:
            return "A part of the path is a link or no folder"
        case errno.EACCES | errno.EPERM:
            return "Permission denied"
        case errno.ENAMETOOLONG:
            return "The name is too long"
        case _:
            return error.strerror or "Cannot be used"


@contextmanager
def _open_folder(path: Path, *, create: bool = False) -> Iterator[int]:
    folder = os.open(path.anchor, _STEP)
    try:
        for part in path.parts[1:]:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=folder)
            inner = os.open(part, _STEP, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _check_kind(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a directory")
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, "is a link")
    if not stat.S_ISREG(mode):
        raise OSError(None, "Not a regular file")


def _open_file(folder: int, name: str) -> BinaryIO:
    # Looked at before opening too: opening a device can have effects.
    _check_kind(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    file = os.open(name, _READ, dir_fd=folder)
    try:
        _check_kind(os.fstat(file).st_mode)
        return os.fdopen(file, "rb")
    except BaseException:
        os.close(file)
        raise


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; raises `OSError` for anything else."""
    with _open_folder(path.parent) as folder:
        return _open_file(folder, path.name or ".")


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A file about to change, in a folder held open and locked."""

    folder: int
    name: str

    def read(self, limit: int) -> bytes | None:
        """The first `limit` bytes, or `None` when there is no such file; raises `OSError`."""
        try:
            with _open_file(self.folder, self.name) as file:
                return file.read(limit)
        except FileNotFoundError:
            return None

    def write(self, data: bytes) -> None:
        """Put `data` in place in one step, keeping mode and owner; raises `OSError`."""
        before = self._stat()
        temporary = f".omni-{secrets.token_hex(8)}.tmp"
        file = os.open(temporary, _CREATE, 0o600 if before else 0o666, dir_fd=self.folder)
        try:
            with os.fdopen(file, "wb") as stream:
                stream.write(data)
                stream.flush()
                if before:
                    with suppress(PermissionError):
                        os.fchown(file, before.st_uid, before.st_gid)
                    os.fchmod(file, stat.S_IMODE(before.st_mode))
                os.fsync(file)
            os.replace(temporary, self.name, src_dir_fd=self.folder, dst_dir_fd=self.folder)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=self.folder)
            raise
        os.fsync(self.folder)

    def _stat(self) -> os.stat_result | None:
        try:
            found = os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        _check_kind(found.st_mode)
        # Replacing needs no right to the file itself, so a read-only file must be asked for.
        if not os.access(self.name, os.W_OK, dir_fd=self.folder):
            raise PermissionError(errno.EACCES, "the file is read-only")
        return found


@contextmanager
def change(path: Path, *, create_folders: bool = False) -> Iterator[Target]:
    """Hold `path` for a change: changes to files of one folder take turns, across processes too.

    Raises `OSError` when the folder cannot be opened, `ToolError` when it stays locked.
    """
    with _open_folder(path.parent, create=create_folders) as step:
        folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=step)
    try:
        _lock(folder)
        yield Target(folder=folder, name=path.name or ".")
    finally:
        os.close(folder)


def _lock(folder: int) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ToolError("Another program holds the folder locked") from None
            time.sleep(0.01)
        except OSError:
            return  # a file system without locks
