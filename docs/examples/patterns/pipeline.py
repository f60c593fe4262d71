"""Work moves down a line of agents: each does one thing to it and hands it to the next."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omni_tui import Agent, AgentSupervisor, Continue, Halt, Model, OmniError, Response, Stop
from omni_tui.testing import ScriptedProvider


@dataclass(frozen=True)
class Work:
    """What a stage hands on."""

    text: str


@dataclass(frozen=True)
class Broken:
    """What a stage hands on when it, or one before it, has failed."""

    stage: str
    reason: str


class Stage(Agent):
    """Takes one piece of work, hands on what it made of it, and is done."""

    def __init__(
        self, *, agents: AgentSupervisor, name: str, next_stage: str | None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.agents = agents
        self.name = name
        self.next_stage = next_stage
        self.made: Work | Broken = Broken(name, "cancelled")
        self.is_done = asyncio.Event()

    async def handle_event(self, event: Any) -> Continue | Halt:
        if isinstance(event, Work):
            return Continue(event.text)
        self.made = event
        return Halt()

    async def handle_turn(self, response: Response) -> Stop:
        self.made = Work(response.text)
        return Stop()

    async def handle_error(self, error: OmniError) -> Stop:
        self.made = Broken(self.name, error.message)
        return Stop()

    async def post_turn(self, outcome: str) -> None:
        self.halt()  # one turn is all, however it ended

    async def post_run(self) -> None:
        if self.next_stage is not None:
            self.agents.notify(self.next_stage, self.made)
        self.is_done.set()


async def run_pipeline(
    roles: Mapping[str, str], text: str, model: str | Model
) -> dict[str, Work | Broken]:
    """What each stage made of the text; `roles` are system prompts by the name of a stage."""
    names = list(roles)
    async with AgentSupervisor() as agents:
        stages = {
            name: await agents.start(
                Stage,
                name,
                agents=agents,
                name=name,
                next_stage=next_stage,
                system=roles[name],
                model=model,
            )
            for name, next_stage in zip(names, [*names[1:], None], strict=True)
        }
        agents.notify(names[0], Work(text))
        await stages[names[-1]].is_done.wait()
        return {name: stage.made for name, stage in stages.items()}


async def main(model: str | Model) -> None:
    roles = {
        "drafter": "Turn the notes you are given into one plain paragraph.",
        "critic": "Improve the text you are given: shorter, no filler. Reply with the text alone.",
        "translator": "Translate the text you are given to French.",
    }
    notes = "release 2.0, offline mode, starts twice as fast, thanks to testers"
    print(f"notes: {notes}")
    for name, made in (await run_pipeline(roles, notes, model)).items():
        print(f"{name}: {made.text if isinstance(made, Work) else made}")


def script() -> Model:
    """What the stages say without a model, in order."""
    return ScriptedProvider(
        [
            "We are happy to release 2.0. It now has an offline mode and it starts twice as fast."
            " We would like to thank all our testers.",
            "Version 2.0 works offline and starts twice as fast. Thanks to all testers.",
            "La version 2.0 marche hors ligne et démarre deux fois plus vite. Merci aux testeurs.",
        ]
    ).model()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="provider/model; without it a script works, offline")
    asyncio.run(main(parser.parse_args().model or script()))
