"""Named agents that run side by side."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from omni_tui.agent.agent import Agent
from omni_tui.agent.events import Status
from omni_tui.agent.state import Poll
from omni_tui.core.errors import AgentError
from omni_tui.core.messages import Content
from omni_tui.core.stream import Response

A = TypeVar("A", bound=Agent)

MAX_PENDING = 100
"""Prompts that may wait for one agent, where it does not say otherwise."""


class AgentStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One agent at one instant."""

    name: str
    status: Status
    queued: int
    """How many prompts wait."""
    current: str | None
    """The id of the run under way."""
    turns: int


class AgentSupervisor:
    """Starts agents under names, and finds them again.

    Agents share nothing: one that fails, or is stopped, is felt by no other, and none is started
    again by itself. Leaving the `async with` block stops all of them.
    """

    def __init__(self) -> None:
        self._agents: dict[str, Agent] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self, agent: type[A] | A, name: str, /, **options: Any) -> A:
        """Start an agent, made of a class with these `options` or given as it is.

        `max_pending` is 100 for those made here. May be called from a hook of another agent. A
        class that wants to know its name takes it as one of its own options.

        Raises `AgentError` when the name is taken or the agent's `init` fails.
        """
        if self.whereis(name) is not None:
            raise AgentError(f"There is an agent called {name!r} already.", hint="stop it first")
        if isinstance(agent, type):
            agent = agent(**{"max_pending": MAX_PENDING, **options})
        elif options:
            raise TypeError("options are for an agent that is made here: give its class")
        self._agents[name] = agent
        try:
            await agent.start()
        except BaseException:
            self._agents.pop(name, None)
            raise
        return agent

    async def ask(self, name: str, content: Content) -> Response:
        """Prompt an agent behind what goes on, and wait for its answer."""
        return await self._find(name).ask(content, when_busy="queue")

    def tell(self, name: str, content: Content) -> str:
        """Prompt without waiting; the id is for `poll` and `cancel`."""
        return self._find(name).tell(content)

    def poll(self, name: str, run_id: str) -> Poll:
        """How a request stands."""
        return self._find(name).poll(run_id)

    def notify(self, name: str, event: Any) -> None:
        """Tell an agent's `handle_event` hooks something."""
        self._find(name).notify(event)

    def cancel(self, name: str, run_id: str | None = None) -> bool:
        """Stop the run under way, or the one with this id; says whether there was one."""
        return self._find(name).cancel(run_id)

    def unhalt(self, name: str) -> None:
        """Thaw an agent."""
        self._find(name).unhalt()

    def status(self, name: str) -> AgentStatus:
        """How an agent is."""
        return _status(name, self._find(name))

    async def stop(self, name: str) -> bool:
        """Close an agent and free its name; says whether there was one."""
        agent = self._agents.pop(name, None)
        if agent is None:
            return False
        was_closed = agent.is_closed
        await agent.close()
        return not was_closed

    def whereis(self, name: str) -> Agent | None:
        """The agent of this name; one that closed itself is none."""
        agent = self._agents.get(name)
        return None if agent is None or agent.is_closed else agent

    def list(self) -> tuple[AgentStatus, ...]:
        """All agents, in the order they were started."""
        return tuple(
            _status(name, agent) for name, agent in self._agents.items() if not agent.is_closed
        )

    async def close(self) -> None:
        """Stop all agents."""
        agents = tuple(self._agents.values())
        self._agents.clear()
        await asyncio.gather(*(agent.close() for agent in agents))

    def _find(self, name: str) -> Agent:
        agent = self.whereis(name)
        if agent is None:
            raise AgentError(f"There is no agent called {name!r}.", name=name)
        return agent


def _status(name: str, agent: Agent) -> AgentStatus:
    health = agent.health()
    return AgentStatus(
        name=name,
        status=health.status,
        queued=health.pending_count,
        current=agent.run.id if agent.run else None,
        turns=health.turns,
    )
