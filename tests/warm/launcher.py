"""Stands for one process of the warm server: same arguments, files, folder, signals and end.

Called as `python -I launcher.py SOCKET ARGUMENT …`; without a server it is `python ARGUMENT …`.
"""

import json
import os
import signal
import socket
import sys
from types import FrameType

SIZE = 4
"""Bytes of each number on the wire."""


def main() -> int:
    """Have the server start it, pass signals on, and return its status as `os.wait` gives it."""
    with socket.socket(socket.AF_UNIX) as link:
        try:
            link.connect(sys.argv[1])
        except OSError:
            os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
        order = json.dumps([sys.argv[2:], dict(os.environ), os.getcwd()]).encode()
        socket.send_fds(link, [len(order).to_bytes(SIZE, "big")], [0, 1, 2])
        link.sendall(order)
        pid = int.from_bytes(link.recv(SIZE, socket.MSG_WAITALL), "big")

        def pass_on(number: int, _: FrameType | None) -> None:
            os.kill(pid, number)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, pass_on)
        # The files are the other's now: who reads must see its end, not this one's.
        nothing = os.open(os.devnull, os.O_RDWR)
        for file in (0, 1, 2):
            os.dup2(nothing, file)
        return int.from_bytes(link.recv(SIZE, socket.MSG_WAITALL), "big")


if __name__ == "__main__":
    status = main()
    if os.WIFSIGNALED(status):
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))
