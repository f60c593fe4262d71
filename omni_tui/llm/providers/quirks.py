"""How the servers that speak Chat Completions differ: facts for a table, with no code behind."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

ThinkingStyle: TypeAlias = Literal["openai", "effort", "openrouter", "switch", "flag"]


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """How an endpoint differs from the plainest form of the dialect."""

    system_role: Literal["system", "developer"] = "system"
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    thinking: ThinkingStyle | None = None
    """How a thinking level is said: OpenAI's words, an effort up to `high`, OpenRouter's object, or
    only on and off, in an object (`switch`) or as `enable_thinking` (`flag`); `None` says nothing.
    """
    replay_reasoning: bool = False
    """Wants the `reasoning_content` of the tool loop under way back."""
    extra_content: bool = False
    """Puts opaque `extra_content` on tool calls and wants it back."""
    pdf: bool = False
    """Reads PDF files."""
    short_tool_ids: bool = False
    """Takes only tool ids of nine letters and digits."""
    strict_order: bool = False
    """Refuses a person's words right after the results of tools, and an assistant's at the end."""
    cache_marks: bool = False
    """Wants to be told with marks which beginning of a prompt a Claude model shall keep."""
    output: Literal["json_schema", "json_object", "words"] = "json_schema"
    """How the shape of an answer can be said: by a schema; by a schema in words and a promise of
    JSON; or in words alone."""
    reports_cost: bool = False
    """States the price of an answer in US dollars in its usage."""
