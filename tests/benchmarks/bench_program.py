"""Measures the whole program in a pseudo-terminal: start, opening, idling, a flood. Never asserted.

Each figure stands beside another of the same minute (a bare Textual application, an empty session,
a fixed loop), so that a slow machine does not look like a slow program. CPU is that of the
program's own process. Run it:

    python tests/benchmarks/bench_program.py [start | open | idle | flood] [ROUNDS]
"""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "pty"))

from harness import Terminal
from wire.made import closing, opening, text, wrap
from wire.server import Reply, sse_server

from omni_tui.core.messages import Message, Text
from omni_tui.core.usage import Usage
from omni_tui.session.store.base import SessionRecord
from omni_tui.session.store.sqlite import SQLiteStore
from omni_tui.session.tree import Tree

OURS = (sys.executable, "-m", "omni_tui")
READY = "Ask anything"
SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")

BARE = (
    sys.executable,
    "-c",
    """
from textual.app import App
from textual.containers import VerticalScroll
from textual.widgets import Footer, Input, Static

class Bare(App):
    CSS = "VerticalScroll { height: 1fr }"

    def compose(self):
        yield VerticalScroll(Static("Here it is"))
        yield Input(placeholder="type")
        yield Footer()

    def on_mount(self):
        self.query_one(Input).focus()

Bare().run()
""",
)

ANSWER = """## Step {i}

Here is **paragraph {i}** with some `code`, a [link](https://x.y/{i}) and a sentence that wraps.

- item one of the list
- item two of the list

```python
def step_{i}(values):
    return [value for value in values if value % {i}]
```

"""


def cpu(pid: int) -> float:
    """CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def loop() -> float:
    """CPU seconds of a fixed piece of work, to tell machines apart."""
    start, total = time.process_time(), 0
    for number in range(1_000_000):
        total += number * number
    return time.process_time() - start


def first_paint(argv: Sequence[str], ready: str, home: Path) -> tuple[float, float]:
    """Wall and CPU seconds from the start until `ready` is on the screen."""
    start = time.monotonic()
    with Terminal(argv, {"OMNI_TUI_HOME": str(home)}, cwd=home) as terminal:
        # Looked for in the bytes: reading the screen would take longer than painting it.
        terminal.wait_for(lambda t: ready.encode() in SEQUENCE.sub(b"", t.raw), timeout=60)
        return time.monotonic() - start, cpu(terminal.pid)


def compare(pair: Mapping[str, tuple[Sequence[str], str]], home: Path, rounds: int) -> None:
    """First paints in turn, and how much the second costs of the first."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in pair}
    for _ in range(rounds + 1):  # the first round warms the caches of the disk
        for name, (argv, ready) in pair.items():
            found[name].append(first_paint(argv, ready, home))
    for name, times in found.items():
        wall, used = (statistics.median(each) for each in zip(*times[1:], strict=True))
        print(f"{name:22} {wall:.2f} s, {used:.2f} s of CPU to the first paint")
    a, b = (times[1:] for times in found.values())
    for place, kind in enumerate(("wall", "CPU")):
        each = [y[place] / x[place] for x, y in zip(a, b, strict=True)]
        print(f"  {kind} {statistics.median(each):.2f} times ({min(each):.2f} to {max(each):.2f})")


async def fill(path: Path, count: int) -> None:
    """Store one conversation of `count` messages."""
    tree = Tree()
    for i in range(count // 2):
        tree.push(Message.user(f"Question {i} about things"))
        answer = Message(role="assistant", content=(Text(text=ANSWER.format(i=i) * 2),))
        tree.push(answer, model="demo/chat", usage=Usage(input=10, output=20))
    async with SQLiteStore(path) as store:
        await store.create(SessionRecord(id="long", title="Long", model="demo/chat"))
        await store.save_tree("long", tree.take_changes())


def start(home: Path, rounds: int) -> None:
    """The first paint beside that of a bare application."""
    compare({"bare Textual": (BARE, "Here it is"), "omni-tui": (OURS, READY)}, home, rounds)


def opened(home: Path, rounds: int) -> None:
    """A stored session of 10,000 messages beside an empty one."""
    asyncio.run(fill(home / "long.db", 10_000))
    stored = (*OURS, "--db", str(home / "long.db"), "--load", "long")
    pair = {"empty": (OURS, READY), "10,000 messages": (stored, "Step 4999")}
    compare(pair, home, rounds)


def idle(home: Path, rounds: int) -> None:
    """Bytes and CPU while nothing happens."""
    for _ in range(rounds):
        with Terminal(OURS, {"OMNI_TUI_HOME": str(home)}, cwd=home) as terminal:
            terminal.wait_for(READY, timeout=60)
            terminal.output_during(3)
            before = cpu(terminal.pid)
            written = terminal.output_during(10)
            print(f"{len(written)} bytes, {cpu(terminal.pid) - before:.2f} s of CPU in 10 s")


def flood(home: Path, rounds: int, count: int = 10_000) -> None:
    """An answer of 10,000 tokens as fast as it is read."""
    whole = "".join(ANSWER.format(i=i) for i in range(count // 40))
    tokens = [whole[at : at + 4] for at in range(0, count * 4, 4)]
    answer = [*text("chat", 0, *tokens, "\n\nThe end."), *closing("chat")]
    pieces = wrap("chat", [*opening("chat"), *answer])
    # Many to a packet, or the server would be what is measured.
    packets = tuple(b"".join(pieces[at : at + 100]) for at in range(0, len(pieces), 100))
    for _ in range(rounds):
        with sse_server(Reply(pieces=packets)) as server:
            config = home / "config.toml"
            config.write_text(
                f'[providers.bench]\nbase_url = "{server.url}/v1"\napi = "openai-chat"\n'
            )
            argv = (*OURS, "-m", "bench/any")
            with Terminal(argv, {"OMNI_TUI_HOME": str(home)}, cwd=home) as terminal:
                terminal.wait_for(READY, timeout=60)
                terminal.output_during(3)
                before, size, begun = cpu(terminal.pid), len(terminal.raw), time.monotonic()
                terminal.send("go\r")
                terminal.wait_for("The end.", timeout=120)
                wall = time.monotonic() - begun
                terminal.output_during(1)
                used = (cpu(terminal.pid) - before) / count * 1000
                rate = (len(terminal.raw) - size) / count
        print(
            f"{wall:.1f} s, {used:.3f} s of CPU for 1,000 tokens, {rate:.0f} bytes a token; "
            f"the fixed loop took {loop():.3f} s"
        )


WAYS = {"start": start, "open": opened, "idle": idle, "flood": flood}


def main(arguments: list[str]) -> None:
    """Measure what was named, or all of it."""
    names = [name for name in arguments if name in WAYS] or list(WAYS)
    rounds = next((int(word) for word in arguments if word.isdigit()), 7)
    for name in names:
        with tempfile.TemporaryDirectory() as home:
            print(f"{name}:")
            WAYS[name](Path(home), rounds)


if __name__ == "__main__":
    main(sys.argv[1:])
