"""`python -m omni_tui`."""

from omni_tui.cli.main import entry

entry()
