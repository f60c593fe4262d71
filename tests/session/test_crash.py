"""Killed at any moment: what was told to be saved is there, and the conversation can go on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from agent_helpers import Recorder, assert_answered, until_paused
from crash_child import IMPORTED, Order
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
from omni_tui.session.store.maintenance import Finding, examine
from omni_tui.session.tree import Tree

CHILD = Path(__file__).with_name("crash_child.py")

PIECES, KILLS = 10, 20
"""So many files, each of which grows under so many programs that are killed."""


class Victim:
    """The program to be killed, and what it said before."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.pid = 0
        self.session_id = ""
        self.saved: dict[int, str] = {}
        self.is_dead = False

    def listen(self) -> str:
        """Read one line, and remember it; its kind. A line cut in half was not said."""
        line = self._server.line()
        try:
            kind, *facts = json.loads(line)
        except ValueError:
            return "nothing"
        if kind == "pid":
            self.pid = facts[0]
        elif kind == "session":
            self.session_id = facts[0]
        elif kind == "saved":
            self.saved.update({int(id): text for id, text in facts[0].items()})
        elif kind == "dead":
            self.is_dead = True
        return str(kind)

    def listen_until(self, kind: str) -> None:
        while not self.is_dead and self.listen() != kind:
            pass

    def kill(self) -> None:
        """Kill it, unless it did that itself, and read what it had said by then."""
        while not self.pid:
            self.listen()
        if not self.is_dead:
            os.kill(self.pid, signal.SIGKILL)  # nobody waited for it yet: no other has its pid
        self.listen_until("dead")


class Server:
    """Starts programs that are to be killed, one after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server ended by itself"
        return line

    @contextmanager
    def victim(
        self, path: Path, mode: str, *, session_id: str = "", seed: int = 0, strike: int = 0
    ) -> Iterator[Victim]:
        """A program that is surely dead when the block ends."""
        order = Order(path=str(path), mode=mode, session_id=session_id, seed=seed, strike=strike)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        victim = Victim(self)
        try:
            yield victim
        finally:
            if not victim.is_dead:
                victim.kill()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with subprocess.Popen(
        [sys.executable, str(CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Server(process)
        assert process.stdin is not None
        process.stdin.close()


def make_manager(path: Path, tool: Tool) -> SessionManager:
    provider = ScriptedProvider(lambda _request: "Gone on.")
    return SessionManager(
        SQLiteStore(path),
        default_model=provider.model(),
        setup=Setup(tools=(tool,), retry=AT_ONCE, max_depth=2),
    )


def check(tree: Tree, saved: Mapping[int, str]) -> None:
    """All that was acknowledged is there, and the tree holds together."""
    for node_id, message in saved.items():
        assert encode_message(tree[node_id].message).decode() == message
    places = [*tree.roots, *tree.pruned(None)]
    for node in tree.nodes.values():
        assert node.parent_id is None or node.parent_id < node.id
        places += [*tree.children(node.id), *tree.pruned(node.id), *tree.summaries(node.id)]
        if node.kind in ("results", "reply"):
            assert node.parent_id is not None
        if node.kind == "results":
            assert_answered(tree.messages(node.id))
    assert sorted(places) == sorted(tree.nodes)
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


async def test_killed_while_a_reply_streams(tmp_path: Path, server: Server) -> None:
    path = tmp_path / "sessions.db"
    with server.victim(path, "stream") as it:
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


async def test_killed_while_a_tool_runs(tmp_path: Path, server: Server) -> None:
    path = tmp_path / "sessions.db"
    with server.victim(path, "tool") as it:
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


def killed_with_a_sub_agent(server: Server, path: Path) -> str:
    """Kill a program while a tool of a sub-agent runs; the id of the session above."""
    with server.victim(path, "task") as it:
        it.listen_until("here")
        it.kill()
    assert list(it.saved) == [1, 2]
    return it.session_id


async def test_killed_while_a_sub_agent_works(tmp_path: Path, server: Server) -> None:
    path = tmp_path / "sessions.db"
    id = killed_with_a_sub_agent(server, path)
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


async def test_a_sub_agent_can_be_continued_by_hand_after_a_kill(
    tmp_path: Path, server: Server
) -> None:
    path = tmp_path / "sessions.db"
    id = killed_with_a_sub_agent(server, path)
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


@pytest.mark.parametrize("piece", range(PIECES))
async def test_killed_at_random_moments_while_the_file_grows(
    tmp_path: Path, server: Server, piece: int
) -> None:
    path = tmp_path / "sessions.db"
    chance = random.Random(piece)
    id, saved = "", dict[int, str]()
    for number in range(KILLS):
        from_within = number % 2 == 1
        strike = chance.randrange(1, 500) if from_within else 0
        with server.victim(
            path, "endless", session_id=id, seed=chance.randrange(10**9), strike=strike
        ) as it:
            if from_within:
                it.listen_until("dead")
            else:
                it.listen_until("session")
                for _ in range(chance.randrange(8)):
                    it.listen()
                time.sleep(chance.random() * 0.02)  # in the middle of whatever it does
                it.kill()
        saved |= it.saved
        if path.exists() and (wrong := [each for each in examine(path, deep=True) if bad(each)]):
            raise AssertionError(wrong)
        id = await goes_on(path, id or it.session_id, saved)


def bad(finding: Finding) -> bool:
    """Damage, or words that are not those of the messages."""
    return finding.level != "ok"


async def goes_on(path: Path, id: str, saved: dict[int, str]) -> str:
    """Open what was killed and talk on, noting what is saved; the id, empty if nothing is kept."""
    async with make_manager(path, Recorder().tool("write")) as manager:
        if not id or not await manager.store.exists(id):
            assert not saved  # killed before the first word was kept
            return ""
        for brought_in in await manager.store.list(limit=1000):
            assert brought_in.id == id or brought_in.nodes in (0, IMPORTED)
        session, _ = await manager.open(id)
        tree = session.tree
        check(tree, saved)
        for tip in tree.tips():
            if not tree.is_finished(tip) and tree[tip].kind != "reply":
                assert tree.is_interrupted(tip)
                asked = await finish(session, session.proceed(tip))
                assert asked == len(tree.dangling(tip))
                assert tree.is_finished(tree.tip_of(tip) or 0)
        run = session.prompt("And now?", at=max(filter(tree.is_finished, tree.tips())))
        assert await finish(session, run) == 0
        check(tree, saved)
        await manager.close(session.id)
        again, _ = await manager.open(session.id)
        assert list(again.tree.nodes.values()) == list(tree.nodes.values())
        saved |= {node.id: node.raw.decode() for node in tree.nodes.values()}
    return id
