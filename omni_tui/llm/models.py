"""From a model string to a model bound to its provider."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import msgspec

from omni_tui.core.errors import ConfigError, UnknownModelError
from omni_tui.llm.backends import ACP, BACKENDS, AcpAgent, LoopOwner
from omni_tui.llm.catalog import Catalog
from omni_tui.llm.providers.base import Model, Provider
from omni_tui.llm.providers.table import ALIASES, APIS, ENDPOINTS, INFERENCE, Dialect, Endpoint

DEMO = "demo"
DEMO_MODEL = "demo/chat"


def parse_model(text: str) -> tuple[str, str]:
    """Split `provider/name` at the first slash; a bare name's provider is inferred.

    The provider is not checked here: configuration may name more than the table. A bare name goes
    by the longest prefix in the inference map (`LLM_MODEL_PROVIDER_INFERENCE_MAP`, a JSON object,
    adds to it; a trailing `*` of a prefix is ignored).

    Raises `UnknownModelError` when a bare name fits no prefix or a part is empty, `ConfigError`
    when the variable is no JSON object of strings.
    """
    provider, slash, name = text.strip().partition("/")
    if slash:
        if provider and name:
            return ALIASES.get(provider, provider), name
        raise UnknownModelError(f"{text!r} is no model", hint="write provider/model")
    prefixes = _inference_map()
    fitting = [prefix for prefix in prefixes if provider.startswith(prefix)]
    if not provider or not fitting:
        raise _unknown_name(text)
    return prefixes[max(fitting, key=len)], provider


class ProviderRegistry:
    """Makes providers when they are first asked for, and keeps them.

    Args:
        providers: Adds to the table or replaces rows of it: name → a function that makes the
            provider.
        catalog: What is known of their models; by default what is shipped.
        endpoints: The table, by name; `config.providers.endpoints` gives one with a person's own.
        acp: Agents that speak the Agent Client Protocol, by the name after `acp/`.

    Close the registry (or use it with `async with`) to close their connections.
    """

    def __init__(
        self,
        providers: Mapping[str, Callable[[], Provider]] | None = None,
        catalog: Catalog | None = None,
        endpoints: Mapping[str, Endpoint] = ENDPOINTS,
        acp: Mapping[str, AcpAgent] = MappingProxyType({}),
    ) -> None:
        self.catalog = catalog or Catalog()
        self.endpoints = endpoints
        self.acp = acp
        self._factories = dict(providers or {})
        self._made: dict[str, Provider] = {}

    async def __aenter__(self) -> ProviderRegistry:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def names(self) -> list[str]:
        """All providers, in the order of the table; agents that own their loop and `demo` last."""
        return list(dict.fromkeys((*self._factories, *self.endpoints, *self._owners(), DEMO)))

    def get(self, name: str) -> Provider:
        """The provider called `name`; raises `UnknownModelError` when there is none."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def resolve(self, model: str | Model) -> Model:
        """The model for `provider/name` or a bare name; a `Model` is handed back.

        Raises `UnknownModelError` when nobody serves it.
        """
        if isinstance(model, Model):
            return model
        provider, name = parse_model(model)
        return Model(self.get(provider), name, self.catalog)

    def available(self) -> list[str]:
        """The providers that can be asked now: `is_ready`, installed, or made by the caller.

        Servers on this machine are not among them: whether one answers, `local_models` finds out.
        Looks for programs on the `PATH`.
        """
        ready = [name for name, endpoint in self.endpoints.items() if is_ready(endpoint)]
        installed = [name for name, backend in BACKENDS.items() if backend.find() is not None]
        if any(agent.find() is not None for agent in self.acp.values()):
            installed.append(ACP)
        return list(dict.fromkeys((*self._factories, *ready, *installed)))

    def default_model(self) -> str | None:
        """The first model of the first provider that is ready and names one; else `None`."""
        for name, endpoint in self.endpoints.items():
            if endpoint.models and name not in self._factories and is_ready(endpoint):
                return f"{name}/{endpoint.models[0]}"
        return None

    def local_endpoints(self) -> list[Endpoint]:
        """Servers that want no key, as those on this machine, with the address to ask them at."""
        return [
            msgspec.structs.replace(endpoint, base_url=_base_url(endpoint))
            for name, endpoint in self.endpoints.items()
            if endpoint.is_local and name not in self._factories
        ]

    async def close(self) -> None:
        """Close every provider made so far; the registry can be used again."""
        made, self._made = self._made, {}
        for provider in made.values():
            await provider.close()

    def _owners(self) -> tuple[str, ...]:
        """Those that own their loop; `acp` only where the settings name an agent."""
        return (*BACKENDS, ACP) if self.acp else tuple(BACKENDS)

    def _make(self, name: str) -> Provider:
        if name in self._factories:
            return self._factories[name]()
        if name in self.endpoints:
            return make_provider(self.endpoints[name])
        if name in BACKENDS:
            return LoopOwner(name)
        if name == ACP:
            return LoopOwner(name, self.acp)
        if name == DEMO:
            from omni_tui.llm.providers.demo import DemoProvider

            return DemoProvider()
        names = self.names()
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]}?" if close else f"providers: {', '.join(names)}"
        raise UnknownModelError(f"There is no provider {name!r}", hint=hint, provider=name)


def make_provider(endpoint: Endpoint) -> Provider:
    """The provider for a row of the table, moved where the environment says.

    With `OPENAI_BASE_URL` set, `openai` is a compatible server and spoken to in the chat dialect
    unless `LLM_API_TYPE` is `responses`. `LLM_PROVIDER_DEFAULT_API_TYPE_MAP`, a JSON object, says
    it for any provider: `{"openai": "chat"}`.

    Raises `ConfigError` when that is not what the variable holds.
    """
    base_url = _base_url(endpoint)
    moved = base_url != endpoint.base_url
    named, dialect = _named_dialect(endpoint.name), endpoint.dialect
    stands_in = dialect == "openai-responses" and moved
    if named is not None:
        dialect = named
    elif stands_in and os.environ.get("LLM_API_TYPE") != "responses":
        dialect = "openai-chat"
    settings: dict[str, Any] = {
        "base_url": base_url,
        "api_key_env": endpoint.key_env,
        "headers": endpoint.headers,
        "extra_body": endpoint.extra_body,
        "silence": endpoint.silence,
    }
    if dialect == "anthropic":
        from omni_tui.llm.providers.anthropic import AnthropicProvider

        return AnthropicProvider(endpoint.name, **settings)
    if dialect == "openai-responses":
        from omni_tui.llm.providers.openai_responses import ResponsesProvider

        return ResponsesProvider(endpoint.name, **settings)
    from omni_tui.llm.providers.openai_chat import ChatProvider

    return ChatProvider(endpoint.name, quirks=endpoint.quirks, **settings)


def is_ready(endpoint: Endpoint) -> bool:
    """Whether a variable with its key is set; if it wants none, whether models of it are named."""
    if endpoint.key_env:
        return any(os.environ.get(variable, "").strip() for variable in endpoint.key_env)
    return bool(endpoint.models)


def _base_url(endpoint: Endpoint) -> str:
    moved = os.environ.get(endpoint.url_env, "").strip() if endpoint.url_env else ""
    return _server_url(moved) if moved and endpoint.is_local else moved or endpoint.base_url


def _server_url(host: str) -> str:
    """`OLLAMA_HOST` as a base URL: it may lack scheme and port, and name where to listen."""
    parts = urlsplit(host if "://" in host else f"http://{host}")
    name = parts.hostname or "127.0.0.1"
    name = "127.0.0.1" if name in ("0.0.0.0", "::") else f"[{name}]" if ":" in name else name
    port = parts.port or (443 if parts.scheme == "https" else 11434)
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{name}:{port}{path if path.endswith('/v1') else path + '/v1'}"


def _named_dialect(provider: str) -> Dialect | None:
    """The dialect that the environment gives a provider."""
    example = '{"openai": "chat"}'
    api = _map_of("LLM_PROVIDER_DEFAULT_API_TYPE_MAP", example).get(provider)
    if api is None:
        return None
    if api not in APIS:
        raise ConfigError(
            f"LLM_PROVIDER_DEFAULT_API_TYPE_MAP: {provider} cannot be {api!r}",
            hint=f"one of {', '.join(APIS)}",
        )
    return APIS[api]


def _map_of(variable: str, example: str) -> dict[str, str]:
    """The JSON object in a variable of the environment, where there is one."""
    text = os.environ.get(variable, "").strip()
    if not text:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except msgspec.DecodeError as error:
        hint = f"write a JSON object such as {example}"
        raise ConfigError(f"{variable}: {error}", hint=hint) from None


def _inference_map() -> dict[str, str]:
    extra = _map_of("LLM_MODEL_PROVIDER_INFERENCE_MAP", '{"qwen-": "openrouter"}')
    return dict(INFERENCE) | {prefix.rstrip("*"): name for prefix, name in extra.items()}


def _unknown_name(text: str) -> UnknownModelError:
    known = [model for endpoint in ENDPOINTS.values() for model in endpoint.models]
    close = difflib.get_close_matches(text.strip(), known, n=1)
    hint = (
        f"did you mean {close[0]}?"
        if close
        else f"write provider/model with one of {', '.join(ENDPOINTS)}, {DEMO}"
    )
    return UnknownModelError(f"No provider is known for the model {text!r}", hint=hint)
