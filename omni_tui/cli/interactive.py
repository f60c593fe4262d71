"""Starts the terminal application and says how to come back."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import signal
import sys

from omni_tui.cli.exit_codes import HANGUP, TERMINATED
from omni_tui.cli.setup import Start, prepare
from omni_tui.core.safe_text import safe, safe_line
from omni_tui.session.session import Session


async def run_app(arguments: argparse.Namespace) -> int:
    """Open the application; the manager and the store enclose it, so that leaving writes all."""
    preparing = asyncio.ensure_future(prepare(arguments, asks=True))
    await asyncio.sleep(0)  # the store opens in its thread while this one imports the screen
    try:
        from omni_tui.tui.app import OmniApp
    finally:
        start = await preparing
    async with start:
        app = OmniApp(
            start.manager,
            start.session,
            settings=start.settings,
            paths=start.paths,
            notices=start.notices,
            no_key=start.no_key,
            log_file=arguments.log_file or start.paths.log_file,
            opening=start.opening,
        )
        loop = asyncio.get_running_loop()
        for signum, code in ((signal.SIGTERM, TERMINATED), (signal.SIGHUP, HANGUP)):
            loop.add_signal_handler(signum, app.exit, None, code)
        await app.run_async()
        last = app.session
    _say_how_to_return(start, last)
    return app.return_code or 0


def _say_how_to_return(start: Start, session: Session) -> None:
    if session.saver is None or not session.saver.is_stored:
        return
    if session.saver.error is not None:
        print(f"omni-tui: not saved: {safe(str(session.saver.error))}", file=sys.stderr)
    if start.place.scheme == "memory":
        return
    place = "" if start.is_default_place else f" --db {shlex.quote(start.place.shown)}"
    title = f"  # {safe_line(session.title, 60)}" if session.title else ""
    print(safe(f"omni-tui{place} --load {shlex.quote(session.id)}") + title)
