"""What a manager tells of all its sessions: enough for a list with live marks."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from omni_tui.agent.events import Event
from omni_tui.agent.subscription import Subscription

SessionStatus: TypeAlias = Literal["idle", "busy", "paused", "halted"]
"""Of a session as a whole: `paused` when any of its branches waits for an answer."""


class OpenSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session in memory, as a line of a list."""

    id: str
    title: str | None
    status: SessionStatus


class _Payload(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    pass


class SessionOpened(_Payload, frozen=True, kw_only=True, tag="session_opened"):
    """A session was created, or loaded."""

    title: str | None
    status: SessionStatus


class SessionStatusChanged(_Payload, frozen=True, kw_only=True, tag="session_status"):
    """A session began to work, waits, or is done."""

    status: SessionStatus


class SessionTitleChanged(_Payload, frozen=True, kw_only=True, tag="session_title"):
    """A session is called something else; `None` is no title."""

    title: str | None


class SessionClosed(_Payload, frozen=True, kw_only=True, tag="session_closed"):
    """A session was put away; the store may still have it."""


class Feed:
    """Compares what is with what was told, and tells the difference to whoever listens."""

    def __init__(self) -> None:
        self._told: dict[str, OpenSession] = {}
        self._subscriptions: list[Subscription] = []
        self._seq = 0

    def subscribe(self) -> tuple[tuple[OpenSession, ...], Subscription]:
        """The open sessions, and every event from now on."""
        subscription = Subscription(on_close=self._subscriptions.remove)
        self._subscriptions.append(subscription)
        return tuple(self._told.values()), subscription

    def show(self, now: OpenSession) -> None:
        """A session is like this now."""
        before, self._told[now.id] = self._told.get(now.id), now
        if before is None:
            self._tell(now.id, SessionOpened(title=now.title, status=now.status))
            return
        if before.status != now.status:
            self._tell(now.id, SessionStatusChanged(status=now.status))
        if before.title != now.title:
            self._tell(now.id, SessionTitleChanged(title=now.title))

    def drop(self, id: str) -> None:
        """A session is no longer open."""
        if self._told.pop(id, None) is not None:
            self._tell(id, SessionClosed())

    def close(self) -> None:
        """Nothing more will be told."""
        for subscription in list(self._subscriptions):
            subscription.close()

    def _tell(self, id: str, payload: _Payload) -> None:
        self._seq += 1
        event = Event(payload=payload, seq=self._seq, session_id=id)
        for subscription in self._subscriptions:
            subscription.put(event)
