"""How OpenAI says efforts, cache hints and the shape of answers, alike in both its dialects."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from omni_tui.llm.providers.base import OutputFormat, Request, ThinkingLevel
from omni_tui.llm.schema import strict_schema

_NO_REASONING = re.compile(r"(?:gpt-[34]|chatgpt-|davinci|.*-chat\b)")
_EFFORTS: dict[ThinkingLevel, str] = {
    "off": "none",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "xhigh",
}
_EARLY = re.compile(r"(?:o\d|gpt-5(?:-|$)|gpt-5\.1(?!-codex-max))")
"""Models from before effort `xhigh`."""
_KEEPS_LONG = re.compile(r"gpt-(?:4\.1$|5(?!-mini|-nano)|[6-9])")
"""Models whose prompt cache can be asked to last a day."""
_NO_NONE = (("gpt-5.", None), ("gpt-5", "minimal"), ("o", "low"))
"""Prefixes of models that cannot stop reasoning, with the least they can do."""


def is_reasoning(model: str) -> bool:
    """Whether an OpenAI model thinks before it answers: all but the known older ones."""
    return _NO_REASONING.match(model) is None


def effort_for(model: str, level: ThinkingLevel) -> str:
    """OpenAI's word for a thinking level, as far as `model` knows it."""
    effort = _EFFORTS[level]
    if effort == "none":
        least = next((word for prefix, word in _NO_NONE if model.startswith(prefix)), None)
        return least or effort
    return "high" if effort == "xhigh" and _EARLY.match(model) else effort


def cache_hints(request: Request) -> dict[str, Any]:
    """What tells OpenAI which requests share a prompt, and how long to keep it.

    Requests go where their beginning was seen before by a key: a digest of that beginning, so that
    all branches of a conversation share it.
    """
    hint = request.options.cache
    if hint is None:
        return {}
    names = [tool.name for tool in request.tools]
    begin = next((message.text for message in request.messages), "")
    digest = hashlib.sha256(repr((request.system, names, begin)).encode("utf-8", "replace"))
    said = {"prompt_cache_key": digest.hexdigest()[:32]}
    if hint == "long" and _KEEPS_LONG.match(request.model):
        said["prompt_cache_retention"] = "24h"
    return said


def output_format(output: OutputFormat) -> dict[str, Any]:
    """A shape as both dialects of OpenAI say it: strictly where its schema has a strict form."""
    strict = strict_schema(output.schema, add_null=True)
    return {
        "type": "json_schema",
        "name": output.name,
        "schema": strict or output.schema,
        "strict": strict is not None,
    }
