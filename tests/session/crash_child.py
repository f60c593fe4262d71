"""A program to be killed: it talks to a scripted model and prints what is acknowledged as saved.

Usage: crash_child.py DATABASE MODE, with MODE one of `stream`, `tool`, `task` and `endless`. Every
line it prints is one JSON list: `["session", id]`, `["saved", {node: text}]`, or `["here"]` where
it hangs.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from omni_tui.core.messages import encode_message
from omni_tui.core.tool import Tool, ToolContext
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.scripted import Call, Reply, Say, ScriptedProvider, Wait
from omni_tui.session.events import Saved, TreeChanged
from omni_tui.session.manager import SessionManager
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store import SQLiteStore


def tell(*facts: object) -> None:
    print(json.dumps(facts), flush=True)


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
    if request.messages[-1].is_prompt:
        return ["I look.", Call("write")]
    return [Say("word " * 40, chunk=5, delay=0.0001)]


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


async def main(path: str, mode: str) -> None:
    replies: dict[str, list[Reply]] = {
        "stream": [["I begin to ", Wait(until=asyncio.Event())]],
        "tool": [["I write.", Call("write", {"path": "a"})]],
        "task": [
            [Call("task", {"description": "write", "prompt": "Write a."}, id="use-1")],
            ["I write.", Call("write", {"path": "a"})],
        ],
    }
    provider = ScriptedProvider(replies.get(mode, answer))
    write = Tool(name="write", handler=hanging if mode in ("tool", "task") else quick)
    manager = SessionManager(
        SQLiteStore(path), default_model=provider.model(), setup=Setup(tools=(write,), max_depth=2)
    )
    session = manager.create()
    tell("session", session.id)
    reporting = asyncio.create_task(report(session))
    await asyncio.sleep(0)
    for number in range(10_000):
        run = session.prompt(f"Prompt {number}")
        if mode == "stream":
            async for event in run:
                if event.type == "text_end":
                    await hang()
        await run
        if number % 3 == 2:
            again = session.regenerate(session.tree.head or 0)
            aside = session.branch(None, f"Aside {number}")
            await asyncio.gather(again, aside)
    reporting.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
