"""Whether a file is on a network file system, where SQLite's log must not be used.

Programs that share a write-ahead log share memory, which no network carries, and their locks are
often no locks at all: sessions would be damaged without an error.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from omni_tui.core.errors import StoreUnavailableError

MOUNTINFO = Path("/proc/self/mountinfo")
"""What is mounted where, as Linux tells it; other systems have no such file."""

NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "lustre"),
        *("drvfs", "vboxsf", "prl_fs", "glusterfs", "beegfs", "orangefs", "davfs", "gpfs"),
        *("fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "fuse.glusterfs", "fuse.ceph"),
        *("fuse.vmhgfs-fuse", "fuse.davfs2", "fuse.curlftpfs", "fuse.smbnetfs", "fuse.grpcfuse"),
        *("fuse.juicefs", "fuse.fuse-nfs"),
    }
)
"""Types of file systems that are somewhere else; one that is not here counts as a disk."""

_ESCAPE = re.compile(r"\\([0-7]{3})")


def refuse_network(path: Path) -> None:
    """Raise `StoreUnavailableError` when the file is, or would be, on a network file system."""
    try:
        mounts = MOUNTINFO.read_text("utf-8", "surrogateescape")
    except OSError:
        return
    kind = kind_of(path, mounts)
    if kind in NETWORK:
        raise StoreUnavailableError(
            f"{path} is on a network file system ({kind}), where sessions would get lost or "
            "damaged: SQLite cannot share its log there.",
            hint="keep them on a disk of this machine: --db FILE",
            path=str(path),
            kind=kind,
        )


def kind_of(path: Path, mounts: str) -> str | None:
    """The type of the file system that holds `path`, by the text of `MOUNTINFO`.

    `None` where the text does not tell. Links are followed; the file need not exist.
    """
    wanted = os.path.realpath(path)
    longest, kind = -1, None
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = _ESCAPE.sub(lambda found: chr(int(found[1], 8)), fields[4])
        holds = wanted == point or wanted.startswith(point.rstrip("/") + "/")
        if holds and len(point) >= longest:  # of two at one place the later hides the earlier
            # Both the Windows disks of WSL and the only disk of some sandboxes are 9p.
            longest, kind = len(point), "drvfs" if "drvfs" in after else after.split(" ")[0]
    return kind
