"""A file is replaced whole, or stays as it was."""

import stat
from pathlib import Path

import pytest

from omni_tui.core.files import write_atomically


def test_a_file_is_replaced_and_private(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"before")
    file.chmod(0o644)
    write_atomically(file, b"after")
    assert file.read_bytes() == b"after"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    (folder / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        write_atomically(folder, b"after")
    assert list(tmp_path.iterdir()) == [folder]
    assert (folder / "inside").is_dir()
