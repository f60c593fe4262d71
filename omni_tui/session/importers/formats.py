"""Which formats there are, and how one is told from another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

from omni_tui.core.safe_text import safe_line
from omni_tui.session.importers import chatgpt, claude, claude_code, librechat, own, pi
from omni_tui.session.importers.reading import Warn, line_of
from omni_tui.session.importers.source import READ_ERRORS, Source
from omni_tui.session.importers.values import MAX_VALUE, Damage, read_values
from omni_tui.session.store.base import StoredSession

Format: TypeAlias = Literal["json", "jsonl", "chatgpt", "claude", "claude-code", "pi", "librechat"]
FORMATS: tuple[Format, ...] = get_args(Format)

_Object: TypeAlias = dict[str, Any]

CONVERSATIONS = MappingProxyType[
    Format, tuple[Callable[[_Object], bool], Callable[[_Object, Warn], StoredSession | None]]
](
    {
        "json": (own.is_session, own.read_session),
        "chatgpt": (chatgpt.is_conversation, chatgpt.read_conversation),
        "claude": (claude.is_conversation, claude.read_conversation),
        "librechat": (librechat.is_conversation, librechat.read_conversation),
    }
)
"""Formats in which each value is a conversation: how one is known, and read."""

LINES = MappingProxyType[
    Format,
    tuple[Callable[[_Object], bool], Callable[[Iterable[_Object], Warn], Iterator[StoredSession]]],
](
    {
        "jsonl": (own.is_line, own.read_branches),
        "pi": (pi.is_line, pi.read_session),
        "claude-code": (claude_code.is_line, claude_code.read_session),
    }
)
"""Formats in which the values of a file are one conversation together."""

_LOOK_AT = 100
"""Values of a file that may pass by before one shows what it is."""


def read_sessions(
    source: Source, warn: Warn, *, format: Format | None = None, limit: int = MAX_VALUE
) -> Iterator[StoredSession]:
    """The sessions of a file or an archive, one at a time, with ids that stay the same.

    Args:
        source: What to read.
        warn: Told, in a line that names it, of everything that is left out or put right.
        format: What the file is; by default each value shows it.
        limit: Bytes of one conversation of an archive, or of one line, at most.

    Raises:
        ConfigError: The source is an archive without conversations.
    """
    try:
        for name, stream in source.parts():
            told = _naming(warn, name)
            yield from _sessions(_objects(read_values(stream, limit=limit), told), told, format)
    except READ_ERRORS as error:
        warn(f"{safe_line(source.name)}: it cannot be read to its end: {safe_line(str(error))}")


def _naming(warn: Warn, name: str) -> Warn:
    return lambda problem: warn(safe_line(f"{name}: {problem}", 400))


def _objects(values: Iterable[Any], warn: Warn) -> Iterator[tuple[int, _Object]]:
    for number, value in enumerate(values, 1):
        if isinstance(value, dict):
            yield number, value
        elif isinstance(value, Damage):
            warn(f"{number}: {value.problem}")
        else:
            warn(f"{number}: this is no object")


def _sessions(
    values: Iterator[tuple[int, _Object]], warn: Warn, format: Format | None
) -> Iterator[StoredSession]:
    passed: list[tuple[int, _Object]] = []
    for number, value in values:
        passed.append((number, value))
        known = format or _format_of(value)
        if known is not None and known in LINES:
            lines = (each for _, each in chain(passed, values))
            yield from (each for each in LINES[known][1](lines, warn) if len(each.tree))
            return
        if known is not None:
            yield from _conversations(chain(passed, values), warn, format)
            return
        if len(passed) == _LOOK_AT:
            break
    if passed:
        warn("this is of no known format")


def _conversations(
    values: Iterable[tuple[int, _Object]], warn: Warn, format: Format | None
) -> Iterator[StoredSession]:
    for number, value in values:
        known = format or _format_of(value)
        if known is None or known not in CONVERSATIONS:
            warn(f"{number}: this is of no known format")
            continue
        fits, read = CONVERSATIONS[known]
        title = line_of(value.get("title") or value.get("name"), 60) or ""
        told = _naming(warn, f"{number} {title!r}")
        if not fits(value):
            told(f"this is no conversation of {known}")
        elif (stored := read(value, told)) is not None and len(stored.tree):
            yield stored
        elif stored is not None:
            told("it has no messages")


def _format_of(value: _Object) -> Format | None:
    for known, (fits, _) in chain(CONVERSATIONS.items(), LINES.items()):
        if fits(value):
            return known
    return None
