"""Steps that bring the tables of an older version up to date.

A file `<number>.sql` in this folder takes tables of the version before to version `number`, for
which `schema.sql` is the whole. Steps only lead forward; one transaction runs all that are due.
Version 1, the first, needs none.
"""

from __future__ import annotations

from importlib.resources import files


def load_steps() -> dict[int, str]:
    """The SQL of every step, by the version it leads to."""
    return {
        int(file.name.removesuffix(".sql")): file.read_text("utf-8")
        for file in files(__name__).iterdir()
        if file.name.endswith(".sql")
    }
