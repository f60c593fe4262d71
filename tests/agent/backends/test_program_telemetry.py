"""What is observed of programs that own their loop: steps, requests and tools, as of any agent."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_programs import Fake
from test_acp import FAKE, Notes, notes
from test_codex_cli import codex, command, item, out, turn
from test_telemetry import Recorded, listening
from warm import PYTHON

from omni_tui.agent.agent import Agent
from omni_tui.core.errors import AgentRunError
from omni_tui.core.telemetry import Telemetry
from omni_tui.core.usage import Usage
from omni_tui.llm.backends import AcpAgent
from omni_tui.llm.models import ProviderRegistry

__all__ = ["notes"]

LOOKING = turn(
    item("completed", 1, "agent_message", text="Looking."),
    command("started", 2, "ls", aggregated_output="", exit_code=None),
    command("completed", 2, "ls", aggregated_output="no such\n", exit_code=2),
    item("completed", 3, "agent_message", text="Nothing."),
    input_tokens=200,
    output_tokens=20,
)


async def test_a_turn_of_a_program_tells_its_steps_requests_and_tools(
    tmp_path: Path, fake: Fake
) -> None:
    fake(LOOKING)
    telemetry, heard = listening()
    async with codex(tmp_path, telemetry=telemetry) as agent:
        await agent.ask("What is here?")
    within = heard.names[heard.names.index("turn.start") : heard.names.index("turn.stop") + 1]
    assert [name for name in within if name != "state.changed"] == [
        "turn.start",
        *("step.start", "llm.start", "llm.stop", "tool.start", "tool.error", "step.stop"),
        *("step.start", "llm.start", "llm.stop", "step.stop"),
        "turn.stop",
    ]
    (tool,) = heard.facts("tool.error")
    assert (tool["tool"], tool["input"], tool["step"]) == ("bash", {"command": "ls"}, 1)
    assert [facts["stop_reason"] for facts in heard.facts("llm.stop")] == ["tool_use", "stop"]
    assert sum((facts["usage"] for facts in heard.facts("llm.stop")), Usage()) == agent.usage


async def test_a_program_that_fails_leaves_no_span_open(tmp_path: Path, fake: Fake) -> None:
    fake(turn(command("started", 0, "ls"), out("turn.failed", error={"message": "no"}))[:-1])
    telemetry, heard = listening()
    async with codex(tmp_path, telemetry=telemetry) as agent:
        with pytest.raises(AgentRunError):
            await agent.ask("Go")
    for kind in ("prompt", "turn", "step", "llm", "tool"):
        begun = heard.names.count(f"{kind}.start")
        assert begun == sum(heard.names.count(f"{kind}.{end}") for end in ("stop", "error")) == 1
    assert heard.facts("tool.error")


async def test_spans_of_a_program_stand_under_their_step(tmp_path: Path, fake: Fake) -> None:
    fake(LOOKING)
    telemetry = Telemetry()
    recorded = Recorded(telemetry)
    async with codex(tmp_path, telemetry=telemetry) as agent:
        await agent.ask("What is here?")
    assert recorded.parents() == {
        "invoke_agent Agent": None,
        "turn": "invoke_agent Agent",
        "step": "turn",
        "chat default": "step",
        "execute_tool bash": "step",
    }


@pytest.mark.usefixtures("warm")
async def test_spans_that_end_in_another_task_stand_under_their_step_too(notes: Notes) -> None:
    telemetry = Telemetry()
    recorded = Recorded(telemetry)
    agents = {"fake": AcpAgent(command=(*PYTHON, str(FAKE), str(notes.folder)), env={})}
    registry = ProviderRegistry(acp=agents)
    async with Agent(
        model="acp/fake", registry=registry, cwd=notes.folder, telemetry=telemetry
    ) as agent:
        for _ in range(2):
            await agent.ask("hello")
    parents = recorded.parents()
    assert parents.pop("chat fake") == "step"
    assert parents == {"invoke_agent Agent": None, "turn": "invoke_agent Agent", "step": "turn"}
    assert len({span.context.trace_id for span in recorded.spans if span.context}) == 2
