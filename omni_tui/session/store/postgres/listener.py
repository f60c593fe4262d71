"""LISTEN and NOTIFY: what other stores commit, while anybody wants to know."""

from __future__ import annotations

import asyncio
import json
import logging

import msgspec
import psycopg
from psycopg import sql

from omni_tui.core.errors import StoreError
from omni_tui.session.store.feed import Inbox, StoreChange, What
from omni_tui.session.store.postgres.connections import Connection, Connections
from omni_tui.session.store.postgres.errors import translate

log = logging.getLogger(__name__)

MAX_PAYLOAD = 7900
"""Bytes of a notification; the server refuses 8000."""

MAX_DELAY = 5.0
"""Seconds between attempts to reach a server that is away, at most."""


def payload(what: What, id: str, writer: str) -> str:
    """A change as it is notified; an id too long for that makes a `resync` of it."""
    text = json.dumps([what, id, writer])
    return text if len(text) <= MAX_PAYLOAD else json.dumps(["resync", None, writer])


class Listener:
    """One connection that listens, for as long as there are inboxes to fill.

    Args:
        connections: Opens it.
        channel: What is listened to.
        owner: Whose own changes are left out.
    """

    def __init__(self, connections: Connections, channel: str, owner: str) -> None:
        self._connections = connections
        self._channel = channel
        self._owner = owner
        self._inboxes: set[Inbox] = set()
        self._task: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None] | None = None

    async def add(self, inbox: Inbox) -> None:
        """Fill this inbox from now on; raises `StoreError` when the server cannot be reached."""
        if self._task is None:
            loop = asyncio.get_running_loop()
            self._first = loop.create_future()
            self._task = loop.create_task(self._listen(self._first), name="listen")
        assert self._first is not None
        self._inboxes.add(inbox)
        try:
            await asyncio.shield(self._first)
        except BaseException:
            await self.remove(inbox)
            raise

    async def remove(self, inbox: Inbox) -> None:
        """Leave this inbox alone."""
        self._inboxes.discard(inbox)
        if not self._inboxes:
            await self._stop()

    async def close(self) -> None:
        """Stop listening; what the inboxes hold can still be read."""
        for inbox in self._inboxes:
            inbox.close()
        self._inboxes.clear()
        await self._stop()

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _listen(self, first: asyncio.Future[None]) -> None:
        delay = 0.1
        while True:
            try:
                connection = await self._connections.connect()
                try:
                    await connection.execute(
                        sql.SQL("LISTEN {}").format(sql.Identifier(self._channel))
                    )
                    if first.done():
                        self._tell(StoreChange("resync"))
                    else:
                        first.set_result(None)
                    delay = 0.1
                    await self._follow(connection)
                finally:
                    await connection.close()
            except (psycopg.Error, StoreError) as error:
                known = error
                if isinstance(error, psycopg.Error):
                    known = translate(error, self._connections.address)
                if not first.done():
                    first.set_exception(known)
                    return
                log.info("changes of others are not heard of: %s", known)
            await asyncio.sleep(delay)
            delay = min(delay * 2, MAX_DELAY)

    async def _follow(self, connection: Connection) -> None:
        """Take in what comes; ends with the error that ends the connection."""
        while True:
            async for notify in connection.notifies(timeout=0):
                self._take_in(notify.payload)
            # psycopg looks ten times a second while it waits; this sleeps until something comes.
            await _readable(connection.fileno())

    def _take_in(self, text: str) -> None:
        try:
            what, id, writer = msgspec.json.decode(text, type=tuple[What, str | None, str])
        except msgspec.MsgspecError:
            self._tell(StoreChange("resync"))
            return
        if writer != self._owner:
            self._tell(StoreChange(what, id, None if what == "resync" else writer))

    def _tell(self, change: StoreChange) -> None:
        for inbox in self._inboxes:
            inbox.put(change)


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    loop.add_reader(descriptor, came.set)
    try:
        await came.wait()
    finally:
        loop.remove_reader(descriptor)
