"""What the agents of a session are made from."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from omni_tui.agent.agent import Agent
from omni_tui.core.errors import ConfigError
from omni_tui.core.telemetry import Telemetry
from omni_tui.core.tool import Tool
from omni_tui.llm.providers.base import Options, OutputFormat
from omni_tui.llm.retry import RetryPolicy
from omni_tui.session.context import ContextPolicy
from omni_tui.session.titles import TitlePolicy
from omni_tui.tools.permissions import Permissions, Rule

log = logging.getLogger(__name__)


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What every agent of a session is made from; none of it is stored."""

    agent: type[Agent] = Agent
    tools: tuple[Tool, ...] = ()
    permissions: Permissions | None = None
    """Guards every tool use; `None` leaves the decision to the agent alone."""
    max_steps: int | None = 50
    options: Options = Options()
    output: OutputFormat | None = None
    """The shape models are asked to give their answers; whoever reads them checks it."""
    retry: RetryPolicy = RetryPolicy()
    fallbacks: tuple[str, ...] = ()
    """Models to ask in turn for a step whose model fails before its first event."""
    cwd: Path | None = None
    turn_timeout: float | None = 3600.0
    """Seconds a turn may take, without the time a person takes to answer."""
    max_pending: int = 8
    """Prompts that may wait on one branch."""
    context: ContextPolicy = ContextPolicy()
    """What becomes of conversations that get too long."""
    title: TitlePolicy = TitlePolicy()
    """How a session finds its title."""
    telemetry: Telemetry | None = None
    """Who is told what the agents do."""
    max_depth: int = 1
    """How many agents may stand above each other, the first one counted: with more than one, those
    of a manager's sessions have the tool `task` for sub-agents."""


def own_permissions(template: Permissions | None, rules: tuple[str, ...]) -> Permissions | None:
    """The rules of one session: those of the set-up, and what was allowed there before."""
    if template is None:
        return None
    permissions = template.copy()
    for rule in rules:
        try:
            permissions.add(Rule.parse(rule))
        except ConfigError as error:
            log.warning("a stored approval is left out: %s", error)
    return permissions
