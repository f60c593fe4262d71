"""A provider behind HTTP: finds the key, keeps one SDK client, reads the stream, types the faults.

The SDKs make the connection: addresses, authorization, limits of time, refusals. The stream they
open is read here: their own reading costs 3 to 80 times as much, and they stumble over events that
compatible servers really send. Retries are not made here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, ClassVar

import msgspec

from omni_tui.core.errors import AuthError, MissingKeyError
from omni_tui.core.messages import scrub
from omni_tui.core.stream import StreamEvent
from omni_tui.llm.providers.assembly import Assembly
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.faults import Origin, out_of_time, page_instead_of_stream
from omni_tui.llm.providers.reading import Reading
from omni_tui.llm.providers.table import SILENCE
from omni_tui.llm.signatures import keep_own

CONNECT_TIMEOUT = 10.0
_DRAIN = 0.1

_encoder = msgspec.json.Encoder()


class WireProvider(ABC):
    """Base of the adapters; a subclass knows one dialect.

    `api_key_env` names the environment variables that may hold the key, looked up at each request;
    with neither `api_key` nor `api_key_env` no key is sent. `headers` go with every request and may
    replace the authorization. `extra_body` is merged into every request body, and wins.
    `silence` is the number of seconds without a byte after which a stream counts as broken.
    """

    path: ClassVar[str]
    default_url: ClassVar[str]

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        api_key_env: str | tuple[str, ...] | None = None,
        headers: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        silence: float = SILENCE,
    ) -> None:
        self.name = name
        self.base_url = base_url or self.default_url
        self._api_key = api_key
        self._key_env = (api_key_env,) if isinstance(api_key_env, str) else api_key_env or ()
        self._headers = dict(headers or {})
        self._extra_body = dict(extra_body or {})
        self._silence = silence
        self._client: Any = None
        self._stream_class: Any = None
        self._omit: Any = None
        self._making = threading.Lock()

    @abstractmethod
    def build(self, request: Request) -> dict[str, Any]:
        """The body of the HTTP request, without `extra_body`."""

    @abstractmethod
    def _assembly(self, signer: str) -> Assembly:
        """A fresh reader for one answer."""

    def _signer(self, model: str) -> str:
        """Whose the signatures in an answer of `model` are; only the same signer gets them back."""
        return self.name

    @abstractmethod
    def _connect(self, timeout: tuple[float, float]) -> tuple[Any, Any, Any]:
        """Import the SDK; its client, its stream class and its mark for a header left out."""

    def prepare(self) -> None:
        """Import the SDK and make its client, which reads the TLS certificates (blocking)."""
        with self._making:
            if self._client is None:
                made = self._connect((CONNECT_TIMEOUT, self._silence))
                self._client, self._stream_class, self._omit = made

    async def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        with self._making:
            client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        """Answer `request`; see `Provider.stream`."""
        origin = self._origin(request.model)
        limit = request.options.timeout
        now = asyncio.get_running_loop().time
        deadline = now() + limit
        reading = Reading(self._assembly(self._signer(request.model)))
        reply: Any = None
        fault: Exception | None = None
        try:
            try:
                async with asyncio.timeout_at(deadline) as clock:
                    key = self._key()
                    if key:
                        origin = self._origin(request.model, key)
                    reply = await self._send(request, key)
                _refuse_page(reply, origin)
                # A timer for each chunk costs more than reading it, and a wait that silence ends in
                # time needs none; but what is unpacked on the way may hide many waits in one.
                packed = "content-encoding" in reply.response.headers
                async with aclosing(reply.response.aiter_bytes()) as chunks:
                    while not reading.finished:
                        if packed or now() + self._silence > deadline:
                            async with asyncio.timeout_at(deadline) as clock:
                                chunk = await anext(chunks, None)
                        else:
                            chunk = await anext(chunks, None)
                        if chunk is None:
                            reading.over()
                            break
                        for event in reading.take(chunk):
                            yield event
                    else:
                        await _drain(chunks)
            except Exception as error:
                fault = out_of_time(origin, limit) if clock.expired() else error
        finally:
            if reply is not None:
                await reply.close()
        for event in reading.ending(fault, origin, answered=reply is not None):
            yield event

    def _origin(self, model: str, *secrets: str) -> Origin:
        return Origin(
            provider=self.name,
            model=model,
            base_url=self.base_url,
            key_env=self._key_env,
            secrets=(*secrets, *self._headers.values()),
        )

    def _key(self) -> str | None:
        """The key to send, `None` when none is needed; raises `AuthError` when it is unfit."""
        key = self._find_key()
        if key is not None and not (key.isascii() and key.isprintable()):
            raise AuthError(
                f"The key for {self.name} holds characters that no key has",
                hint=f"check {' or '.join(self._key_env) or 'the key'}",
            )
        return key

    def _find_key(self) -> str | None:
        if self._api_key or not self._key_env:
            return self._api_key
        for variable in self._key_env:
            key = os.environ.get(variable, "").strip()
            if key:
                return key
        if any(name.lower() in ("authorization", "x-api-key") for name in self._headers):
            return None
        names = " or ".join(self._key_env)
        raise MissingKeyError(
            f"{self.name} needs a key: {names} is not set",
            hint=f"export {self._key_env[0]}=…, or pick a model of another provider",
            variable=self._key_env[0],
        )

    async def _send(self, request: Request, key: str | None) -> Any:
        if self._client is None:
            await asyncio.to_thread(self.prepare)
        messages = keep_own(request.messages, self._signer(request.model))
        own = msgspec.structs.replace(request, messages=messages)
        body = {**self.build(own), **self._extra_body}
        headers = dict(self._headers)
        if not any(name.lower() == "authorization" for name in headers):
            headers["Authorization"] = f"Bearer {key}" if key else self._omit
        return await self._client.post(
            self.path,
            content=_encode(body),
            options={"headers": headers},
            cast_to=object,
            stream=True,
            stream_cls=self._stream_class,
        )


def _encode(body: dict[str, Any]) -> bytes:
    try:
        return _encoder.encode(body)
    except UnicodeEncodeError:
        return _encoder.encode(scrub(body))


def _refuse_page(reply: Any, origin: Origin) -> None:
    if reply.response.headers.get("content-type", "").startswith("text/html"):
        raise page_instead_of_stream(origin)


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read what follows the last event, for at most 0.1 s, so that the connection can be reused."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_DRAIN):
            async for _ in chunks:
                pass
