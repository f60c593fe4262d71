"""Measures a thousand agents in one process: memory when idle, events a second; never asserted.

Run it:

    python tests/benchmarks/bench_agents.py [AGENTS [DELTAS]]
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
import tracemalloc

from omni_tui.agent.agent import Agent
from omni_tui.agent.supervisor import AgentSupervisor
from omni_tui.core.tool import Tool, ToolContext
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.scripted import Call, Reply, Say, ScriptedProvider


async def look(arguments: dict[str, object], context: ToolContext) -> str:
    return "seen"


def script(deltas: int) -> ScriptedProvider:
    """A model that uses a tool and then says `deltas` pieces."""

    def reply(request: Request) -> Reply:
        if request.messages[-1].tool_results:
            return [Say("word " * deltas, chunk=5)]
        return [Call("look", {"at": "it"})]

    return ScriptedProvider(reply)


async def measure(count: int, deltas: int) -> None:
    tool = Tool(name="look", handler=look)
    registry = ProviderRegistry()
    model = script(deltas).model()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    async with AgentSupervisor() as agents:
        for number in range(count):
            await agents.start(
                Agent, f"agent {number}", model=model, tools=[tool], registry=registry
            )
        gc.collect()
        idle = (tracemalloc.get_traced_memory()[0] - before) / count
        tracemalloc.stop()
        started, cpu = time.perf_counter(), time.process_time()
        runs = []
        for entry in agents.list():
            agent = agents.whereis(entry.name)
            assert agent is not None
            runs.append(agent.prompt("Go"))
        outcomes = [await run.wait() for run in runs]
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        events = 0
        for run in runs:
            events += len([event async for event in run])
        words = sum(run.response is not None for run in runs)
    print(
        f"{count} agents prompted at once: {outcomes.count('completed')} completed, {words} answers"
    )
    print(f"idle: {idle / 1024:.1f} KiB an agent")
    print(f"{events} events (neighbouring pieces of a text merged where nobody reads)")
    print(f"{events / wall:,.0f} events/s wall, {cpu * 1e6 / events:.1f} µs CPU an event")


if __name__ == "__main__":
    count, deltas = [int(text) for text in sys.argv[1:3]] + [1000, 50][len(sys.argv) - 1 :]
    asyncio.run(measure(count, deltas))
