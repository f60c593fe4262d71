"""From a table of the configuration to a provider that is asked."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest
from wire.made import closing, opening, text, wrap
from wire.server import Reply, sse_server

from omni_tui.config.paths import find_paths
from omni_tui.config.providers import ProviderSettings, endpoints, make_registry
from omni_tui.config.settings import load_settings
from omni_tui.core.errors import MissingKeyError
from omni_tui.core.messages import Message
from omni_tui.core.stream import Done, Failed
from omni_tui.llm.api import stream_events
from omni_tui.llm.models import ProviderRegistry, is_ready
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.table import ENDPOINTS
from omni_tui.llm.retry import RetryPolicy

PATHS = {
    "anthropic": "/v1/messages",
    "openai-responses": "/responses",
    "openai-chat": "/chat/completions",
}


def registry_of(tmp_path: Path, config: str) -> ProviderRegistry:
    file = tmp_path / "config.toml"
    file.write_text(config)
    file.chmod(0o600)
    env = {"OMNI_TUI_HOME": str(tmp_path)}
    settings = load_settings(env=env)
    assert settings.notices == ()
    return make_registry(settings, find_paths(env))


async def last_event(registry: ProviderRegistry, name: str) -> Done | Failed:
    model = registry.resolve(name)
    request = Request(model=model.name, messages=(Message.user("hi"),))
    async with registry:
        seen = [e async for e in stream_events(model, request, retry=RetryPolicy(max_retries=0))]
    assert isinstance(seen[-1], Done | Failed)
    return seen[-1]


@pytest.mark.parametrize("api", PATHS)
async def test_an_endpoint_of_ones_own_is_asked_in_its_dialect(
    api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOX_TEST_KEY", "sesame")
    dialect = {"openai-chat": "chat", "openai-responses": "responses"}.get(api, api)
    pieces = wrap(dialect, [*opening(dialect), *text(dialect, 0, "Yes."), *closing(dialect)])
    with sse_server(Reply(pieces=pieces)) as server:
        registry = registry_of(
            tmp_path,
            f"""
            [providers.box]
            base_url = "{server.url}"
            api = "{api}"
            api_key_env = "BOX_TEST_KEY"
            headers = {{ x-team = "blue" }}
            extra_body = {{ top_k = 20, nested = {{ a = 1 }} }}

            [models."box/large/v2"]
            prices = {{ input = 1000000, output = 0 }}
            """,
        )
        end = await last_event(registry, "box/large/v2")
        (request,) = server.requests
    assert isinstance(end, Done)
    assert end.usage.cost == end.usage.input > 0
    assert request.path == PATHS[api]
    assert request.headers["x-team"] == "blue"
    assert "sesame" in request.headers["authorization"] + request.headers.get("x-api-key", "")
    assert request.json["model"] == "large/v2"
    assert (request.json["top_k"], request.json["nested"]) == (20, {"a": 1})


@pytest.mark.parametrize("name", [name for name, row in ENDPOINTS.items() if not row.is_local])
async def test_a_missing_key_names_its_variable_before_anything_is_sent(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ENDPOINTS[name].key_env:
        monkeypatch.delenv(variable, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        registry = registry_of(tmp_path, f'[providers.{name}]\nbase_url = "{url}"')
        end = await last_event(registry, f"{name}/some-model")
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert isinstance(end, Failed)
    assert isinstance(end.error, MissingKeyError)
    assert ENDPOINTS[name].key_env[0] in end.error.message
    assert ENDPOINTS[name].key_env[0] in (end.error.hint or "")


def changed(**fields: Any) -> Any:
    return endpoints({"openrouter": ProviderSettings(**fields)})["openrouter"]


def test_a_row_of_the_table_is_changed_field_by_field() -> None:
    row = ENDPOINTS["openrouter"]
    assert changed() == row
    assert changed(base_url="http://x").base_url == "http://x"
    assert changed(base_url="http://x").key_env == row.key_env
    assert changed(api="anthropic").dialect == "anthropic"
    assert changed(api_key_env="MINE").key_env == ("MINE",)
    assert changed(headers={"a": "b"}).headers == {**row.headers, "a": "b"}
    assert changed(extra_body={"a": 1}).extra_body == {**row.extra_body, "a": 1}
    assert changed(models=("m",)).models == ("m",)
    assert changed(silence=5.0).silence == 5.0
    quirks = changed(quirks={"pdf": False}).quirks
    assert quirks != row.quirks
    assert quirks == msgspec.structs.replace(row.quirks, pdf=False)


def test_the_table_keeps_its_order_behind_ones_own() -> None:
    given = {
        "box": ProviderSettings(base_url="http://x"),
        "groq": ProviderSettings(models=("m",)),
        "llama.cpp": ProviderSettings(base_url="http://y/v1"),
    }
    made = endpoints(given)
    assert list(made) == ["box", *ENDPOINTS]
    assert made["llamacpp"].base_url == "http://y/v1"
    assert {name for name in ENDPOINTS if made[name] != ENDPOINTS[name]} == {"groq", "llamacpp"}


def test_a_server_in_the_place_of_openai_is_asked_in_the_dialect_servers_speak() -> None:
    made = endpoints({"openai": ProviderSettings(base_url="http://x")})["openai"]
    assert made.dialect == "openai-chat"
    given = ProviderSettings(base_url="http://x", api="openai-responses")
    assert endpoints({"openai": given})["openai"].dialect == "openai-responses"


def test_an_endpoint_without_a_key_is_ready_when_its_models_are_named() -> None:
    made = endpoints(
        {
            "box": ProviderSettings(base_url="http://x", models=("m",)),
            "other": ProviderSettings(base_url="http://x"),
        }
    )
    assert is_ready(made["box"])
    assert not is_ready(made["other"])


def test_neither_a_row_nor_its_settings_show_what_may_be_a_key() -> None:
    given = ProviderSettings(
        base_url="http://u:hunter2@x", headers={"a": "hunter2"}, extra_body={"key": "hunter2"}
    )
    assert "hunter2" not in repr(given) + repr(endpoints({"box": given}))
