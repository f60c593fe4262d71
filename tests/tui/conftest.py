"""Lets the tests of the folders below use the helpers that stand here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
