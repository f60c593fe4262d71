"""A coordinator plans, starts a worker for each task, waits for all of them, and sums up."""

from __future__ import annotations

import argparse
import asyncio
import re
from dataclasses import dataclass
from typing import Any, Literal

from omni_tui import (
    Agent,
    AgentSupervisor,
    Continue,
    Halt,
    Ignore,
    Model,
    OmniError,
    Response,
    Stop,
)
from omni_tui.testing import ScriptedProvider

MARK = re.compile(r"^\s*(?:[-*]|\d+[.)])\s+")


@dataclass(frozen=True)
class Report:
    """What a worker tells its coordinator at its end, good or bad."""

    worker: str
    text: str
    is_failure: bool = False


class Worker(Agent):
    """Does one task, reports, and halts."""

    def __init__(self, *, agents: AgentSupervisor, name: str, boss: str, **options: Any) -> None:
        super().__init__(**options)
        self.agents = agents
        self.name = name
        self.boss = boss
        self.report = Report(name, "cancelled", is_failure=True)

    async def handle_turn(self, response: Response) -> Stop:
        self.report = Report(self.name, response.text)
        return Stop()

    async def handle_error(self, error: OmniError) -> Stop:
        self.report = Report(self.name, error.message, is_failure=True)
        return Stop()

    async def post_turn(self, outcome: str) -> None:
        self.halt()  # one task is all, however it ended

    async def post_run(self) -> None:
        self.agents.notify(self.boss, self.report)


class Coordinator(Agent):
    """Turns a goal into tasks, and the reports about them into an answer."""

    def __init__(
        self, *, agents: AgentSupervisor, name: str, limit: int = 4, **options: Any
    ) -> None:
        super().__init__(**options)
        self.agents = agents
        self.name = name
        self.limit = limit
        self.phase: Literal["planning", "waiting", "done", "failed"] = "planning"
        self.tasks: dict[str, str] = {}
        self.reports: list[Report] = []
        self.answer = ""
        self.is_done = asyncio.Event()

    async def handle_turn(self, response: Response) -> Stop | Halt:
        if self.phase == "planning":
            lines = [MARK.sub("", line).strip() for line in response.text.splitlines()]
            return await self.fan_out([line for line in lines if line][: self.limit])
        self.phase = "done"
        self.answer = response.text
        return Halt()

    async def fan_out(self, tasks: list[str]) -> Stop | Halt:
        """Start a worker for each task."""
        self.phase = "waiting" if tasks else "failed"
        self.tasks = {f"worker-{number}": task for number, task in enumerate(tasks, 1)}
        for name, task in self.tasks.items():
            await self.agents.start(
                Worker, name, agents=self.agents, name=name, boss=self.name, model=self.model
            )
            self.agents.tell(name, task)
        return Stop() if tasks else Halt()

    async def handle_event(self, event: Any) -> Ignore | Continue:
        self.reports.append(event)
        if len(self.reports) < len(self.tasks):
            return Ignore()
        results = "\n".join(
            f"{self.tasks[report.worker]}: {'FAILED: ' * report.is_failure}{report.text}"
            for report in self.reports
        )
        return Continue(f"All workers have reported. Sum up in two sentences:\n{results}")

    async def handle_error(self, error: OmniError) -> Stop:
        self.answer = error.message
        return Stop()

    async def post_turn(self, outcome: str) -> None:
        if outcome in ("error", "cancelled"):
            self.phase = "failed"
            self.halt()

    async def post_run(self) -> None:
        self.is_done.set()


async def main(model: str | Model) -> None:
    async with AgentSupervisor() as agents:
        boss = await agents.start(Coordinator, "boss", agents=agents, name="boss", model=model)
        agents.tell("boss", "Compare ferry, bridge and tunnel. List 3 tasks, one a line.")
        await boss.is_done.wait()
    for report in boss.reports:
        print(f"{report.worker} ({boss.tasks[report.worker]}): {report.text}")
    print(f"\n{boss.phase}: {boss.answer}")


def script() -> Model:
    """What coordinator and workers say without a model: it depends on what they are asked."""
    answers = {
        "Compare": "Study ferries\nStudy bridges\nStudy tunnels",
        "Study ferries": "Cheap to begin with, slow, and idle in storms.",
        "Study bridges": "Costly, fast, closed in high winds.",
        "Study tunnels": "The most costly, and open in any weather.",
        "All workers": "A tunnel where weather decides, a bridge where money does."
        " A ferry is the way to find out whether anybody wants to cross.",
    }
    return ScriptedProvider(
        lambda request: next(
            answer
            for start, answer in answers.items()
            if request.messages[-1].text.startswith(start)
        )
    ).model()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="provider/model; without it a script works, offline")
    asyncio.run(main(parser.parse_args().model or script()))
