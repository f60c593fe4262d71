"""The `codex` program as a model: recorded items in, our messages and events out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from agent_helpers import all_events, assert_answered, labels, until
from fake_programs import Fake, Step, group_is_alive, recording

from omni_tui.agent.agent import Agent
from omni_tui.agent.events import Retrying
from omni_tui.core.errors import AuthError, BrokenStreamError, UnsupportedModalityError
from omni_tui.core.messages import Attachment, Message, Text
from omni_tui.llm.providers.base import Options

HELLO = "Hello there, this is a mock answer that streams in several chunks."


def codex(tmp_path: Path, model: str = "codex-cli/default", **facts: Any) -> Agent:
    return Agent(model=model, cwd=tmp_path, **facts)


def out(kind: str, **fields: Any) -> Step:
    return {"dir": "out", "line": {"type": kind, **fields}}


def item(kind: str, number: int, type: str, **fields: Any) -> Step:
    return out(f"item.{kind}", item={"id": f"item_{number}", "type": type, **fields})


def command(kind: str, number: int, text: str, **fields: Any) -> Step:
    return item(kind, number, "command_execution", command=text, **fields)


def turn(*steps: Step, thread: str = "t1", **usage: int) -> list[Step]:
    return [
        {"listen": True},
        out("thread.started", thread_id=thread),
        out("turn.started"),
        *steps,
        out("turn.completed", usage=usage),
    ]


async def test_an_answer_is_one_message(tmp_path: Path, fake: Fake) -> None:
    program = fake(recording("codex-hello"))
    options = Options(thinking="high")
    async with codex(tmp_path, "codex-cli/some", system='Say "ok".', options=options) as agent:
        run = agent.prompt("hello")
        assert labels(await all_events(run)) == [
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
        assert (await run).text == HELLO
    (call,) = program.calls
    assert call.stdin == ["hello"]
    assert call.argv == [
        "exec",
        "--json",
        "--skip-git-repo-check",
        "--model=some",
        "-c",
        'model_reasoning_effort="high"',
        "-c",
        'developer_instructions="Say \\"ok\\"."',
        "-",
    ]


async def test_words_without_a_tool_between_are_one_message(tmp_path: Path, fake: Fake) -> None:
    fake(recording("codex-command"))
    async with codex(tmp_path) as agent:
        assert (await agent.ask("run")).text == "Running it.\n\nFinished codex."


async def test_a_command_becomes_a_use_and_its_result(tmp_path: Path, fake: Fake) -> None:
    fake(
        turn(
            item("completed", 0, "reasoning", text="Hm."),
            item("completed", 1, "agent_message", text="Looking."),
            command("started", 2, "ls", aggregated_output="", exit_code=None),
            command("completed", 2, "ls", aggregated_output="a\nb\n", exit_code=0),
            item("completed", 3, "agent_message", text="Two files."),
            input_tokens=200,
            cached_input_tokens=80,
            output_tokens=20,
        )
    )
    async with codex(tmp_path) as agent:
        run = agent.prompt("what is here?")
        kinds = [event.type for event in await all_events(run)]
        response = await run
        assert_answered(agent.messages)
    _, asking, results, reply = response.messages
    assert [block.__struct_config__.tag for block in asking.content] == [
        "thinking",
        "text",
        "tool_use",
    ]
    assert (asking.tool_uses[0].name, asking.tool_uses[0].input) == ("bash", {"command": "ls"})
    assert results.tool_results[0].content == "a\nb\nexit code: 0"
    assert reply.text == "Two files."
    assert kinds.index("tool_started") < kinds.index("tool_finished")
    assert run.step == 2
    usage = response.usage
    assert (usage.input, usage.cache_read, usage.output, usage.cost) == (120, 80, 20, None)


async def test_tools_at_once_are_told_one_after_the_other(tmp_path: Path, fake: Fake) -> None:
    fake(
        turn(
            command("started", 0, "one"),
            command("started", 1, "two"),
            item("completed", 2, "agent_message", text="Meanwhile."),
            command("completed", 1, "two", aggregated_output="2", exit_code=1),
            command("completed", 0, "one", aggregated_output="1", exit_code=0),
            item("completed", 3, "file_change", changes=[{"path": "a.py", "kind": "add"}]),
            item("completed", 4, "agent_message", text="Done."),
        )
    )
    async with codex(tmp_path) as agent:
        response = await agent.ask("go")
        assert_answered(agent.messages)
    uses = [use.name for message in response.messages for use in message.tool_uses]
    results = [result for message in response.messages for result in message.tool_results]
    assert uses == ["bash", "bash", "apply_patch"]
    assert [result.content for result in results] == [
        "1\nexit code: 0",
        "2\nexit code: 1",
        "add: a.py",
    ]
    assert [result.is_error for result in results] == [False, True, False]
    assert response.text == "Done."
    assert len({result.tool_use_id for result in results}) == 3


async def test_every_turn_forks_the_one_before_and_counts_its_own_tokens(
    tmp_path: Path, fake: Fake
) -> None:
    hello = item("completed", 0, "agent_message", text="Hello.")
    program = fake(
        turn(hello, thread="one", input_tokens=100, output_tokens=10),
        turn(hello, thread="two", input_tokens=250, output_tokens=30),
    )
    async with codex(tmp_path, system="Be brief.") as agent:
        first = await agent.ask("hello")
        second = await agent.ask("again")
    assert program.calls[1].argv[-3:] == ["fork", "one", "-"]
    assert not any("instructions" in word for word in program.calls[1].argv)
    assert program.calls[1].stdin == ["again"]
    assert (first.usage.input, first.usage.output) == (100, 10)
    assert (second.usage.input, second.usage.output) == (150, 20)


async def test_what_others_said_goes_in_front_of_the_prompt(tmp_path: Path, fake: Fake) -> None:
    program = fake(recording("codex-hello"))
    history = [Message.user("I am Ann."), Message.assistant("Hello Ann.")]
    async with codex(tmp_path, messages=history) as agent:
        await agent.ask("Who am I?")
    said = "\n".join(program.calls[0].stdin)
    assert "Person: I am Ann.\n\nAssistant: Hello Ann." in said
    assert said.endswith("Who am I?")


async def test_a_thread_that_is_gone_is_told_anew(tmp_path: Path, fake: Fake) -> None:
    gone: list[Step] = [
        {"listen": True},
        {"complain": "Error: thread/fork failed: no rollout found for thread id one\n"},
        {"leave": 1},
    ]
    program = fake(recording("codex-hello", "one"), gone, recording("codex-hello", "two"))
    async with codex(tmp_path) as agent:
        await agent.ask("hello")
        assert (await agent.ask("again")).text == HELLO
    assert "fork" not in program.calls[2].argv
    assert "Person: hello" in "\n".join(program.calls[2].stdin)


async def test_cancelling_lets_it_end_its_command(tmp_path: Path, fake: Fake) -> None:
    steps = turn(command("started", 0, "sleep 99"), thread="cut-off")
    program = fake([*steps[:-1], {"doze": True}], recording("codex-hello"))
    async with codex(tmp_path, keep_partial=True) as agent:
        run = agent.prompt("wait")
        await until(run, "tool_started")
        run.cancel()
        assert await run.wait() == "cancelled"
        assert_answered(agent.messages)
        assert program.calls[0].interrupted
        assert not group_is_alive(program.calls[0].pid)
        await agent.ask("go on")
    assert program.calls[1].argv[-3:] == ["fork", "cut-off", "-"]


async def test_a_failed_turn_is_a_typed_error(tmp_path: Path, fake: Fake) -> None:
    steps = turn()[:-1]
    fake(
        [*steps, out("turn.failed", error={"message": "401 Unauthorized"})],
        [*steps, out("error", message="stream disconnected"), {"leave": 1}],
        [*steps[:1], {"kill": True}],
    )
    errors = []
    async with codex(tmp_path) as agent:
        for _ in range(3):
            run = agent.prompt("hello")
            await run.wait()
            errors.append(run.error)
    assert [type(error) for error in errors] == [AuthError, BrokenStreamError, BrokenStreamError]
    assert "stream disconnected" in str(errors[1])
    assert "signal 9" in str(errors[2])


async def test_reconnecting_is_told_and_is_no_error(tmp_path: Path, fake: Fake) -> None:
    hello = item("completed", 0, "agent_message", text="Hello.")
    fake(turn(out("error", message="Reconnecting... 2/5 (timeout)"), hello))
    async with codex(tmp_path) as agent:
        run = agent.prompt("hello")
        told = [event.payload for event in await all_events(run)]
        assert run.outcome == "completed"
    assert [payload.attempt for payload in told if isinstance(payload, Retrying)] == [2]


async def test_pictures_go_as_files_and_other_things_are_refused(
    tmp_path: Path, fake: Fake
) -> None:
    program = fake(recording("codex-hello"))
    async with codex(tmp_path) as agent:
        await agent.ask([Text(text="look"), Attachment(media_type="image/png", data=b"png")])
        run = agent.prompt([Attachment(media_type="application/pdf", data=b"%PDF")])
        await run.wait()
    (image,) = [word for word in program.calls[0].argv if word.startswith("--image=")]
    assert image.endswith(".png")
    assert not Path(image.partition("=")[2]).exists()
    assert isinstance(run.error, UnsupportedModalityError)


@pytest.mark.parametrize("mark", ["not json", '["--last"]', '["../x"]', "[3]"])
async def test_a_mark_that_is_none_is_not_passed_on(tmp_path: Path, fake: Fake, mark: str) -> None:
    program = fake(recording("codex-hello"))
    reply = Text(text="Hi.", signature=mark, signed_by="codex-cli")
    history = [Message.user("hello"), Message.assistant(reply)]
    async with codex(tmp_path, messages=history) as agent:
        await agent.ask("again")
    assert "fork" not in program.calls[0].argv
    assert "Assistant: Hi." in "\n".join(program.calls[0].stdin)
