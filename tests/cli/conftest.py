"""Lets the tests of this folder use the programs that play recordings, and the editor."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent.parent / place) for place in ("agent/backends", "serve")]
