"""What a query asks for beside words: `model:`, `tool:`, `label:`, times, a role, a session.

A filter is a name, a colon and a value, in quotes if it has spaces: `label:"nice try"`. Each one
narrows what is found. Any other name with a colon is words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TypeVar

from omni_tui.core.messages import Message, Role
from omni_tui.core.safe_text import safe_line
from omni_tui.session.node import Kind
from omni_tui.session.store.folding import composed, fold

FILTERS: Mapping[str, str] = MappingProxyType(
    {
        "model": "part of the name of the model that wrote it",
        "tool": "part of the name of a tool it calls",
        "label": "part of the name it was given",
        "before": "a time: 2026-01-31, 2026-01, 2026, yesterday, today, 12h, 7d or 2w ago",
        "after": "the same; what was said then or later",
        "role": "user or assistant",
        "session": "the beginning of the session's id, or part of its title",
        "title": "part of the session's title",
    }
)
"""The names there are, and what their values mean."""

PATTERN = rf'(?<!\S)(?i:({"|".join(FILTERS)})):(?:"([^"]*)(?:"|$)|([^\s"]*))'
"""A filter in a query; its groups are the name and its value, in quotes or not."""

_T = TypeVar("_T")

_TIME = "wants a time, such as 2026-01-31, 2026-01, today or 7d"
_DAY = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_AGO = re.compile(r"(\d{1,4})([hdw])", re.ASCII)
_UNITS = MappingProxyType({"h": "hours", "d": "days", "w": "weeks"})
_ROLES: Mapping[str, Role] = MappingProxyType({"user": "user", "assistant": "assistant"})
_KINDS: Mapping[Role, frozenset[Kind]] = MappingProxyType(
    {"user": frozenset(("prompt", "results")), "assistant": frozenset(("reply", "calls"))}
)


class Filters:
    """The filters of one query; all of them must fit.

    Args:
        given: Names out of `FILTERS`, in any case, and their values.
        now: When the query is made; times without a zone are this machine's.
    """

    models: tuple[str, ...]
    """Parts of names, folded; so `tools`, `labels` and `titles`."""
    tools: tuple[str, ...]
    labels: tuple[str, ...]
    titles: tuple[str, ...]
    sessions: tuple[str, ...]
    """As written: the beginnings of ids, or parts of titles."""
    roles: tuple[Role, ...]
    before: datetime | None
    after: datetime | None
    faults: tuple[str, ...]
    """What is wrong with values, one line each: such a query finds nothing."""

    def __init__(self, given: Iterable[tuple[str, str]], now: datetime) -> None:
        self._faults: list[str] = []
        values: dict[str, list[str]] = {name: [] for name in FILTERS}
        for name, value in given:
            values[name.lower()].append(value)
            if not value.strip():
                self._faults.append(f"{name.lower()}: needs a value: {FILTERS[name.lower()]}")
        self._is_any = any(values.values())
        self.models, self.tools, self.labels, self.titles = (
            tuple(fold(composed(value)) for value in values[name])
            for name in ("model", "tool", "label", "title")
        )
        self.sessions = tuple(values["session"])
        self.roles = tuple(self._read("role", values["role"], _role, "is user or assistant"))
        befores = self._read("before", values["before"], lambda text: _time(text, now), _TIME)
        afters = self._read("after", values["after"], lambda text: _time(text, now), _TIME)
        self.before, self.after = min(befores, default=None), max(afters, default=None)
        self.faults = tuple(self._faults)

    def _read(
        self, name: str, values: Iterable[str], read: Callable[[str], _T | None], wanted: str
    ) -> list[_T]:
        made = []
        for value in filter(str.strip, values):
            if (each := read(value.strip())) is None:
                self._faults.append(f"{name}: {wanted}; not {safe_line(value, 40)}")
            else:
                made.append(each)
        return made

    def __bool__(self) -> bool:
        return self._is_any

    @property
    def about_messages(self) -> bool:
        """Whether they ask for what only a message has: a title alone does not fit."""
        return bool(self.models or self.tools or self.labels or self.roles)

    @property
    def about_sessions(self) -> bool:
        """Whether they ask for some sessions."""
        return bool(self.sessions or self.titles)

    def kinds(self, *, with_results: bool) -> frozenset[Kind]:
        """Which nodes may fit."""
        kinds: frozenset[Kind] = frozenset(("prompt", "results", "reply", "calls"))
        for role in self.roles:
            kinds &= _KINDS[role]
        if self.tools:
            kinds &= {"calls"}
        return kinds if with_results else kinds - {"results"}

    def fits_session(self, id: str, title: str | None) -> bool:
        """Whether messages of this session may be found."""
        if not self.about_sessions:
            return True
        name = _folded(title)
        return all(part in name for part in self.titles) and all(
            id.startswith(wanted) or fold(composed(wanted)) in name for wanted in self.sessions
        )

    def fits_model(self, model: str | None) -> bool:
        """Whether a message of this model fits."""
        return not self.models or (model is not None and _has(model, self.models))

    def fits_label(self, label: str | None) -> bool:
        """Whether a message with this name fits."""
        return not self.labels or (label is not None and _has(label, self.labels))

    def fits_tools(self, message: Message) -> bool:
        """Whether the message calls such tools."""
        if not self.tools:
            return True
        names = [_folded(use.name) for use in message.tool_uses]
        return all(any(part in name for name in names) for part in self.tools)

    def fits_time(self, time: datetime) -> bool:
        """Whether what was said then fits: from `after` on, and sooner than `before`."""
        return (self.after is None or time >= self.after) and (
            self.before is None or time < self.before
        )


def _has(text: str, parts: Iterable[str]) -> bool:
    folded = _folded(text)
    return all(part in folded for part in parts)


def _folded(text: str | None) -> str:
    return fold(composed(text or ""))


def _role(text: str) -> Role | None:
    return _ROLES.get(text.lower())


def _time(text: str, now: datetime) -> datetime | None:
    """A moment as a person writes it, to the second; `None` if it is none."""
    word = text.lower()
    try:
        if word in ("today", "yesterday"):
            day = now.astimezone() - timedelta(days=word == "yesterday")
            made = datetime(day.year, day.month, day.day)
        elif (ago := _AGO.fullmatch(word)) is not None:
            made = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        elif (day_of := _DAY.fullmatch(word)) is not None:
            made = datetime(*(int(part or 1) for part in day_of.groups()))  # type: ignore[arg-type]
        else:
            made = datetime.fromisoformat(text.upper())
        # Without a zone it is this machine's, as that was on that day.
        return made.replace(microsecond=0).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
