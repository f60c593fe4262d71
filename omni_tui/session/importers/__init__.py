"""Conversations of other programs, and exported ones of ours, as sessions with all their branches.

`read_sessions` tells the format by itself and gives one session at a time, so that an archive of a
gigabyte takes no more memory than its longest conversation. Nothing in a file is trusted: what
makes no sense is left out with a warning, and no file brings permissions, folders, options or
(but for our own format) system prompts and models along.
"""

from omni_tui.session.importers.formats import FORMATS, Format, read_sessions
from omni_tui.session.importers.reading import Warn, derived_id
from omni_tui.session.importers.source import Source

__all__ = ["FORMATS", "Format", "Source", "Warn", "derived_id", "read_sessions"]
