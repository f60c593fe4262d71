"""Model strings of agents that own their loop: resolved, offered when installed, refused alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from omni_tui.core.errors import ConfigError, RequestError
from omni_tui.llm.api import generate_text
from omni_tui.llm.backends import BACKENDS, AcpAgent
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.offers import find_offers


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An executable called `claude`, on a `PATH` with nothing else."""
    for backend in BACKENDS.values():
        monkeypatch.delenv(backend.program_env, raising=False)
    made = tmp_path / "claude"
    made.write_text("#!/bin/sh\n")
    made.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return made


@pytest.mark.parametrize("name", ["claude-cli/default", "codex-cli/some/model"])
def test_their_models_resolve_whether_they_are_installed_or_not(name: str) -> None:
    assert str(ProviderRegistry().resolve(name)) == name


async def test_only_installed_ones_are_offered(program: Path) -> None:
    registry = ProviderRegistry(endpoints={})
    offered = [offer.id for offer in await find_offers(registry) if "-cli/" in offer.id]
    assert offered[0] == "claude-cli/default"
    assert not any(id.startswith("codex-cli/") for id in offered)
    every = {offer.id: offer.ready for offer in await find_offers(registry, everything=True)}
    assert every["codex-cli/default"] is False


def test_a_variable_names_another_program(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_TUI_CODEX", str(program))
    assert BACKENDS["codex-cli"].require() == str(program)
    monkeypatch.setenv("OMNI_TUI_CODEX", "not-there")
    with pytest.raises(ConfigError, match=r"'not-there'.*npm install -g @openai/codex"):
        BACKENDS["codex-cli"].require()


async def test_a_single_request_is_refused() -> None:
    with pytest.raises(RequestError, match="runs its own loop"):
        await generate_text("claude-cli/default", "hello")


async def test_agents_that_speak_acp_are_offered_when_they_are_installed(program: Path) -> None:
    agents = {"a": AcpAgent(command=("claude", "--acp")), "b": AcpAgent(command=("not-there",))}
    registry = ProviderRegistry(endpoints={}, acp=agents)
    assert str(registry.resolve("acp/a")) == "acp/a"
    assert "acp" in registry.names()
    assert "acp" in registry.available()
    offered = [offer.id for offer in await find_offers(registry) if offer.id.startswith("acp/")]
    assert offered == ["acp/a"]
    every = {offer.id: offer.ready for offer in await find_offers(registry, everything=True)}
    assert every["acp/b"] is False
    assert "acp" not in ProviderRegistry().names()
