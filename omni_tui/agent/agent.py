"""A stateful conversation with a model: prompt it, listen to it, answer it, stop it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import msgspec

from omni_tui.agent.chain import HookChain
from omni_tui.agent.context import Context
from omni_tui.agent.decisions import Answer
from omni_tui.agent.engine import Engine, Settings
from omni_tui.agent.events import Event, Paused, StateChanged, Status
from omni_tui.agent.execute import TimeoutOf
from omni_tui.agent.hooks import Hooks
from omni_tui.agent.journal import Journal
from omni_tui.agent.queue import Boundary, Steer, WhenBusy
from omni_tui.agent.run import Run
from omni_tui.agent.state import (
    Export,
    Health,
    Poll,
    Snapshot,
    export_of,
    health_of,
    snapshot_of,
)
from omni_tui.agent.subscription import Subscription
from omni_tui.core.errors import AgentError, HaltedError, IdleError
from omni_tui.core.messages import Block, Content, Message, as_blocks
from omni_tui.core.stream import Response
from omni_tui.core.telemetry import Telemetry
from omni_tui.core.tool import Tool, ToolContext
from omni_tui.core.usage import Usage
from omni_tui.llm.accumulator import Accumulator
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Model, Options, OutputFormat
from omni_tui.llm.retry import RetryPolicy


class Agent(Hooks):
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
        context: What to send of a history that is too long, such as `Truncate()` or `Summarize()`;
            without one all of it is sent. Programs that own their loop are not asked.
        cwd: The working folder of tools.
        registry: Finds providers; its own by default, closed with the agent.
        journal: Where completed messages are written down.
        session_id: Told to tools.
        telemetry: Who is told what the agent does.
        depth: How many agents stand above this one.
        private: Scratch for tools and hooks, a new one by default; never stored.

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
        context: Context | None = None,
        cwd: Path | None = None,
        registry: ProviderRegistry | None = None,
        journal: Journal | None = None,
        session_id: str | None = None,
        telemetry: Telemetry | None = None,
        depth: int = 0,
        private: dict[str, Any] | None = None,
    ) -> None:
        if max_steps is not None and max_steps < 1:
            raise ValueError("max_steps must be at least 1, or None for no limit")
        settings = Settings(
            model=model,
            system=system,
            tools={tool.name: tool for tool in tools},
            options=options or Options(),
            max_steps=max_steps,
            tool_timeout=tool_timeout,
            turn_timeout=turn_timeout,
            keep_partial=keep_partial,
            retry=retry or RetryPolicy(),
            fallbacks=tuple(fallbacks),
            output=output,
        )
        self._engine = Engine(
            type(self).__name__,
            settings,
            HookChain((*hooks, self)),
            ToolContext(
                cwd=cwd or Path.cwd(),
                session_id=session_id,
                depth=depth,
                private={} if private is None else private,
            ),
            registry or ProviderRegistry(),
            messages=messages,
            max_pending=max_pending,
            journal=journal,
            telemetry=telemetry,
            view=context,
        )
        self._owns_registry = registry is None

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
    def id(self) -> str:
        """Of this agent; telemetry tells it."""
        return self._engine.id

    @property
    def session_id(self) -> str | None:
        """Of the session it works for."""
        return self._engine.context.session_id

    @property
    def private(self) -> dict[str, Any]:
        """Scratch that its tools find in `ToolContext.private`; never stored."""
        return self._engine.context.private

    @property
    def model(self) -> str | Model:
        """Whom it asks; `update` changes it."""
        return self._engine.settings.model

    @property
    def system(self) -> str | None:
        """The system prompt."""
        return self._engine.settings.system

    @property
    def tools(self) -> Mapping[str, Tool]:
        """What the model may use, by name."""
        return MappingProxyType(self._engine.settings.tools)

    @property
    def options(self) -> Options:
        """How the model is asked."""
        return self._engine.settings.options

    @property
    def messages(self) -> tuple[Message, ...]:
        """The committed history; a turn under way is not in it."""
        return self._engine.messages

    @property
    def partial(self) -> Accumulator | None:
        """The message now on its way; `snapshot` gives it as a message."""
        return self._engine.accumulator

    @property
    def usage(self) -> Usage:
        """Of all steps since the agent was made."""
        return self._engine.usage

    @property
    def status(self) -> Status:
        """As the events tell it: `idle`, `busy`, `paused` or `halted`."""
        return self._engine.status

    @property
    def paused(self) -> Paused | None:
        """The question the run under way waits for."""
        return self._engine.paused

    @property
    def run(self) -> Run | None:
        """The run under way."""
        return self._engine.current

    @property
    def steering(self) -> Steer | None:
        """The text that waits for the run under way."""
        return self._engine.queue.steer

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more prompts: it was closed, or could not begin."""
        return self._engine.is_closed

    # Life

    async def start(self) -> None:
        """Call the `init` hooks, then `pre_run` in the background.

        The first prompt does it where nobody else did. Raises `AgentError` when `init` fails.
        """
        if self._engine.stage == "new":
            await self._engine.init()
            self._engine.between_runs()

    async def close(self) -> None:
        """Cancel the run under way and those that wait, wait for the end, release connections."""
        await self._engine.close()
        if self._owns_registry:
            await self._engine.registry.close()

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
        engine = self._engine
        engine.must_be_open()
        if engine.current is None and not engine.is_halting:
            if content is None and not engine.can_continue:
                text = "There is nothing to continue: the last message is a finished reply."
                raise AgentError(text)
            run = Run(engine, None if content is None else as_blocks(content))
            engine.begin(run)
            return run
        if content is not None and when_busy == "queue":
            run = Run(engine, as_blocks(content))
            engine.enqueue(run)
            return run
        if content is not None and when_busy == "steer" and engine.current is not None:
            engine.return_steer("replaced")
            engine.queue.steer = Steer(as_blocks(content), at)
            engine.queue_changed()
            return engine.current
        if engine.current is None:
            raise HaltedError("The agent is halted.", hint="unhalt it", status=self.status)
        raise engine.busy()

    def steer(self, content: Content, *, at: Boundary = "turn") -> Run:
        """Give a text to the run under way; with none, it is a prompt."""
        return self.prompt(content, when_busy="steer", at=at)

    def unsteer(self) -> tuple[Block, ...] | None:
        """Take back the text that waits for the run under way, if there is one."""
        return self._engine.take_steer("turn", "step")

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
        run = self._engine.requests.get(run_id)
        if run is None:
            return Poll(status="not_found")
        if not run.is_done:
            return Poll(status="pending")
        if run.outcome in ("completed", "max_steps"):
            return Poll(status="done", response=run.response)
        return Poll(status="error", response=run.response, error=run.error or run.failure())

    def notify(self, event: Any) -> None:
        """Tell the `handle_event` hooks something, now or at the end of the turn under way."""
        engine = self._engine
        engine.must_be_open()
        engine.queue.events.append(event)
        if engine.current is None:
            engine.between_runs()

    def resume(self, answer: Answer) -> None:
        """Answer a pause.

        Raises `IdleError` when nothing waits for an answer.
        """
        waiting = self._engine.answer
        if waiting is None or waiting.done():
            raise IdleError(f"The agent is {self.status}: it asked nothing.", status=self.status)
        waiting.set_result(answer)

    def cancel(self, run_id: str | None = None) -> bool:
        """Stop the run under way, or the one with this id; says whether there was one.

        Never raises.
        """
        return self._engine.cancel(run_id)

    def halt(self) -> None:
        """Freeze the agent, now or at the end of the turn under way; what waits keeps waiting."""
        engine = self._engine
        if not engine.is_halting:
            engine.is_halting = True
            if engine.current is None:
                engine.between_runs(freezing=True)

    def unhalt(self) -> None:
        """Thaw the agent and go on with what waits."""
        engine = self._engine
        if engine.is_halting:
            engine.is_halting = False
            if engine.current is None:
                engine.set_status("idle")
                engine.next()

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
        engine = self._engine
        engine.must_rest()
        changes: dict[str, Any] = {}
        if model is not msgspec.UNSET:
            engine.registry.resolve(model)
            changes["model"] = model
        if system is not msgspec.UNSET:
            changes["system"] = system
        if tools is not msgspec.UNSET:
            changes["tools"] = {tool.name: tool for tool in tools}
        if options is not msgspec.UNSET:
            changes["options"] = options(self.options) if callable(options) else options
        for name, value in changes.items():
            setattr(engine.settings, name, value)
        if changes:
            engine.emit(StateChanged(fields=tuple(changes)))

    def reset(self) -> None:
        """Forget the history and what waits; model, tools, options and usage stay.

        Raises `BusyError` when a run is under way.
        """
        engine = self._engine
        engine.must_rest()
        engine.cancel_waiting()
        engine.queue.events.clear()
        engine.queue.follow_ups.clear()
        engine.history.clear()
        engine.committed = 0
        engine.emit(StateChanged(fields=("messages",)))

    def subscribe(self) -> tuple[Snapshot, Subscription]:
        """The state now, and every event after it."""
        subscription = Subscription(on_close=self._engine.subscriptions.remove)
        self._engine.subscriptions.append(subscription)
        return self.snapshot(), subscription

    def snapshot(self) -> Snapshot:
        """The state now."""
        return snapshot_of(self._engine)

    def health(self) -> Health:
        """What a monitor wants to know."""
        return health_of(self._engine)

    def export(self) -> Export:
        """The conversation, without what a turn under way has added."""
        return export_of(self._engine)
