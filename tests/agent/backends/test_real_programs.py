"""The real `claude` and `codex` against servers of this machine, where they are installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from agent_helpers import assert_answered, until, until_paused
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Reply, ToolCall

from omni_tui.agent.agent import Agent
from omni_tui.agent.decisions import Execute, Reject
from omni_tui.llm.backends import BACKENDS

needs_claude = pytest.mark.skipif(BACKENDS["claude-cli"].find() is None, reason="no claude here")
needs_codex = pytest.mark.skipif(BACKENDS["codex-cli"].find() is None, reason="no codex here")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, llmock: LLMock) -> Path:
    """A home folder of nobody, whose programs talk to the mock alone."""
    for name in ("home/.codex", "project"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    monkeypatch.delenv("CODEX_HOME", raising=False)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", llmock.base_url("anthropic"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-mock")
    monkeypatch.setenv("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
    monkeypatch.setenv("DISABLE_AUTOUPDATER", "1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mock")
    (tmp_path / "home/.codex/config.toml").write_text(
        'model = "gpt-4o"\nmodel_provider = "mock"\n[model_providers.mock]\nname = "mock"\n'
        f'base_url = {json.dumps(llmock.base_url("openai"))}\nenv_key = "OPENAI_API_KEY"\n'
        'wire_api = "responses"\n'
    )
    return tmp_path


def agent(home: Path, name: str) -> Agent:
    return Agent(model=f"{name}/default", cwd=home / "project", keep_partial=True)


@needs_claude
async def test_claude_answers_is_allowed_and_denied_and_resumes(home: Path, llmock: LLMock) -> None:
    def bash(command: str) -> Reply:
        call = ToolCall("Bash", {"command": command, "description": "x"})
        return Reply(text="Running it.", tool_calls=(call,), finish_reason="tool_calls")

    llmock.add(Reply("Hello."), bash("touch yes.txt"), Reply("Done."))
    llmock.add(bash("touch no.txt"), Reply("Well then."))
    async with agent(home, "claude-cli") as claude:
        assert (await claude.ask("hello")).text == "Hello."
        for answer, text in ((Execute(), "Done."), (Reject("not now"), "Well then.")):
            run = claude.prompt("touch a file")
            pause = await until_paused(run)
            assert pause.tool_use.name == "bash"
            claude.resume(answer)
            assert (await run).text == text
        assert_answered(claude.messages)
        assert (home / "project/yes.txt").exists()
        assert not (home / "project/no.txt").exists()
        assert "not now" in claude.messages[-2].tool_results[0].content
    assert "hello" in json.dumps(llmock.requests[-1].body)  # it was resumed, not begun anew
    assert "<conversation>" not in json.dumps(llmock.requests[-1].body)


@needs_claude
async def test_claude_is_interrupted_and_goes_on(home: Path, llmock: LLMock) -> None:
    llmock.add(Reply("One two three four five six seven eight nine ten."))
    llmock.stall(after_chunks=6)
    llmock.add(Reply("Going on."))
    async with agent(home, "claude-cli") as claude:
        run = claude.prompt("count")
        await until(run, "text_delta")
        run.cancel()
        assert await run.wait() == "cancelled"
        assert claude.messages[-1].role == "assistant"
        assert (await claude.ask("go on")).text == "Going on."
    assert "<conversation>" not in json.dumps(llmock.requests[-1].body)


@needs_codex
async def test_codex_answers_runs_a_command_and_resumes(home: Path, llmock: LLMock) -> None:
    call = ToolCall("exec_command", {"cmd": "echo hi"})
    llmock.add(Reply("Hello."), Reply(tool_calls=(call,), finish_reason="tool_calls"))
    llmock.add(Reply("Done."))
    async with agent(home, "codex-cli") as codex:
        assert (await codex.ask("hello")).text == "Hello."
        response = await codex.ask("say hi")
        assert response.text == "Done."
        assert_answered(codex.messages)
        results = [result for message in codex.messages for result in message.tool_results]
        assert [result.content for result in results] == ["hi\nexit code: 0"]
    assert "hello" in json.dumps(llmock.requests[-1].body)
    assert "<conversation>" not in json.dumps(llmock.requests[-1].body)
