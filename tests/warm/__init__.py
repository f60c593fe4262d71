"""Real processes of the command and of the fake agent that start in a fraction of the time.

What such a start costs is importing vendors' packages, the same each time. A server imports them
once; each process is a fork of it, behind a launcher that has its files, its signals and its end.
What is said of imports, process groups or a terminal needs a start of its own.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = Path(tempfile.gettempdir(), f"omni-tui-warm-{secrets.token_hex(8)}")
PYTHON = (sys.executable, "-I", str(HERE / "launcher.py"), str(FOLDER / "socket"))
"""What to start in the place of `python`, with `-m` and a module, or a file, and arguments.

Where no server runs it is a start like any other.
"""


@contextmanager
def warm_server() -> Iterator[None]:
    """Run the server that `PYTHON` asks."""
    FOLDER.mkdir(mode=0o700)
    try:
        with subprocess.Popen(
            [sys.executable, str(HERE / "server.py"), str(FOLDER / "socket")],
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield
            server.communicate()
    finally:
        (FOLDER / "socket").unlink(missing_ok=True)
        FOLDER.rmdir()
