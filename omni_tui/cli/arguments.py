"""A parser of arguments whose complaints are safe to print."""

from __future__ import annotations

import argparse
from typing import NoReturn

from omni_tui.core.safe_text import safe


class Parser(argparse.ArgumentParser):
    """Says what was wrong with an argument without its control characters."""

    def error(self, message: str) -> NoReturn:
        """Print how the command is used and what was wrong, and leave with 2."""
        super().error(safe(message))
