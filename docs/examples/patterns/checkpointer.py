"""An agent that works step by step, and waits after each for a person to look at it."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from omni_tui import Agent, Model, Response, Run, Stop
from omni_tui.testing import ScriptedProvider


class Writer(Agent):
    """Does one step after another; between two of them it is idle, in the phase `review`.

    It never halts: a halted agent would let wait whatever a person still wants to tell it.
    """

    def __init__(self, *, steps: Sequence[str], **options: Any) -> None:
        super().__init__(**options)
        self.steps = tuple(steps)
        self.phase: Literal["new", "working", "review", "finished"] = "new"
        self.draft = ""
        self.approved: list[str] = []

    def begin(self) -> Run:
        """Start with the first step."""
        self._expect("new")
        return self._work(self.steps[0])

    def approve(self) -> Run | None:
        """Keep the draft and go on with the next step; `None` after the last one."""
        self._expect("review")
        self.approved.append(self.draft)
        if len(self.approved) == len(self.steps):
            self.phase = "finished"
            return None
        return self._work(self.steps[len(self.approved)])

    def revise(self, hint: str) -> Run:
        """Do the step again, with what the person wants to be different."""
        self._expect("review")
        return self._work(f"Do that again: {hint}")

    def finish(self) -> None:
        """Leave it at what was approved so far."""
        self._expect("review")
        self.phase = "finished"

    async def handle_turn(self, response: Response) -> Stop:
        self.draft = response.text
        return Stop()

    async def post_turn(self, outcome: str) -> None:
        self.phase = "review"  # also after an error or a cancel: a person decides

    def _work(self, text: str) -> Run:
        run = self.prompt(text)
        self.phase = "working"
        return run

    def _expect(self, phase: str) -> None:
        if self.phase != phase:
            raise ValueError(f"the writer is in the phase {self.phase}, not {phase}")


Review = Callable[[str], Awaitable[str]]


async def write(writer: Writer, review: Review) -> list[str]:
    """What was approved; `review` says `approve`, `finish`, or what to do better."""
    run: Run | None = writer.begin()
    while run is not None and writer.phase != "finished":
        outcome = await run.wait()
        verdict = await review(writer.draft if outcome == "completed" else f"({run.error})")
        match verdict:
            case "approve":
                run = writer.approve()
            case "finish":
                writer.finish()
            case hint:
                run = writer.revise(hint)
    return writer.approved


async def ask_person(draft: str) -> str:
    print(f"\n{draft}")
    return await asyncio.to_thread(input, "approve, finish, or what to do better> ")


def answers(*verdicts: str) -> Review:
    """A person who has made up their mind already."""
    left = iter(verdicts)

    async def review(draft: str) -> str:
        verdict = next(left)
        print(f"\n{draft}\n> {verdict}")
        return verdict

    return review


async def main(model: str | Model, review: Review) -> None:
    steps = ["Write a title for a talk about trees.", "Write its first sentence."]
    async with Writer(model=model, steps=steps, system="Reply with the text alone.") as writer:
        print(f"\nApproved: {await write(writer, review)}")


def script() -> Model:
    """What the writer says without a model."""
    return ScriptedProvider(
        [
            "On Some Aspects of the Representation of Hierarchies",
            "Trees All the Way Down",
            "Every conversation you ever had could have gone another way.",
        ]
    ).model()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="provider/model, and you review; offline without it")
    if model := parser.parse_args().model:
        asyncio.run(main(model, ask_person))
    else:
        asyncio.run(main(script(), answers("approve it when it is shorter", "approve", "approve")))
