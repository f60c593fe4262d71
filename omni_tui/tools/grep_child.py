"""The program that searches for `grep`, run as a process of its own.

A regular expression can take forever on a single line and cannot be interrupted; a process can be
ended. It uses the standard library alone and is started without `site`, so it is up in
milliseconds. Standard input: one JSON object `{root, pattern, ignore_case, limit}`, then one
JSON string a line, each a file's path relative to `root`. Standard output: one JSON array
`[path, line number, text]` a match, or `{"error": message}`.
"""

import contextlib
import json
import os
import re
import stat
import sys
from collections.abc import Iterator

MAX_LINE = 2000
"""Characters of a line that are searched."""
MAX_FILE = 20 * 1024 * 1024
"""Bytes of a file that are searched."""
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY


def main() -> None:
    """Answer the request on standard input."""
    request = json.loads(sys.stdin.readline())
    try:
        regex = re.compile(request["pattern"], re.IGNORECASE if request["ignore_case"] else 0)
    except (re.error, RecursionError, OverflowError) as error:
        _answer({"error": str(error)})
        return
    found = 0
    root = os.open(request["root"], _FOLDER)
    for row in sys.stdin:
        path = json.loads(row)
        for number, text in _matches(root, path, regex):
            _answer([path, number, text])
            found += 1
            if found == request["limit"]:
                return


def _answer(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _matches(root: int, path: str, regex: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    try:
        file = _open(root, path)
    except OSError:
        return
    with os.fdopen(file, "rb") as stream:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return
        data = stream.read(MAX_FILE)
    if b"\0" in data[:8192]:
        return
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n"), 1):
        text = line[: MAX_LINE * 4].decode("utf-8", "replace")[:MAX_LINE].removesuffix("\r")
        if regex.search(text):
            yield number, text


def _open(root: int, path: str) -> int:
    """Open a file beneath `root` without following a link anywhere."""
    *folders, name = path.split("/")
    with contextlib.ExitStack() as stack:
        for part in folders:
            root = os.open(part, _FOLDER, dir_fd=root)
            stack.callback(os.close, root)
        return os.open(name, _FILE, dir_fd=root)


if __name__ == "__main__":
    main()
