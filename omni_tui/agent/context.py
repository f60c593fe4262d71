"""What a model is given to read in place of the whole history.

An agent with a `Context` asks it before every request, and once in a turn after a model said that
the conversation is too long. What it answers is a view: the history stays as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from omni_tui.core.errors import ContextLengthError
from omni_tui.core.messages import Message
from omni_tui.core.usage import Usage
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Model, Request
from omni_tui.llm.retry import RetryPolicy
from omni_tui.llm.tokens import UNKNOWN_WINDOW, Gauge, estimate_frame, estimate_message

if TYPE_CHECKING:
    from omni_tui.agent.engine import Engine
    from omni_tui.core.stream import Response

log = logging.getLogger(__name__)

FULL = 0.9
"""The part of a window that a request may fill; the rest is for the answer."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A request about to be made."""

    model: Model
    request: Request
    """With the whole history."""
    registry: ProviderRegistry
    retry: RetryPolicy
    gauge: Gauge | None = None
    """The last step whose tokens were counted."""

    @property
    def history(self) -> tuple[Message, ...]:
        """All messages of the conversation."""
        return self.request.messages

    @property
    def window(self) -> int:
        """Tokens the model reads; `UNKNOWN_WINDOW` when nobody knows."""
        return window_of(self.model) or UNKNOWN_WINDOW

    def limit(self, threshold: int | None = None) -> int:
        """Tokens from which a request is too large: `threshold`, or nine tenths of the window."""
        full = int(self.window * FULL)
        return full if threshold is None else min(threshold, full)

    def estimate(self, messages: Iterable[Message]) -> int:
        """Tokens of the request with these messages, by its letters alone."""
        frame = estimate_frame(self.request.system, self.request.tools)
        return frame + sum(map(estimate_message, messages))

    def tokens(self, messages: Iterable[Message]) -> int:
        """Tokens of the request with these messages, as well as it can be known."""
        estimated = self.estimate(messages)
        return self.gauge.tokens(estimated) if self.gauge is not None else estimated


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is given to read."""

    messages: tuple[Message, ...]
    removed: tuple[Message, ...] = ()
    """Messages it no longer sees, or no longer whole, that it saw in the view before."""
    usage: Usage | None = None
    """What making the view consumed."""


class Context(Protocol):
    """Decides what a model reads. It belongs to one agent, and may remember what it decided.

    What it raises is logged, and the whole history is sent.
    """

    async def view(self, draft: Draft) -> View:
        """What to send of the history. The run waits, so be quick unless there is no choice."""
        ...

    async def shrink(self, draft: Draft, error: ContextLengthError) -> View | None:
        """Something smaller than the view that the model just refused; `None` when there is none.

        The views of the same turn that follow must not be larger than this one.
        """
        ...


def window_of(model: Model) -> int | None:
    """Tokens this model reads; `None` when nobody knows.

    The first look-up reads the catalogue: see `Model.info`.
    """
    info = model.info
    return info.context or None if info is not None else None


class Reading:
    """What the model of one agent reads, step after step."""

    def __init__(self, engine: Engine, context: Context) -> None:
        self._engine = engine
        self._context = context
        self._gauge: Gauge | None = None

    async def request(self, model: Model, request: Request) -> Request:
        """The request as it is to be sent."""
        if model.catalog is not None:
            await model.catalog.load()
        draft = self._draft(model, request)
        try:
            view = await self._context.view(draft)
        except Exception:
            log.exception("the context failed; the whole history is sent")
            return request
        return await self._sent(draft, view)

    async def smaller(
        self, model: Model, request: Request, error: ContextLengthError
    ) -> Request | None:
        """The request after it was refused as too long; `None` when it cannot be made smaller."""
        draft = self._draft(model, request)
        try:
            view = await self._context.shrink(draft, error)
        except Exception:
            log.exception("the context could not be made smaller")
            return None
        return None if view is None else await self._sent(draft, view)

    def finished(self, sent: Request, response: Response) -> None:
        """Note what a step really took."""
        estimated = estimate_frame(sent.system, sent.tools) + sum(
            map(estimate_message, (*sent.messages, response.message))
        )
        self._gauge = Gauge.of(response.usage, estimated) or self._gauge

    def _draft(self, model: Model, request: Request) -> Draft:
        return Draft(
            model=model,
            request=request,
            registry=self._engine.registry,
            retry=self._engine.settings.retry,
            gauge=self._gauge,
        )

    async def _sent(self, draft: Draft, view: View) -> Request:
        engine = self._engine
        if view.usage is not None:
            engine.usage += view.usage
        if view.removed:
            engine.observe(
                "context.compact",
                tokens_before=draft.tokens(draft.history),
                tokens_after=draft.tokens(view.messages),
                removed=len(view.removed),
                kept=len(view.messages),
            )
            await engine.chain.on_compaction(view.removed)
        return msgspec.structs.replace(draft.request, messages=view.messages)


def unseen(history: Sequence[Message], messages: Iterable[Message]) -> tuple[Message, ...]:
    """The messages of a history that are not among these; the same values are not the same ones."""
    seen = set(map(id, messages))
    return tuple(message for message in history if id(message) not in seen)
