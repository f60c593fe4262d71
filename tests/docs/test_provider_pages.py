"""The pages about models and providers: their settings load and work, their commands run."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from warm import PYTHON
from wire.made import closing, opening, text, wrap
from wire.pages import Page, page_server
from wire.server import Reply, SSEServer, sse_server

from omni_tui.config.paths import find_paths
from omni_tui.config.providers import make_registry
from omni_tui.config.settings import load_settings
from omni_tui.core.messages import Message
from omni_tui.llm.api import generate_text
from omni_tui.llm.model_info import ModelInfo, Prices
from omni_tui.llm.providers.quirks import Quirks
from omni_tui.llm.providers.table import ENDPOINTS, Dialect

DOCS = Path(__file__).parents[2] / "docs"
PAGES = (DOCS / "models.md", *sorted(DOCS.glob("providers/*.md")))
ANSWER = "Fuji, Elbrus, Aconcagua."


def blocks(kind: str) -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for found in re.findall(rf"```{kind}\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            yield page, found


def servers(stack: ExitStack) -> dict[str, SSEServer]:
    """For each dialect a server that gives one answer."""
    made = {}
    for api in get_args(Dialect):
        name = {"openai-chat": "chat", "openai-responses": "responses"}.get(api, api)
        pieces = wrap(name, [*opening(name), *text(name, 0, ANSWER), *closing(name)])
        made[api] = stack.enter_context(sse_server(Reply(pieces=pieces)))
    return made


def private(file: Path, content: str) -> None:
    file.write_text(content)
    file.chmod(0o600)


TOML = list(blocks("toml"))
COMMANDS = [
    (page, line.partition("#")[0].strip())
    for page, block in blocks("sh")
    for line in block.splitlines()
    if line.startswith("omni-tui")
]


def test_every_page_has_settings_and_commands() -> None:
    assert len(PAGES) == 5
    assert {page for page, _ in TOML} == {page for page, _ in COMMANDS} == set(PAGES)


@pytest.mark.parametrize(("page", "block"), TOML, ids=lambda part: getattr(part, "name", ""))
async def test_the_settings_of_a_page_load_and_their_endpoints_answer(
    page: Path, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"OMNI_TUI_HOME": str(tmp_path)}
    private(tmp_path / "config.toml", block)
    settings = load_settings(env=env)
    assert settings.notices == ()
    assert settings.providers or settings.models
    registry = make_registry(settings, find_paths(env))
    for id, fields in settings.models.items():
        info = registry.catalog.get(id)
        assert info is not None
        assert {field: msgspec.to_builtins(getattr(info, field)) for field in fields} == (
            msgspec.to_builtins(fields)
        )
    with ExitStack() as stack:
        running = servers(stack)
        for name in settings.providers:
            endpoint = registry.endpoints[name]
            for variable in endpoint.key_env:
                monkeypatch.setenv(variable, "sesame")
            moved = msgspec.structs.replace(
                endpoint, base_url=running[endpoint.dialect].url, url_env=None
            )
            registry.endpoints = {**registry.endpoints, name: moved}
            model = registry.resolve(f"{name}/some-model")
            answer = await generate_text(model, [Message.user("hi")])
            assert answer.text == ANSWER
            sent = running[endpoint.dialect].requests[-1]
            assert ("sesame" in str(sent.headers)) == bool(endpoint.key_env)
            assert sent.json.items() >= endpoint.extra_body.items()
        await registry.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, warm: None) -> Iterator[dict[str, str]]:
    """An environment in which every provider is a server on this machine."""
    folder = tmp_path_factory.mktemp("home")
    with ExitStack() as stack:
        running = servers(stack)
        site = stack.enter_context(
            page_server(Page(body=b'{"acme": {"models": {"m": {"id": "m"}}}}'))
        )
        private(
            folder / "config.toml",
            "".join(
                f'[providers.{name}]\nbase_url = "{running[row.dialect].url}"\n'
                f'api = "{row.dialect}"\n'
                for name, row in ENDPOINTS.items()
            ),
        )
        keys = {row.key_env[0]: "sesame" for row in ENDPOINTS.values() if row.key_env}
        yield {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "OMNI_TUI_HOME": str(folder),
            "OMNI_TUI_MODELS_URL": site.url,
            **keys,
        }


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=lambda part: getattr(part, "name", part))
def test_the_commands_of_a_page_run(
    page: Path, line: str, home: dict[str, str], tmp_path: Path
) -> None:
    program, *arguments = shlex.split(line)
    assert program == "omni-tui"
    done = subprocess.run(
        [*PYTHON, "-m", "omni_tui", *arguments],
        env=home,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if "-p" in arguments and "demo/chat" not in arguments:
        assert done.stdout == f"{ANSWER}\n"
    assert done.stdout.strip()


def test_the_table_of_providers_is_the_table() -> None:
    page = (DOCS / "models.md").read_text("utf-8")
    for name, row in ENDPOINTS.items():
        keys = " or ".join(f"`{variable}`" for variable in row.key_env) or "none"
        assert f"| `{name}` | {keys} | `{row.dialect}` |" in page
    local = (DOCS / "providers" / "local.md").read_text("utf-8")
    for name, row in ENDPOINTS.items():
        assert (f"`{row.base_url}`" in local) == row.is_local, name


def test_every_field_and_every_quirk_is_described() -> None:
    page = (DOCS / "models.md").read_text("utf-8")
    fields = [*ModelInfo.__struct_fields__, *Prices.__struct_fields__]
    assert [each for each in fields if each != "id" and f"`{each}`" not in page] == []
    assert [each for each in Quirks.__struct_fields__ if f"| `{each}` |" not in page] == []
