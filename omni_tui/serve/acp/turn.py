"""One prompt of an editor: the run that answers it, told as it goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType
from typing import Any

from acp import schema
from acp.interfaces import Client

from omni_tui.agent.decisions import Execute
from omni_tui.agent.events import Event, Outcome, Paused, StepFinished
from omni_tui.agent.run import Run
from omni_tui.agent.subscription import Subscription
from omni_tui.core.errors import AgentError
from omni_tui.core.messages import Block
from omni_tui.core.stream import Response, StopReason
from omni_tui.core.usage import Usage
from omni_tui.llm.catalog import Catalog
from omni_tui.serve.acp import tools
from omni_tui.serve.acp.questions import Asker
from omni_tui.serve.acp.telling import Telling, joined
from omni_tui.session.session import Session

log = logging.getLogger(__name__)

FRAME = 1 / 30
"""Seconds between two looks at what a run tells: pieces that come meanwhile go out as one."""

_STOP_REASONS: MappingProxyType[StopReason, schema.StopReason] = MappingProxyType(
    {"length": "max_tokens", "refusal": "refusal", "cancelled": "cancelled"}
)


class Turn:
    """Make it when a prompt comes, so that it can be cancelled from then on; then `run` it once.

    Args:
        client: Who is told.
        session: Where the prompt goes.
        asker: Puts the questions of the run.
        catalog: Knows the windows of models, once it is loaded.
    """

    def __init__(self, client: Client, session: Session, asker: Asker, catalog: Catalog) -> None:
        self._client = client
        self._session = session
        self._asker = asker
        self._catalog = catalog
        self._cwd = session.setup.cwd or Path.cwd()
        self._run: Run | None = None
        self._is_cancelled = False
        self._telling = Telling(self._cwd)
        self._questions: set[asyncio.Task[None]] = set()
        self._last: Response | None = None
        self._usage = Usage()
        self._spent = session.tree.usage().cost
        """What the session has cost before."""

    def cancel(self) -> None:
        """Stop, whether it has begun or not."""
        self._is_cancelled = True
        if self._run is not None:
            self._run.cancel()

    async def run(self, content: tuple[Block, ...]) -> schema.PromptResponse:
        """Answer the prompt.

        Raises what keeps the run from beginning, and what it failed with.
        """
        if self._is_cancelled:
            return schema.PromptResponse(stop_reason="cancelled")
        session = self._session
        subscription = session.subscribe()
        closing: asyncio.Task[None] | None = None
        try:
            run = self._run = session.prompt(content)
            closing = asyncio.create_task(_close_after(run, subscription), name="acp turn")
            while events := await subscription.batch():
                await self._take([each for each in events if each.run_id in (None, run.id)])
                await asyncio.sleep(FRAME)
            for update in self._telling.rest():
                await self._send(update)
        finally:
            if self._run is not None:
                self._run.cancel()
            if closing is not None:
                closing.cancel()
            for task in self._questions:
                task.cancel()
            subscription.close()
        if session.saver is not None:
            await session.saver.flush()
        return self._response(await run.wait(), run)

    def _response(self, outcome: Outcome, run: Run) -> schema.PromptResponse:
        if outcome == "error":
            raise run.error or AgentError("The run failed.")
        reason: schema.StopReason = "end_turn"
        if outcome == "max_steps":
            reason = "max_turn_requests"
        elif outcome == "cancelled":
            reason = "cancelled"
        elif self._last is not None:
            reason = _STOP_REASONS.get(self._last.stop_reason, "end_turn")
        usage = self._usage
        return schema.PromptResponse(
            stop_reason=reason,
            usage=schema.Usage(
                total_tokens=usage.read + usage.output,
                input_tokens=usage.input,
                output_tokens=usage.output,
                cached_read_tokens=usage.cache_read,
                cached_write_tokens=usage.cache_write,
            ),
        )

    async def _take(self, events: Iterable[Event]) -> None:
        for event in joined(events):
            for update in self._telling.updates(event):
                await self._send(update)
            match event.payload:
                case StepFinished(response=response):
                    await self._finish_step(response)
                case Paused() as pause:
                    await self._pause(event, pause)
                case _:
                    pass

    async def _send(self, update: Any) -> None:
        await self._client.session_update(self._session.id, update)

    async def _finish_step(self, response: Response) -> None:
        """Tell how full the window is, where that is known, and what the session has cost."""
        self._last = response
        self._usage += response.usage
        info = self._catalog.get(response.model) if self._catalog.is_loaded else None
        if info is None or info.context is None:
            return
        cost = None
        if self._spent is not None or self._usage.cost is not None:
            amount = (self._spent or 0.0) + (self._usage.cost or 0.0)
            cost = schema.Cost(amount=amount, currency="USD")
        await self._send(
            schema.UsageUpdate(
                session_update="usage_update",
                used=response.usage.read + response.usage.output,
                size=info.context,
                cost=cost,
            )
        )

    # Questions

    async def _pause(self, event: Event, pause: Paused) -> None:
        use = pause.tool_use
        name = self._telling.call_of(use)
        is_own = name is not None
        if name is None:
            # A sub-agent asks: its calls are not told, so this one stands for itself.
            name = f"{event.run_id}-{event.seq}-{use.id}"
            await self._send(tools.started(name, use, self._cwd))
        task = asyncio.create_task(self._ask(name, pause, is_own=is_own), name="acp question")
        self._questions.add(task)
        task.add_done_callback(self._questions.discard)

    async def _ask(self, name: str, pause: Paused, *, is_own: bool) -> None:
        assert self._run is not None
        try:
            answer = await self._asker.ask(self._session, name, pause, self._cwd)
            if not is_own:
                await self._send(tools.decided(name, allowed=isinstance(answer, Execute)))
        except ConnectionError:
            return  # the end of the line ends the run
        if answer is None:
            self.cancel()
            return
        branch = self._session.runs.get(self._run.id)
        if branch is None or branch.paused is not pause:
            log.debug("an answer came too late")  # never to be taken for one to another question
            return
        self._session.resume(answer, self._run.id)


async def _close_after(run: Run, subscription: Subscription) -> None:
    """End the listening when all of a run has been told."""
    await run.wait()
    subscription.close()
