"""Thinking in the request bodies of every dialect and kind of model, as one table.

The table in `thinking_bodies.json` is made by `python tests/llm/providers/test_thinking_bodies.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from omni_tui.core.messages import Message
from omni_tui.llm.providers import anthropic_request, chat_request, responses_request
from omni_tui.llm.providers.base import Options, Request, ThinkingLevel
from omni_tui.llm.providers.table import ENDPOINTS

TABLE = Path(__file__).with_name("thinking_bodies.json")

MODELS = (
    "anthropic/claude-3-5-haiku-latest",
    "anthropic/claude-3-7-sonnet-latest",
    "anthropic/claude-sonnet-4-5",
    "anthropic/claude-opus-4-1",
    "anthropic/claude-sonnet-4-6",
    "anthropic/claude-opus-4-8",
    "anthropic/claude-opus-5-5",
    "anthropic/glm-4.7",
    "openai/gpt-4.1-mini",
    "openai/o3",
    "openai/gpt-5-mini",
    "openai/gpt-5.1-codex-max",
    "openai/gpt-5.5",
    "openrouter/any",
    "groq/any",
    "google/gemini-3-pro",
    "deepseek/deepseek-chat",
    "mistral/mistral-large",
    "ollama/qwen3",
)
LEVELS: tuple[ThinkingLevel | int | None, ...] = (
    None,
    "off",
    "low",
    "medium",
    "high",
    "xhigh",
    "max",
    0,
    500,
    5000,
    100_000,
)
FIELDS = ("max_tokens", "thinking", "output_config", "reasoning", "reasoning_effort")


def fields(model: str, level: ThinkingLevel | int | None) -> dict[str, Any]:
    """What a level puts into the body of a request."""
    provider, _, name = model.partition("/")
    endpoint = ENDPOINTS[provider]
    messages = (Message.user("Hello"),)
    request = Request(model=name, messages=messages, options=Options(thinking=level))
    match endpoint.dialect:
        case "anthropic":
            body = anthropic_request.build_request(request)
        case "openai-responses":
            body = responses_request.build_request(request)
        case _:
            body = chat_request.build_request(request, endpoint.quirks)
    return {field: body[field] for field in FIELDS if field in body}


def made() -> dict[str, dict[str, dict[str, Any]]]:
    """The whole table."""
    return {model: {str(level): fields(model, level) for level in LEVELS} for model in MODELS}


def test_the_table_is_what_goes_out() -> None:
    table = json.loads(TABLE.read_text("utf-8"))
    for model, rows in made().items():
        assert rows == table[model], model
    assert set(table) == set(MODELS)


def test_more_thinking_never_gets_less() -> None:
    order = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]
    for model, rows in made().items():
        for spoken in ("budget_tokens", "effort", "reasoning_effort"):
            said = [
                found
                for level in ("low", "medium", "high", "xhigh", "max")
                if (found := _find(rows[level], spoken)) is not None
            ]
            ranks = [each if isinstance(each, int) else order.index(each) for each in said]
            assert ranks == sorted(ranks), model


def _find(body: Any, name: str) -> Any:
    if isinstance(body, dict):
        found = (body.get(name), *(_find(each, name) for each in body.values()))
        return next((each for each in found if each is not None), None)
    return None


if __name__ == "__main__":
    lines = (
        f"  {json.dumps(model)}: {{\n"
        + ",\n".join(f"    {json.dumps(level)}: {json.dumps(row)}" for level, row in rows.items())
        + "\n  }"
        for model, rows in made().items()
    )
    TABLE.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
