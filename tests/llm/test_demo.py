"""The demo model: everything its welcome promises works, with the real tools and rules."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from omni_tui.agent.completion import Completion
from omni_tui.agent.decisions import Answer, Execute, Provide, Reject
from omni_tui.agent.events import Paused
from omni_tui.core.errors import AgentRunError, AuthError, OverloadedError, RateLimitError
from omni_tui.core.messages import Message, Thinking, ToolResult
from omni_tui.core.stream import Response
from omni_tui.llm.api import generate_text
from omni_tui.llm.providers.base import Model, Provider
from omni_tui.llm.providers.demo import DemoProvider
from omni_tui.llm.providers.demo_texts import ANSWERS, LONG, TASK_RESULT, TRIP, WELCOME
from omni_tui.llm.retry import RetryPolicy
from omni_tui.session.manager import SessionManager
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store.base import SessionRecord
from omni_tui.session.store.memory import MemoryStore
from omni_tui.tools.builtin import builtin_tools
from omni_tui.tools.permissions import Permissions


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Session]:
    """A conversation with the demo in an empty folder, as the terminal would have it."""
    made = Session(
        SessionRecord(id="demo"),
        model=Model(DemoProvider(pace=0), "chat"),
        setup=Setup(
            tools=builtin_tools(),
            permissions=Permissions(tmp_path),
            cwd=tmp_path,
            retry=RetryPolicy(base=0.0),
        ),
    )
    yield made
    await made.close()


async def ask(session: Session, prompt: str, *answers: Answer) -> tuple[Response, list[Paused]]:
    """Prompt, answer the questions that come, and give the reply with what was asked."""
    run = session.prompt(prompt)
    asked: list[Paused] = []
    waiting = list(answers)
    async for event in run:
        if isinstance(event.payload, Paused):
            asked.append(event.payload)
            session.resume(waiting.pop(0), run.id)
    assert waiting == []
    return await run, asked


def results(response: Response) -> list[ToolResult]:
    return [result for message in response.messages for result in message.tool_results]


def promised() -> list[str]:
    return re.findall(r"^\| `([^`]+)`", WELCOME, re.MULTILINE)


def test_it_is_a_provider() -> None:
    assert isinstance(DemoProvider(), Provider)
    assert str(Model(DemoProvider(), "chat")) == "demo/chat"


def test_the_welcome_promises_what_is_tested_here() -> None:
    assert promised() == [
        "list the files",
        "edit notes.md",
        "plan a trip and save it to plan.md",
        "run ls -la",
        "ask me something",
        "use a sub-agent to list the files",
        "fail with 529",
        "write a long essay",
        "/auto tidy up",
    ]


async def test_the_first_answer_says_what_it_is(session: Session) -> None:
    response, asked = await ask(session, "Hello")
    assert response.text == WELCOME
    assert isinstance(response.message.content[0], Thinking)
    assert asked == []


async def test_later_answers_differ_and_say_that_they_are_scripted(session: Session) -> None:
    await ask(session, "Hello")
    said = [(await ask(session, f"Question {number}"))[0] for number in range(3)]
    assert {response.text for response in said} == set(ANSWERS)
    assert all("script" in str(response.message.content[0]) for response in said)


async def test_list_the_files_runs_at_once(session: Session, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("1")
    (tmp_path / "two.txt").write_text("2")
    response, asked = await ask(session, "list the files")
    assert asked == []
    assert "one.txt" in response.text
    assert "two.txt" in response.text


async def test_edit_asks_with_what_it_would_change(session: Session, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Notes\n\n- milk\n")
    response, asked = await ask(session, "edit notes.md", Execute(by="you, once"))
    (pause,) = asked
    assert pause.tool_use.name == "edit_file"
    assert pause.tool_use.input["old_string"] == "# Notes"
    assert pause.details["always_rule"]
    assert (tmp_path / "notes.md").read_text() == ("# Notes (edited by the demo model)\n\n- milk\n")
    assert "saved" in response.text
    (_, edited) = results(response)
    assert edited.data is not None
    assert "+# Notes (edited by the demo model)" in str(edited.data)


async def test_edit_takes_no_for_an_answer(session: Session, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Notes\n")
    response, _ = await ask(session, "edit notes.md", Reject("not today"))
    assert (tmp_path / "notes.md").read_text() == "# Notes\n"
    assert "not today" in response.text


async def test_edit_of_a_missing_file_offers_to_write_it(session: Session, tmp_path: Path) -> None:
    response, asked = await ask(session, "edit notes.md", Execute())
    assert [pause.tool_use.name for pause in asked] == ["write_file"]
    assert (tmp_path / "notes.md").read_text().startswith("# Notes")
    assert "saved" in response.text


async def test_edit_names_any_file(session: Session, tmp_path: Path) -> None:
    (tmp_path / "todo.txt").write_text("tea\n")
    await ask(session, "please edit `todo.txt`", Execute())
    assert (tmp_path / "todo.txt").read_text() == "tea (edited by the demo model)\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\nbanana\n", "a\nbanana (edited by the demo model)\n"),  # "a" is in "banana" too
        ("tea\ntea\n", "tea\ntea\n"),  # no line is there once: nothing is touched
        ("\n", "\n"),
    ],
)
async def test_edit_changes_only_a_line_that_is_there_once(
    session: Session, tmp_path: Path, before: str, after: str
) -> None:
    (tmp_path / "notes.md").write_text(before)
    await ask(session, "edit notes.md", *([Execute()] if before != after else []))
    assert (tmp_path / "notes.md").read_text() == after


async def test_edit_outside_asks_to_read_and_writes_nothing_when_it_may_not(
    session: Session, tmp_path: Path
) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.md"
    response, asked = await ask(session, f"edit {outside}", Reject("private"))
    assert [pause.tool_use.name for pause in asked] == ["read_file"]
    assert asked[0].details["outside"] == [str(outside.resolve())]
    assert "private" in response.text
    assert not outside.exists()


async def test_plan_a_trip_asks_to_write_it(session: Session, tmp_path: Path) -> None:
    response, asked = await ask(session, "plan a trip and save it to plan.md", Execute())
    assert [pause.tool_use.name for pause in asked] == ["write_file"]
    assert (tmp_path / "plan.md").read_text() == TRIP
    assert "saved" in response.text


async def test_run_asks_and_shows_the_output(session: Session, tmp_path: Path) -> None:
    (tmp_path / "here.txt").write_text("")
    response, asked = await ask(session, "run ls -la", Execute())
    assert asked[0].tool_use.input == {"command": "ls -la"}
    assert "here.txt" in response.text
    assert "exit code: 0" in response.text


async def test_run_takes_a_command_in_backticks_and_other_arguments(
    session: Session, tmp_path: Path
) -> None:
    response, asked = await ask(
        session, "please run `echo one`, will you?", Execute(input={"command": "echo two"})
    )
    assert asked[0].tool_use.input == {"command": "echo one"}
    assert "two" in response.text


async def test_a_command_that_fails_is_said_to(session: Session) -> None:
    response, _ = await ask(session, "run false", Execute())
    assert results(response)[0].is_error
    assert "did not work" in response.text


async def test_ask_me_puts_a_question(session: Session) -> None:
    response, asked = await ask(session, "ask me something", Provide("the sea"))
    (pause,) = asked
    assert pause.reason == "question"
    assert pause.tool_use.input["options"] == ["the sea", "the mountains"]
    assert "*the sea*" in response.text


async def test_a_sub_agent_does_the_work_in_a_session_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("1")
    setup = Setup(
        tools=builtin_tools(), permissions=Permissions(tmp_path), cwd=tmp_path, max_depth=2
    )
    model = Model(DemoProvider(pace=0), "chat")
    async with SessionManager(MemoryStore(), default_model=model, setup=setup) as manager:
        session = manager.create()
        response, asked = await ask(session, "use a sub-agent to list the files; a word on peaks")
        assert asked == []
        listed, said = results(response)
        assert "one.txt" in listed.content
        assert "a word on peaks" in said.content
        assert "> `glob` says" in response.text
        assert await manager.find_child(session.id, 2, listed.tool_use_id) is not None


async def test_search_looks_into_files(session: Session, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("needle in here\n")
    response, asked = await ask(session, "search for `needle`")
    assert asked == []
    assert "a.txt" in response.text


async def test_a_long_essay_is_long(session: Session) -> None:
    response, _ = await ask(session, "write a long essay")
    assert response.text == LONG
    assert len(response.text.split()) > 1000


async def test_a_task_takes_three_turns_of_its_own(session: Session, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("1")
    for _ in range(2):
        completion = Completion()
        await session.prompt("tidy up", hooks=[completion], tools=[completion.tool])
        assert (completion.turns, completion.ended) == (3, "done")
        assert completion.result == TASK_RESULT


@pytest.mark.parametrize(
    ("prompt", "kind", "partial"),
    [
        ("fail with 401", AuthError, False),
        ("fail with 429", RateLimitError, False),
        ("fail with 529", OverloadedError, True),
        ("please fail", OverloadedError, True),
    ],
)
async def test_it_fails_on_request_and_can_be_asked_again(
    session: Session, prompt: str, kind: type[Exception], partial: bool
) -> None:
    run = session.prompt(prompt)
    with pytest.raises(AgentRunError) as caught:
        await run
    assert type(caught.value.__cause__) is kind
    said = str(caught.value.__cause__)
    assert "on purpose" in said
    assert "again" not in said  # how to try again is for the screen to say
    assert "retry" not in said
    assert len(session.tree) == (2 if partial else 1)
    tip = session.tree[session.tree.head or 0]
    assert tip.status == "failed"
    with pytest.raises(AgentRunError):
        await session.proceed(tip.id)
    assert await session.prompt("Hello")


async def test_it_promises_no_tool_it_was_not_given() -> None:
    model = Model(DemoProvider(pace=0), "chat")
    for prompt in ("list the files", "run ls", "edit notes.md", "save it to a.md", "ask me"):
        response = await generate_text(model, [Message.user(prompt)])
        assert response.message.tool_uses == ()


async def test_echo_says_what_was_said() -> None:
    model = Model(DemoProvider(pace=0), "echo")
    text = "Grüße\nan **alle** 世界"
    assert (await generate_text(model, text)).text == text
    assert (await generate_text(model, "")).text == "…"
    history = [Message.user("one"), Message.assistant("x"), Message.user("run ls")]
    response = await generate_text(model, history)
    assert (response.text, response.message.tool_uses) == ("run ls", ())


async def test_it_sums_up_as_well_as_a_script_can(session: Session) -> None:
    await ask(session, "Hello there")
    with pytest.raises(AgentRunError):
        await ask(session, "fail with 429")
    await ask(session, "And what now?")
    summary = await session.compact()
    text = summary.message.text
    assert text.startswith("Summary of the conversation so far:\n")
    assert text.endswith("- Hello there\n- fail with 429")
