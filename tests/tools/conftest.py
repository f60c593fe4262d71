from __future__ import annotations

from pathlib import Path

import pytest
from tool_calls import Call, caller


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A working folder with something outside it."""
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret\n")
    return folder


@pytest.fixture
def call(work: Path) -> Call:
    """Run a built-in tool by name in `work`."""
    return caller(work)
