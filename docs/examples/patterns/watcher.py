"""An agent that sleeps until something happens, and speaks only when it matters."""

from __future__ import annotations

import argparse
import asyncio
import re
from typing import Any

from omni_tui import Agent, Continue, Halt, Ignore, Model, Response, Stop
from omni_tui.testing import ScriptedProvider

NO_ANSWER = "(no answer)"


class LogWatcher(Agent):
    """Explains the lines of a log that look like trouble. `notify` it of each; `None` ends it."""

    def __init__(self, *, trouble: str = r"ERROR|CRITICAL", **options: Any) -> None:
        super().__init__(**options)
        self.trouble = re.compile(trouble)
        self.ignored = 0
        self.findings: list[tuple[str, str]] = []
        self.is_over = asyncio.Event()
        self._lines: list[str] = []
        self._advice = NO_ANSWER
        self._at_end = False

    async def handle_event(self, event: Any) -> Ignore | Continue | Halt:
        if event is None:
            self._at_end = True
            return Ignore() if self._lines else Halt()
        if not self.trouble.search(event):
            self.ignored += 1
            return Ignore()
        self._lines.append(event)
        return Continue(f"Say in one sentence what to do about this line of a log:\n{event}")

    async def handle_turn(self, response: Response) -> Stop:
        self._advice = response.text
        return Stop()

    async def post_turn(self, outcome: str) -> None:
        self.findings.append((self._lines.pop(0), self._advice))
        self._advice = NO_ANSWER
        if self._at_end and not self._lines:
            self.halt()

    async def post_run(self) -> None:
        self.is_over.set()


LOG = """\
12:00:01 INFO  started
12:00:05 INFO  143 requests
12:00:09 ERROR disk /var is 98 % full
12:00:10 INFO  151 requests
12:00:12 WARN  slow query: 1.2 s
12:00:13 ERROR cannot reach cache at 10.0.0.7"""


async def main(model: str | Model) -> None:
    async with LogWatcher(model=model, system="You keep a server alive.") as watcher:
        for line in [*LOG.splitlines(), None]:
            watcher.notify(line)
        await watcher.is_over.wait()
    for line, advice in watcher.findings:
        print(f"{line}\n  -> {advice}")
    print(f"{watcher.ignored} lines were of no interest")


def script() -> Model:
    """What the watcher says without a model."""
    return ScriptedProvider(
        [
            "Delete old logs under /var before the next write fails.",
            "Check whether the cache at 10.0.0.7 is up; requests are slow without it.",
        ]
    ).model()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="provider/model; without it a script answers, offline")
    asyncio.run(main(parser.parse_args().model or script()))
