"""Runs that nobody watches: questions get a no, and signals an exit code of their own."""

from __future__ import annotations

import asyncio
import signal

from omni_tui.agent.decisions import Provide, Reject
from omni_tui.agent.events import Event, Paused, Retrying
from omni_tui.agent.run import Run
from omni_tui.cli.exit_codes import INTERRUPTED, TERMINATED
from omni_tui.cli.output import tell
from omni_tui.session.session import Session

NOBODY = "nobody is there to ask: the run is not interactive"


class Unattended:
    """Stands in for the person: `begin` each run, and `take` its events."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._run: Run | None = None
        self.stopped: int | None = None
        """The exit code of the signal that stopped it."""
        self.denied: list[str] = []
        """Tools that were not run because nobody could be asked."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._stop, INTERRUPTED)
        loop.add_signal_handler(signal.SIGTERM, self._stop, TERMINATED)

    def _stop(self, code: int) -> None:
        """Cancel the run, so that what came so far is kept."""
        self.stopped = code
        if self._run is not None:
            self._run.cancel()

    def begin(self, run: Run) -> None:
        """A signal stops this run from here on; one that came before stops it at once."""
        self._run = run
        if self.stopped is not None:
            run.cancel()

    def take(self, event: Event, run: Run) -> None:
        """Answer a question with no, and tell of retries."""
        match event.payload:
            case Paused(reason="question"):
                answer = Provide("No human is available to answer.", is_error=True)
                self._session.resume(answer, run.id)
            case Paused(tool_use=use):
                self.denied.append(use.name)
                self._session.resume(Reject(NOBODY, by="no one"), run.id)
            case Retrying(fallback=str(fallback), error=error):
                tell(f"{error.message} Asking {fallback}.")
            case Retrying(attempt=attempt, delay=delay, error=error):
                tell(f"{error.message} Trying again in {delay:.0f} s ({attempt}).")
            case _:
                pass

    def tell_denied(self) -> None:
        """Say which tools were not run, and what would have let them."""
        tell(
            f"{', '.join(self.denied)} was not allowed; "
            "--approval-mode auto-edit or yolo, or an allow rule, would let it run"
        )
