"""Agents that own their loop in a session: stored, loaded again, and on two branches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_programs import FakeProgram, Step, recording

from omni_tui.agent.decisions import Execute
from omni_tui.agent.events import Paused
from omni_tui.llm.models import ProviderRegistry
from omni_tui.session.manager import SessionManager
from omni_tui.session.node import Node
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store.sqlite import SQLiteStore
from omni_tui.tools.permissions import Permissions

HELLO = "Hello there, this is a mock answer that streams in several chunks."


class World:
    """A file of sessions, and a program that plays."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch

    def program(self, *plays: Sequence[Step]) -> FakeProgram:
        made = FakeProgram(self.folder / "fake", plays)
        self._monkeypatch.setenv("OMNI_TUI_CLAUDE", str(made.path))
        return made

    async def manager(self) -> SessionManager:
        store = SQLiteStore(self.folder / "sessions.db")
        await store.open()
        setup = Setup(cwd=self.folder, permissions=Permissions(self.folder))
        registry = ProviderRegistry()
        return SessionManager(store, default_model="demo/chat", setup=setup, registry=registry)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def path(session: Session) -> list[Node]:
    assert session.tree.head is not None
    return [session.tree[id] for id in session.tree.path_to(session.tree.head)]


def texts(session: Session) -> list[str]:
    return [node.message.text for node in path(session)]


async def test_a_loaded_session_resumes_its_conversation(world: World) -> None:
    program = world.program(*(recording("claude-resume", id) for id in ("one", "two")))
    manager = await world.manager()
    session = manager.create(model="claude-cli/default")
    await session.prompt("think")
    await manager.shut_down()

    manager = await world.manager()
    loaded, notice = await manager.open(session.id)
    assert notice is None
    assert str(loaded.model) == "claude-cli/default"
    await loaded.prompt("again")
    assert texts(loaded) == ["think", "Thought about it.", "again", "Thought about it."]
    assert loaded.title == "think"
    assert [call.option("resume") for call in program.calls] == [None, "one"]
    assert program.calls[1].prompt == "again"
    await manager.shut_down()


async def test_two_branches_never_mix(world: World) -> None:
    ids = ("first", "left", "right", "other", "left-2")
    program = world.program(*(recording("claude-resume", id) for id in ids))
    manager = await world.manager()
    session = manager.create(model="claude-cli/default")
    await session.prompt("begin")
    fork = session.tree.head
    await session.prompt("left")
    left = session.tree.head
    await session.branch(fork, "right")
    assert fork is not None
    assert left is not None
    assert session.tree.turn_prompt(left).parent_id == fork
    await session.regenerate(fork)
    session.navigate(left)
    await session.prompt("left again")
    resumed = [(call.prompt, call.option("resume")) for call in program.calls]
    assert resumed == [
        ("begin", None),
        ("left", "first"),
        ("right", "first"),
        ("begin", None),
        ("left again", "left"),
    ]
    await manager.shut_down()


async def test_its_tools_are_asked_about_and_stand_in_the_tree(world: World) -> None:
    world.program(recording("claude-tool-allow"))
    manager = await world.manager()
    session = manager.create(model="claude-cli/default")
    run = session.prompt("runbash")
    details: dict[str, Any] = {}
    async for event in run:
        if isinstance(event.payload, Paused):
            details = event.payload.details
            assert session.active_run is not None
            assert session.active_run.paused is not None
            session.resume(Execute())
    assert "runs several commands" in details["warnings"]
    nodes = path(session)
    assert [node.role for node in nodes] == ["user", "assistant"] * 2
    assert nodes[2].kind == "results"
    assert [node.status for node in nodes] == ["done"] * 4
    assert nodes[-1].model == "claude-cli/claude-opus-4-8"
    assert nodes[-1].usage is not None
    assert nodes[-1].usage.cost == 0
    await manager.shut_down()


async def test_another_model_can_go_on_and_it_can_again(world: World) -> None:
    program = world.program(*(recording("claude-hello-partial", id) for id in ("one", "two")))
    manager = await world.manager()
    session = manager.create(model="claude-cli/default")
    await session.prompt("hello")
    session.set_model("demo/chat")
    await session.prompt("Name a mountain.")
    session.set_model("claude-cli/default")
    await session.prompt("and now?")
    second = program.calls[1]
    assert second.option("resume") == "one"
    assert "Person: Name a mountain." in second.prompt
    assert "hello" not in second.prompt.partition("<conversation>")[2].split("\n")[1]
    assert second.prompt.endswith("and now?")
    await manager.shut_down()
