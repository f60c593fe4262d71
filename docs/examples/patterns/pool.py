"""A few workers share many tasks: each has a queue, and the tasks go round."""

from __future__ import annotations

import argparse
import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from omni_tui import Agent, AgentSupervisor, Model, Run
from omni_tui.testing import Say, ScriptedProvider


class Pool:
    """A fixed number of workers, which stay: what a worker has to do waits in its own queue."""

    def __init__(self, agents: AgentSupervisor, workers: Sequence[Agent]) -> None:
        self.agents = agents
        self.runs: list[Run] = []
        self._turn = itertools.cycle(workers)

    def submit(self, task: str) -> Run:
        """Give a task to the next worker; await what comes back for its answer."""
        run = next(self._turn).prompt(task, when_busy="queue")
        self.runs.append(run)
        return run

    @property
    def is_quiet(self) -> bool:
        """Whether every worker is idle and nothing waits."""
        return all(entry.status == "idle" and not entry.queued for entry in self.agents.list())

    async def drain(self) -> list[Run]:
        """Wait for all tasks, those too that come meanwhile; their runs, in order."""
        while not all(run.is_done for run in self.runs):
            await asyncio.gather(*(run.wait() for run in self.runs))
        return self.runs


@asynccontextmanager
async def open_pool(size: int, **options: Any) -> AsyncIterator[Pool]:
    """A pool of `size` workers with these options: `model`, `system`, `tools` and so on."""
    async with AgentSupervisor() as agents:
        names = [f"worker-{number}" for number in range(1, size + 1)]
        yield Pool(agents, [await agents.start(Agent, name, **options) for name in names])


async def main(model: str | Model) -> None:
    words = ["bread", "milk", "apple", "honey", "salt", "water", "cheese"]
    system = "Translate the word you are given to German. Reply with that word alone."
    async with open_pool(3, model=model, system=system) as pool:
        for word in words:
            pool.submit(word)
        for entry in pool.agents.list():
            print(f"{entry.name}: {entry.status}, {entry.queued} waiting")
        runs = await pool.drain()
        for word, run in zip(words, runs, strict=True):
            print(f"{word}: {run.response.text if run.response else run.error}")
        for entry in pool.agents.list():
            print(f"{entry.name}: {entry.status}, {entry.turns} done")


def script() -> Model:
    """What the workers say without a model."""
    words = {
        "bread": "Brot",
        "milk": "Milch",
        "apple": "Apfel",
        "honey": "Honig",
        "salt": "Salz",
        "water": "Wasser",
        "cheese": "Käse",
    }
    return ScriptedProvider(
        lambda request: [Say(words[request.messages[-1].text], delay=0.02)]
    ).model()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="provider/model; without it a script works, offline")
    asyncio.run(main(parser.parse_args().model or script()))
