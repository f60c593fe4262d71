"""Telemetry of a program that owns its loop: what it does is heard of, not done here."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from omni_tui.core.errors import OmniError, ToolError
from omni_tui.core.messages import ToolResult, ToolUse

if TYPE_CHECKING:
    from omni_tui.agent.engine import Engine


class Spans:
    """The spans that are open: a step, its request, its tools. Each may end in any task."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._step = ExitStack()
        self._request = ExitStack()
        self._asked: dict[str, Any] = {}
        self._tools: dict[str, tuple[ExitStack, dict[str, Any]]] = {}

    def step(self, model: str) -> None:
        """A step begins with its request; the one before is over."""
        self.close()
        self._step.enter_context(self._engine.span("step"))
        self._asked = self._request.enter_context(self._engine.span("llm", model=model))

    def answered(self, **facts: Any) -> None:
        """The request is over."""
        self._asked.update(facts)
        self._request.close()

    def tool(self, use: ToolUse) -> None:
        """A tool runs."""
        stack = ExitStack()
        span = self._engine.span("tool", tool=use.name, tool_use_id=use.id, input=use.input)
        self._tools[use.id] = stack, stack.enter_context(span)

    def tool_over(self, result: ToolResult) -> None:
        """A tool is done; one that never ran is passed over."""
        stack, told = self._tools.pop(result.tool_use_id, (ExitStack(), {}))
        if result.is_error:
            told["error"] = ToolError(result.content)
        stack.close()

    def close(self, error: OmniError | None = None) -> None:
        """The step is over; what is still open of it ends too, with `error`."""
        for stack, told in self._tools.values():
            told["error"] = error
            stack.close()
        self._tools.clear()
        self.answered(error=error)
        self._step.close()
