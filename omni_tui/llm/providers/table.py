"""The providers there are, as data: where they are, which key they want and how they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias

from omni_tui.llm.providers.quirks import Quirks

PLAIN = Quirks()

Dialect: TypeAlias = Literal["anthropic", "openai-responses", "openai-chat"]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One row of the table."""

    name: str
    base_url: str
    dialect: Dialect = "openai-chat"
    key_env: tuple[str, ...] = ()
    """Variables that may hold the key, first one found; none for servers on this machine."""
    url_env: str | None = None
    """A variable that moves the endpoint elsewhere."""
    quirks: Quirks = PLAIN
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every request."""
    models: tuple[str, ...] = ()
    """Sensible models, the default first."""

    @property
    def is_local(self) -> bool:
        """Whether it is a server one runs oneself."""
        return not self.key_env


OPENAI_QUIRKS = Quirks(
    system_role="developer",
    max_tokens_name="max_completion_tokens",
    thinking="openai",
    pdf=True,
)

_ROWS = (
    Endpoint(
        name="anthropic",
        base_url="https://api.anthropic.com",
        dialect="anthropic",
        key_env=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
        url_env="ANTHROPIC_BASE_URL",
        models=("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5", "claude-sonnet-4-6"),
    ),
    Endpoint(
        name="openai",
        base_url="https://api.openai.com/v1",
        dialect="openai-responses",
        key_env=("OPENAI_API_KEY",),
        url_env="OPENAI_BASE_URL",
        quirks=OPENAI_QUIRKS,
        models=("gpt-5.5", "gpt-6.1-sol", "gpt-5.4-mini", "gpt-4.1-mini"),
    ),
    Endpoint(
        name="openrouter",
        base_url="https://openrouter.ai/api/v1",
        key_env=("OPENROUTER_API_KEY",),
        quirks=Quirks(thinking="openrouter", pdf=True, reports_cost=True),
        models=("openrouter/auto",),
    ),
    Endpoint(
        name="groq",
        base_url="https://api.groq.com/openai/v1",
        key_env=("GROQ_API_KEY",),
        quirks=Quirks(thinking="effort", output="words"),
    ),
    Endpoint(
        name="fireworks",
        base_url="https://api.fireworks.ai/inference/v1",
        key_env=("FIREWORKS_API_KEY",),
        quirks=Quirks(thinking="effort"),
    ),
    Endpoint(
        name="mistral",
        base_url="https://api.mistral.ai/v1",
        key_env=("MISTRAL_API_KEY",),
        quirks=Quirks(short_tool_ids=True),
    ),
    Endpoint(
        name="deepseek",
        base_url="https://api.deepseek.com/v1",
        key_env=("DEEPSEEK_API_KEY",),
        quirks=Quirks(thinking="switch", replay_reasoning=True, output="json_object"),
    ),
    Endpoint(name="xai", base_url="https://api.x.ai/v1", key_env=("XAI_API_KEY",)),
    Endpoint(
        name="google",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        quirks=Quirks(thinking="effort", extra_content=True),
    ),
    Endpoint(
        name="moonshot",
        base_url="https://api.moonshot.ai/v1",
        key_env=("MOONSHOT_API_KEY",),
        quirks=Quirks(thinking="switch", replay_reasoning=True, output="json_object"),
    ),
    Endpoint(
        name="zai",
        base_url="https://api.z.ai/api/paas/v4",
        key_env=("ZAI_API_KEY",),
        quirks=Quirks(thinking="switch", replay_reasoning=True, output="json_object"),
    ),
    Endpoint(
        name="ollama",
        base_url="http://127.0.0.1:11434/v1",
        url_env="OLLAMA_HOST",
        quirks=Quirks(thinking="effort"),
    ),
    Endpoint(name="llamacpp", base_url="http://127.0.0.1:8080/v1"),
    Endpoint(
        name="lmstudio", base_url="http://127.0.0.1:1234/v1", quirks=Quirks(thinking="effort")
    ),
    Endpoint(name="vllm", base_url="http://127.0.0.1:8000/v1", quirks=Quirks(thinking="effort")),
)

ENDPOINTS = MappingProxyType({row.name: row for row in _ROWS})

INFERENCE = MappingProxyType(
    {
        "claude-": "anthropic",
        "gpt-": "openai",
        "chatgpt-": "openai",
        "o1": "openai",
        "o3": "openai",
        "o4": "openai",
        "gemini-": "google",
        "mistral-": "mistral",
        "magistral-": "mistral",
        "codestral-": "mistral",
        "deepseek-": "deepseek",
        "grok-": "xai",
        "kimi-": "moonshot",
        "glm-": "zai",
    }
)
"""Which provider serves a model named without one, by the longest prefix."""
