"""Observation: what agents do, told to plain functions as it happens.

Hooks change what an agent does; telemetry only looks. Names are dotted: `agent.start`,
`prompt.stop`, `llm.retry`; a handler is attached to a prefix of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

Handler: TypeAlias = Callable[[str, Mapping[str, Any]], None]
"""Gets the name of what happened, and what is known of it."""

log = logging.getLogger(__name__)


class Telemetry:
    """Where the agents that share it tell what they do."""

    def __init__(self) -> None:
        self._handlers: tuple[tuple[str, Handler], ...] = ()

    @property
    def is_on(self) -> bool:
        """Whether anybody listens; nothing needs to be found out for nobody."""
        return bool(self._handlers)

    def attach(self, prefix: str, handler: Handler) -> Callable[[], None]:
        """Call `handler` for every name that is `prefix` or below it; `""` is all.

        It is called at once, in the task that tells, so it must be quick; what it raises is logged
        and goes no further. Gives a function that detaches it again.
        """
        entry = (prefix, handler)
        self._handlers = (*self._handlers, entry)

        def detach() -> None:
            self._handlers = tuple(each for each in self._handlers if each is not entry)

        return detach

    def tell(self, name: str, /, **facts: Any) -> None:
        """Tell that something happened."""
        for prefix, handler in self._handlers:
            if not prefix or name == prefix or name.startswith(f"{prefix}."):
                try:
                    handler(name, facts)
                except Exception:
                    log.exception("a telemetry handler failed on %s", name)

    @contextmanager
    def span(self, name: str, /, **facts: Any) -> Iterator[dict[str, Any]]:
        """Tell `NAME.start`, and at the end `NAME.stop` or, with `error`, `NAME.error`.

        What is put into the given dictionary is told at the end, with `duration` in seconds. It
        ends as an error when the block raises, or when `error` is put there.
        """
        if not self._handlers:
            yield {}
            return
        self.tell(f"{name}.start", **facts)
        start = time.monotonic()
        found: dict[str, Any] = {}
        try:
            yield found
        except BaseException as error:
            found["error"] = error
            raise
        finally:
            end = "stop" if found.get("error") is None else "error"
            duration = time.monotonic() - start
            self.tell(f"{name}.{end}", **{**facts, **found, "duration": duration})
