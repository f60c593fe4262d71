"""Makes the agents of a session: one for each branch that is prompted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from omni_tui.agent.agent import Agent
from omni_tui.agent.approval import Approval
from omni_tui.agent.hooks import Hooks
from omni_tui.core.errors import UnsupportedModalityError
from omni_tui.core.messages import Attachment, Block
from omni_tui.core.tool import Tool
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.attachments import require_readable
from omni_tui.llm.providers.base import Model
from omni_tui.session.task import Home, task_tool

if TYPE_CHECKING:
    from omni_tui.session.runs import BranchRun
    from omni_tui.session.session import Session


def make_agent(
    session: Session,
    branch: BranchRun,
    registry: ProviderRegistry,
    home: Home | None,
    hooks: Sequence[Hooks],
    tools: Sequence[Tool],
    model: str | Model,
) -> Agent:
    """An agent that grows this branch, as the session's set-up says.

    `hooks` and `tools` come to those of the set-up. The session's rules decide before the hooks.
    """
    setup = session.setup
    tools = (*setup.tools, *tools)
    if home is not None and session.record.depth + 1 < setup.max_depth:
        tools = (task_tool(branch, home), *tools)
    guards = (
        (Approval(session.permissions, {tool.name: tool for tool in tools}),)
        if session.permissions is not None
        else ()
    )
    return setup.agent(
        model=model,
        system=session.record.system,
        tools=tools,
        messages=session.tree.messages(branch.tip),
        options=session.options,
        output=setup.output,
        context=session.compactor.context(branch),
        hooks=(*guards, *hooks),
        max_steps=setup.max_steps,
        keep_partial=True,
        retry=setup.retry,
        fallbacks=setup.fallbacks,
        cwd=setup.cwd,
        turn_timeout=setup.turn_timeout,
        max_pending=setup.max_pending,
        telemetry=setup.telemetry,
        registry=registry,
        journal=branch,
        session_id=session.id,
        depth=session.record.depth,
        private=session.private,
    )


def require_reader(
    blocks: Iterable[Block], models: Iterable[str | Model], registry: ProviderRegistry
) -> None:
    """Refuse what none of these models can read, before it is part of the tree.

    Raises the first model's `UnsupportedModalityError`.
    """
    attached = [block for block in blocks if isinstance(block, Attachment)]
    refusal: UnsupportedModalityError | None = None
    for model in models if attached else ():
        try:
            require_readable(attached, registry.resolve(model))
        except UnsupportedModalityError as error:
            refusal = refusal or error
        else:
            return
    if refusal is not None:
        raise refusal
