"""Lets the tests of this folder use the programs that play recordings."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "agent/backends"))
