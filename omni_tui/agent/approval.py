"""The guard between a model and its tools: rules first, a person where they say so."""

from __future__ import annotations

from collections.abc import Mapping

from omni_tui.agent.decisions import Decision, Execute, Pause, Reject
from omni_tui.agent.hooks import Hooks
from omni_tui.core.messages import ToolUse
from omni_tui.core.tool import Tool
from omni_tui.tools.permissions import Permissions


class Approval(Hooks):
    """Runs what the rules allow, rejects what they deny, and pauses for the rest.

    A pause's `details` hold `always_rule` (the exact rule that "always" would store, if any can
    be), `warnings` and `outside` (paths beyond the working folder), for whoever shows the question.
    """

    def __init__(self, permissions: Permissions, tools: Mapping[str, Tool]) -> None:
        self.permissions = permissions
        self.tools = tools

    async def handle_tool_use(self, tool_use: ToolUse) -> Decision:
        tool = self.tools.get(tool_use.name)
        verdict = self.permissions.decide(tool, tool_use)
        if verdict.effect == "allow" and tool is not None and tool.asks_person:
            return Pause("question")
        match verdict.effect:
            case "allow":
                by = f"rule {verdict.rule}" if verdict.rule else verdict.reason
                return Execute(by=by, allowed_paths=verdict.outside)
            case "deny":
                return Reject(verdict.reason, by=f"rule {verdict.rule}" if verdict.rule else None)
            case _:
                return Pause(
                    "approval",
                    {
                        "reason": verdict.reason,
                        "always_rule": str(verdict.always_rule) if verdict.always_rule else None,
                        "warnings": list(verdict.warnings),
                        "outside": [str(path) for path in verdict.outside],
                    },
                )
