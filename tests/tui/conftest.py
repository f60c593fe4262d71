"""Lets the tests of the folders below use the helpers that stand here, and press keys in order."""

import sys
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

sys.path.insert(0, str(Path(__file__).parent))

_press = Pilot.press


async def _one_by_one(self: Pilot[Any], *keys: str) -> None:
    """Press each key when what the one before set off is done.

    Between the keys of one call Textual waits until the process does little, and on a busy machine
    that comes too soon.
    """
    for key in keys:
        await _press(self, key)


Pilot.press = _one_by_one  # type: ignore[method-assign]
