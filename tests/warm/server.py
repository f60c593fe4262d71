"""Forks processes that have imported the command and the packages it adapts already.

Called as `python server.py SOCKET`; it ends with its standard input.
"""

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress

import acp  # noqa: F401
import anthropic  # noqa: F401
import openai  # noqa: F401

import omni_tui.cli.main
import omni_tui.cli.print_mode
import omni_tui.cli.setup  # noqa: F401

SIZE = 4
"""Bytes of each number on the wire."""


def accept(path: str) -> socket.socket:
    """Return, in a process of its own, the connection of one launcher."""
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen(16)
        print("ready", flush=True)
        # Who forks needs no news of what becomes of it.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            ready, _, _ = select.select([0, door.fileno()], [], [])
            if 0 in ready:
                sys.exit()
            link, _ = door.accept()
            if not os.fork():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                return link
            link.close()


def watch(link: socket.socket, pid: int, alive: int) -> None:
    """Wait until it ends and tell its status, or kill it when the launcher is killed."""
    with suppress(BrokenPipeError):
        link.sendall(pid.to_bytes(SIZE, "big"))
    ready, _, _ = select.select([link.fileno(), alive], [], [])
    if alive not in ready:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):
        link.sendall(status.to_bytes(SIZE, "big"))
    os._exit(0)


def become(link: socket.socket) -> list[str]:
    """Fork once more and take on, in that process, what the launcher had; return its arguments."""
    size, files, _, _ = socket.recv_fds(link, SIZE, 3)
    order = link.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL)
    alive, held = os.pipe()
    pid = os.fork()
    if pid:
        os.close(held)
        for file in (0, 1, 2):
            os.dup2(alive, file)
        for file in files:
            os.close(file)
        watch(link, pid, alive)
    link.close()
    os.close(alive)
    for file, given in enumerate(files):
        os.dup2(given, file)
        os.close(given)
    arguments, environment, cwd = json.loads(order)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    return list(arguments)


if __name__ == "__main__":
    gc.freeze()
    what, *rest = become(accept(sys.argv[1]))
    if what == "-m":
        name, *sys.argv[1:] = rest
        sys.path[0] = os.getcwd()
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    else:
        sys.argv[:] = [what, *rest]
        sys.path[0] = os.path.dirname(what)
        runpy.run_path(what, run_name="__main__")
