"""OpenTelemetry: spans and metrics of what agents do, under the names of the GenAI conventions.

Spans stand as run → turn → step → request and tools: `invoke_agent`, `turn`, `step`, `chat`,
`execute_tool`. No words of a conversation are in them. Attribute names:
https://opentelemetry.io/docs/specs/semconv/gen-ai/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from omni_tui.core.telemetry import Telemetry
from omni_tui.core.usage import Usage

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

_SPANS = ("prompt", "turn", "step", "llm", "tool")


def instrument(
    telemetry: Telemetry,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> Callable[[], None]:
    """Trace and count what `telemetry` is told; gives a function that ends it.

    Needs the package `opentelemetry-api` (the extra `otel`); without an SDK set up, nothing is
    recorded. The providers default to the global ones.
    """
    recorder = _Recorder(tracer_provider, meter_provider)
    detach = [telemetry.attach(name, recorder) for name in _SPANS]

    def uninstrument() -> None:
        for each in detach:
            each()

    return uninstrument


class _Recorder:
    """Opens a span at `NAME.start` and closes it at `NAME.stop` or `NAME.error`.

    A span stands under the open one of its own run that is next above it; a run stands under what
    is current, such as the tool that asked. While a span is open it is current in the task that
    told of it; where another task tells its end, it stays so until that task tells again.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None
    ) -> None:
        from opentelemetry import metrics, trace

        self._tracer = trace.get_tracer("omni_tui", tracer_provider=tracer_provider)
        meter = metrics.get_meter("omni_tui", meter_provider=meter_provider)
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage", "{token}", "Tokens read and written"
        )
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration", "s", "Duration of requests, tools and runs"
        )
        self._retries = meter.create_counter("omni_tui.llm.retries", "{retry}", "Requests repeated")
        self._open: dict[tuple[Any, ...], Span] = {}
        self._current: ContextVar[tuple[tuple[Span, Token[Context]], ...]] = ContextVar(
            "omni_tui_spans", default=()
        )

    def __call__(self, name: str, facts: Mapping[str, Any]) -> None:
        what, _, when = name.partition(".")
        match when:
            case "start":
                self._begin(what, facts)
            case "retry":
                self._retries.add(1, _of_model(str(facts["model"])))
            case _:
                self._end(what, facts)

    def _begin(self, what: str, facts: Mapping[str, Any]) -> None:
        from opentelemetry import context, trace

        kind = trace.SpanKind.CLIENT if what == "llm" else trace.SpanKind.INTERNAL
        title, attributes = _described(what, facts)
        parent = self._parent(what, facts)
        under = None if parent is None else trace.set_span_in_context(parent)
        span = self._tracer.start_span(title, context=under, kind=kind, attributes=attributes)
        token = context.attach(trace.set_span_in_context(span))
        self._open[_key(what, facts)] = span
        self._current.set((*self._current.get(), (span, token)))

    def _parent(self, what: str, facts: Mapping[str, Any]) -> Span | None:
        """The open span of the same run that is next above; a request and a tool are alike."""
        above = _SPANS[: min(_SPANS.index(what), _SPANS.index("llm"))]
        run = {"agent_id": facts["agent_id"], "run_id": facts["run_id"]}
        found = (self._open.get(_key(each, run)) for each in reversed(above))
        return next((span for span in found if span is not None), None)

    def _end(self, what: str, facts: Mapping[str, Any]) -> None:
        from opentelemetry import context, trace

        span = self._open.pop(_key(what, facts), None)
        if span is None:
            return  # it began before the instrumentation
        usage = facts.get("usage")
        if isinstance(usage, Usage):
            span.set_attributes(_counted(usage))
        if "response_model" in facts:
            span.set_attribute("gen_ai.response.model", _split(facts["response_model"])[1])
        if facts.get("stop_reason"):
            span.set_attribute("gen_ai.response.finish_reasons", [str(facts["stop_reason"])])
        if "outcome" in facts:
            span.set_attribute("omni_tui.outcome", str(facts["outcome"]))
        if (error := facts.get("error")) is not None:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(trace.Status(trace.StatusCode.ERROR, type(error).__name__))
        span.end()
        still_open = set(map(id, self._open.values()))
        stack = self._current.get()
        while stack and id(stack[-1][0]) not in still_open:
            context.detach(stack[-1][1])
            stack = stack[:-1]
        self._current.set(stack)
        self._measure(what, facts)

    def _measure(self, what: str, facts: Mapping[str, Any]) -> None:
        operation = {"prompt": "invoke_agent", "llm": "chat", "tool": "execute_tool"}.get(what)
        if operation is None:
            return
        about = {"gen_ai.operation.name": operation}
        if "model" in facts:
            about |= _of_model(str(facts["model"]))
        if (error := facts.get("error")) is not None:
            about["error.type"] = type(error).__name__
        self._duration.record(facts["duration"], about)
        usage = facts.get("usage")
        if isinstance(usage, Usage):
            self._tokens.record(usage.read, {**about, "gen_ai.token.type": "input"})
            self._tokens.record(usage.output, {**about, "gen_ai.token.type": "output"})


def _key(what: str, facts: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells the open spans apart: at most one of a kind in a run, but for tools."""
    return what, facts["agent_id"], facts["run_id"], facts.get("tool_use_id")


def _described(what: str, facts: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name of a span and its attributes at the start."""
    attributes: dict[str, Any] = {"gen_ai.agent.id": facts["agent_id"]}
    if facts.get("session_id"):
        attributes["gen_ai.conversation.id"] = facts["session_id"]
    match what:
        case "prompt":
            attributes |= {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": facts["agent"],
                "omni_tui.run.id": facts["run_id"],
                **_of_model(facts["model"]),
            }
            return f"invoke_agent {facts['agent']}", attributes
        case "llm":
            attributes |= {"gen_ai.operation.name": "chat", **_of_model(facts["model"])}
            return f"chat {_split(facts['model'])[1]}", attributes
        case "tool":
            attributes |= {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": facts["tool"],
                "gen_ai.tool.call.id": facts["tool_use_id"],
                "gen_ai.tool.type": "function",
            }
            return f"execute_tool {facts['tool']}", attributes
        case _:
            return what, {**attributes, "omni_tui.step": facts["step"]}


def _of_model(model: str) -> dict[str, str]:
    provider, name = _split(model)
    return {"gen_ai.provider.name": provider, "gen_ai.request.model": name}


def _split(model: str) -> tuple[str, str]:
    provider, _, name = model.partition("/")
    return provider, name or provider


def _counted(usage: Usage) -> dict[str, int]:
    return {
        "gen_ai.usage.input_tokens": usage.read,
        "gen_ai.usage.output_tokens": usage.output,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write,
    }
