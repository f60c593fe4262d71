"""A stateful conversation with a model: prompt it, listen to it, answer it, stop it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from omni_tui.agent.decisions import Answer
from omni_tui.agent.engine import Engine
from omni_tui.agent.events import (
    Event,
    StateChanged,
    Status,
)
from omni_tui.agent.execute import TimeoutOf
from omni_tui.agent.hooks import Hooks
from omni_tui.agent.journal import Journal
from omni_tui.agent.queue import Boundary, Steer, WhenBusy
from omni_tui.agent.run import Run
from omni_tui.agent.state import Export, Health, Poll, Snapshot
from omni_tui.agent.subscription import Subscription
from omni_tui.core.errors import (
    AgentError,
    BusyError,
    HaltedError,
    IdleError,
)
from omni_tui.core.messages import Content, Message, as_blocks
from omni_tui.core.stream import Response
from omni_tui.core.telemetry import Telemetry
from omni_tui.core.tool import Tool, ToolContext
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Model, Options, OutputFormat
from omni_tui.llm.retry import RetryPolicy


class Agent(Engine):
    """A conversation with a tool loop. Subclass it, or pass `hooks`, to decide what it does.

    Args:
        model: `provider/model`, a bare model name, or a `Model`.
        system: The system prompt.
        tools: What the model may use.
        messages: A history to go on from; it may end in a user message.
        options: Token limit, temperature, thinking, timeout of a request.
        hooks: Objects that decide before this agent's own methods do.
        max_steps: Requests a run may make; `None` is no limit.
        tool_timeout: Seconds a tool may take, or a function from its name to seconds.
        turn_timeout: Seconds a turn may take, without the time a person takes to answer; `None` is
            no limit.
        max_pending: Runs that may wait while another goes on.
        keep_partial: After a cancel or an error, keep what was completed and the partial reply;
            otherwise the history is as it was before the turn.
        retry: What to do about faults before the first event of a step.
        fallbacks: Models to ask in turn for a step whose model fails for good before its first
            event; the next step begins with `model` again.
        output: The shape models are asked to give their answers; whoever reads them checks it.
        cwd: The working folder of tools.
        registry: Finds providers; its own by default, closed with the agent.
        journal: Where completed messages are written down.
        session_id: Told to tools.
        telemetry: Who is told what the agent does.
        depth: How many agents stand above this one.

    Raises `ConfigError` subclasses and `UnknownModelError` on first use, not here.
    """

    def __init__(
        self,
        *,
        model: str | Model,
        system: str | None = None,
        tools: Iterable[Tool] = (),
        messages: Iterable[Message] = (),
        options: Options | None = None,
        hooks: Sequence[Hooks] = (),
        max_steps: int | None = 10,
        tool_timeout: TimeoutOf = 30.0,
        turn_timeout: float | None = 600.0,
        max_pending: int = 0,
        keep_partial: bool = False,
        retry: RetryPolicy | None = None,
        fallbacks: Iterable[str | Model] = (),
        output: OutputFormat | None = None,
        cwd: Path | None = None,
        registry: ProviderRegistry | None = None,
        journal: Journal | None = None,
        session_id: str | None = None,
        telemetry: Telemetry | None = None,
        depth: int = 0,
    ) -> None:
        if max_steps is not None and max_steps < 1:
            raise ValueError("max_steps must be at least 1, or None for no limit")
        super().__init__(
            messages=messages,
            hooks=hooks,
            max_pending=max_pending,
            journal=journal,
            session_id=session_id,
            telemetry=telemetry,
        )
        self.model = model
        self.system = system
        self.tools = {tool.name: tool for tool in tools}
        self.options = options or Options()
        self.max_steps = max_steps
        self.tool_timeout = tool_timeout
        self.turn_timeout = turn_timeout
        self.keep_partial = keep_partial
        self.retry = retry or RetryPolicy()
        self.fallbacks = tuple(fallbacks)
        self.output = output
        self.context = ToolContext(cwd=cwd or Path.cwd(), session_id=session_id, depth=depth)
        self.registry = registry or ProviderRegistry()
        self._own_registry = registry is None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def messages(self) -> tuple[Message, ...]:
        """The committed history; a turn under way is not in it."""
        return tuple(self.history[: self.committed])

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more prompts: it was closed, or could not begin."""
        return self._closed

    # Life

    async def start(self) -> None:
        """Call the `init` hooks, then `pre_run` in the background.

        The first prompt does it where nobody else did. Raises `AgentError` when `init` fails.
        """
        if self._stage == "new":
            await self._init()
            self._between_runs()

    async def close(self) -> None:
        """Cancel the run under way and those that wait, wait for the end, release connections."""
        is_first, self._closed = not self._closed, True
        self._cancel_waiting()
        if (run := self._run) is not None:
            self.cancel()
            await run.wait()
        if self._job is not None:
            self._job.cancel()
            await asyncio.wait([self._job])
        if is_first and self._stage != "new":
            await self.chain.terminate("closed")
            self.observe("agent.stop", reason="closed")
        for subscription in list(self._subscriptions):
            subscription.close()
        if self._own_registry:
            await self.registry.close()

    # Talking

    def prompt(
        self, content: Content | None, *, when_busy: WhenBusy = "reject", at: Boundary = "turn"
    ) -> Run:
        """Start a run. `None` continues a history that ends in a user message or open tool uses.

        While another run goes on, or the agent is halted, `when_busy` says what happens:

        - `reject` raises.
        - `queue` lets the run wait its turn, first in, first out.
        - `steer` gives the text to the run under way, which is returned: at the end of its turn, or
          with `at="step"` beside the next tool results. There is one place; the last text wins.

        Text that cannot go in comes back in a `PromptReturned`. Must be called from a running event
        loop.

        Raises:
            BusyError: A run is under way; `HaltedError` when the agent is halted.
            QueueFullError: `max_pending` runs wait.
            AgentError: The agent is closed, or there is nothing to continue.
        """
        if self._closed:
            raise self._failure or AgentError("The agent is closed.")
        if self._run is None and not self.is_halting:
            if content is None and not self._can_continue():
                text = "There is nothing to continue: the last message is a finished reply."
                raise AgentError(text)
            run = Run(self, None if content is None else as_blocks(content))
            self._begin(run)
            return run
        if content is not None and when_busy == "queue":
            run = Run(self, as_blocks(content))
            self.queue.add(run)
            self._requests.add(run)
            self.observe("queue.queued", depth=len(self.queue.runs), queued=run.id)
            self._queue_changed()
            return run
        if content is not None and when_busy == "steer" and self._run is not None:
            self.return_steer("replaced")
            self.queue.steer = Steer(as_blocks(content), at)
            self._queue_changed()
            return self._run
        if self._run is None:
            raise HaltedError("The agent is halted.", hint="unhalt it", status=self.status)
        raise self._busy()

    def steer(self, content: Content, *, at: Boundary = "turn") -> Run:
        """Give a text to the run under way; with none, it is a prompt."""
        return self.prompt(content, when_busy="steer", at=at)

    async def ask(self, content: Content, *, when_busy: WhenBusy = "reject") -> Response:
        """Prompt and wait for the answer; raises `AgentRunError` when there is none.

        Cancelling the caller cancels the run.
        """
        run = self.prompt(content, when_busy=when_busy)
        try:
            return await run
        except asyncio.CancelledError:
            run.cancel()
            raise

    async def stream(
        self, content: Content, *, when_busy: WhenBusy = "reject"
    ) -> AsyncGenerator[Event, None]:
        """Prompt and iterate the run's events; leaving early cancels the run."""
        run = self.prompt(content, when_busy=when_busy)
        try:
            async with aclosing(aiter(run)) as events:
                async for event in events:
                    yield event
        finally:
            run.cancel()

    def tell(self, content: Content) -> str:
        """Prompt without waiting, behind what goes on; the id is for `poll` and `cancel`."""
        return self.prompt(content, when_busy="queue").id

    def poll(self, run_id: str) -> Poll:
        """How a request stands; of finished ones the last 100 are known."""
        run = self._requests.get(run_id)
        if run is None:
            return Poll(status="not_found")
        if not run.is_done:
            return Poll(status="pending")
        if run.outcome in ("completed", "max_steps"):
            return Poll(status="done", response=run.response)
        return Poll(status="error", response=run.response, error=run.error or run.failure())

    def notify(self, event: Any) -> None:
        """Tell the `handle_event` hooks something, now or at the end of the turn under way."""
        if self._closed:
            raise self._failure or AgentError("The agent is closed.")
        self.queue.events.append(event)
        if self._run is None:
            self._between_runs()

    def resume(self, answer: Answer) -> None:
        """Answer a pause.

        Raises `IdleError` when nothing waits for an answer.
        """
        if self._answer is None or self._answer.done():
            raise IdleError(f"The agent is {self.status}: it asked nothing.", status=self.status)
        self._answer.set_result(answer)

    def halt(self) -> None:
        """Freeze the agent, now or at the end of the turn under way; what waits keeps waiting."""
        if not self.is_halting:
            self.is_halting = True
            if self._run is None:
                self._between_runs(freezing=True)

    def unhalt(self) -> None:
        """Thaw the agent and go on with what waits."""
        if self.is_halting:
            self.is_halting = False
            if self._run is None:
                self.set_status("idle")
                self._next()

    # State

    def update(
        self,
        *,
        model: str | Model | msgspec.UnsetType = msgspec.UNSET,
        system: str | msgspec.UnsetType | None = msgspec.UNSET,
        tools: Iterable[Tool] | msgspec.UnsetType = msgspec.UNSET,
        options: Options | Callable[[Options], Options] | msgspec.UnsetType = msgspec.UNSET,
    ) -> None:
        """Change these from the next run on, all or none; `options` may be a function of them.

        Raises:
            BusyError: A run is under way.
            UnknownModelError: There is no such model.
        """
        self._must_rest()
        changes: dict[str, Any] = {}
        if model is not msgspec.UNSET:
            self.registry.resolve(model)
            changes["model"] = model
        if system is not msgspec.UNSET:
            changes["system"] = system
        if tools is not msgspec.UNSET:
            changes["tools"] = {tool.name: tool for tool in tools}
        if options is not msgspec.UNSET:
            changes["options"] = options(self.options) if callable(options) else options
        for name, value in changes.items():
            setattr(self, name, value)
        if changes:
            self.emit(StateChanged(fields=tuple(changes)))

    def reset(self) -> None:
        """Forget the history and what waits; model, tools, options and usage stay.

        Raises `BusyError` when a run is under way.
        """
        self._must_rest()
        self._cancel_waiting()
        self.queue.events.clear()
        self.queue.follow_ups.clear()
        self.history.clear()
        self.committed = 0
        self.emit(StateChanged(fields=("messages",)))

    def subscribe(self) -> tuple[Snapshot, Subscription]:
        """The state now, and every event after it."""
        subscription = Subscription(on_close=self._subscriptions.remove)
        self._subscriptions.append(subscription)
        return self.snapshot(), subscription

    def snapshot(self) -> Snapshot:
        """The state now."""
        return Snapshot(
            status=self.status,
            messages=self.messages,
            pending=tuple(self.history[self.committed :]),
            partial=self.accumulator.message() if self.accumulator else None,
            paused=self.paused,
            waiting=tuple(run.id for run in self.queue.runs),
            steer=self.queue.steer,
        )

    def health(self) -> Health:
        """What a monitor wants to know."""
        return Health(
            status=self._true_status,
            busy=self._run is not None,
            turns=self._turns,
            message_count=self.committed,
            usage=self.usage,
            uptime=(datetime.now(UTC) - self._created).total_seconds(),
            pending_count=len(self.queue.runs),
            max_pending=self.queue.limit,
        )

    def export(self) -> Export:
        """The conversation, without what a turn under way has added."""
        return Export(
            id=self.session_id,
            messages=self.messages,
            usage=self.usage,
            metadata={"status": self.status, "turns": self._turns, "model": str(self.model)},
            created_at=self._created,
            updated_at=self._updated,
        )

    def _must_rest(self) -> None:
        if self._run is not None:
            raise self._busy()

    @property
    def _true_status(self) -> Status:
        """Between `prompt` and the first step of a run nobody was told yet that it is busy."""
        has_begun = self._run is not None and self.status == "idle"
        return "busy" if has_begun else self.status

    def _busy(self) -> BusyError:
        status = self._true_status
        return BusyError(f"The agent is {status}.", hint="wait, or cancel the run", status=status)

    def _can_continue(self) -> bool:
        return bool(self.history) and (
            self.history[-1].role == "user" or bool(self.history[-1].tool_uses)
        )
