"""An agent as a tool of another agent."""

from __future__ import annotations

from typing import Any

import msgspec

from omni_tui.agent.agent import Agent
from omni_tui.agent.events import Paused
from omni_tui.core.errors import AgentRunError, ToolError
from omni_tui.core.stream import TextDelta
from omni_tui.core.tool import Tool, ToolContext, ToolReply

MAX_DEPTH = 3
"""Agents above each other, the first one counted."""

_SCHEMA = {
    "type": "object",
    "properties": {
        "prompt": {
            "type": "string",
            "description": "The whole task: nothing else is known of this conversation.",
        }
    },
    "required": ["prompt"],
}


def agent_as_tool(
    agent: type[Agent],
    *,
    name: str,
    description: str,
    timeout: float = 600.0,
    max_depth: int = MAX_DEPTH,
    **options: Any,
) -> Tool:
    """A tool that gives a task to a new agent and returns its answer.

    Every use makes an `agent` with these `options`, so that nothing is remembered between uses and
    several may run at once. What it uses counts as this agent's own usage; the questions it pauses
    with are asked as this agent's own, with `details["agent"]` its name. Deeper than `max_depth`
    agents the model is told that it must do the work itself.

    Args:
        agent: The class.
        name: What the model calls it.
        description: When the model should use it.
        timeout: Seconds a task may take, without the time a person takes to answer.
        max_depth: How many agents may stand above each other, the first one counted.
        options: For the agent: `model`, `system`, `tools` and so on.
    """

    async def handler(arguments: dict[str, Any], context: ToolContext) -> ToolReply:
        prompt = arguments.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            raise ToolError("prompt must be a text that says what to do.")
        if context.depth + 1 >= max_depth:
            raise ToolError(f"No more than {max_depth} agents may call each other: do it yourself.")
        facts = {"cwd": context.cwd, "session_id": context.session_id, **options}
        async with agent(depth=context.depth + 1, **facts) as worker:
            return await run_task(worker, prompt, context, name)

    return Tool(
        name=name,
        description=description,
        input_schema=_SCHEMA,
        handler=handler,
        timeout=timeout,
    )


async def run_task(agent: Agent, prompt: str, context: ToolContext, name: str) -> ToolReply:
    """Have a new agent do a task for the tool that `context` belongs to.

    What the agent says is shown as the tool's output. Raises `ToolError` when there is no answer.
    """
    run = agent.prompt(prompt)
    try:
        async for event in run:
            if isinstance(event.payload, TextDelta):
                context.emit(event.payload.text)
            elif isinstance(event.payload, Paused):
                if context.ask is None:
                    raise ToolError(f"{name} asked for leave and nobody is there to give it.")
                question = event.payload
                details = {**question.details, "agent": name}
                agent.resume(await context.ask(msgspec.structs.replace(question, details=details)))
        response = await run
    except AgentRunError as error:
        raise ToolError(f"{name} gave no answer: {error.message}") from error
    finally:
        run.cancel()
        context.add_usage(agent.usage)
    text = response.message.text or "(no answer)"
    return ToolReply(text=text, data={"steps": run.step, "outcome": run.outcome})
