"""What servers on this machine are asked about their models, and what is made of their answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire.pages import Page, PageServer, page_server

from omni_tui.core.errors import UnsupportedModalityError
from omni_tui.core.messages import Attachment, Message
from omni_tui.llm import local, local_facts
from omni_tui.llm.api import generate_text
from omni_tui.llm.catalog import Catalog
from omni_tui.llm.local import local_models
from omni_tui.llm.model_info import ModelInfo
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.offers import find_offers
from omni_tui.llm.providers.table import ENDPOINTS, Endpoint, FactsStyle


def page(value: Any) -> Page:
    return Page(body=json.dumps(value).encode())


@pytest.fixture
def server() -> Iterator[PageServer]:
    with page_server(Page(status=404)) as running:
        yield running


def listing(*names: str, **fields: Any) -> Page:
    return page({"object": "list", "data": [{"id": name, **fields} for name in names]})


def registry(server: PageServer, facts: FactsStyle | None, **overrides: Any) -> ProviderRegistry:
    row = Endpoint(name="box", base_url=f"{server.url}/v1", facts=facts)
    return ProviderRegistry(catalog=Catalog(overrides=overrides), endpoints={"box": row})


async def found(server: PageServer, facts: FactsStyle | None) -> dict[str, ModelInfo]:
    models = await local_models(registry(server, facts))
    return {info.id.removeprefix("box/"): info for info in models}


def shown(model: str) -> str:
    return f'/api/show {{"model":"{model}"}}'


LLAMA = {
    "license": "x" * 10_000,
    "parameters": 'stop                           "<|eot|>"\nnum_ctx                        16384',
    "model_info": {"general.architecture": "llama", "llama.context_length": 131_072},
    "capabilities": ["completion", "tools", "vision", "thinking"],
}
PLAIN = {
    "model_info": {"general.architecture": "gemma3", "gemma3.context_length": 8192},
    "capabilities": ["completion"],
}
EMBEDS = {"model_info": {"general.architecture": "bert"}, "capabilities": ["embedding"]}


async def test_ollama_is_asked_model_by_model(server: PageServer) -> None:
    server.pages = {
        "/v1/models": listing("llama3:8b", "gemma3:4b", "nomic-embed", "running", "odd"),
        "/api/ps": page({"models": [{"name": "running", "context_length": 4096}]}),
        shown("llama3:8b"): page(LLAMA),
        shown("gemma3:4b"): page(PLAIN),
        shown("nomic-embed"): page(EMBEDS),
        shown("running"): page(LLAMA),
        shown("odd"): Page(status=500),
    }
    assert await found(server, "ollama") == {
        "llama3:8b": ModelInfo(
            id="box/llama3:8b",
            context=16_384,
            inputs=("text", "image"),
            tools=True,
            reasoning=True,
        ),
        "gemma3:4b": ModelInfo(id="box/gemma3:4b", context=8192, inputs=("text",)),
        "running": ModelInfo(
            id="box/running",
            context=4096,
            inputs=("text", "image"),
            tools=True,
            reasoning=True,
        ),
        "odd": ModelInfo(id="box/odd"),
    }


async def test_llamacpp_says_what_window_it_was_started_with(server: PageServer) -> None:
    server.pages = {
        "/v1/models": listing("qwen3.gguf", meta={"n_ctx_train": 262_144}),
        "/props": page(
            {
                "default_generation_settings": {"n_ctx": 65_536},
                "modalities": {"vision": True, "audio": False},
                "chat_template_caps": {"supports_tools": True},
            }
        ),
    }
    assert await found(server, "llamacpp") == {
        "qwen3.gguf": ModelInfo(
            id="box/qwen3.gguf", context=65_536, inputs=("text", "image"), tools=True
        )
    }


async def test_what_one_llamacpp_says_is_not_said_of_several_models(server: PageServer) -> None:
    server.pages = {
        "/v1/models": listing("a", "b"),
        "/props": page({"default_generation_settings": {"n_ctx": 512}}),
    }
    assert await found(server, "llamacpp") == {
        "a": ModelInfo(id="box/a"),
        "b": ModelInfo(id="box/b"),
    }
    assert [path for path, _ in server.requests] == ["/v1/models"]


async def test_lmstudio_says_the_window_that_is_loaded_else_the_largest(server: PageServer) -> None:
    rows = [
        {
            "id": "loaded",
            "type": "vlm",
            "loaded_context_length": 8192,
            "max_context_length": 131_072,
            "capabilities": ["tool_use"],
        },
        {"id": "cold", "type": "llm", "max_context_length": 32_768},
        {"id": "embeds", "type": "embeddings", "max_context_length": 2048},
    ]
    server.pages = {
        "/v1/models": listing("loaded", "cold", "embeds", "new"),
        "/api/v0/models": page({"data": rows}),
    }
    assert await found(server, "lmstudio") == {
        "loaded": ModelInfo(id="box/loaded", context=8192, inputs=("text", "image"), tools=True),
        "cold": ModelInfo(id="box/cold", context=32_768, inputs=("text",)),
        "new": ModelInfo(id="box/new"),
    }


async def test_vllm_says_it_in_its_list(server: PageServer) -> None:
    server.pages = {"/v1/models": listing("qwen/qwen3", max_model_len=40_960)}
    assert ENDPOINTS["vllm"].facts is None
    assert await found(server, None) == {
        "qwen/qwen3": ModelInfo(id="box/qwen/qwen3", context=40_960)
    }


async def test_rows_that_make_no_sense_are_left_out_alone(server: PageServer) -> None:
    rows = [3, {"id": 4}, {}, {"id": ""}, {"id": "good", "max_model_len": "many"}]
    server.pages = {"/v1/models": page({"data": rows})}
    assert await found(server, None) == {"good": ModelInfo(id="box/good")}


@pytest.mark.parametrize("facts", ["ollama", "llamacpp", "lmstudio"])
async def test_a_server_that_says_no_more_still_offers_its_models(
    server: PageServer, facts: FactsStyle
) -> None:
    server.pages = {"/v1/models": listing("only")}
    assert await found(server, facts) == {"only": ModelInfo(id="box/only")}


@pytest.mark.parametrize("facts", ["ollama", "llamacpp", "lmstudio"])
async def test_an_answer_without_end_is_not_read_to_it(
    server: PageServer, facts: FactsStyle
) -> None:
    huge = Page(body=b" " * 65_536, repeat=1024)
    server.page = huge
    server.pages = {"/v1/models": listing("only")}
    assert await found(server, facts) == {"only": ModelInfo(id="box/only")}
    assert server.sent < 64 * 1024 * 1024
    server.pages = {"/v1/models": huge}
    assert await found(server, facts) == {}


async def test_a_silent_server_offers_nothing_and_holds_nobody_up(
    server: PageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "PATIENCE", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        row = Endpoint(name="box", base_url=f"http://127.0.0.1:{silent.getsockname()[1]}/v1")
        assert await local_models(ProviderRegistry(endpoints={"box": row})) == []


async def test_a_server_that_drips_is_left_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, and the whole never does."""
    monkeypatch.setattr(local, "PATIENCE", 0.3)

    left = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()
        left.set()

    dripping = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with dripping:
        port = dripping.sockets[0].getsockname()[1]
        row = Endpoint(name="box", base_url=f"http://127.0.0.1:{port}/v1")
        assert await local_models(ProviderRegistry(endpoints={"box": row})) == []
        await left.wait()


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "models",
                        "name",
                        "context_length",
                        "capabilities",
                        "parameters",
                        "model_info",
                    ),
                    *(
                        "general.architecture",
                        "None.context_length",
                        "modalities",
                        "vision",
                        "data",
                    ),
                    *("default_generation_settings", "n_ctx", "id", "type", "max_context_length"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(_json, _json)
def test_no_answer_is_too_odd(said: Any, more: Any) -> None:
    known = ModelInfo(id="box/m")
    made = [
        local_facts.from_ollama(known, said, more),
        local_facts.from_llamacpp(known, said),
        local_facts.from_lmstudio(known, said),
    ]
    for info in made:
        assert info is None or info.context is None or info.context > 0


async def test_the_catalogue_learns_and_a_persons_own_word_counts_for_more(
    server: PageServer,
) -> None:
    server.pages = {"/v1/models": listing("a", "b", max_model_len=4096)}
    own = registry(server, None, **{"box/b": {"context": 1000}})
    assert own.catalog.get("box/a") is None
    offers = {offer.id: offer.info.context for offer in await find_offers(own)}
    assert offers == {"box/a": 4096, "box/b": 1000, "demo/chat": None}
    assert own.resolve("box/a").info == ModelInfo(id="box/a", context=4096)
    server.pages = {"/v1/models": listing("a", max_model_len=8192)}
    await find_offers(own)
    learned = own.catalog.get("box/a")
    assert learned is not None
    assert learned.context == 8192


async def test_a_picture_is_not_sent_to_a_model_that_said_it_sees_none(server: PageServer) -> None:
    server.pages = {
        "/v1/models": listing("blind"),
        shown("blind"): page(PLAIN),
        "/api/ps": page({"models": []}),
    }
    own = registry(server, "ollama")
    await find_offers(own)
    picture = Attachment(media_type="image/png", data=b"png")
    with pytest.raises(UnsupportedModalityError):
        await generate_text(own.resolve("box/blind"), [Message.user(picture)])
    await own.close()
