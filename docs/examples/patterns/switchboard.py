"""A person drives a fleet of named agents and never has to wait for one of them."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass
from typing import Any

from omni_tui import Agent, AgentSupervisor, Hooks, Message, Model, OmniError, Response, Stop
from omni_tui.testing import Say, ScriptedProvider


@dataclass(frozen=True)
class Letter:
    """What came of something that was sent."""

    number: int
    sender: str
    text: str
    is_failure: bool = False


class Switchboard:
    """The fleet, and one inbox for all that it says."""

    def __init__(self, agents: AgentSupervisor) -> None:
        self.agents = agents
        self.letters: list[Letter] = []
        """Everything that ever came; nothing is taken out."""
        self.summaries: dict[str, str] = {}
        """What the person wants to remember of each agent."""
        self._read = 0
        self._bell = asyncio.Event()

    async def connect(self, name: str, **options: Any) -> None:
        """Start an agent, which answers what it is sent and never goes on by itself."""
        await self.agents.start(Agent, name, hooks=[_Post(self, name)], **options)

    def send(self, name: str, text: str) -> str:
        """An id for `poll`; raises `OmniError` when the agent is busy or halted."""
        return self._agent(name).prompt(text).id

    def poll(self, name: str, request: str) -> str:
        """`pending`, `done`, `error` or `not_found`."""
        return self.agents.poll(name, request).status

    def inbox(self) -> list[Letter]:
        """What was not acknowledged yet, oldest first."""
        return self.letters[self._read :]

    async def wait(self) -> list[Letter]:
        """The inbox, as soon as there is something in it."""
        while not self.inbox():
            self._bell.clear()
            await self._bell.wait()
        return self.inbox()

    def ack(self, number: int) -> None:
        """Acknowledge this letter and all before it."""
        self._read = max(self._read, min(number, len(self.letters)))

    def transcript(self, name: str, limit: int = 10) -> tuple[Message, ...]:
        """The last messages of an agent's conversation."""
        return self._agent(name).messages[-limit:]

    def interrupt(self, name: str) -> bool:
        """Stop what the agent does; says whether it did anything."""
        return self.agents.cancel(name)

    def halt(self, name: str) -> None:
        """Let the agent take nothing more, from the end of what it does."""
        self._agent(name).halt()

    def resume(self, name: str) -> None:
        """Let a halted agent take messages again."""
        self.agents.unhalt(name)

    def deliver(self, sender: str, text: str, *, is_failure: bool = False) -> None:
        """Put a letter into the inbox."""
        self.letters.append(Letter(len(self.letters) + 1, sender, text, is_failure))
        self._bell.set()

    def _agent(self, name: str) -> Agent:
        agent = self.agents.whereis(name)
        if agent is None:
            raise LookupError(f"nobody is called {name!r}")
        return agent


class _Post(Hooks):
    """Brings what an agent says to the switchboard."""

    def __init__(self, board: Switchboard, name: str) -> None:
        self.board, self.name = board, name

    async def handle_turn(self, response: Response) -> Stop:
        self.board.deliver(self.name, response.text)
        return Stop()

    async def handle_error(self, error: OmniError) -> Stop:
        self.board.deliver(self.name, error.message, is_failure=True)
        return Stop()

    async def post_turn(self, outcome: str) -> None:
        if outcome == "cancelled":
            self.board.deliver(self.name, "interrupted", is_failure=True)


async def main(model: str | Model) -> None:
    async with AgentSupervisor() as agents:
        board = Switchboard(agents)
        for name, system in [("scout", "You find facts."), ("scribe", "You write short notes.")]:
            await board.connect(name, model=model, system=system)
        board.send("scout", "Which mountains are higher than 8,000 m?")
        board.send("scribe", "Write a note: the meeting is on Friday.")
        try:
            board.send("scout", "Hurry up!")
        except OmniError as error:
            print(f"scout: {error}")
        for _ in range(2):
            letter = (await board.wait())[0]
            print(f"{letter.number}. {letter.sender}: {letter.text}")
            board.ack(letter.number)
        board.halt("scribe")
        try:
            board.send("scribe", "Make it Monday.")
        except OmniError as error:
            print(f"scribe: {error}")
        board.resume("scribe")
        for entry in agents.list():
            print(f"{entry.name}: {entry.status}, {len(board.transcript(entry.name))} messages")


def script() -> Model:
    """What the fleet says without a model."""
    return ScriptedProvider(
        lambda request: [
            Say("There are fourteen of them, all in Asia.", delay=0.02)
            if request.system == "You find facts."
            else Say("Meeting: Friday.", delay=0.02)
        ]
    ).model()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="provider/model; without it a script answers, offline")
    asyncio.run(main(parser.parse_args().model or script()))
