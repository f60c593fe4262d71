"""The guard of rules: it runs what they allow, rejects what they deny and asks about the rest."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from agent_helpers import Recorder, assert_answered, make_agent, until_paused

from omni_tui.agent.approval import Approval
from omni_tui.agent.decisions import Execute, Pause, Reject
from omni_tui.core.messages import ToolUse
from omni_tui.core.tool import Tool
from omni_tui.llm.providers.scripted import Call
from omni_tui.tools.permissions import Mode, Permissions, Rule


def guard(cwd: Path, *tools: Tool, rules: Iterable[Rule] = (), mode: Mode = "ask") -> Approval:
    permissions = Permissions(cwd, rules=rules, mode=mode)
    return Approval(permissions, {tool.name: tool for tool in tools})


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def read(path: object) -> ToolUse:
    return ToolUse(id="1", name="read_file", input={"path": str(path)})


async def test_reading_inside_runs_unasked(tmp_path: Path, recorder: Recorder) -> None:
    approval = guard(tmp_path, recorder.tool("read_file", read_only=True))
    decision = await approval.handle_tool_use(read("a.txt"))
    assert isinstance(decision, Execute)
    assert (decision.by, decision.allowed_paths) == ("only reads", ())


async def test_what_no_rule_allows_is_asked_with_all_a_person_needs(
    tmp_path: Path, recorder: Recorder
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    approval = guard(work, recorder.tool("read_file", read_only=True))
    decision = await approval.handle_tool_use(read(tmp_path / "secret.txt"))
    assert isinstance(decision, Pause)
    assert decision.reason == "approval"
    assert decision.details["outside"] == [str((tmp_path / "secret.txt").resolve())]
    assert Rule.parse(decision.details["always_rule"]).fits_tool("read_file")
    assert isinstance(decision.details["warnings"], list)
    assert decision.details["reason"]


async def test_a_rule_that_allows_a_place_opens_it_for_this_use(
    tmp_path: Path, recorder: Recorder
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    place = (tmp_path / "other.txt").resolve()
    rule = Rule.parse(f"read_file({place})")
    approval = guard(work, recorder.tool("read_file", read_only=True), rules=[rule])
    decision = await approval.handle_tool_use(read(place))
    assert isinstance(decision, Execute)
    assert decision.allowed_paths == (place,)
    assert decision.by == f"rule {rule}"


async def test_a_denied_use_is_rejected_and_names_the_rule(
    tmp_path: Path, recorder: Recorder
) -> None:
    rule = Rule.parse("read_file(**/.env)", "deny")
    approval = guard(tmp_path, recorder.tool("read_file", read_only=True), rules=[rule])
    decision = await approval.handle_tool_use(read(".env"))
    assert isinstance(decision, Reject)
    assert decision.by == f"rule {rule}"


async def test_a_question_to_a_person_is_put_to_them(tmp_path: Path, recorder: Recorder) -> None:
    approval = guard(tmp_path, recorder.tool("human", asks_person=True))
    use = ToolUse(id="1", name="human", input={"question": "?"})
    assert await approval.handle_tool_use(use) == Pause("question")


async def test_the_guard_stands_before_the_agents_tools(tmp_path: Path, recorder: Recorder) -> None:
    tools = [recorder.tool("read_file", read_only=True), recorder.tool("write_file")]
    agent = make_agent(
        [
            [
                Call("read_file", {"path": "a"}, id="r"),
                Call("write_file", {"path": "b", "content": ""}, id="w"),
            ],
            "Done.",
        ],
        tools=tools,
        hooks=[guard(tmp_path, *tools)],
        cwd=tmp_path,
    )
    run = agent.prompt("Go")
    pause = await until_paused(run)
    assert pause.tool_use.id == "w"
    agent.resume(Execute(by="you, once"))
    await run
    assert recorder.names == ["read_file", "write_file"]
    facts = [result.data or {} for result in agent.messages[2].tool_results]
    assert [fact["by"] for fact in facts] == ["only reads", "you, once"]
    assert_answered(agent.messages)
    await agent.close()


@pytest.mark.parametrize(
    ("mode", "kind"), [("plan", Reject), ("yolo", Execute), ("auto-edit", Execute)]
)
async def test_the_mode_decides_where_no_rule_does(
    tmp_path: Path, recorder: Recorder, mode: Mode, kind: type[object]
) -> None:
    approval = guard(tmp_path, recorder.tool("write_file"), mode=mode)
    use = ToolUse(id="1", name="write_file", input={"path": "a", "content": ""})
    assert isinstance(await approval.handle_tool_use(use), kind)
