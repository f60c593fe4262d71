"""Lets the tests of this folder import `wire`, the loopback server and its recordings."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
