"""Killed at any moment: what was told to be saved is there, and the conversation can go on."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest
from agent_helpers import Recorder, assert_answered, until_paused
from session_helpers import AT_ONCE

from omni_tui.agent.decisions import Execute
from omni_tui.agent.run import Run
from omni_tui.core.messages import encode_message
from omni_tui.core.tool import Tool
from omni_tui.llm.providers.scripted import ScriptedProvider
from omni_tui.session.manager import SessionManager
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store import SQLiteStore
from omni_tui.session.tree import Tree

CHILD = Path(__file__).with_name("crash_child.py")


class Victim:
    """The program to be killed, and what it said before."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.session_id = ""
        self.saved: dict[int, str] = {}

    def listen(self) -> str:
        """Read one line, and remember it; its kind."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the program ended by itself"
        kind, *facts = json.loads(line)
        self._note(kind, facts)
        return str(kind)

    def listen_until(self, kind: str) -> None:
        while self.listen() != kind:
            pass

    def kill(self) -> None:
        """Kill it, and read what it had said by then; a line cut in half was not said."""
        assert self.process.stdout is not None
        self.process.kill()
        rest = self.process.stdout.read()
        self.process.wait()
        for line in rest.splitlines(keepends=True):
            if line.endswith("\n"):
                kind, *facts = json.loads(line)
                self._note(kind, facts)

    def _note(self, kind: str, facts: list[Any]) -> None:
        if kind == "session":
            self.session_id = facts[0]
        elif kind == "saved":
            self.saved.update({int(id): text for id, text in facts[0].items()})


@contextmanager
def victim(path: Path, mode: str) -> Iterator[Victim]:
    command = [sys.executable, str(CHILD), str(path), mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Victim(process)
        finally:
            process.kill()


def make_manager(path: Path, tool: Tool) -> SessionManager:
    provider = ScriptedProvider(lambda _request: "Gone on.")
    return SessionManager(
        SQLiteStore(path),
        default_model=provider.model(),
        setup=Setup(tools=(tool,), retry=AT_ONCE, max_depth=2),
    )


def check(tree: Tree, saved: dict[int, str]) -> None:
    """All that was acknowledged is there, and the tree holds together."""
    for node_id, message in saved.items():
        assert encode_message(tree[node_id].message).decode() == message
    children: set[int] = set()
    for node in tree.nodes.values():
        assert node.parent_id is None or node.parent_id < node.id
        children.update(tree.children(node.id))
        if node.kind in ("results", "reply"):
            assert node.parent_id is not None
        if node.kind == "results":
            assert_answered(tree.messages(node.id))
    assert children | set(tree.roots) == set(tree.nodes)
    for parent, child in tree.cursors.items():
        assert child in tree.children(parent)
    assert tree.path == tree.path_to(tree.head)


async def finish(session: Session, run: Run) -> int:
    """See a run through, allowing what it asks; how often it asked."""
    asked = 0
    async for event in run:
        if event.type == "pause":
            asked += 1
            session.resume(Execute(), run.id)
    assert (await run).text == "Gone on."
    return asked


async def test_killed_while_a_reply_streams(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    with victim(path, "stream") as it:
        it.listen_until("here")
        it.kill()
    assert list(it.saved) == [1]
    async with make_manager(path, Recorder().tool("write")) as manager:
        session, _ = await manager.open(it.session_id)
        check(session.tree, it.saved)
        assert session.tree.head == 1
        assert session.tree.is_interrupted(1)
        assert await finish(session, session.proceed(1)) == 0
        assert session.tree.is_finished(2)


async def test_killed_while_a_tool_runs(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    with victim(path, "tool") as it:
        it.listen_until("here")
        it.kill()
    assert list(it.saved) == [1, 2]
    recorder = Recorder()
    async with make_manager(path, recorder.tool("write")) as manager:
        session, _ = await manager.open(it.session_id)
        check(session.tree, it.saved)
        assert session.tree.head == 2
        assert session.tree.is_interrupted(2)
        assert [use.name for use in session.tree.dangling(2)] == ["write"]
        run = session.proceed(2)
        assert (await until_paused(run)).reason == "interrupted"
        assert recorder.ran == []  # never by itself
        session.resume(Execute())
        assert (await run).text == "Gone on."
        assert recorder.ran == [("write", {"path": "a"})]
        assert session.tree.is_finished(4)


async def killed_with_a_sub_agent(path: Path) -> str:
    """Kill a program while a tool of a sub-agent runs; the id of the session above."""
    with victim(path, "task") as it:
        it.listen_until("here")
        it.kill()
    assert list(it.saved) == [1, 2]
    return it.session_id


async def test_killed_while_a_sub_agent_works(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    id = await killed_with_a_sub_agent(path)
    recorder = Recorder()
    async with make_manager(path, recorder.tool("write")) as manager:
        session, _ = await manager.open(id)
        assert session.tree.is_interrupted(2)
        child_id = await manager.find_child(id, 2, "use-1")
        assert child_id is not None
        child, _ = await manager.open(child_id)
        assert child.tree.head == 2
        assert child.tree.is_interrupted(2)
        run = session.proceed(2)
        pause = await until_paused(run)
        assert (pause.reason, pause.tool_use.name) == ("interrupted", "write")
        assert recorder.ran == []  # never by itself
        session.resume(Execute())
        assert (await run).text == "Gone on."
        assert recorder.ran == [("write", {"path": "a"})]
        assert child.tree.path == (1, 2, 3, 4)  # it went on where it stood
        (result,) = session.tree[3].message.tool_results
        assert (result.content, result.is_error) == ("Gone on.", False)
        assert session.tree[3].usage == child.tree.usage()


async def test_a_sub_agent_can_be_continued_by_hand_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    id = await killed_with_a_sub_agent(path)
    recorder = Recorder()
    async with make_manager(path, recorder.tool("write")) as manager:
        child_id = await manager.find_child(id, 2, "use-1")
        assert child_id is not None
        child, _ = await manager.open(child_id)
        assert await finish(child, child.proceed(2)) == 1
        await manager.close(child_id)
        session, _ = await manager.open(id)
        assert await finish(session, session.proceed(2)) == 0
        assert recorder.ran == [("write", {"path": "a"})]  # not once more
        (result,) = session.tree[3].message.tool_results
        assert (result.content, result.is_error) == ("Gone on.", False)


@pytest.mark.parametrize("seed", range(20))
async def test_killed_at_a_random_moment(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "sessions.db"
    moment = random.Random(seed)
    with victim(path, "endless") as it:
        it.listen_until("session")
        for _ in range(moment.randrange(12)):
            it.listen()
        time.sleep(moment.random() * 0.02)  # somewhere in the middle of whatever it does
        it.kill()
    with closing(connect(path)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
    async with make_manager(path, Recorder().tool("write")) as manager:
        if not await manager.store.exists(it.session_id):
            assert not it.saved  # killed before the first word was kept
            return
        session, _ = await manager.open(it.session_id)
        tree = session.tree
        check(tree, it.saved)
        for tip in tree.tips():
            if tree.is_finished(tip):
                run = session.prompt("And now?", at=tip)
                assert await finish(session, run) == 0
            else:
                assert tree.is_interrupted(tip)
                asked = await finish(session, session.proceed(tip))
                assert asked == len(tree.dangling(tip))
            assert tree.is_finished(tree.tip_of(tip) or 0)
        check(tree, it.saved)
        await manager.close(session.id)
        again, _ = await manager.open(session.id)
        assert list(again.tree.nodes.values()) == list(tree.nodes.values())
