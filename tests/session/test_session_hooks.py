"""A run with hooks and tools of its own, among the other runs of a session."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_helpers import Gate, Recorder, until_paused
from session_helpers import make_session

from omni_tui.agent.completion import NUDGE, Completion
from omni_tui.agent.decisions import Reject
from omni_tui.agent.hooks import Hooks
from omni_tui.core.errors import BusyError
from omni_tui.llm.providers.scripted import Call, ScriptedProvider
from omni_tui.tools.permissions import Permissions


async def test_hooks_and_tools_of_a_prompt_count_for_its_run_alone() -> None:
    completion = Completion()
    provider = ScriptedProvider(
        ["Hm.", [Call("task_complete", {"result": "sorted"})], "Done.", "Yes?"]
    )
    session = make_session(provider, permissions=Permissions(Path.cwd()))
    await session.prompt("Sort it", hooks=[completion], tools=[completion.tool])
    assert completion.result == "sorted"
    assert [node.message.text for node in session.tree.nodes.values() if node.kind == "prompt"] == [
        "Sort it",
        NUDGE,
    ]
    assert session.tree.is_finished(session.tree.head or 0)
    await session.prompt("And now?")
    assert [tool.name for tool in provider.requests[0].tools] == ["task_complete"]
    assert [tool.name for tool in provider.requests[-1].tools] == []
    await session.close()


async def test_the_rules_of_the_session_hold_for_tools_of_a_prompt() -> None:
    recorder = Recorder()
    session = make_session([[Call("burn")], "No?"], permissions=Permissions(Path.cwd()))
    run = session.prompt("Burn it", tools=[recorder.tool("burn")], hooks=[Hooks()])
    await until_paused(run)
    session.resume(Reject("no"))
    await run
    assert recorder.ran == []
    await session.close()


async def test_a_prompt_with_hooks_never_waits_behind_another() -> None:
    gate = Gate()
    session = make_session([[Call("wait")], "Done."], tools=(gate.tool,))
    run = session.prompt("Wait")
    await gate.started.wait()
    with pytest.raises(BusyError):
        session.prompt("Sort it", when_busy="queue", hooks=[Completion()])
    gate.open.set()
    await run
    await session.close()
