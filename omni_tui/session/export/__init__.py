"""Sessions as files for others: pure functions from a stored session to pieces of text.

    "".join(to_markdown(stored, branch_of(stored.tree)))

Each gives its text in pieces, so that a long session is written as it is made. `Redactor` gives a
copy of a session without its secrets.
"""

from omni_tui.session.export.branches import branch_of, walk
from omni_tui.session.export.html import plain_text, to_html
from omni_tui.session.export.json import to_json, to_jsonl
from omni_tui.session.export.markdown import to_markdown
from omni_tui.session.export.redact import Redactor

__all__ = [
    "Redactor",
    "branch_of",
    "plain_text",
    "to_html",
    "to_json",
    "to_jsonl",
    "to_markdown",
    "walk",
]
