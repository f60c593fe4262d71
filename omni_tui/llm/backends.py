"""Agents that own their loop, as far as a model string is concerned: which there are, and where.

They are programs of their own. Floor 2 knows how to talk to them; here they are only names that a
model string may begin with, so that they can be resolved, stored, listed and refused like models.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType

import msgspec

from omni_tui.core.errors import ConfigError, RequestError
from omni_tui.core.stream import Failed, StreamEvent
from omni_tui.llm.providers.base import Request

ACP = "acp"
"""The provider of agents that speak the Agent Client Protocol, each by its name in the settings."""

DEFAULT = "default"
"""The model name that leaves the choice of the model to the program."""


class Backend(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    name: str
    """What a model string begins with."""
    program: str
    """The command."""
    program_env: str
    """A variable that names another one, by path or by a name on the `PATH`."""
    install: str
    """How to get it."""
    models: tuple[str, ...] = (DEFAULT,)
    """Sensible models, the default first."""

    def find(self) -> str | None:
        """The path of the program; `None` when it is not installed. Looks at the disk."""
        return shutil.which(os.environ.get(self.program_env, "").strip() or self.program)

    def require(self) -> str:
        """The path of the program; raises `ConfigError` that says how to install it."""
        if (found := self.find()) is not None:
            return found
        named = os.environ.get(self.program_env, "").strip()
        raise ConfigError(
            f"There is no command {named or self.program!r}, which {self.name} needs",
            hint=f"install it: {self.install}; or name its path in {self.program_env}",
        )


class AcpAgent(msgspec.Struct, frozen=True, kw_only=True):
    """A program that speaks the Agent Client Protocol on its standard input and output."""

    command: tuple[str, ...]
    """The program, by path or by a name on the `PATH`, and its arguments."""
    env: dict[str, str] = {}
    """Variables it gets besides the usual ones; a value `$NAME` is that of the variable NAME."""

    def __repr__(self) -> str:
        # Arguments and variables may carry a key, and a repr ends up in logs and tracebacks.
        return "AcpAgent(…)"

    def find(self) -> str | None:
        """The path of the program; `None` when it is not installed. Looks at the disk."""
        return shutil.which(os.path.expanduser(self.command[0])) if self.command else None

    def variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """What `env` stands for; a variable that is not set is left out."""
        return {
            name: environment[value[1:]] if value.startswith("$") else value
            for name, value in self.env.items()
            if not value.startswith("$") or value[1:] in environment
        }


_ROWS = (
    Backend(
        name="claude-cli",
        program="claude",
        program_env="OMNI_TUI_CLAUDE",
        install="npm install -g @anthropic-ai/claude-code",
        models=(DEFAULT, "opus", "sonnet", "haiku"),
    ),
    Backend(
        name="codex-cli",
        program="codex",
        program_env="OMNI_TUI_CODEX",
        install="npm install -g @openai/codex",
    ),
)

BACKENDS: Mapping[str, Backend] = MappingProxyType({row.name: row for row in _ROWS})


class LoopOwner:
    """Stands where a provider stands in a `Model`; only an agent can talk to what is behind it."""

    def __init__(self, name: str, agents: Mapping[str, AcpAgent] = MappingProxyType({})) -> None:
        self.name = name
        self.agents = agents
        """Of `acp`: who is meant by the rest of a model string."""

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        """Say that no single request can be answered."""
        yield Failed(
            error=RequestError(
                f"{self.name} runs its own loop and answers no single requests",
                hint="use it as the model of an agent or a session, not as a fallback",
            )
        )

    def prepare(self) -> None:
        """Nothing is to be imported."""

    async def close(self) -> None:
        """Nothing is open between two runs."""
