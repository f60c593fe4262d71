"""The providers there are, as data: where they are, which key they want and how they differ."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import msgspec

from omni_tui.llm.providers.quirks import Quirks

Dialect: TypeAlias = Literal["anthropic", "openai-responses", "openai-chat"]

APIS: Mapping[str, Dialect] = MappingProxyType(
    {
        "anthropic": "anthropic",
        "responses": "openai-responses",
        "openai-responses": "openai-responses",
        "chat": "openai-chat",
        "openai-chat": "openai-chat",
    }
)
"""What people call the dialects."""
FactsStyle: TypeAlias = Literal["ollama", "llamacpp", "lmstudio"]

SILENCE = 60.0
LOCAL_SILENCE = 300.0


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    name: str
    base_url: str
    dialect: Dialect = "openai-chat"
    key_env: tuple[str, ...] = ()
    """Variables that may hold the key, first one found; none for servers on this machine."""
    url_env: str | None = None
    """A variable that moves the endpoint elsewhere."""
    quirks: Quirks = Quirks()
    headers: dict[str, str] = {}
    """Sent with every request."""
    extra_body: dict[str, Any] = {}
    """Merged into the body of every request, and wins."""
    models: tuple[str, ...] = ()
    """Sensible models, the default first."""
    silence: float = SILENCE
    """Seconds without a byte after which an answer counts as broken. A server on this machine may
    read a long prompt for minutes before it says anything."""
    facts: FactsStyle | None = None
    """How a server on this machine is asked about its models, beyond their list."""

    def __repr__(self) -> str:
        # An address or a header may carry a key, and a repr ends up in logs and tracebacks.
        return f"Endpoint({self.name!r}, …)"

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
        quirks=Quirks(thinking="openrouter", pdf=True, cache_marks=True, reports_cost=True),
        models=("openrouter/auto",),
    ),
    Endpoint(
        name="groq",
        base_url="https://api.groq.com/openai/v1",
        key_env=("GROQ_API_KEY",),
        quirks=Quirks(thinking="effort", output="words"),
        models=("openai/gpt-oss-120b", "qwen/qwen3.8-27b"),
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
        quirks=Quirks(short_tool_ids=True, strict_order=True),
        models=("mistral-large-latest", "mistral-medium-latest", "codestral-latest"),
    ),
    Endpoint(
        name="deepseek",
        base_url="https://api.deepseek.com/v1",
        key_env=("DEEPSEEK_API_KEY",),
        quirks=Quirks(thinking="switch", replay_reasoning=True, output="json_object"),
        models=("deepseek-flash", "deepseek-v4-pro"),
    ),
    Endpoint(
        name="xai",
        base_url="https://api.x.ai/v1",
        key_env=("XAI_API_KEY",),
        models=("grok-4.7",),
    ),
    Endpoint(
        name="google",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"),
        quirks=Quirks(thinking="effort", extra_content=True),
        models=("gemini-3.8-flash", "gemini-4-argon", "gemini-3.1-pro-preview"),
    ),
    Endpoint(
        name="moonshot",
        base_url="https://api.moonshot.ai/v1",
        key_env=("MOONSHOT_API_KEY",),
        quirks=Quirks(thinking="switch", replay_reasoning=True, output="json_object"),
        models=("kimi-k3.1-pro", "kimi-k3"),
    ),
    Endpoint(
        name="alibaba",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        key_env=("DASHSCOPE_API_KEY",),
        url_env="DASHSCOPE_BASE_URL",
        quirks=Quirks(thinking="flag", output="json_object"),
        models=("qwen3.8-max", "qwen3.8-flash"),
    ),
    Endpoint(
        name="zai",
        base_url="https://api.z.ai/api/paas/v4",
        key_env=("ZAI_API_KEY", "ZHIPU_API_KEY"),
        quirks=Quirks(thinking="switch", replay_reasoning=True, output="json_object"),
        models=("glm-5.3", "glm-5.3-flash"),
    ),
    Endpoint(
        name="ollama",
        base_url="http://127.0.0.1:11434/v1",
        url_env="OLLAMA_HOST",
        quirks=Quirks(thinking="effort"),
        silence=LOCAL_SILENCE,
        facts="ollama",
    ),
    Endpoint(
        name="llamacpp",
        base_url="http://127.0.0.1:8080/v1",
        silence=LOCAL_SILENCE,
        facts="llamacpp",
    ),
    Endpoint(
        name="lmstudio",
        base_url="http://127.0.0.1:1234/v1",
        quirks=Quirks(thinking="effort"),
        silence=LOCAL_SILENCE,
        facts="lmstudio",
    ),
    Endpoint(
        name="vllm",
        base_url="http://127.0.0.1:8000/v1",
        quirks=Quirks(thinking="effort"),
        silence=LOCAL_SILENCE,
    ),
)

ALIASES = MappingProxyType({"llama.cpp": "llamacpp"})
"""Other spellings of the names above."""

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
        "qwen": "alibaba",
        "glm-": "zai",
    }
)
"""Which provider serves a model named without one, by the longest prefix."""
