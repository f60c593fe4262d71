"""Agents that speak ACP as models: a fake one of the package's own agent side, run for real."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from agent_helpers import (
    Guard,
    added,
    all_events,
    assert_answered,
    labels,
    until,
    until_paused,
)
from fake_programs import group_is_alive, is_alive
from warm import PYTHON

from omni_tui.agent.agent import Agent
from omni_tui.agent.decisions import Decision, Execute, Provide, Reject
from omni_tui.core.errors import AuthError, BrokenStreamError, ConfigError, UnsupportedModalityError
from omni_tui.core.messages import Attachment, Message, Text, ToolUse
from omni_tui.llm.backends import AcpAgent
from omni_tui.llm.models import ProviderRegistry

pytestmark = pytest.mark.usefixtures("warm")

COLD = (sys.executable,)
FAKE = Path(__file__).with_name("fake_acp.py")


class Notes:
    """What the fake noted of its runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, kind: str) -> list[dict[str, Any]]:
        lines = (self.folder / "notes").read_text().splitlines()
        return [fact for fact in map(json.loads, lines) if fact["kind"] == kind]


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    (tmp_path / "fake").mkdir()
    return Notes(tmp_path / "fake")


def fake(
    notes: Notes,
    *flags: str,
    env: dict[str, str] | None = None,
    python: Sequence[str] = PYTHON,
    **facts: Any,
) -> Agent:
    """An agent over the fake; with `python=COLD` it leads a process group of its own."""
    command = (*python, str(FAKE), str(notes.folder), *flags)
    registry = ProviderRegistry(acp={"fake": AcpAgent(command=command, env=env or {})})
    return Agent(model="acp/fake", registry=registry, cwd=notes.folder, **facts)


async def test_an_answer_comes_in_pieces_and_is_one_message(
    notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    async with fake(notes, python=COLD, system="Be brief.") as agent:
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
        assert (await run).text == "Hello there."
    (prompt,) = notes.of("prompt")
    assert prompt["text"] == "Be brief.\n\nhello"
    assert notes.of("offered")[0] == {"kind": "offered", "files": False, "terminal": False}
    assert not caplog.records
    assert not is_alive(notes.of("start")[0]["pid"])


async def test_thoughts_are_thoughts_and_plans_are_left_out(notes: Notes) -> None:
    async with fake(notes) as agent:
        response = await agent.ask("think")
    kinds = [block.__struct_config__.tag for block in response.message.content]
    assert kinds == ["thinking", "text"]
    assert response.text == "Done."


async def test_a_permission_request_is_a_pause_answered_by_resume(notes: Notes) -> None:
    async with fake(notes) as agent:
        run = agent.prompt("run ls")
        pause = await until_paused(run)
        assert (pause.reason, pause.tool_use.name) == ("approval", "bash")
        assert pause.tool_use.input == {"command": "ls", "title": "Run it"}
        agent.resume(Execute(by="a person"))
        told = labels(await all_events(run))
        response = await run
        assert_answered(agent.messages)
    assert notes.of("answer")[0]["chosen"] == "yes"
    _, asking, results, reply = response.messages
    assert (asking.text, reply.text) == ("Running.", "It ran.")
    (result,) = results.tool_results
    assert (result.content, result.is_error) == ("a\nb", False)
    assert result.data is not None
    assert result.data["by"] == "a person"
    assert [name.partition("(")[0] for name in told if name.startswith("tool_")] == [
        "tool_started",
        "tool_finished",
    ]


@pytest.mark.parametrize(
    ("decision", "prompt", "chosen"),
    [
        (Reject("no"), "run ls", "no"),
        (Provide("a"), "run ls", "no"),
        (Execute(by="rule"), "run ls", "yes"),
        (Execute(input={"command": "pwd"}), "run ls", "no"),
        (Execute(by="rule"), "run ls always", "no"),
    ],
)
async def test_hooks_decide_and_only_this_once(
    notes: Notes, decision: Decision, prompt: str, chosen: str
) -> None:
    guard = Guard(lambda _use: decision)
    async with fake(notes, hooks=[guard]) as agent:
        response = await agent.ask(prompt)
        assert_answered(agent.messages)
    assert notes.of("answer")[0]["chosen"] == chosen
    assert response.text == ("It ran." if chosen == "yes" else "Then not.")
    (result,) = response.messages[2].tool_results
    assert result.is_error is (chosen == "no" and not isinstance(decision, Provide))


async def test_calls_at_once_are_told_one_after_the_other(notes: Notes) -> None:
    asked: list[ToolUse] = []

    def decide(use: ToolUse) -> Decision:
        asked.append(use)
        return Execute(by="rule")

    async with fake(notes, hooks=[Guard(decide)]) as agent:
        response = await agent.ask("both")
        assert_answered(agent.messages)
    assert [use.input["command"] for use in asked] == ["c2"]
    told = [
        (message.text, [use.input["command"] for use in message.tool_uses])
        for message in response.messages
        if message.role == "assistant"
    ]
    assert told == [("", ["c1"]), ("Started c1. ", ["c2"]), ("Started c2. ", [])]
    results = [result for message in response.messages for result in message.tool_results]
    assert [result.content for result in results] == ['{"of":"c1"}', '{"of":"c2"}']


async def test_a_question_about_an_untold_call_puts_it_into_the_tree(notes: Notes) -> None:
    async with fake(notes) as agent:
        run = agent.prompt("unasked")
        pause = await until_paused(run)
        assert pause.tool_use.name == "edit_file"
        assert pause.tool_use.input == {"path": "a.py", "old_string": "old", "new_string": "new"}
        agent.resume(Execute())
        messages = added(await all_events(run))
    assert messages[-1].tool_results[0].content == "changed: a.py"


async def test_a_conversation_is_resumed_where_it_stands(notes: Notes) -> None:
    async with fake(
        notes, system="Be brief.", hooks=[Guard(lambda _use: Execute(by="rule"))]
    ) as agent:
        await agent.ask("run ls")
        await agent.ask("hello")
        await agent.ask("think")
    assert [fact["session"] for fact in notes.of("load")] == ["s0", "s0"]
    assert len(notes.of("new")) == 1
    assert [fact["text"] for fact in notes.of("prompt")[1:]] == ["hello", "think"]


async def test_a_conversation_that_went_on_elsewhere_is_told_anew(notes: Notes) -> None:
    async with fake(notes) as agent:
        await agent.ask("hello")
        fork = agent.messages
        await agent.ask("hello again")
    async with fake(notes, messages=fork) as agent:
        await agent.ask("think")
    assert [fact["session"] for fact in notes.of("new")] == ["s0", "s1"]
    said = notes.of("prompt")[-1]["text"]
    assert "Person: hello\n\nAssistant: Hello there." in said
    assert "again\n" not in said


@pytest.mark.parametrize("how", ["forgets", "gone", "other", "garbage"])
async def test_without_the_conversation_everything_is_told_anew(notes: Notes, how: str) -> None:
    signer = "acp/other" if how == "other" else "acp/fake"
    mark = "garbage" if how == "garbage" else '["s7","x"]'
    reply = Text(text="Hi.", signature=mark, signed_by=signer)
    history = [Message.user("I am Ann."), Message.assistant(reply)]
    async with fake(notes, how, messages=history) as agent:
        assert (await agent.ask("hello")).text == "Hello there."
    assert len(notes.of("load")) == (how == "gone")
    assert "Person: I am Ann.\n\nAssistant: Hi." in notes.of("prompt")[0]["text"]


async def test_cancelling_asks_it_to_stop(notes: Notes) -> None:
    async with fake(notes, python=COLD, keep_partial=True) as agent:
        run = agent.prompt("wait")
        await until(run, "text_delta")
        run.cancel()
        assert await run.wait() == "cancelled"
        assert agent.messages[-1].text == "Waiting."
        assert notes.of("cancel")[0]["session"] == "s0"
        assert not group_is_alive(notes.of("start")[0]["pid"])
        await agent.ask("hello")
    assert len(notes.of("new")) == 1


async def test_cancelling_a_question_withdraws_it(notes: Notes) -> None:
    async with fake(notes, keep_partial=True) as agent:
        run = agent.prompt("run ls")
        await until_paused(run)
        run.cancel()
        assert await run.wait() == "cancelled"
        assert_answered(agent.messages)
        assert agent.paused is None
    assert notes.of("answer")[0]["chosen"] == "nothing"


async def test_one_that_does_not_stop_is_killed_with_its_children(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omni_tui.agent.backends.acp.GRACE", 0.05)
    async with fake(notes, python=COLD, keep_partial=True) as agent:
        run = agent.prompt("ignore")
        await until(run, "text_delta")
        run.cancel()
        assert await run.wait() == "cancelled"
        assert not is_alive(notes.of("child")[0]["pid"])
        assert not is_alive(notes.of("start")[0]["pid"])
        await agent.ask("hello")
    assert len(notes.of("new")) == 2
    assert not notes.of("load")


async def test_a_crash_in_the_middle_is_a_typed_error_and_the_next_prompt_works(
    notes: Notes,
) -> None:
    async with fake(notes, python=COLD, keep_partial=True) as agent:
        run = agent.prompt("crash")
        assert await run.wait() == "error"
        assert isinstance(run.error, BrokenStreamError)
        assert "signal 9" in str(run.error)
        assert "it hurts" in str(run.error)
        assert_answered(agent.messages)
        assert (await agent.ask("hello")).text == "Hello there."
    assert not notes.of("load")


@pytest.mark.parametrize(
    ("flag", "prompt", "kind", "words"),
    [
        ("", "fail", BrokenStreamError, "no more money"),
        ("", "nothing", BrokenStreamError, "ended without an answer"),
        ("locked", "hello", AuthError, "Authentication required"),
        ("newer", "hello", ConfigError, "version 7 of the protocol"),
    ],
)
async def test_what_it_fails_with_is_typed(
    notes: Notes, flag: str, prompt: str, kind: type[Exception], words: str
) -> None:
    async with fake(notes, flag) as agent:
        run = agent.prompt(prompt)
        assert await run.wait() == "error"
        assert isinstance(run.error, kind)
        assert words in str(run.error)


async def test_strange_lines_are_skipped_and_files_are_not_given(
    notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with fake(notes) as agent:
            assert (await agent.ask("strange")).text == "refused -32601"
    assert not caplog.records


async def test_pictures_go_to_those_that_see(notes: Notes) -> None:
    picture = Attachment(media_type="image/png", data=b"png")
    async with fake(notes, "sees") as agent:
        await agent.ask([picture, Text(text="hello")])
    assert notes.of("prompt")[0]["kinds"] == ["image", "text"]
    async with fake(notes) as agent:
        run = agent.prompt([picture, Text(text="hello")])
        await run.wait()
    assert isinstance(run.error, UnsupportedModalityError)


async def test_it_gets_its_own_variables_and_no_keys(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("SOME_API_KEY", "sk-2")
    given = {"ITS_KEY": "$SOME_API_KEY", "MODE": "fast", "NONE": "$NOT_SET_ANYWHERE"}
    async with fake(notes, env=given) as agent:
        await agent.ask("hello")
    (start,) = notes.of("start")
    assert (start["env"]["ITS_KEY"], start["env"]["MODE"]) == ("sk-2", "fast")
    assert not {"OPENAI_API_KEY", "SOME_API_KEY", "NONE"} & start["env"].keys()
    assert start["cwd"] == str(notes.folder)


@pytest.mark.parametrize(
    ("name", "words"),
    [("gone", "no command 'not-there-at-all'"), ("nobody", "under [acp.nobody]")],
)
async def test_a_missing_program_and_a_missing_row_say_so(
    tmp_path: Path, name: str, words: str
) -> None:
    registry = ProviderRegistry(acp={"gone": AcpAgent(command=("not-there-at-all",))})
    async with Agent(model=f"acp/{name}", registry=registry, cwd=tmp_path) as agent:
        run = agent.prompt("hello")
        assert await run.wait() == "error"
        assert isinstance(run.error, ConfigError)
        assert words in str(run.error)
