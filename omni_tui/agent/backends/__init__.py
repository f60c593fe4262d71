"""Agents that own their loop: other programs whose turns come out as the events of ours."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from omni_tui.llm.backends import LoopOwner
from omni_tui.llm.providers.base import Model

if TYPE_CHECKING:
    from omni_tui.agent.turn import Turn

_TURNS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "acp": ("omni_tui.agent.backends.acp", "AcpTurn"),
        "claude-cli": ("omni_tui.agent.backends.claude_cli", "ClaudeTurn"),
        "codex-cli": ("omni_tui.agent.backends.codex_cli", "CodexTurn"),
    }
)


def backend_turn(model: str | Model) -> type[Turn] | None:
    """What runs the turns of this model, imported now; `None` when our own loop does."""
    if isinstance(model, Model):
        name = model.provider.name if isinstance(model.provider, LoopOwner) else ""
    else:
        name = model.strip().partition("/")[0]
    if name not in _TURNS:
        return None
    module, kind = _TURNS[name]
    return cast("type[Turn]", getattr(import_module(module), kind))
