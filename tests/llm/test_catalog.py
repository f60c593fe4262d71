"""What is known of models: shipped, fetched, and set by a person."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from wire.pages import Page, PageServer, page_server

from omni_tui.core.errors import CatalogError, ConfigError
from omni_tui.llm.catalog import URL_VARIABLE, Catalog
from omni_tui.llm.catalog_fetch import MAX_BYTES
from omni_tui.llm.model_info import ModelInfo, Prices, Snapshot
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.table import ENDPOINTS


def data(**models: float) -> bytes:
    """An `api.json` with the models of one provider and what reading costs."""
    rows = {
        name: {"id": name, "tool_call": True, "cost": {"input": price, "output": 1}}
        for name, price in models.items()
    }
    return json.dumps({"anthropic": {"models": rows}}).encode()


@pytest.fixture
def server() -> Iterator[PageServer]:
    with page_server(Page(body=data(one=1), etag='"v1"')) as running:
        yield running


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "cache")


# What is shipped


def test_a_model_is_found_without_a_network_or_a_cache() -> None:
    info = Catalog().get("anthropic/claude-sonnet-4-6")
    assert info is not None
    assert info.id == "anthropic/claude-sonnet-4-6"
    assert info.name == "Claude Sonnet 4.6"
    assert info.context == 1_000_000
    assert info.inputs == ("text", "image", "pdf")
    assert info.tools
    assert info.prices == Prices(
        input=3, output=15, cache_read=0.3, cache_write=3.75, cache_write_long=6
    )


def test_thousands_of_models_are_known_and_listed_in_order() -> None:
    catalog = Catalog()
    ids = [info.id for info in catalog.list()]
    assert len(ids) > 5000
    assert len(set(ids)) == len(ids)
    assert not any(info.deprecated for info in catalog.list())
    groq = [info.id for info in catalog.list("groq")]
    assert groq == sorted(groq)
    assert all(id.startswith("groq/") for id in groq)
    assert set(groq) < set(ids)


def test_what_nobody_knows_is_none_and_an_empty_list() -> None:
    catalog = Catalog()
    for model in ("anthropic/claude-zero", "nobody/at-all", "demo/chat", "claude", "", "/", "a/"):
        assert catalog.get(model) is None
    assert list(catalog.list("nobody")) == []


@pytest.mark.parametrize("name", [name for name, row in ENDPOINTS.items() if row.models])
def test_the_models_the_table_names_are_known(name: str) -> None:
    catalog = Catalog()
    for model in ENDPOINTS[name].models:
        info = catalog.get(f"{name}/{model}")
        assert info is not None, model
        assert info.tools is not False
        assert not info.deprecated


def test_every_hosted_provider_of_the_table_has_models() -> None:
    catalog = Catalog()
    hosted = [name for name, row in ENDPOINTS.items() if not row.is_local]
    assert [name for name in hosted if len(catalog.list(name)) < 5] == []


def test_a_model_of_a_registry_tells_what_is_known_of_it() -> None:
    registry = ProviderRegistry()
    model = registry.resolve("groq/openai/gpt-oss-120b")
    loaded_by_resolving = registry.catalog.is_loaded
    info = model.info
    assert not loaded_by_resolving
    assert info is not None
    assert info.id == "groq/openai/gpt-oss-120b"
    assert registry.catalog.is_loaded
    assert registry.resolve("llama.cpp/whatever").info is None


async def test_loading_happens_off_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = Catalog()
    threads = []
    read = catalog.snapshots

    def seen() -> tuple[Snapshot, ...]:
        threads.append(threading.current_thread())
        return read()

    monkeypatch.setattr(catalog, "snapshots", seen)
    await catalog.load()
    await catalog.load()
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_many_threads_may_look_up_at_once() -> None:
    catalog = Catalog()
    found: list[ModelInfo | None] = []
    threads = [
        threading.Thread(target=lambda: found.append(catalog.get("openai/gpt-5.5")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(each is not None and each is found[0] for each in found)


# What a person sets


def test_an_override_changes_its_fields_and_leaves_the_others() -> None:
    catalog = Catalog(overrides={"anthropic/claude-sonnet-4-6": {"context": 5, "tools": False}})
    info, shipped = (each.get("anthropic/claude-sonnet-4-6") for each in (catalog, Catalog()))
    assert shipped is not None
    assert info == msgspec.structs.replace(shipped, context=5, tools=False)


def test_an_override_may_add_a_model_and_a_provider() -> None:
    prices = {"input": 1, "output": 2}
    catalog = Catalog(overrides={"box/a/b": {"prices": prices}, "openai/mine": {}})
    assert catalog.get("box/a/b") == ModelInfo(id="box/a/b", prices=Prices(input=1, output=2))
    assert [info.id for info in catalog.list("box")] == ["box/a/b"]
    assert "box" in catalog.providers()
    assert catalog.get("openai/mine") == ModelInfo(id="openai/mine")
    assert catalog.get("openai/gpt-5.5") is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"context": "large"},
        {"context": -1},
        {"prices": {"input": 1}},
        {"prices": {"input": 1, "output": -1}},
        {"inputs": ["smell"]},
    ],
)
def test_an_override_of_the_wrong_kind_is_an_error_at_once(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="box/m"):
        Catalog(overrides={"box/m": fields})


# Refreshing


async def test_a_refresh_is_used_at_once_kept_and_found_by_the_next(
    catalog: Catalog, server: PageServer
) -> None:
    assert catalog.get("anthropic/one") is None
    found = await catalog.refresh(server.url)
    assert found.changed
    assert found.models > 5000
    info = catalog.get("anthropic/one")
    assert info is not None
    assert info.prices == Prices(input=1, output=1)
    assert catalog.get("anthropic/claude-sonnet-4-6") is None
    assert catalog.get("openai/gpt-5.5") is not None
    assert Catalog(catalog.cache_dir).get("anthropic/one") == info
    assert Catalog().get("anthropic/one") is None


async def test_the_kept_copy_is_for_its_owner_alone(catalog: Catalog, server: PageServer) -> None:
    await catalog.refresh(server.url)
    assert catalog.cache_file is not None
    assert stat.S_IMODE(catalog.cache_file.stat().st_mode) == 0o600
    assert [path.name for path in catalog.cache_file.parent.iterdir()] == ["models.json"]


async def test_data_that_is_known_is_not_sent_again(catalog: Catalog, server: PageServer) -> None:
    first = await catalog.refresh(server.url)
    again = await Catalog(catalog.cache_dir).refresh(server.url)
    assert [headers.get("if-none-match") for _, headers in server.requests] == [None, '"v1"']
    assert not again.changed
    assert again.models == first.models
    assert again.made >= first.made
    server.page = Page(body=data(two=2), etag='"v2"')
    later = await catalog.refresh(server.url)
    assert later.changed
    assert catalog.get("anthropic/one") is None
    assert catalog.get("anthropic/two") is not None


async def test_the_tag_of_one_place_is_not_shown_to_another(
    catalog: Catalog, server: PageServer
) -> None:
    await catalog.refresh(server.url)
    with page_server(Page(body=data(two=2))) as other:
        await catalog.refresh(other.url)
        assert "if-none-match" not in other.requests[0][1]
    assert catalog.get("anthropic/two") is not None


async def test_an_unasked_304_is_an_error(catalog: Catalog) -> None:
    with page_server(Page(status=304)) as server, pytest.raises(CatalogError, match="304"):
        await catalog.refresh(server.url)


async def test_a_moved_page_is_followed(catalog: Catalog, server: PageServer) -> None:
    server.pages["/old"] = Page(status=301, headers={"Location": "/new"})
    await catalog.refresh(f"{server.url}/old")
    assert catalog.get("anthropic/one") is not None


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (Page(status=500, body=b"oops"), "status 500"),
        (Page(status=404), "status 404"),
        (Page(body=b"<!DOCTYPE html><html></html>"), "web page"),
        (Page(body=data(one=1)[:-9]), "no catalogue"),
        (Page(body=data(one=1), cut=True), "Cannot fetch"),
        (Page(body=b'{"a": {"models": {"m": 1}}}'), "0 of 1 models"),
        (Page(body=b""), "no catalogue"),
        (Page(body=b" " * 1024 * 1024, repeat=50), "larger than 16 MiB"),
        (Page(status=301, headers={"Location": "/"}), "redirects"),
    ],
    ids=["500", "404", "html", "truncated", "cut", "rows", "empty", "large", "loop"],
)
async def test_whatever_goes_wrong_the_copy_from_before_is_kept(
    catalog: Catalog, server: PageServer, page: Page, words: str
) -> None:
    await catalog.refresh(server.url)
    assert catalog.cache_file is not None
    before = catalog.cache_file.read_bytes()
    server.page = page
    with pytest.raises(CatalogError, match=words) as caught:
        await catalog.refresh(server.url)
    assert server.url in caught.value.message
    assert "still used" in (caught.value.hint or "")
    assert catalog.cache_file.read_bytes() == before
    assert [path.name for path in catalog.cache_file.parent.iterdir()] == ["models.json"]
    assert catalog.get("anthropic/one") is not None


async def test_a_large_answer_is_not_read_to_its_end(catalog: Catalog) -> None:
    with page_server(Page(body=b" " * 1024 * 1024, repeat=100)) as server:
        with pytest.raises(CatalogError, match="larger"):
            await catalog.refresh(server.url)
        server.server_close()  # waits for the handler, so that the count is final
        assert server.sent < 3 * MAX_BYTES


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/api.json", "no-url", "file:///etc/passwd", ""])
async def test_a_place_that_cannot_be_asked_is_one_clear_error(
    catalog: Catalog, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL_VARIABLE, url or "http://127.0.0.1:1/")
    with pytest.raises(CatalogError, match="Cannot fetch"):
        await catalog.refresh(url or None)


async def test_a_silent_server_is_given_up_after_the_timeout(catalog: Catalog) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(CatalogError, match=r"no answer within 0\.05 s"):
            await catalog.refresh(f"http://127.0.0.1:{port}/", timeout=0.05)


async def test_the_variable_names_another_place(
    catalog: Catalog, server: PageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL_VARIABLE, f"{server.url}/mirror.json")
    await catalog.refresh()
    assert [path for path, _ in server.requests] == ["/mirror.json"]


async def test_a_cache_that_cannot_be_written_is_one_clear_error(
    tmp_path: Path, server: PageServer
) -> None:
    (tmp_path / "file").write_text("in the way")
    catalog = Catalog(tmp_path / "file" / "cache")
    with pytest.raises(CatalogError, match=r"models\.json: not a directory"):
        await catalog.refresh(server.url)
    assert catalog.get("openai/gpt-5.5") is not None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"made": "9", "source": "", "providers": 3}'])
def test_a_broken_copy_counts_as_none(catalog: Catalog, text: str) -> None:
    assert catalog.cache_file is not None
    catalog.cache_file.parent.mkdir()
    catalog.cache_file.write_text(text)
    assert catalog.get("openai/gpt-5.5") is not None


def test_rows_somebody_broke_leave_what_is_shipped(catalog: Catalog) -> None:
    assert catalog.cache_file is not None
    catalog.cache_file.parent.mkdir()
    broken = {"made": "9999", "source": "x", "providers": {"openai": {"m": {"id": 3}}}}
    catalog.cache_file.write_text(json.dumps(broken))
    assert catalog.get("openai/gpt-5.5") is not None


def test_what_is_shipped_counts_when_it_is_newer_than_the_copy(catalog: Catalog) -> None:
    assert catalog.cache_file is not None
    catalog.cache_file.parent.mkdir()
    row = {"id": "openai/gpt-5.5", "context": 7}
    old = {"made": "2020", "source": "x", "providers": {"openai": {"gpt-5.5": row}, "a": {}}}
    catalog.cache_file.write_text(json.dumps(old))
    info = catalog.get("openai/gpt-5.5")
    assert info is not None
    assert info.context != 7
    catalog.cache_file.write_text(json.dumps({**old, "made": "9999"}))
    newer = Catalog(catalog.cache_dir).get("openai/gpt-5.5")
    assert newer is not None
    assert newer.context == 7


async def test_without_a_cache_a_refresh_counts_here_alone(server: PageServer) -> None:
    catalog = Catalog()
    await catalog.refresh(server.url)
    assert catalog.get("anthropic/one") is not None
    assert Catalog().get("anthropic/one") is None
