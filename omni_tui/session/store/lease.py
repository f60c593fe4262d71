"""Who has a session open: a process, told apart from a later one that got the same pid."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import NamedTuple


class Holder(NamedTuple):
    """A process that may hold leases."""

    pid: int
    start: str | None
    """When it started, as the system tells it; `None` where it does not."""
    host: str

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, on this machine."""
        return self.host == socket.gethostname()

    @property
    def is_gone(self) -> bool:
        """Whether the process certainly does not run any more.

        One on another machine cannot be judged and counts as running.
        """
        if not self.is_here:
            return False
        if self.start is not None and (start := _start_of(self.pid)) != self.start:
            return start is not None or not _runs(self.pid)
        return not _runs(self.pid)


def this_process() -> Holder:
    """The holder that this process is."""
    pid = os.getpid()
    return Holder(pid, _start_of(pid), socket.gethostname())


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and fields[0] in ("Z", "X")


def _start_of(pid: int) -> str | None:
    """Boot and clock ticks since it, from /proc; `None` without /proc or for no such process."""
    fields = _stat(pid)
    if not fields:
        return None
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return None
    return f"{boot}:{fields[19]}"


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the state on, the third; empty if it is not there."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
