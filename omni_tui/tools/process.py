"""Child processes: what they may know, how they are started, and how all of them are ended."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

# fmt: off
_PASSED = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "COLORTERM", "LANG", "LANGUAGE", "TZ",
    "TMPDIR", "TMP", "TEMP", "PWD", "HOSTNAME", "VIRTUAL_ENV", "CONDA_PREFIX",
    "CONDA_DEFAULT_ENV", "JAVA_HOME", "GOPATH", "GOROOT", "CARGO_HOME", "RUSTUP_HOME",
    "NVM_DIR", "PYENV_ROOT", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
    "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "ALL_PROXY",
})
# fmt: on
_SECRET_NAME = re.compile("KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"://[^/@\s]+@")
_NOBODY_THERE = {"PAGER": "cat", "GIT_PAGER": "cat", "GIT_TERMINAL_PROMPT": "0"}


def sounds_secret(name: str) -> bool:
    """Whether the value under this name is probably nobody else's business."""
    return _SECRET_NAME.search(name) is not None


def child_environment(environment: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """What a tool's child process gets to know: a short list of names, and nothing secret.

    A name that sounds secret or an address with a password in it is left out even when listed.
    Pagers and password prompts are switched off: nobody sits in front of them.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if (name.upper() in _PASSED or name.startswith("LC_"))
        and not sounds_secret(name)
        and not _SECRET_VALUE.search(value)
    }
    return kept | _NOBODY_THERE | {"PWD": str(cwd)}


async def end_group(group: int, *, grace: float = 2.0) -> None:
    """End every process of a group: TERM, up to `grace` seconds of patience, then KILL.

    `group` is the process id of a child started in its own session; that the child itself is gone
    already does not matter. When this is cancelled the group is killed at once.
    """
    try:
        if _signal(group, signal.SIGTERM):
            for pause in _pauses(grace):
                if not _is_alive(group):
                    break
                await asyncio.sleep(pause)
    finally:
        _signal(group, signal.SIGKILL)


def _pauses(seconds: float) -> Iterator[float]:
    """Growing pauses, `seconds` in all."""
    pause = 0.01
    while seconds > 0:
        yield min(pause, seconds)
        seconds -= pause
        pause = min(pause * 2, 0.25)


def _is_alive(group: int) -> bool:
    """Whether a group has a process that still runs."""
    if not _signal(group, 0):
        return False
    processes = Path("/proc")
    if not (processes / "self/stat").exists():
        return True
    # Where nothing collects orphans (many containers) dead ones stay in the group for good.
    return any(_runs_in(group, entry) for entry in processes.iterdir() if entry.name.isdigit())


def _runs_in(group: int, process: Path) -> bool:
    try:
        # "pid (name) state parent group …", and the name may hold anything.
        state, _, found = (
            (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[:3]
        )
    except (OSError, ValueError):
        return False
    return int(found) == group and state not in "ZX"


def _signal(group: int, number: int) -> bool:
    """Send a signal to a group; whether there was anybody to get it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
