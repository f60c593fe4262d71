"""Providers as a person sets them: endpoints of their own, and changes to rows of the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from omni_tui.config.paths import Paths
from omni_tui.llm.catalog import Catalog
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.table import ALIASES, ENDPOINTS, Dialect, Endpoint

if TYPE_CHECKING:
    from omni_tui.config.settings import Settings


class ProviderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint of your own, used as `NAME/model`, or changes to one that is known."""

    base_url: Annotated[str, msgspec.Meta(pattern="^https?://[^/]")] | None = None
    """Where it answers, as `http://localhost:8080/v1`; needed for an endpoint of your own."""
    api: Dialect | None = None
    """What it speaks: `openai-chat` (Chat Completions; the default), `openai-responses`, or
    `anthropic` (Messages)."""
    api_key_env: Annotated[str, msgspec.Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Name of the environment variable that holds the key; `None` when it needs none."""
    headers: dict[str, str] = {}
    """Sent with every request."""
    extra_body: dict[str, Any] = {}
    """Merged into the body of every request, and wins."""
    models: tuple[str, ...] = ()
    """Its models worth offering, the default first."""
    silence: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Seconds without a byte after which an answer counts as broken: 60, 300 for local servers."""
    quirks: dict[str, Any] = {}
    """How it differs from the plainest form of `openai-chat`: fields of `Quirks`."""

    def __repr__(self) -> str:
        # An address or a header may carry a key, and a repr ends up in logs and tracebacks.
        return f"ProviderSettings(api={self.api!r}, …)"


def make_registry(settings: Settings, paths: Paths) -> ProviderRegistry:
    """The providers and the catalogue as these settings have them; reads nothing yet."""
    return ProviderRegistry(
        catalog=Catalog(paths.cache_dir, settings.models),
        endpoints=endpoints(settings.providers),
        acp=settings.acp,
    )


def endpoints(providers: Mapping[str, ProviderSettings]) -> dict[str, Endpoint]:
    """The table with a person's own endpoints before it and their changes in it."""
    given = {ALIASES.get(name, name): provider for name, provider in providers.items()}
    own = {
        name: _changed(Endpoint(name=name, base_url=""), provider)
        for name, provider in given.items()
        if name not in ENDPOINTS
    }
    table = {
        name: _changed(row, given[name]) if name in given else row
        for name, row in ENDPOINTS.items()
    }
    return own | table


def _changed(row: Endpoint, given: ProviderSettings) -> Endpoint:
    changes: dict[str, Any] = {
        "headers": row.headers | given.headers,
        "extra_body": row.extra_body | given.extra_body,
        "quirks": msgspec.structs.replace(row.quirks, **given.quirks),
    }
    if given.base_url is not None:
        changes["base_url"] = given.base_url
        if row.dialect == "openai-responses":
            changes["dialect"] = "openai-chat"  # what servers that stand in for OpenAI speak
    if given.api is not None:
        changes["dialect"] = given.api
    if given.api_key_env is not None:
        changes["key_env"] = (given.api_key_env,)
    if given.silence is not None:
        changes["silence"] = given.silence
    if given.models:
        changes["models"] = given.models
    return msgspec.structs.replace(row, **changes)
