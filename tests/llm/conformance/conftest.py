"""Lets the tests of this folder import what the tests of the wire providers share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "providers"))
