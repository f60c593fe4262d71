"""Asks an agent's hooks, in order, and settles what a hook that fails means."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import msgspec

from omni_tui.agent.decisions import (
    AfterError,
    AfterStep,
    AfterTurn,
    BeforeTurn,
    Continue,
    Decision,
    Execute,
    Halt,
    Ignore,
    OnEvent,
    Pause,
    Proceed,
    Provide,
    Reject,
    Retry,
    Skip,
    Stop,
)
from omni_tui.agent.events import Outcome
from omni_tui.agent.hooks import Hooks
from omni_tui.core.errors import AgentError, OmniError
from omni_tui.core.messages import Block, Message, ToolResult, ToolUse, as_blocks
from omni_tui.core.stream import Response, StreamEvent

D = TypeVar("D")

log = logging.getLogger(__name__)


class HookChain:
    """The hooks of one agent; those it leaves at their default cost nothing."""

    def __init__(self, hooks: Sequence[Hooks]) -> None:
        self._hooks = tuple(hooks)
        self.sees_stream = bool(self._those("handle_stream_event"))
        """Whether any hook wants the stream's events."""

    def _those(self, name: str) -> list[Any]:
        default = getattr(Hooks, name)
        return [
            getattr(hook, name) for hook in self._hooks if getattr(type(hook), name) is not default
        ]

    async def init(self) -> None:
        """Call every `init`; what one raises gets through."""
        for hook in self._those("init"):
            await hook()

    async def pre_run(self) -> None:
        """Call every `pre_run`; what one raises gets through."""
        for hook in self._those("pre_run"):
            await hook()

    async def pre_turn(self, content: tuple[Block, ...] | None) -> BeforeTurn:
        """What to send: each hook sees what the one before made of it."""
        for hook in self._those("pre_turn"):
            try:
                decision = _checked(await hook(content), (Proceed, Skip, Halt), "pre_turn")
                if not isinstance(decision, Proceed):
                    return cast(BeforeTurn, decision)
                if decision.content is not None:
                    content = as_blocks(decision.content)
            except Exception:
                log.exception("pre_turn failed; the turn is skipped")
                return Skip()
        return Proceed(content)

    async def handle_stream_event(self, event: StreamEvent) -> None:
        """Show every hook an event of the stream."""
        await self._tell("handle_stream_event", event)

    async def handle_step(self, response: Response) -> AfterStep:
        """Raises `AgentError` when a hook fails."""
        return await self._first("handle_step", Proceed(), (Proceed, Stop, Halt), response)

    async def handle_tool_use(self, use: ToolUse) -> Decision | None:
        """The first decision that is not the default; `None` when all leave it."""
        for hook in self._those("handle_tool_use"):
            try:
                kinds = (Execute, Reject, Provide, Pause)
                decision = _checked(await hook(use), kinds, "handle_tool_use")
            except Exception as error:
                log.exception("a hook failed on %s", use.name)
                reason = f"the guard failed: {type(error).__name__}: {error}"
                return Reject(reason, by="a failed hook")
            if decision != Execute():
                return cast(Decision, decision)
        return None

    async def handle_tool_result(self, result: ToolResult) -> ToolResult:
        """The result as the hooks leave it; it stays the answer to its own use."""
        for hook in self._those("handle_tool_result"):
            try:
                changed = _checked(await hook(result), (ToolResult,), "handle_tool_result")
                result = msgspec.structs.replace(
                    cast(ToolResult, changed), tool_use_id=result.tool_use_id, name=result.name
                )
            except Exception:
                log.exception("handle_tool_result failed on %s", result.name)
        return result

    async def handle_turn(self, response: Response) -> AfterTurn:
        """Raises `AgentError` when a hook fails."""
        return await self._first("handle_turn", Stop(), (Stop, Continue, Halt), response)

    async def handle_error(self, error: OmniError) -> AfterError:
        """`Stop` when a hook fails."""
        try:
            kinds = (Stop, Retry, Continue, Halt)
            return await self._first("handle_error", Stop(), kinds, error)
        except AgentError:
            return Stop()

    async def handle_event(self, event: Any) -> OnEvent:
        """`Ignore` when a hook fails."""
        try:
            return await self._first("handle_event", Ignore(), (Ignore, Continue, Halt), event)
        except AgentError:
            return Ignore()

    async def on_compaction(self, removed: tuple[Message, ...]) -> None:
        """Tell every hook."""
        await self._tell("on_compaction", removed)

    async def post_turn(self, outcome: Outcome) -> None:
        """Tell every hook."""
        await self._tell("post_turn", outcome)

    async def post_run(self) -> None:
        """Tell every hook."""
        await self._tell("post_run")

    async def terminate(self, reason: str) -> None:
        """Tell every hook."""
        await self._tell("terminate", reason)

    async def _first(
        self, name: str, default: D, kinds: tuple[type, ...], *arguments: Any
    ) -> Any | D:
        for hook in self._those(name):
            try:
                decision = _checked(await hook(*arguments), kinds, name)
            except Exception as error:
                log.exception("%s failed", name)
                text = f"The hook {name} failed: {type(error).__name__}: {error}"
                raise AgentError(text) from error
            if decision != default:
                return decision
        return default

    async def _tell(self, name: str, *arguments: Any) -> None:
        for hook in self._those(name):
            try:
                await hook(*arguments)
            except Exception:
                log.exception("%s failed", name)


def _checked(decision: Any, kinds: tuple[type, ...], name: str) -> Any:
    if not isinstance(decision, kinds):
        wanted = ", ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name} must return one of {wanted}, not {decision!r:.100}")
    return decision
