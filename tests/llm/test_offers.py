"""Which models are offered, and in which order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from wire.pages import Page, PageServer, page_server

from omni_tui.llm.backends import BACKENDS
from omni_tui.llm.catalog import Catalog
from omni_tui.llm.local import local_models
from omni_tui.llm.model_info import ModelInfo
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.offers import Offer, find_offers, matching
from omni_tui.llm.providers.scripted import ScriptedProvider
from omni_tui.llm.providers.table import ENDPOINTS, Endpoint

CATALOG = Catalog(
    overrides={
        "hosted/extra": {"tools": True},
        "hosted/unsaid": {},
        "hosted/embed": {"tools": False},
        "hosted/paint": {"tools": True, "outputs": ["image"]},
        "hosted/old": {"tools": True, "deprecated": True},
        "hosted/second": {"context": 9},
        "server/llama3": {"context": 8000},
    }
)


@pytest.fixture(autouse=True)
def no_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No agent is installed that owns its loop."""
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def server() -> Iterator[PageServer]:
    listed = {"data": [{"id": "llama3"}, {"id": "qwen3:8b"}]}
    with page_server(Page(body=json.dumps(listed).encode())) as running:
        yield running


@pytest.fixture
def registry(server: PageServer) -> ProviderRegistry:
    rows = (
        Endpoint(
            name="hosted",
            base_url="http://127.0.0.1:1/v1",
            key_env=("HOSTED_TEST_KEY",),
            models=("first", "second"),
        ),
        Endpoint(name="server", base_url=f"{server.url}/v1", headers={"x-team": "blue"}),
        Endpoint(name="gone", base_url="http://127.0.0.1:1/v1"),
    )
    return ProviderRegistry(catalog=CATALOG, endpoints={row.name: row for row in rows})


def ids(offers: list[Offer]) -> list[str]:
    return [offer.id for offer in offers]


async def test_what_can_be_used_comes_in_the_order_of_the_table(
    registry: ProviderRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTED_TEST_KEY", "k")
    offers = await find_offers(registry)
    assert ids(offers) == [
        "hosted/first",
        "hosted/second",
        "hosted/extra",
        "hosted/unsaid",
        "server/llama3",
        "server/qwen3:8b",
        "demo/chat",
    ]
    assert all(offer.ready for offer in offers)
    known = {offer.id: offer.info.context for offer in offers if offer.info.context}
    assert known == {"hosted/second": 9, "server/llama3": 8000}


async def test_without_a_key_only_servers_and_the_demo_are_offered(
    registry: ProviderRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTED_TEST_KEY", " ")
    assert ids(await find_offers(registry)) == ["server/llama3", "server/qwen3:8b", "demo/chat"]


async def test_everything_is_what_needs_a_key_too_after_the_rest(
    registry: ProviderRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOSTED_TEST_KEY", raising=False)
    offers = await find_offers(registry, everything=True)
    assert ids(offers)[:3] == ["server/llama3", "server/qwen3:8b", "demo/chat"]
    assert [offer.id for offer in offers if not offer.ready] == [
        "hosted/first",
        "hosted/second",
        "hosted/embed",
        "hosted/extra",
        "hosted/paint",
        "hosted/unsaid",
        *(f"{name}/{model}" for name, row in BACKENDS.items() for model in row.models),
    ]


async def test_a_server_is_asked_with_its_headers(
    registry: ProviderRegistry, server: PageServer
) -> None:
    found = await local_models(registry)
    assert [info.id for info in found] == ["server/llama3", "server/qwen3:8b"]
    ((path, headers),) = server.requests
    assert path == "/v1/models"
    assert headers["x-team"] == "blue"


@pytest.mark.parametrize(
    "page",
    [
        Page(status=500),
        Page(body=b"<html>"),
        Page(body=b"{}"),
        Page(body=b'{"data": [3]}'),
        Page(body=b'{"data": 3}'),
        Page(body=b"[]"),
    ],
)
async def test_a_server_that_answers_nonsense_offers_nothing(
    registry: ProviderRegistry, server: PageServer, page: Page
) -> None:
    server.page = page
    assert await local_models(registry) == []


async def test_a_provider_of_the_caller_is_ready(server: PageServer) -> None:
    registry = ProviderRegistry(
        {"hosted": lambda: ScriptedProvider([])}, catalog=CATALOG, endpoints={}
    )
    assert ids(await find_offers(registry)) == [
        "hosted/extra",
        "hosted/second",
        "hosted/unsaid",
        "demo/chat",
    ]


async def test_a_key_brings_the_models_of_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    for row in ENDPOINTS.values():
        for variable in row.key_env:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OPENROUTER_API_KEY", "k")
    hosted = {name: row for name, row in ENDPOINTS.items() if not row.is_local}
    offers = await find_offers(ProviderRegistry(endpoints=hosted))
    assert len(offers) > 200
    assert ids(offers)[0] == "openrouter/openrouter/auto"
    assert "openrouter/anthropic/claude-sonnet-4.6" in ids(offers)
    assert {offer.info.provider for offer in offers} == {"openrouter", "demo"}


OFFERED = [
    Offer(info=ModelInfo(id="a/claude-one", name="Claude 1"), ready=True),
    Offer(info=ModelInfo(id="b/claude-two", name="Deux"), ready=True),
    Offer(info=ModelInfo(id="b/gemini"), ready=False),
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["a/claude-one", "b/claude-two", "b/gemini"]),
        ("claude", ["a/claude-one", "b/claude-two"]),
        ("CLAUDE  b/", ["b/claude-two"]),
        ("deux", ["b/claude-two"]),
        ("nothing", []),
        ("b/gemini", ["b/gemini"]),
        ("b/gem", ["b/gemini", "b/gem"]),
        (" c/new/one ", ["c/new/one"]),
        ("c/", []),
        ("/c", ["a/claude-one", "b/claude-two"]),
        ("c/new one", []),
    ],
)
def test_words_find_models_and_a_whole_name_is_taken_as_it_stands(
    text: str, found: list[str]
) -> None:
    assert ids(matching(OFFERED, text)) == found
