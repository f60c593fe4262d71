"""Programs to be killed: they talk to a scripted model and print what is acknowledged as saved.

Usage: crash_child.py; it forks one such program for each order on its standard input, a JSON object
(`Order`), so that what costs most, importing, is done once. Every line it prints is one JSON list:
`["pid", pid]`, `["session", id]`, `["saved", {node: text}]`, `["here"]` where a program hangs, and
`["dead"]` when it is gone. A line that was cut off by the kill is ended by the next.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import signal
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict

from omni_tui.agent.decisions import Execute
from omni_tui.agent.run import Run
from omni_tui.core.errors import AgentError
from omni_tui.core.messages import Message, encode_message
from omni_tui.core.tool import Tool, ToolContext
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.scripted import Call, Reply, Say, ScriptedProvider, Wait
from omni_tui.session.events import Saved, TreeChanged
from omni_tui.session.manager import SessionManager
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store import SessionRecord, SQLiteStore, new_session_id
from omni_tui.session.tree import Changes, Tree

IMPORTED = 40
"""Nodes of a session that is stored at once."""

STRIKE_EVERY = 50
"""Steps of SQLite's machine between two moments at which a program may kill itself."""


class Order(TypedDict):
    """What to run."""

    path: str
    mode: str
    """`stream`, `tool` and `task` hang somewhere, `endless` does everything until it is killed."""
    session_id: str
    """The session to go on with; empty for a new one."""
    seed: int
    strike: int
    """Kill yourself at this moment within SQLite, counted from the first; 0: never."""


def tell(*facts: object) -> None:
    os.write(1, json.dumps(facts).encode() + b"\n")


async def hang() -> None:
    tell("here")
    await asyncio.Event().wait()


async def hanging(arguments: dict[str, Any], context: ToolContext) -> str:
    await hang()
    return "never"


async def quick(arguments: dict[str, Any], context: ToolContext) -> str:
    await asyncio.sleep(0)
    return "done"


def answer(request: Request) -> Reply:
    """Two steps a turn: a call, and then an answer of several pieces."""
    if request.messages[-1].is_prompt and request.tools:
        return ["I look.", Call("write")]
    return [Say("word " * 40, chunk=50, delay=0.0001)]


async def report(session: Session) -> None:
    told: list[int] = []
    async for event in session.subscribe():
        match event.payload:
            case TreeChanged(new=new):
                told.extend(new)
            case Saved():
                nodes = {i: encode_message(session.tree[i].message).decode() for i in told}
                tell("saved", nodes)
                told.clear()


# What an endless program does: each takes the session and a source of chance.


async def see_through(session: Session, run: Run) -> None:
    """Wait for the end of a run, allowing what it asks."""
    async for event in run:
        if event.type == "pause":
            session.resume(Execute(), run.id)
    await run


async def prompt(session: Session, chance: random.Random) -> None:
    head = session.tree.head
    if head is not None and not session.tree.is_finished(head):
        await see_through(session, session.proceed(head))
    await see_through(session, session.prompt(f"Prompt {chance.random()}"))


async def branch(session: Session, chance: random.Random) -> None:
    roots = session.branch(None, f"Aside {chance.random()}"), session.branch(None, "Another")
    await asyncio.gather(*(see_through(session, run) for run in roots))


async def regenerate(session: Session, chance: random.Random) -> None:
    replies = session.alternatives(chance.choice(prompts(session)), n=2)
    await asyncio.gather(*(see_through(session, run) for run in replies))


async def edit(session: Session, chance: random.Random) -> None:
    run = session.edit(chance.choice(prompts(session)), f"Edited {chance.random()}")
    await see_through(session, run)


async def navigate(session: Session, chance: random.Random) -> None:
    session.navigate(chance.choice(session.tree.tips()))
    session.set_draft(f"draft {chance.random()}", session.tree.head)


async def name(session: Session, chance: random.Random) -> None:
    session.label(chance.choice(session.tree.tips()), f"name {chance.random()}")
    session.rename(f"title {chance.random()}")


async def prune(session: Session, chance: random.Random) -> None:
    node_id = chance.choice(prompts(session))
    session.prune(node_id)
    session.restore(node_id)


async def graft(session: Session, chance: random.Random) -> None:
    session.graft(chance.choice(prompts(session)), None, deep=False)


async def compact(session: Session, chance: random.Random) -> None:
    with suppress(AgentError):  # there is nothing to sum up
        await session.compact()


async def bring_in(session: Session, chance: random.Random) -> None:
    assert session.saver is not None
    tree = Tree()
    for number in range(IMPORTED):
        tree.push(Message.assistant("old") if number % 2 else Message.user(f"old {number}"))
    store = session.saver._store
    record = SessionRecord(id=new_session_id(), title="brought in")
    await store.create(record)
    await store.save_tree(record.id, Changes(nodes=tuple(tree.nodes.values()), head=tree.head))


Verb = Callable[[Session, random.Random], Awaitable[None]]

VERBS: tuple[Verb, ...] = (
    *(prompt, prompt, branch, regenerate, edit),
    *(navigate, name, prune, graft, compact, bring_in),
)


def prompts(session: Session) -> list[int]:
    """The prompts on the active path."""
    return [i for i in session.tree.path if session.tree[i].kind == "prompt"]


async def endless(session: Session, chance: random.Random) -> None:
    await prompt(session, chance)
    while True:
        verb = chance.choice(VERBS)
        await (verb if prompts(session) else prompt)(session, chance)


class StrikingStore(SQLiteStore):
    """Kills its process in the middle of what SQLite does."""

    def __init__(self, path: Path, strike: int) -> None:
        super().__init__(path)
        self._left = strike

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        if self._left:
            connection.set_progress_handler(self._count, STRIKE_EVERY)
        return connection

    def _count(self) -> int:
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0


async def main(order: Order) -> None:
    replies: dict[str, list[Reply]] = {
        "stream": [["I begin to ", Wait(until=asyncio.Event())]],
        "tool": [["I write.", Call("write", {"path": "a"})]],
        "task": [
            [Call("task", {"description": "write", "prompt": "Write a."}, id="use-1")],
            ["I write.", Call("write", {"path": "a"})],
        ],
    }
    mode = order["mode"]
    provider = ScriptedProvider(replies.get(mode, answer))
    write = Tool(name="write", handler=hanging if mode in ("tool", "task") else quick)
    manager = SessionManager(
        StrikingStore(Path(order["path"]), order["strike"]),
        default_model=provider.model(),
        setup=Setup(tools=(write,), max_depth=2),
    )
    if order["session_id"]:
        session, _ = await manager.open(order["session_id"])
    else:
        session = manager.create()
    tell("session", session.id)
    reporting = asyncio.create_task(report(session))
    await asyncio.sleep(0)
    if mode == "endless":
        await endless(session, random.Random(order["seed"]))
    run = session.prompt("Prompt 0")
    if mode == "stream":
        async for event in run:
            if event.type == "text_end":
                await hang()
    await run
    reporting.cancel()


def serve() -> None:
    """Fork a program for each order, and say when it is gone."""
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            try:
                asyncio.run(main(json.loads(line)))
            finally:
                os._exit(1)
        tell("pid", pid)
        os.waitpid(pid, 0)
        os.write(1, b"\n")
        tell("dead")


if __name__ == "__main__":
    serve()
