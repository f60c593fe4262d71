"""Lets the tests of this folder use the programs that play recordings, and the editor."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent.parent / place) for place in ("agent/backends", "serve")]


@pytest.fixture(autouse=True, scope="session")
def _warm(warm: None) -> None:
    """The command is started some two hundred times here."""
