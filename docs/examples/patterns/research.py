"""One agent answers a big question by itself: it lists smaller ones, answers each, and sums up."""

from __future__ import annotations

import argparse
import asyncio
import re
from typing import Any, Literal

from omni_tui import Agent, Continue, Halt, Model, OmniError, Response, Stop
from omni_tui.testing import ScriptedProvider

MARK = re.compile(r"^\s*(?:[-*]|\d+[.)])\s+")
Phase = Literal["listing", "answering", "synthesizing", "done", "failed"]


class Researcher(Agent):
    """Walks through its phases in one run, one turn for each thing it does."""

    def __init__(self, *, limit: int = 3, **options: Any) -> None:
        super().__init__(max_steps=None, **options)
        self.limit = limit
        self.phase: Phase = "listing"
        self.questions: list[str] = []
        self.answers: list[str] = []

    async def research(self, topic: str) -> str:
        """The report on a topic; raises `OmniError` when a phase failed."""
        response = await self.ask(
            f"I want to know: {topic}\nList the {self.limit} questions that matter most for it,"
            " one a line, nothing else."
        )
        return response.text

    async def handle_turn(self, response: Response) -> Stop | Continue:
        match self.phase:
            case "listing":
                lines = [MARK.sub("", line).strip() for line in response.text.splitlines()]
                self.questions = [line for line in lines if line][: self.limit]
                self.phase = "answering"
            case "answering":
                self.answers.append(response.text)
            case _:
                self.phase = "done"
                return Stop()
        if len(self.answers) < len(self.questions):
            return Continue(self.questions[len(self.answers)])
        self.phase = "synthesizing"
        return Continue("Write a short report from these answers.")

    async def handle_error(self, error: OmniError) -> Halt:
        self.phase = "failed"
        return Halt()


async def main(model: str | Model) -> None:
    async with Researcher(model=model, system="You are a careful researcher.") as researcher:
        report = await researcher.research("Why do cities plant trees?")
        for question, answer in zip(researcher.questions, researcher.answers, strict=True):
            print(f"? {question}\n  {answer}")
        print(f"\n{report}")


def script() -> Model:
    """What the researcher says without a model."""
    return ScriptedProvider(
        [
            "1. How much do trees cool a street?\n2. What do they do to rain?\n3. Their cost?",
            "Up to 5 °C on a summer afternoon, mostly by shade.",
            "A crown holds back the first millimetres, so that drains overflow less often.",
            "A few hundred euros to plant, and some care in the first three summers.",
            "Trees are cheap machines: they cool streets and spare drains for little money.",
        ]
    ).model()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="provider/model; without it a script answers, offline")
    asyncio.run(main(parser.parse_args().model or script()))
