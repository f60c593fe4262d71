"""Programs in the place of the real ones."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from fake_programs import Fake, FakeProgram, Step

# The helpers of the agent's tests, and the servers that play streams.
sys.path[:0] = [str(Path(__file__).parents[level]) for level in (1, 2)]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Puts a program in the place of `claude` and `codex` that plays these, one a call."""

    def make(*plays: Sequence[Step]) -> FakeProgram:
        made = FakeProgram(tmp_path / "fake", plays)
        monkeypatch.setenv("OMNI_TUI_CLAUDE", str(made.path))
        monkeypatch.setenv("OMNI_TUI_CODEX", str(made.path))
        return made

    return make
