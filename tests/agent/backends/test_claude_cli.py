"""The `claude` program as a model: recorded lines in, our messages and events out."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from agent_helpers import (
    Guard,
    all_events,
    assert_answered,
    labels,
    other_tasks,
    results_in,
    until,
    until_paused,
)
from fake_programs import Fake, Step, group_is_alive, recording, said

from omni_tui.agent.agent import Agent
from omni_tui.agent.approval import Approval
from omni_tui.agent.backends import cli_turn, program
from omni_tui.agent.decisions import AfterStep, Answer, Execute, Provide, Reject, Stop
from omni_tui.agent.events import Retrying, ToolOutput
from omni_tui.agent.hooks import Hooks
from omni_tui.core.errors import (
    AgentRunError,
    AuthError,
    BrokenStreamError,
    ConfigError,
    OmniError,
    RateLimitError,
)
from omni_tui.core.messages import Attachment, Message, Text, Thinking
from omni_tui.core.stream import Response, TextDelta
from omni_tui.llm.providers.base import Options
from omni_tui.tools.builtin import builtin_tools
from omni_tui.tools.permissions import Permissions, Rule

HELLO = "Hello there, this is a mock answer that streams in several chunks."
COMMAND = "touch made_by_claude.txt && echo ok"


def claude(tmp_path: Path, model: str = "claude-cli/default", **facts: Any) -> Agent:
    facts.setdefault("cwd", tmp_path)
    return Agent(model=model, **facts)


async def failure(agent: Agent, prompt: str = "hello") -> OmniError:
    """The error that a run fails with."""
    run = agent.prompt(prompt)
    await run.wait()
    assert run.error is not None
    assert not other_tasks()
    return run.error


def replaced(steps: list[Step], kind: str, **fields: Any) -> list[Step]:
    """The recording with other fields in the line of this kind."""
    steps[said(steps, kind)]["line"].update(fields)
    return steps


async def test_an_answer_comes_as_deltas_and_one_message(tmp_path: Path, fake: Fake) -> None:
    program = fake(recording("claude-hello-partial"))
    async with claude(tmp_path, system="Be brief.") as agent:
        run = agent.prompt("hello")
        events = await all_events(run)
        assert labels(events) == [
            "status busy",
            "message(user)",
            "text_start",
            "text_delta",
            "text_end",
            "message(assistant)",
            "step",
            "status idle",
            "turn(stop)",
        ]
        response = await run
    assert response.text == HELLO
    assert response.stop_reason == "stop"
    assert response.model == "claude-cli/claude-opus-4-8"
    deltas = [event.payload.text for event in events if isinstance(event.payload, TextDelta)]
    assert deltas[0] == "Hello there, this is"
    (call,) = program.calls
    assert call.prompt == "hello"
    assert call.lines[0]["request"] == {"subtype": "initialize"}
    assert call.option("append-system-prompt") == "Be brief."
    assert call.option("model") is None
    assert call.option("resume") is None
    assert call.cwd == str(tmp_path)


async def test_model_and_effort_are_passed_on(tmp_path: Path, fake: Fake) -> None:
    program = fake(recording("claude-hello-partial"))
    async with claude(tmp_path, "claude-cli/opus", options=Options(thinking="high")) as agent:
        await agent.ask("hello")
    (call,) = program.calls
    assert call.option("model") == "opus"
    assert call.option("effort") == "high"


async def test_it_gets_its_own_keys_and_nobody_elses(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = fake(recording("claude-hello-partial"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "its-own")
    monkeypatch.setenv("OPENAI_API_KEY", "not-its")
    monkeypatch.setenv("GITHUB_TOKEN", "not-its")
    async with claude(tmp_path) as agent:
        await agent.ask("hello")
    (call,) = program.calls
    assert call.env["ANTHROPIC_API_KEY"] == "its-own"
    assert not {"OPENAI_API_KEY", "GITHUB_TOKEN"} & call.env.keys()


async def test_tokens_and_cost_are_those_of_the_result_line(tmp_path: Path, fake: Fake) -> None:
    steps = recording("claude-tool-allow")
    for step in steps:
        event = step.get("line", {}).get("event", {})
        if event.get("type") == "message_start":
            event["message"]["usage"] = {"input_tokens": 10, "cache_read_input_tokens": 5}
        if event.get("type") == "message_delta":
            event["usage"] = {"output_tokens": 3}
    usage = {"input_tokens": 24, "cache_read_input_tokens": 10, "output_tokens": 6}
    fake(replaced(steps, "result", usage=usage, total_cost_usd=0.25))
    async with claude(tmp_path, hooks=[Guard(lambda _: Execute(by="a test"))]) as agent:
        response = await agent.ask("runbash")
        assert agent.usage == response.usage
    assert (response.usage.input, response.usage.cache_read, response.usage.output) == (24, 10, 6)
    assert response.usage.cost == 0.25


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (Execute(), {"behavior": "allow", "updatedInput": {"command": COMMAND}}),
        (Execute({"command": "ls"}), {"behavior": "allow", "updatedInput": {"command": "ls"}}),
        (Reject("use the read tool"), {"behavior": "deny", "message": "Tool rejected: use the"}),
        (Provide("it is there"), {"behavior": "deny", "message": "it is there"}),
    ],
)
async def test_a_permission_request_is_a_pause_answered_by_resume(
    tmp_path: Path, fake: Fake, answer: Answer, sent: dict[str, Any]
) -> None:
    name = "claude-tool-allow" if isinstance(answer, Execute) else "claude-tool-deny"
    program = fake(recording(name))
    async with claude(tmp_path) as agent:
        run = agent.prompt("runbash")
        pause = await until_paused(run)
        assert agent.status == "paused"
        assert pause.reason == "approval"
        assert pause.tool_use.name == "bash"
        assert pause.tool_use.input == {"command": COMMAND, "title": "make file"}
        assert len(agent.snapshot().pending) == 2  # the message that asks is there already
        agent.resume(answer)
        response = await run
        assert_answered(agent.messages)
    asking, results, reply = response.messages[1:]
    assert [use.name for use in asking.tool_uses] == ["Bash"]
    assert asking.text == "Running it."
    assert results.tool_results[0].name == "Bash"
    assert reply.text == "Finished bash."
    told = program.calls[0].lines[-1]["response"]["response"]
    assert told["behavior"] == sent["behavior"]
    assert str(told.get("message", "")).startswith(sent.get("message", ""))
    if isinstance(answer, Execute):
        assert told["updatedInput"].items() >= sent["updatedInput"].items()
        assert results_in(results) == {asking.tool_uses[0].id: "ok"}
        assert "title" not in told["updatedInput"]
    else:
        data = results.tool_results[0].data or {}
        decision = "rejected" if isinstance(answer, Reject) else "provided"
        assert data["decision"] == decision
        assert results.tool_results[0].is_error is isinstance(answer, Reject)


async def test_a_tool_is_told_as_started_and_finished(tmp_path: Path, fake: Fake) -> None:
    fake(recording("claude-tool-allow"))
    async with claude(tmp_path) as agent:
        run = agent.prompt("runbash")
        await until_paused(run)
        agent.resume(Execute())
        kinds = [event.type for event in await all_events(run)]
    assert kinds.index("resume") < kinds.index("tool_started") < kinds.index("tool_finished")
    assert kinds.count("tool_started") == 1


@pytest.mark.parametrize("effect", ["allow", "deny"])
async def test_rules_speak_of_its_shell_as_of_ours(tmp_path: Path, fake: Fake, effect: Any) -> None:
    steps = recording(f"claude-tool-{effect}")
    given = {"command": "touch made.txt"}
    steps[said(steps, "can_use_tool")]["line"]["request"]["input"] = given
    made = fake(steps)
    tools = {tool.name: tool for tool in builtin_tools()}
    rules = [Rule.parse("bash(touch *)", effect)]
    async with claude(
        tmp_path, hooks=[Approval(Permissions(tmp_path, rules=rules), tools)]
    ) as agent:
        response = await agent.ask("runbash")
    assert made.calls[0].lines[-1]["response"]["response"]["behavior"] == effect
    data = response.messages[2].tool_results[0].data or {}
    assert data["by"] == f"rule {rules[0]}"


async def test_its_reading_is_judged_as_ours(tmp_path: Path, fake: Fake) -> None:
    steps = recording("claude-tool-allow")
    asked = steps[said(steps, "can_use_tool")]["line"]["request"]
    asked.update(tool_name="Read", input={"file_path": str(tmp_path / "notes.md")})
    program = fake(steps)
    tools = {tool.name: tool for tool in builtin_tools()}
    async with claude(tmp_path, hooks=[Approval(Permissions(tmp_path), tools)]) as agent:
        await agent.ask("read it")
    answer = program.calls[0].lines[-1]["response"]["response"]
    assert answer == {"behavior": "allow", "updatedInput": asked["input"]}


async def test_a_question_to_the_person_is_put_as_ours(tmp_path: Path, fake: Fake) -> None:
    steps = recording("claude-tool-deny")
    steps[said(steps, "can_use_tool")]["line"]["request"].update(
        tool_name="AskUserQuestion",
        input={"questions": [{"question": "Which?", "options": [{"label": "A"}, {"label": "B"}]}]},
    )
    program = fake(steps)
    async with claude(tmp_path) as agent:
        run = agent.prompt("ask me")
        pause = await until_paused(run)
        assert pause.reason == "question"
        assert pause.tool_use.input == {"question": "Which?", "options": ["A", "B"]}
        agent.resume(Provide("B"))
        await run
    assert program.calls[0].lines[-1]["response"]["response"]["message"] == "B"


async def test_a_withdrawn_question_is_no_question_any_more(tmp_path: Path, fake: Fake) -> None:
    steps = recording("claude-tool-deny")
    request_id = steps[said(steps, "can_use_tool")]["line"]["request_id"]
    withdrawn = {"type": "control_cancel_request", "request_id": request_id}
    answered = [step.get("dir") == "in" and "response" in step["line"] for step in steps]
    place = answered.index(True)
    told: Step = {"dir": "out", "line": withdrawn}
    made = fake([*steps[:place], {"await": "pause"}, told, *steps[place + 1 :]])
    async with claude(tmp_path) as agent:
        run = agent.prompt("runbash")
        await until(run, "pause")
        made.let_go_on("pause")
        await until(run, "resume")
        response = await run
        assert agent.paused is None
    assert response.text == "Finished bash."


async def test_cancelling_interrupts_it_and_keeps_what_was_said(tmp_path: Path, fake: Fake) -> None:
    program = fake(
        recording("claude-interrupt", "cut-off"), recording("claude-hello-partial", "second")
    )
    async with claude(tmp_path, keep_partial=True) as agent:
        run = agent.prompt("slow")
        await until(run, "text_delta")
        run.cancel()
        assert await run.wait() == "cancelled"
        assert agent.messages[-1].text == "slow "
        assert not other_tasks()
        assert program.calls[0].lines[-1]["request"] == {"subtype": "interrupt"}
        assert not group_is_alive(program.calls[0].pid)
        await agent.ask("and now?")
    assert program.calls[1].option("resume") == "cut-off"
    assert program.calls[1].prompt == "and now?"


async def test_what_does_not_stop_is_killed_and_not_resumed(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_turn, "GRACE", 0.05)
    steps = recording("claude-interrupt")
    steps = [*steps[: said(steps, "content_block_delta") + 1], {"deaf": True}]
    program = fake(steps, recording("claude-hello-partial"))
    async with claude(tmp_path, keep_partial=True) as agent:
        run = agent.prompt("slow")
        await until(run, "text_delta")
        run.cancel()
        await run.wait()
        assert not group_is_alive(program.calls[0].pid)
        await agent.ask("and now?")
    assert program.calls[1].option("resume") is None
    assert "Person: slow" in program.calls[1].prompt
    assert program.calls[1].prompt.endswith("and now?")


async def test_cancelling_a_question_leaves_no_use_open(tmp_path: Path, fake: Fake) -> None:
    program = fake(recording("claude-tool-deny", "cut-off"), recording("claude-hello-partial"))
    async with claude(tmp_path, keep_partial=True) as agent:
        run = agent.prompt("runbash")
        await until_paused(run)
        run.cancel()
        await run.wait()
        assert_answered(agent.messages)
        assert agent.status == "idle"
        await agent.ask("go on")
    assert program.calls[1].option("resume") == "cut-off"
    assert program.calls[1].prompt == "go on"


async def test_every_turn_forks_the_one_before(tmp_path: Path, fake: Fake) -> None:
    plays = [recording("claude-resume", id) for id in ("one", "two", "three")]
    program = fake(*plays)
    async with claude(tmp_path) as agent:
        first = await agent.ask("think")
        await agent.ask("again")
        await agent.ask("and again")
    assert [call.option("resume") for call in program.calls] == [None, "one", "two"]
    assert ["--fork-session" in call.argv for call in program.calls] == [False, True, True]
    assert [call.prompt for call in program.calls] == ["think", "again", "and again"]
    thinking, text = first.message.content
    assert isinstance(thinking, Thinking)
    assert isinstance(text, Text)
    assert (thinking.text, thinking.signature) == ("Hmm, the user says think.", None)
    assert (text.signature, text.signed_by) == ("one", "claude-cli")


async def test_a_conversation_that_is_gone_is_told_anew(tmp_path: Path, fake: Fake) -> None:
    gone = [
        *recording("claude-hello-partial")[:2],
        {
            "dir": "out",
            "line": {
                "type": "result",
                "subtype": "error_during_execution",
                "is_error": True,
                "errors": ["No conversation found with session ID: one"],
            },
        },
        {"exit": 1},
    ]
    again = recording("claude-hello-partial", "two")
    program = fake(recording("claude-hello-partial", "one"), gone, again)
    async with claude(tmp_path) as agent:
        await agent.ask("hello")
        run = agent.prompt("and now?")
        assert (await run).text == HELLO
        assert run.step == 1
        assert len(agent.messages) == 4
    third = program.calls[2]
    assert third.option("resume") is None
    assert "Person: hello" in third.prompt
    assert f"Assistant: {HELLO}" in third.prompt
    assert third.prompt.endswith("and now?")


async def test_what_others_said_goes_in_front_of_the_prompt(tmp_path: Path, fake: Fake) -> None:
    program = fake(recording("claude-hello-partial"))
    history = [Message.user("I am Ann."), Message.assistant("Hello Ann.")]
    async with claude(tmp_path, messages=history) as agent:
        await agent.ask("Who am I?")
    (call,) = program.calls
    assert "Person: I am Ann.\n\nAssistant: Hello Ann." in call.prompt
    assert call.prompt.endswith("Who am I?")


async def test_attachments_go_as_blocks(tmp_path: Path, fake: Fake) -> None:
    program = fake(recording("claude-hello-partial"))
    picture = Attachment(media_type="image/png", data=b"png")
    async with claude(tmp_path) as agent:
        await agent.ask([Text(text="what is it?"), picture])
    content = program.calls[0].lines[1]["message"]["content"]
    assert content[1]["source"] == {"type": "base64", "media_type": "image/png", "data": "cG5n"}


async def test_lines_that_are_no_json_and_kinds_nobody_knows_are_left_out(
    tmp_path: Path, fake: Fake
) -> None:
    steps = recording("claude-hello-partial")
    noise: list[Step] = [
        {"raw": "(node:1) Warning: something"},
        {"raw": '["a list"]'},
        {"raw": "{broken"},
        {"raw": ""},
        {"dir": "out", "line": {"type": "from_the_future", "event": 3}},
        {"dir": "out", "line": {"type": "stream_event", "event": {"type": "ping"}}},
        {"dir": "out", "line": {"type": "stream_event", "event": "odd"}},
        {"dir": "out", "line": {"type": "assistant", "message": {"id": 1, "content": "odd"}}},
    ]
    place = said(steps, "init")
    fake([*steps[:place], *noise[:5], *steps[place:-2], *noise[5:7], *steps[-2:]])
    async with claude(tmp_path) as agent:
        assert (await agent.ask("hello")).text == HELLO


async def test_a_line_of_many_megabytes_is_read(tmp_path: Path, fake: Fake) -> None:
    steps = recording("claude-tool-allow")
    huge = "x" * (17 * 1024 * 1024)
    result = next(
        step
        for step in steps
        if step.get("line", {}).get("type") == "user" and step["dir"] == "out"
    )
    result["line"]["message"]["content"][0]["content"] = huge
    fake(steps)
    async with claude(tmp_path, hooks=[Guard(lambda _: Execute(by="a test"))]) as agent:
        response = await agent.ask("runbash")
    assert response.messages[2].tool_results[0].content == huge


async def test_a_line_without_end_is_an_error(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "MAX_LINE", 1_000_000)
    made = fake([*recording("claude-hello-partial")[:2], {"flood": 3_000_000}, {"listen": True}])
    async with claude(tmp_path) as agent:
        error = await failure(agent)
    assert isinstance(error, BrokenStreamError)
    assert "a line of more than" in error.message
    assert not group_is_alive(made.calls[0].pid)


async def test_a_flood_of_complaints_blocks_nothing(tmp_path: Path, fake: Fake) -> None:
    fake([{"complain": "trouble\n", "times": 500_000}, *recording("claude-hello-partial")])
    async with claude(tmp_path) as agent:
        assert (await agent.ask("hello")).text == HELLO


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ({"kill": True}, "(signal 9)"),
        ({"leave": 3}, "(exit code 3)"),
        ({"leave": 0}, "ended before it had answered"),
    ],
)
async def test_a_program_that_ends_in_the_middle_is_an_error_that_keeps_the_words(
    tmp_path: Path, fake: Fake, ending: Step, words: str
) -> None:
    steps = recording("claude-hello-partial")
    cut = steps[: said(steps, "content_block_delta") + 1]
    made = fake([*cut, {"complain": "\x1b[31mout of memory\n"}, ending], recording("claude-resume"))
    async with claude(tmp_path, keep_partial=True) as agent:
        error = await failure(agent)
        assert isinstance(error, BrokenStreamError)
        assert words in error.message
        assert "out of memory" in error.message
        assert "\x1b" not in error.message
        assert agent.messages[-1].text == "Hello there, this is"
        await agent.ask("again")
    assert made.calls[1].option("resume") is None
    assert "Assistant: Hello there, this is" in made.calls[1].prompt


async def test_an_old_version_is_told_to_be_updated(tmp_path: Path, fake: Fake) -> None:
    fake([{"complain": "error: unknown option '--include-partial-messages'\n"}, {"leave": 1}])
    async with claude(tmp_path) as agent:
        error = await failure(agent)
    assert isinstance(error, ConfigError)
    assert "unknown option" in error.message
    assert error.hint == "update it: npm install -g @anthropic-ai/claude-code"


async def test_a_missing_program_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNI_TUI_CLAUDE", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    async with claude(tmp_path) as agent:
        error = await failure(agent)
        with pytest.raises(AgentRunError):
            await agent.ask("again")
    assert isinstance(error, ConfigError)
    assert "npm install -g @anthropic-ai/claude-code" in str(error)
    assert "OMNI_TUI_CLAUDE" in str(error)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"api_error_status": 401, "result": "API Error: 401 bad key"}, AuthError),
        ({"api_error_status": 429, "result": "API Error: 429"}, RateLimitError),
        ({"result": "Not logged in · Please run /login"}, AuthError),
        (
            {"subtype": "error_during_execution", "errors": ["odd"], "result": None},
            BrokenStreamError,
        ),
    ],
)
async def test_errors_it_tells_are_typed(
    tmp_path: Path, fake: Fake, fields: Step, kind: type[OmniError]
) -> None:
    steps = recording("claude-hello-partial")
    steps = [step for step in steps if step.get("line", {}).get("type") != "stream_event"]
    synthetic = steps[said(steps, "assistant")]["line"]["message"]
    synthetic.update(model="<synthetic>", content=[{"type": "text", "text": "API Error"}])
    fake([*replaced(steps, "result", is_error=True, **fields)[:-1], {"exit": 1}])
    async with claude(tmp_path, keep_partial=True) as agent:
        error = await failure(agent)
        assert [message.role for message in agent.messages] == ["user"]
    assert type(error) is kind


async def test_its_own_retries_are_told_and_are_no_silence(tmp_path: Path, fake: Fake) -> None:
    steps = recording("claude-hello-partial")
    retry = {
        "type": "system",
        "subtype": "api_retry",
        "attempt": 2,
        "max_retries": 10,
        "retry_delay_ms": 1164.9,
        "error_status": 429,
        "error": "rate_limit",
    }
    place = said(steps, "message_start")
    fake([*steps[:place], {"dir": "out", "line": retry}, *steps[place:]])
    async with claude(tmp_path) as agent:
        run = agent.prompt("hello")
        told = [event.payload for event in await all_events(run)]
    (retrying,) = [payload for payload in told if isinstance(payload, Retrying)]
    assert (retrying.attempt, retrying.delay) == (2, 1.1649)
    assert isinstance(retrying.error, RateLimitError)
    assert run.outcome == "completed"


async def test_what_came_before_its_retry_is_void(tmp_path: Path, fake: Fake) -> None:
    steps = recording("claude-hello-partial")
    start, delta = said(steps, "message_start"), said(steps, "content_block_delta")
    retry = {"type": "system", "subtype": "api_retry", "attempt": 1, "error": "overloaded"}
    fake([*steps[: delta + 1], {"dir": "out", "line": retry}, *steps[start:]])
    async with claude(tmp_path) as agent:
        response = await agent.ask("hello")
    assert response.text == HELLO
    assert len(response.message.content) == 1


async def test_silence_is_an_error(tmp_path: Path, fake: Fake) -> None:
    made = fake([*recording("claude-hello-partial")[:2], {"listen": True}])
    async with claude(tmp_path, options=Options(timeout=0.5)) as agent:
        error = await failure(agent)
    assert isinstance(error, BrokenStreamError)
    assert "has said nothing for 0.5 s" in error.message
    assert not group_is_alive(made.calls[0].pid)


async def test_a_person_may_think_as_long_as_they_like(tmp_path: Path, fake: Fake) -> None:
    fake(recording("claude-tool-allow"))
    async with claude(tmp_path, options=Options(timeout=0.5), turn_timeout=0.6) as agent:
        run = agent.prompt("runbash")
        await until_paused(run)
        loop = asyncio.get_running_loop()
        thought = asyncio.Event()
        loop.call_later(0.8, thought.set)
        await thought.wait()
        agent.resume(Execute())
        assert await run.wait() in ("completed", "error")
        assert "said nothing" not in str(run.error)


async def test_the_limit_of_steps_stops_it(tmp_path: Path, fake: Fake) -> None:
    made = fake(recording("claude-tool-deny"))
    async with claude(tmp_path, max_steps=1) as agent:
        run = agent.prompt("runbash")
        await run
        assert run.outcome == "max_steps"
        assert_answered(agent.messages)
        assert not agent.messages[-1].tool_results[0].content.startswith("ok")
    assert made.calls[0].lines[-1]["request"] == {"subtype": "interrupt"}


async def test_a_hook_can_stop_it_before_its_tools(tmp_path: Path, fake: Fake) -> None:
    class Stopper(Hooks):
        async def handle_step(self, response: Response) -> AfterStep:
            return Stop()

    made = fake(recording("claude-tool-deny"))
    async with claude(tmp_path, hooks=[Stopper()]) as agent:
        response = await agent.ask("runbash")
        assert_answered(agent.messages)
    assert response.message.text == "Running it."
    assert made.calls[0].lines[-1]["request"] == {"subtype": "interrupt"}


async def test_a_sub_agent_speaks_through_the_tool_that_runs_it(tmp_path: Path, fake: Fake) -> None:
    steps = recording("claude-tool-allow")
    place = said(steps, "user")
    id = steps[said(steps, "can_use_tool")]["line"]["request"]["tool_use_id"]
    message = {"id": "sub", "role": "assistant", "content": [{"type": "text", "text": "looking"}]}
    line = {"type": "assistant", "message": message, "parent_tool_use_id": id}
    fake([*steps[:place], {"dir": "out", "line": line}, *steps[place:]])
    async with claude(tmp_path, hooks=[Guard(lambda _: Execute(by="a test"))]) as agent:
        run = agent.prompt("runbash")
        told = [event.payload for event in await all_events(run)]
        assert len(agent.messages) == 4
    assert [payload.text for payload in told if isinstance(payload, ToolOutput)] == ["looking\n"]


async def test_messages_that_come_whole_are_merged_by_their_id(tmp_path: Path, fake: Fake) -> None:
    steps = recording("claude-tool-allow")
    steps = [step for step in steps if step.get("line", {}).get("type") != "stream_event"]
    fake(steps)
    async with claude(tmp_path, hooks=[Guard(lambda _: Execute(by="a test"))]) as agent:
        response = await agent.ask("runbash")
        assert_answered(agent.messages)
    assert [message.role for message in response.messages] == ["user", "assistant"] * 2
    assert response.messages[1].text == "Running it."
    assert len(response.messages[1].tool_uses) == 1


async def test_the_answer_of_its_own_command_is_an_answer(tmp_path: Path, fake: Fake) -> None:
    steps = recording("claude-hello-partial")
    steps = [
        step
        for step in steps
        if step.get("line", {}).get("type") not in ("stream_event", "assistant")
    ]
    fake(replaced(steps, "result", result="Cost: nothing"))
    async with claude(tmp_path) as agent:
        assert (await agent.ask("/cost")).text == "Cost: nothing"


async def test_two_tools_at_once_are_asked_about_one_by_one(tmp_path: Path, fake: Fake) -> None:
    made = fake(two_tools())
    async with claude(tmp_path) as agent:
        run = agent.prompt("runbash twice")
        first = await until_paused(run)
        assert (first.tool_use.id, first.position, first.total) == ("tool-1", 1, 2)
        agent.resume(Execute())
        second = await until_paused(run)
        assert (second.tool_use.id, second.position, second.total) == ("tool-2", 2, 2)
        agent.resume(Reject("no"))
        await run
        assert_answered(agent.messages)
    answers = [line["response"]["response"]["behavior"] for line in made.calls[0].lines[2:]]
    assert answers == ["allow", "deny"]


def two_tools() -> list[Step]:
    """One message with two uses; the results come in the other order."""

    def event(kind: str, **fields: Any) -> Step:
        return line("stream_event", event={"type": kind, **fields})

    def line(kind: str, **fields: Any) -> Step:
        return {"dir": "out", "line": {"type": kind, "parent_tool_use_id": None, **fields}}

    def ask(number: int) -> Step:
        return line(
            "control_request",
            request_id=f"ask-{number}",
            request={
                "subtype": "can_use_tool",
                "tool_name": "Bash",
                "tool_use_id": f"tool-{number}",
                "input": {"command": f"echo {number}"},
            },
        )

    def result(number: int) -> Step:
        block = {"type": "tool_result", "tool_use_id": f"tool-{number}", "content": str(number)}
        return line("user", message={"role": "user", "content": [block]})

    heard: Step = {"dir": "in", "line": {"type": "anything"}}
    steps = [heard, heard, event("message_start", message={"id": "m1", "model": "m", "usage": {}})]
    for number in (1, 2):
        use = {"type": "tool_use", "id": f"tool-{number}", "name": "Bash", "input": {}}
        delta = {
            "type": "input_json_delta",
            "partial_json": json.dumps({"command": f"echo {number}"}),
        }
        steps += [
            event("content_block_start", index=number, content_block=use),
            event("content_block_delta", index=number, delta=delta),
            event("content_block_stop", index=number),
        ]
    steps += [ask(1), event("message_delta", delta={"stop_reason": "tool_use"}, usage={})]
    steps += [event("message_stop"), heard, ask(2), heard, result(2), result(1)]
    text = {"type": "text", "text": "Done."}
    steps.append(line("assistant", message={"id": "m2", "model": "m", "content": [text]}))
    steps.append(line("result", subtype="success", result="Done.", usage={}, total_cost_usd=0))
    return steps
