"""Two agents argue: each answers what the other said, and nobody leads them."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass
from typing import Any

from omni_tui import (
    Agent,
    AgentSupervisor,
    Continue,
    Halt,
    Hooks,
    Model,
    OmniError,
    Response,
    Stop,
)
from omni_tui.testing import ScriptedProvider


@dataclass(frozen=True)
class Said:
    """What the other side hears."""

    text: str


@dataclass(frozen=True)
class Over:
    """The other side has left the room."""


class Debater(Agent):
    """Answers its opponent, at most `rounds` times; then both of them halt."""

    def __init__(
        self, *, agents: AgentSupervisor, opponent: str, rounds: int = 3, **options: Any
    ) -> None:
        super().__init__(**options)
        self.agents = agents
        self.opponent = opponent
        self.rounds_left = rounds
        self.is_over = asyncio.Event()

    async def handle_event(self, event: Any) -> Continue | Halt:
        if isinstance(event, Said) and self.rounds_left:
            return Continue(event.text)
        return Halt()

    async def handle_turn(self, response: Response) -> Stop:
        self.rounds_left -= 1
        self.agents.notify(self.opponent, Said(response.text))
        return Stop()

    async def handle_error(self, error: OmniError) -> Halt:
        return Halt()

    async def post_turn(self, outcome: str) -> None:
        if outcome == "cancelled":
            self.halt()

    async def post_run(self) -> None:
        self.agents.notify(self.opponent, Over())
        self.is_over.set()


class Minutes(Hooks):
    """Prints what is said in the room."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def handle_turn(self, response: Response) -> Stop:
        print(f"{self.name}: {response.text}")
        return Stop()


async def debate(motion: str, model: str | Model, *, rounds: int = 3) -> None:
    """Let two agents argue about a motion; returns when both have halted."""
    async with AgentSupervisor() as agents:
        sides = [("Pro", "for", "Con"), ("Con", "against", "Pro")]
        debaters = [
            await agents.start(
                Debater,
                name,
                agents=agents,
                opponent=opponent,
                rounds=rounds,
                model=model,
                system=f"You argue {side} the motion: {motion} Answer in two sentences at most.",
                hooks=[Minutes(name)],
            )
            for name, side, opponent in sides
        ]
        agents.notify("Pro", Said(f"Open the debate: {motion}"))
        await asyncio.gather(*(debater.is_over.wait() for debater in debaters))


def script() -> Model:
    """What the two say without a model, in the order they speak."""
    return ScriptedProvider(
        [
            "Tabs let every reader choose the width that suits their eyes.",
            "And so no two readers ever see the same file. Spaces look the same everywhere.",
            "Sameness is no virtue for someone who reads at 300 %.",
            "Then let the editor render indentation wider; the file need not change.",
            "An editor that must guess has already lost what a tab would have told it.",
            "A formatter tells it just as well, and you and I need not argue again.",
        ]
    ).model()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="provider/model; without it a script speaks, offline")
    asyncio.run(debate("Code is indented with tabs.", parser.parse_args().model or script()))
