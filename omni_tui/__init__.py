"""The branching terminal for LLM agents, and the four layers under it.

Names are loaded on first use: importing this package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from omni_tui._version import __version__

if TYPE_CHECKING:
    from omni_tui.agent.agent import Agent
    from omni_tui.agent.completion import Completion, CompletionAgent
    from omni_tui.agent.decisions import (
        Continue,
        Execute,
        Halt,
        Ignore,
        Pause,
        Proceed,
        Provide,
        Reject,
        Retry,
        Skip,
        Stop,
    )
    from omni_tui.agent.events import Event, Outcome
    from omni_tui.agent.hooks import Hooks
    from omni_tui.agent.run import Run
    from omni_tui.agent.subagent import agent_as_tool
    from omni_tui.agent.summary import Summarize
    from omni_tui.agent.supervisor import AgentSupervisor
    from omni_tui.agent.truncation import Truncate
    from omni_tui.core.errors import (
        AgentError,
        AgentRunError,
        BusyError,
        HaltedError,
        MaxStepsReachedError,
        OmniError,
        OutputError,
        ProviderError,
    )
    from omni_tui.core.messages import (
        Attachment,
        Block,
        Message,
        Opaque,
        Text,
        Thinking,
        ToolResult,
        ToolUse,
    )
    from omni_tui.core.stream import Response
    from omni_tui.core.telemetry import Telemetry
    from omni_tui.core.tool import Tool, ToolContext, ToolReply, tool
    from omni_tui.core.usage import Usage
    from omni_tui.llm.api import generate_text, stream_text
    from omni_tui.llm.providers.base import Model, Options
    from omni_tui.llm.providers.scripted import ScriptedProvider
    from omni_tui.llm.retry import RetryPolicy
    from omni_tui.session.manager import SessionManager
    from omni_tui.session.session import Session
    from omni_tui.session.setup import Setup
    from omni_tui.session.store.jsonl import JSONLStore
    from omni_tui.session.store.memory import MemoryStore
    from omni_tui.session.store.opening import open_store
    from omni_tui.session.store.sqlite import SQLiteStore
    from omni_tui.session.tree import Tree

_HOMES = {
    "omni_tui.agent.agent": ("Agent",),
    "omni_tui.agent.completion": ("Completion", "CompletionAgent"),
    "omni_tui.agent.decisions": (
        "Continue",
        "Execute",
        "Halt",
        "Ignore",
        "Pause",
        "Proceed",
        "Provide",
        "Reject",
        "Retry",
        "Skip",
        "Stop",
    ),
    "omni_tui.agent.events": ("Event", "Outcome"),
    "omni_tui.agent.hooks": ("Hooks",),
    "omni_tui.agent.run": ("Run",),
    "omni_tui.agent.subagent": ("agent_as_tool",),
    "omni_tui.agent.summary": ("Summarize",),
    "omni_tui.agent.supervisor": ("AgentSupervisor",),
    "omni_tui.agent.truncation": ("Truncate",),
    "omni_tui.core.errors": (
        "AgentError",
        "AgentRunError",
        "BusyError",
        "HaltedError",
        "MaxStepsReachedError",
        "OmniError",
        "OutputError",
        "ProviderError",
    ),
    "omni_tui.core.messages": (
        "Attachment",
        "Block",
        "Message",
        "Opaque",
        "Text",
        "Thinking",
        "ToolResult",
        "ToolUse",
    ),
    "omni_tui.core.stream": ("Response",),
    "omni_tui.core.telemetry": ("Telemetry",),
    "omni_tui.core.tool": ("Tool", "ToolContext", "ToolReply", "tool"),
    "omni_tui.core.usage": ("Usage",),
    "omni_tui.llm.api": ("generate_text", "stream_text"),
    "omni_tui.llm.providers.base": ("Model", "Options"),
    "omni_tui.llm.providers.scripted": ("ScriptedProvider",),
    "omni_tui.llm.retry": ("RetryPolicy",),
    "omni_tui.session.manager": ("SessionManager",),
    "omni_tui.session.session": ("Session",),
    "omni_tui.session.setup": ("Setup",),
    "omni_tui.session.store.jsonl": ("JSONLStore",),
    "omni_tui.session.store.memory": ("MemoryStore",),
    "omni_tui.session.store.opening": ("open_store",),
    "omni_tui.session.store.sqlite": ("SQLiteStore",),
    "omni_tui.session.tree": ("Tree",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Agent",
    "AgentError",
    "AgentRunError",
    "AgentSupervisor",
    "Attachment",
    "Block",
    "BusyError",
    "Completion",
    "CompletionAgent",
    "Continue",
    "Event",
    "Execute",
    "Halt",
    "HaltedError",
    "Hooks",
    "Ignore",
    "JSONLStore",
    "MaxStepsReachedError",
    "MemoryStore",
    "Message",
    "Model",
    "OmniError",
    "Opaque",
    "Options",
    "Outcome",
    "OutputError",
    "Pause",
    "Proceed",
    "Provide",
    "ProviderError",
    "Reject",
    "Response",
    "Retry",
    "RetryPolicy",
    "Run",
    "SQLiteStore",
    "ScriptedProvider",
    "Session",
    "SessionManager",
    "Setup",
    "Skip",
    "Stop",
    "Summarize",
    "Telemetry",
    "Text",
    "Thinking",
    "Tool",
    "ToolContext",
    "ToolReply",
    "ToolResult",
    "ToolUse",
    "Tree",
    "Truncate",
    "Usage",
    "__version__",
    "agent_as_tool",
    "generate_text",
    "open_store",
    "stream_text",
    "tool",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return __all__
