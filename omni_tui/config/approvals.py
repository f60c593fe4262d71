"""The rules stored by answering "always", per project folder, in one private file."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omni_tui.config.paths import PRIVATE_FILE, find_paths, private_dir
from omni_tui.config.settings import read_toml
from omni_tui.core.errors import ConfigError
from omni_tui.core.files import write_atomically


def load_approvals(folder: Path, file: Path | None = None) -> tuple[str, ...]:
    """The rules stored for `folder`, oldest first. `file` defaults to the one in the state folder.

    A rule counts for exactly the folder it was given in, not for folders below it.

    Raises:
        ConfigError: the file cannot be read or is not what `store_approval` writes.
    """
    file = file or find_paths().approvals_file
    return tuple(_read(file).get(_key(folder), ()))


def store_approval(folder: Path, rule: str, file: Path | None = None) -> None:
    """Remember `rule` for `folder`; storing it again changes nothing. Blocking: call in a thread.

    The file is replaced in one step and another process storing at the same time waits, so no rule
    is lost and no half-written file is ever read.

    Raises:
        ConfigError: the file cannot be read, or is not what this function writes.
        OSError: the file or its folder cannot be written.
    """
    import tomli_w

    rule = _storable(rule)
    file = file or find_paths().approvals_file
    private_dir(file.parent)
    with _locked(file.with_suffix(".lock")):
        stored = _read(file)
        rules = stored.setdefault(_key(folder), [])
        if rule in rules:
            return
        rules.append(rule)
        write_atomically(file, tomli_w.dumps(stored, multiline_strings=False).encode())


def _key(folder: Path) -> str:
    """Symbolic links resolved, so that a project is the same one however it was entered."""
    return _storable(str(folder.resolve()))


def _storable(text: str) -> str:
    """`text` as UTF-8 can hold it: file names of other encodings come as lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode()


def _read(file: Path) -> dict[str, list[str]]:
    stored = read_toml(file, missing_ok=True)
    for folder, rules in stored.items():
        if not (isinstance(rules, list) and all(isinstance(rule, str) for rule in rules)):
            raise ConfigError(
                f"{file}: expected a list of rules for each folder", file=str(file), key=folder
            )
    return stored


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
