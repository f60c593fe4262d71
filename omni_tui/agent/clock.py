"""A limit on time that does not count the time a person takes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stopped(clock: asyncio.Timeout | None) -> Iterator[None]:
    """Stop the clock inside this block; after it, it has as much time left as before."""
    end = clock.when() if clock else None
    if clock is None or end is None:
        yield
        return
    now = asyncio.get_running_loop().time
    left = end - now()
    clock.reschedule(None)
    try:
        yield
    finally:
        if not clock.expired():
            clock.reschedule(now() + left)
