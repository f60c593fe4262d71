"""What agents tell of themselves: the exact names, and the spans made of them."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from agent_helpers import Gate, Recorder, make_agent
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from omni_tui.agent.agent import Agent
from omni_tui.agent.otel import instrument
from omni_tui.agent.subagent import agent_as_tool
from omni_tui.core.errors import RateLimitError, RequestError
from omni_tui.core.telemetry import Telemetry
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.scripted import Call, Fail, ScriptedProvider


class Heard:
    """A handler that keeps everything."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Mapping[str, Any]]] = []

    def __call__(self, name: str, facts: Mapping[str, Any]) -> None:
        self.told.append((name, facts))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.told]

    def facts(self, name: str) -> list[Mapping[str, Any]]:
        return [facts for each, facts in self.told if each == name]


def listening(prefix: str = "") -> tuple[Telemetry, Heard]:
    telemetry, heard = Telemetry(), Heard()
    telemetry.attach(prefix, heard)
    return telemetry, heard


async def test_a_run_with_a_tool_tells_exactly_this() -> None:
    telemetry, heard = listening()
    recorder = Recorder()
    agent = make_agent(
        [[Call("look", id="1")], "Done"],
        tools=[recorder.tool()],
        telemetry=telemetry,
        session_id="s",
    )
    async with agent:
        run = agent.prompt("Go")
        await run
        agent.notify("bell")
        agent.halt()
    step = ["step.start", "llm.start", "llm.stop", "step.stop"]
    assert heard.names[: heard.names.index("prompt.stop") + 1] == [
        "agent.start",
        "prompt.start",
        "state.changed",
        "turn.start",
        *step[:3],
        "tool.start",
        "tool.stop",
        step[3],
        *step,
        "state.changed",
        "turn.stop",
        "prompt.stop",
    ]
    assert heard.names[-1] == "agent.stop"
    (tool,) = heard.facts("tool.stop")
    assert (tool["tool"], tool["tool_use_id"], tool["run_id"]) == ("look", "1", run.id)
    assert (tool["session_id"], tool["agent_id"], tool["step"]) == ("s", agent.id, 1)
    assert tool["duration"] >= 0
    assert sum((f["usage"] for f in heard.facts("llm.stop")), Usage()) == agent.usage
    assert heard.facts("prompt.stop")[0]["outcome"] == "completed"
    assert [(f["before"], f["after"]) for f in heard.facts("state.changed")][:2] == [
        ("idle", "busy"),
        ("busy", "idle"),
    ]


async def test_retries_are_told_within_one_request() -> None:
    telemetry, heard = listening("llm")
    busy = [Fail(RateLimitError("busy", status=429))]
    async with make_agent([busy, busy, "Hi"], telemetry=telemetry) as agent:
        await agent.ask("Go")
    assert heard.names == ["llm.start", "llm.retry", "llm.retry", "llm.stop"]
    assert [facts["attempt"] for facts in heard.facts("llm.retry")] == [1, 2]


async def test_failures_and_cancels_are_told_as_errors() -> None:
    telemetry, heard = listening()
    gate = Gate()
    agent = make_agent(
        [[Fail(RequestError("no"))], [Call("wait")]], tools=[gate.tool], telemetry=telemetry
    )
    await agent.prompt("a").wait()
    run = agent.prompt("b")
    await gate.started.wait()
    run.cancel()
    await run.wait()
    await agent.close()
    errors = [f"{n} {type(f['error']).__name__}" for n, f in heard.told if n.endswith("error")]
    assert errors == [
        "llm.error RequestError",
        "step.error RequestError",
        "prompt.error RequestError",
        "tool.error CancelledError",
        "step.error CancelledError",
        "turn.error CancelledError",
        "prompt.error CancelledRequestError",
    ]
    begun = sum(name.endswith(".start") for name in heard.names) - heard.names.count("agent.start")
    ended = sum(name.endswith((".stop", ".error")) for name in heard.names)
    assert begun == ended - heard.names.count("agent.stop")


async def test_what_waits_and_what_is_told_is_told() -> None:
    telemetry, heard = listening()
    agent = make_agent(["1", "2"], telemetry=telemetry, max_pending=1)
    agent.prompt("a")
    queued = agent.prompt("b", when_busy="queue")
    agent.notify("bell")
    await queued
    agent.halt()
    while agent.status != "halted":
        await asyncio.sleep(0)
    await agent.close()
    (waiting,) = heard.facts("queue.queued")
    assert (waiting["depth"], waiting["queued"]) == (1, queued.id)
    assert [facts["event"] for facts in heard.facts("event.received")] == ["bell"]
    assert "halted" in heard.names


async def test_a_handler_that_fails_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def broken(name: str, facts: Mapping[str, Any]) -> None:
        raise RuntimeError("no")

    telemetry, heard = listening("prompt")
    telemetry.attach("", broken)
    with caplog.at_level(logging.ERROR):
        async with make_agent(["Hi"], telemetry=telemetry) as agent:
            assert (await agent.ask("Go")).message.text == "Hi"
    assert "a telemetry handler failed on prompt.start" in caplog.text
    assert heard.names == ["prompt.start", "prompt.stop"]


def test_a_prefix_is_whole_words_and_a_handler_can_leave() -> None:
    telemetry, heard = Telemetry(), Heard()
    detach = telemetry.attach("tool", heard)
    telemetry.tell("tool.start")
    telemetry.tell("tool")
    telemetry.tell("toolbox.start")
    detach()
    detach()
    telemetry.tell("tool.stop")
    assert heard.names == ["tool.start", "tool"]
    assert not telemetry.is_on


class Recorded:
    """Spans and metrics, kept in memory."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.exporter = InMemorySpanExporter()
        self.traces = TracerProvider()
        self.traces.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        meters = MeterProvider([self.reader])
        self.end = instrument(telemetry, tracer_provider=self.traces, meter_provider=meters)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def parents(self) -> dict[str, str | None]:
        """Each span's name with its parent's."""
        names = {span.context.span_id: span.name for span in self.spans if span.context}
        return {
            span.name: names.get(span.parent.span_id) if span.parent else None
            for span in self.spans
        }

    def span(self, name: str) -> ReadableSpan:
        return next(span for span in self.spans if span.name == name)


async def test_spans_stand_as_run_turn_step_request_and_tool() -> None:
    telemetry = Telemetry()
    recorded = Recorded(telemetry)
    recorder = Recorder()
    agent = make_agent(
        [[Call("look", id="1")], "Done"],
        tools=[recorder.tool()],
        telemetry=telemetry,
        session_id="s",
    )
    with recorded.traces.get_tracer("test").start_as_current_span("request of a user"):
        await agent.ask("Go")
    await agent.close()
    assert recorded.parents() == {
        "request of a user": None,
        "invoke_agent Agent": "request of a user",
        "turn": "invoke_agent Agent",
        "step": "turn",
        "chat script": "step",
        "execute_tool look": "step",
    }
    chat = dict(recorded.span("chat script").attributes or {})
    assert (
        chat.items()
        >= {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "scripted",
            "gen_ai.request.model": "script",
            "gen_ai.response.model": "script",
            "gen_ai.conversation.id": "s",
            "gen_ai.agent.id": agent.id,
            "gen_ai.response.finish_reasons": ("tool_use",),
        }.items()
    )
    inputs = [
        (span.attributes or {})["gen_ai.usage.input_tokens"]
        for span in recorded.spans
        if span.name == "chat script"
    ]
    assert sum(inputs) == agent.usage.read  # type: ignore[arg-type]
    tool = dict(recorded.span("execute_tool look").attributes or {})
    assert (
        tool.items()
        >= {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "look",
            "gen_ai.tool.call.id": "1",
            "gen_ai.tool.type": "function",
        }.items()
    )
    everything = " ".join(str(span.attributes) for span in recorded.spans)
    assert "Go" not in everything
    assert "Done" not in everything


async def test_parallel_tools_and_sub_agents_stand_under_their_own_parents() -> None:
    telemetry = Telemetry()
    recorded = Recorded(telemetry)
    recorder = Recorder()
    inner = ScriptedProvider(["Four."], name="inner")
    worker = agent_as_tool(
        Agent, name="worker", description="", model=inner.model("sub"), telemetry=telemetry
    )
    calls = [Call("look"), Call("worker", {"prompt": "2+2"})]
    agent = make_agent([calls, "Done"], tools=[recorder.tool(), worker], telemetry=telemetry)
    await agent.ask("Go")
    await agent.close()
    parents = recorded.parents()
    assert parents["execute_tool look"] == parents["execute_tool worker"] == "step"
    sub = recorded.span("chat sub")
    by_id = {span.context.span_id: span for span in recorded.spans if span.context}
    above = []
    while sub.parent is not None:
        sub = by_id[sub.parent.span_id]
        above.append(sub.name)
    assert above == [
        *("step", "turn", "invoke_agent Agent", "execute_tool worker"),
        *("step", "turn", "invoke_agent Agent"),
    ]


async def test_errors_mark_their_spans_and_metrics_count() -> None:
    telemetry = Telemetry()
    recorded = Recorded(telemetry)
    busy = [Fail(RateLimitError("busy", status=429))]
    agent = make_agent(
        [[Call("unknown")], busy, [Fail(RequestError("a secret"))]], telemetry=telemetry
    )
    await agent.prompt("Go").wait()
    await agent.close()
    failed = [span for span in recorded.spans if not span.status.is_ok]
    assert {span.name for span in failed} == {"chat script", "step", "invoke_agent Agent"}
    assert all("secret" not in str((s.attributes, s.status.description)) for s in failed)
    data = recorded.reader.get_metrics_data()
    assert data is not None
    names = {
        metric.name
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert names == {
        "gen_ai.client.token.usage",
        "gen_ai.client.operation.duration",
        "omni_tui.llm.retries",
    }
    recorded.end()
    assert not telemetry.is_on


def test_tracing_works_with_the_api_alone_and_is_not_imported_before() -> None:
    code = """
import asyncio, sys
sys.modules["opentelemetry.sdk"] = None
from omni_tui import Agent
from omni_tui.core.telemetry import Telemetry
from omni_tui.testing import ScriptedProvider
telemetry = Telemetry()
assert "opentelemetry" not in sys.modules
from omni_tui.agent.otel import instrument
assert "opentelemetry" not in sys.modules
end = instrument(telemetry)
async def main():
    async with Agent(model=ScriptedProvider(["Hi"]).model(), telemetry=telemetry) as agent:
        print((await agent.ask("Go")).message.text)
asyncio.run(main())
end()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("Hi\n", "")
