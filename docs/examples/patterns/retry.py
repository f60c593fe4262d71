"""An agent that tries again: after errors with growing pauses, after bad answers with a hint."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from typing import Any

from omni_tui import (
    Agent,
    Continue,
    Halt,
    Model,
    OmniError,
    ProviderError,
    Response,
    Retry,
    Stop,
)
from omni_tui.testing import Fail, ScriptedProvider


class Persistent(Agent):
    """Wants an answer that passes a check; halts when `attempts` have failed.

    Args:
        check: Raises `ValueError` that says what is wrong with an answer.
        attempts: How often to try; errors and bad answers count alike.
        base: Seconds to wait after the first error; twice as long after each one more.
        options: For the agent: `model`, `system`, `tools` and so on.
    """

    def __init__(
        self,
        *,
        check: Callable[[str], Any],
        attempts: int = 4,
        base: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.check = check
        self.attempts = attempts
        self.base = base
        self.errors: list[Exception] = []

    @property
    def has_failed(self) -> bool:
        return len(self.errors) >= self.attempts

    async def handle_error(self, error: OmniError) -> Retry | Halt:
        self.errors.append(error)
        if self.has_failed:
            return Halt()
        return Retry(delay=self.base * 2 ** (len(self.errors) - 1))

    async def handle_turn(self, response: Response) -> Stop | Continue | Halt:
        try:
            self.check(response.text)
        except ValueError as error:
            self.errors.append(error)
            if self.has_failed:
                return Halt()
            return Continue(f"That will not do: {error}. Answer again.")
        return Stop()


def check_rivers(text: str) -> None:
    """Three names as JSON."""
    rivers = json.loads(text)  # its error is a ValueError
    if not isinstance(rivers, list) or len(rivers) != 3:
        raise ValueError("I want a list of three names")


async def main(model: str | Model) -> None:
    async with Persistent(model=model, check=check_rivers, base=0.1) as agent:
        run = agent.prompt("Name three rivers, as a JSON list of strings and nothing else.")
        outcome = await run.wait()
        for number, error in enumerate(agent.errors, 1):
            print(f"attempt {number} failed: {error}")
        if run.response and not agent.has_failed:
            print(f"attempt {len(agent.errors) + 1}: {run.response.text}")
        else:
            print(f"given up: {outcome}")


def script() -> Model:
    """A model with a bad day."""
    return ScriptedProvider(
        [
            [Fail(ProviderError("the line went dead"))],
            "Of course! Rhine, Danube and Elbe.",
            '["Rhine", "Danube"]',
            '["Rhine", "Danube", "Elbe"]',
        ]
    ).model()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="provider/model; without it a script answers, offline")
    asyncio.run(main(parser.parse_args().model or script()))
