"""Whether an object can do what a protocol asks for, told before anything depends on it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from omni_tui.session.store.base import Store


def require_store(given: object) -> None:
    """Raise `TypeError` unless `given` has every verb of a `Store`, naming what is wrong."""
    require(given, Store)


def require(given: object, protocol: type[Any]) -> None:
    """Raise `TypeError` unless `given` has all that `protocol` declares.

    Methods must be there and callable, coroutine functions where the protocol has them; other
    members must be there. Signatures are left to type checkers.
    """
    if isinstance(given, type):
        raise TypeError(f"{given.__name__} is a class: a {protocol.__name__} is one of its objects")
    wrong = [problem for name in members(protocol) if (problem := _problem(given, protocol, name))]
    if wrong:
        raise TypeError(
            f"{type(given).__name__} is no {protocol.__name__}: {', '.join(sorted(wrong))}"
        )


def members(protocol: type[Any]) -> Iterator[str]:
    """The public names that a protocol and those it extends declare."""
    seen: set[str] = set()
    for each in protocol.__mro__:
        if getattr(each, "_is_protocol", False):
            seen.update(vars(each), inspect.get_annotations(each))
    return (name for name in sorted(seen) if not name.startswith("_"))


def _problem(given: object, protocol: type[Any], name: str) -> str | None:
    if not hasattr(given, name):
        return f"it has no {name}"
    asked = inspect.getattr_static(protocol, name, None)
    if not inspect.isfunction(asked):
        return None
    member = getattr(given, name)
    if not callable(member):
        return f"{name} cannot be called"
    if inspect.iscoroutinefunction(asked) and not inspect.iscoroutinefunction(member):
        return f"{name} is not async"
    return None
