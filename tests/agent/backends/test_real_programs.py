"""The real `claude` and `codex` against servers of this machine, where they are installed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_helpers import assert_answered, until, until_paused
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Reply as Scripted
from llmock.scenarios import ToolCall
from wire import made
from wire.server import Ending, Reply, SSEServer, sse_server

from omni_tui.agent.agent import Agent
from omni_tui.agent.decisions import Execute, Reject
from omni_tui.llm.backends import BACKENDS

needs_claude = pytest.mark.skipif(BACKENDS["claude-cli"].find() is None, reason="no claude here")
needs_codex = pytest.mark.skipif(BACKENDS["codex-cli"].find() is None, reason="no codex here")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of nobody, and keys that open nothing."""
    for name in ("home/.codex", "project"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    monkeypatch.delenv("CODEX_HOME", raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-mock")
    monkeypatch.setenv("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
    monkeypatch.setenv("DISABLE_AUTOUPDATER", "1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mock")
    return tmp_path


def agent(home: Path, name: str) -> Agent:
    return Agent(model=f"{name}/default", cwd=home / "project", keep_partial=True)


def answer(*events: list[made.Event], stop: str = "stop", ending: Ending = "end") -> Reply:
    """An answer of the Messages API."""
    told = [event for block in events for event in block]
    if ending == "end":
        told += made.closing("anthropic", stop)
    return Reply(pieces=made.wrap("anthropic", made.opening("anthropic") + told), ending=ending)


def words(text: str) -> list[made.Event]:
    return made.text("anthropic", 0, text)


def bash(command: str, id: str) -> Reply:
    arguments = json.dumps({"command": command, "description": "x"})
    use = made.tool("anthropic", 1, id, "Bash", arguments)
    return answer(words("Running it."), use, stop="tool_use")


@pytest.fixture
def server(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SSEServer]:
    """What `claude` talks to."""
    with sse_server(Reply()) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield server


@needs_claude
async def test_claude_answers_is_allowed_and_denied_and_resumes(
    home: Path, server: SSEServer
) -> None:
    server.replies[:] = [
        answer(words("Hello.")),
        bash("touch yes.txt", "toolu_1"),
        answer(words("Done.")),
        bash("touch no.txt", "toolu_2"),
        answer(words("Well then.")),
    ]
    async with agent(home, "claude-cli") as claude:
        assert (await claude.ask("hello")).text == "Hello."
        for decision, text in ((Execute(), "Done."), (Reject("not now"), "Well then.")):
            run = claude.prompt("touch a file")
            pause = await until_paused(run)
            assert pause.tool_use.name == "bash"
            claude.resume(decision)
            assert (await run).text == text
        assert_answered(claude.messages)
        assert (home / "project/yes.txt").exists()
        assert not (home / "project/no.txt").exists()
        assert "not now" in claude.messages[-2].tool_results[0].content
    last = json.dumps(server.requests[-1].json["messages"])
    assert "hello" in last  # it was resumed, not begun anew
    assert "<conversation>" not in last


@needs_claude
async def test_claude_is_interrupted_and_goes_on(home: Path, server: SSEServer) -> None:
    stalled = answer(words("One two three.")[:-1], ending="stall")
    server.replies[:] = [stalled, answer(words("Going on."))]
    async with agent(home, "claude-cli") as claude:
        run = claude.prompt("count")
        await until(run, "text_delta")
        run.cancel()
        assert await run.wait() == "cancelled"
        assert claude.messages[-1].text == "One two three."
        assert (await claude.ask("go on")).text == "Going on."
    last = json.dumps(server.requests[-1].json["messages"])
    assert "One two three." in last
    assert "<conversation>" not in last


@needs_codex
async def test_codex_answers_runs_a_command_and_resumes(home: Path, llmock: LLMock) -> None:
    (home / "home/.codex/config.toml").write_text(
        'model = "gpt-4o"\nmodel_provider = "mock"\n[model_providers.mock]\nname = "mock"\n'
        f'base_url = {json.dumps(llmock.base_url("openai"))}\nenv_key = "OPENAI_API_KEY"\n'
        'wire_api = "responses"\n'
    )
    call = ToolCall("exec_command", {"cmd": "echo hi"})
    llmock.add(Scripted("Hello."), Scripted(tool_calls=(call,), finish_reason="tool_calls"))
    llmock.add(Scripted("Done."))
    async with agent(home, "codex-cli") as codex:
        assert (await codex.ask("hello")).text == "Hello."
        response = await codex.ask("say hi")
        assert response.text == "Done."
        assert_answered(codex.messages)
        results = [result for message in codex.messages for result in message.tool_results]
        assert [result.content for result in results] == ["hi\nexit code: 0"]
    assert "hello" in json.dumps(llmock.requests[-1].body)
    assert "<conversation>" not in json.dumps(llmock.requests[-1].body)
