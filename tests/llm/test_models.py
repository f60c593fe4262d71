"""Model strings, and which provider serves them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from wire.server import Reply, sse_server

from omni_tui.core.errors import BrokenStreamError, ConfigError, UnknownModelError
from omni_tui.core.messages import Message
from omni_tui.core.stream import Done, Failed, StreamEvent
from omni_tui.llm.models import ProviderRegistry, make_provider, parse_model
from omni_tui.llm.providers.anthropic import AnthropicProvider
from omni_tui.llm.providers.base import Model, Request
from omni_tui.llm.providers.openai_chat import ChatProvider
from omni_tui.llm.providers.openai_responses import ResponsesProvider
from omni_tui.llm.providers.table import ENDPOINTS, Endpoint
from omni_tui.llm.providers.wire import WireProvider

MAP = "LLM_MODEL_PROVIDER_INFERENCE_MAP"
API_MAP = "LLM_PROVIDER_DEFAULT_API_TYPE_MAP"


class Echo:
    """A provider of one's own."""

    name = "echo"

    def __init__(self) -> None:
        self.closings = 0

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        yield Done(stop_reason="stop", model=request.model)

    def prepare(self) -> None:
        """Nothing to import."""

    async def close(self) -> None:
        self.closings += 1


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for endpoint in ENDPOINTS.values():
        for variable in (*endpoint.key_env, endpoint.url_env):
            if variable:
                monkeypatch.delenv(variable, raising=False)
    for variable in (MAP, API_MAP, "LLM_API_TYPE"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("anthropic/claude-sonnet-4-6", ("anthropic", "claude-sonnet-4-6")),
        ("openrouter/meta-llama/llama-4:free", ("openrouter", "meta-llama/llama-4:free")),
        (" ollama/qwen3:8b ", ("ollama", "qwen3:8b")),
        ("mine/model", ("mine", "model")),
        ("claude-opus-5-5", ("anthropic", "claude-opus-5-5")),
        ("gpt-5.5", ("openai", "gpt-5.5")),
        ("o1", ("openai", "o1")),
        ("o3-mini", ("openai", "o3-mini")),
        ("o4-mini", ("openai", "o4-mini")),
        ("chatgpt-4o-latest", ("openai", "chatgpt-4o-latest")),
        ("gemini-3-pro", ("google", "gemini-3-pro")),
        ("mistral-large-latest", ("mistral", "mistral-large-latest")),
        ("deepseek-chat", ("deepseek", "deepseek-chat")),
        ("grok-4", ("xai", "grok-4")),
        ("qwen3.8-max", ("alibaba", "qwen3.8-max")),
        ("llama.cpp/qwen3", ("llamacpp", "qwen3")),
        ("llamacpp/qwen3", ("llamacpp", "qwen3")),
        ("fireworks/accounts/x/models/y", ("fireworks", "accounts/x/models/y")),
    ],
)
def test_model_strings(text: str, parsed: tuple[str, str]) -> None:
    assert parse_model(text) == parsed


@pytest.mark.parametrize("text", ["", "/", "anthropic/", "/claude", "llama-4", "o2"])
def test_strings_that_name_no_model(text: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        parse_model(text)
    assert "provider/model" in (caught.value.hint or "")


def test_a_near_miss_is_pointed_out() -> None:
    with pytest.raises(UnknownModelError, match="did you mean claude-sonnet-5-5"):
        parse_model("cluade-sonnet-5-5")


def test_the_longest_prefix_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MAP, '{"gpt-oss-*": "groq", "llama-": "ollama"}')
    assert parse_model("gpt-oss-120b") == ("groq", "gpt-oss-120b")
    assert parse_model("gpt-5.5") == ("openai", "gpt-5.5")
    assert parse_model("llama-4") == ("ollama", "llama-4")


@pytest.mark.parametrize("text", ["{", "[]", '{"gpt-": 3}'])
def test_a_map_that_is_no_map_is_an_error(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(MAP, text)
    with pytest.raises(ConfigError, match=MAP):
        parse_model("gpt-5.5")


def test_every_row_of_the_table_makes_its_provider() -> None:
    kinds = {
        "anthropic": AnthropicProvider,
        "openai-responses": ResponsesProvider,
        "openai-chat": ChatProvider,
    }
    for name, endpoint in ENDPOINTS.items():
        provider = ProviderRegistry().get(name)
        assert type(provider) is kinds[endpoint.dialect]
        assert provider.name == name
        assert isinstance(provider, WireProvider)
        assert provider.base_url == endpoint.base_url
    for name in ("anthropic", "openai", "openrouter"):
        assert ENDPOINTS[name].models


async def test_a_registry_keeps_what_it_made() -> None:
    async with ProviderRegistry({"echo": Echo}) as registry:
        model = registry.resolve("echo/loud/er")
        assert str(model) == "echo/loud/er"
        assert registry.resolve(model) is model
        assert registry.get("echo") is model.provider
        assert ProviderRegistry({"echo": Echo}).get("echo") is not model.provider
        assert isinstance(model.provider, Echo)
        assert model.provider.closings == 0
    assert model.provider.closings == 1
    assert registry.get("echo") is not model.provider


async def test_the_demo_model_needs_no_key() -> None:
    async with ProviderRegistry() as registry:
        model = registry.resolve("demo/chat")
    assert isinstance(model, Model)
    assert str(model) == "demo/chat"


def test_an_unknown_provider_is_an_error_with_a_hint() -> None:
    with pytest.raises(UnknownModelError, match="did you mean anthropic"):
        ProviderRegistry().resolve("antropic/claude")
    with pytest.raises(UnknownModelError) as caught:
        ProviderRegistry().resolve("zzzzzzzz/claude")
    assert "openrouter" in (caught.value.hint or "")
    assert "demo" in (caught.value.hint or "")


def test_providers_with_a_key_are_available(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = ProviderRegistry()
    assert registry.available() == []
    assert registry.default_model() is None
    monkeypatch.setenv("GROQ_API_KEY", "k")
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    assert registry.available() == ["groq"]
    assert registry.default_model() == f"groq/{ENDPOINTS['groq'].models[0]}"
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert registry.available() == ["openai", "groq"]
    assert registry.default_model() == f"openai/{ENDPOINTS['openai'].models[0]}"
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    assert registry.default_model() == f"anthropic/{ENDPOINTS['anthropic'].models[0]}"
    assert ProviderRegistry({"echo": Echo}).available() == ["echo", "anthropic", "openai", "groq"]


def test_openai_elsewhere_is_spoken_to_in_the_chat_dialect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:9/v1")
    provider = make_provider(ENDPOINTS["openai"])
    assert isinstance(provider, ChatProvider)
    assert provider.base_url == "http://localhost:9/v1"
    monkeypatch.setenv("LLM_API_TYPE", "responses")
    provider = make_provider(ENDPOINTS["openai"])
    assert isinstance(provider, ResponsesProvider)
    assert provider.base_url == "http://localhost:9/v1"


def test_the_environment_gives_any_provider_its_dialect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_MAP, '{"openai": "chat", "groq": "responses"}')
    assert isinstance(make_provider(ENDPOINTS["openai"]), ChatProvider)
    assert isinstance(make_provider(ENDPOINTS["groq"]), ResponsesProvider)
    assert isinstance(make_provider(ENDPOINTS["anthropic"]), AnthropicProvider)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:9/v1")
    monkeypatch.setenv(API_MAP, '{"openai": "openai-responses"}')
    assert isinstance(make_provider(ENDPOINTS["openai"]), ResponsesProvider)


@pytest.mark.parametrize(
    ("value", "told"),
    [('{"openai": "telepathy"}', "openai cannot be 'telepathy'"), ("chat", API_MAP)],
)
def test_a_dialect_nobody_speaks_is_named(
    value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(API_MAP, value)
    with pytest.raises(ConfigError, match=told):
        make_provider(ENDPOINTS["openai"])


def test_anthropic_can_be_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://localhost:9")
    provider = make_provider(ENDPOINTS["anthropic"])
    assert isinstance(provider, AnthropicProvider)
    assert provider.base_url == "http://localhost:9"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("box:9000", "http://box:9000/v1"),
        ("https://box/", "https://box:443/v1"),
        ("http://box:9000/proxy/v1", "http://box:9000/proxy/v1"),
        ("[::1]:9000", "http://[::1]:9000/v1"),
    ],
)
def test_ollama_can_be_elsewhere(monkeypatch: pytest.MonkeyPatch, host: str, url: str) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    provider = make_provider(ENDPOINTS["ollama"])
    assert isinstance(provider, ChatProvider)
    assert provider.base_url == url


def test_servers_on_this_machine_may_be_silent_for_longer() -> None:
    hosted = {row.silence for row in ENDPOINTS.values() if not row.is_local}
    local = {row.silence for row in ENDPOINTS.values() if row.is_local}
    assert (hosted, local) == ({60.0}, {300.0})


async def test_the_silence_of_a_row_is_what_its_provider_waits() -> None:
    with sse_server(Reply(ending="stall")) as server:
        row = Endpoint(name="box", base_url=server.url, silence=0.1)
        provider = make_provider(row)
        request = Request(model="m", messages=(Message.user("Hello"),))
        (event,) = [event async for event in provider.stream(request)]
        await provider.close()
    assert isinstance(event, Failed)
    assert isinstance(event.error, BrokenStreamError)
    assert "fell silent" in event.error.message
