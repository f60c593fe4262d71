"""`omni-tui models`, run as a person or a script runs it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command import COMMAND, environment
from wire.pages import Page, PageServer, page_server

from omni_tui.llm.providers.table import ENDPOINTS

Run = Callable[..., "subprocess.CompletedProcess[str]"]

LOCAL = json.dumps({"data": [{"id": "llama3"}, {"id": "\x1b]0;owned\x07evil"}]}).encode()
API = json.dumps(
    {"groq": {"models": {"newest": {"id": "newest", "tool_call": True, "limit": {"context": 7}}}}}
).encode()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    configure(made, "")
    return made


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Run:
    """The command with these variables; it never shows a traceback or a control character."""

    def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*COMMAND, "models", *arguments],
            env=environment(home, {"OLLAMA_HOST": "http://127.0.0.1:1", **env}),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert "Traceback" not in done.stderr
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.stdout + done.stderr)
        return done

    return run


@pytest.fixture
def server() -> Iterator[PageServer]:
    with page_server(Page(body=API, etag='"1"')) as running:
        running.pages["/v1/models"] = Page(body=LOCAL)
        yield running


def configure(home: Path, text: str) -> None:
    """Settings under which no server that may run on this machine is found by chance."""
    absent = "".join(
        f'[providers.{name}]\nbase_url = "http://127.0.0.1:1/v1"\n'
        for name, row in ENDPOINTS.items()
        if row.is_local
    )
    file = home / "config.toml"
    file.write_text(f"{absent}\n{text}")
    file.chmod(0o600)


def test_without_a_key_there_is_the_demo_and_a_hint(run: Run) -> None:
    done = run()
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["MODEL", "demo/chat"]
    assert "no API key found" in done.stderr
    assert "models --all" in done.stderr


def test_models_of_a_provider_with_a_key_come_first_in_aligned_columns(
    run: Run, server: PageServer, home: Path
) -> None:
    configure(home, f'[providers.box]\nbase_url = "{server.url}/v1"')
    done = run(GROQ_API_KEY="k")
    assert (done.returncode, done.stderr) == (0, "")
    heading, *lines = done.stdout.splitlines()
    ids = [line.split()[0] for line in lines]
    assert ids[0] == "groq/openai/gpt-oss-120b"
    assert ids[-1] == "demo/chat"
    assert ids[-3] == "box/llama3"
    assert all(id.startswith("groq/") for id in ids[:-3])
    assert lines[0].split()[1:] == ["131k", "66k", "0.15", "0.60"]
    end = heading.index("CONTEXT") + len("CONTEXT")
    assert all(line[end : end + 2].strip() == "" for line in lines)


def test_json_has_the_same_keys_on_every_row(run: Run) -> None:
    rows = json.loads(run("--json", ANTHROPIC_API_KEY="k").stdout)
    assert len({tuple(row) for row in rows}) == 1
    assert list(rows[0]) == [
        "id",
        "provider",
        "ready",
        "name",
        "context",
        "max_output",
        "inputs",
        "outputs",
        "reasoning",
        "tools",
        "structured_output",
        "prices",
        "released",
        "deprecated",
    ]
    known = {row["id"]: row for row in rows}
    assert known["anthropic/claude-sonnet-4-6"]["ready"] is True
    assert known["anthropic/claude-sonnet-4-6"]["prices"] == {
        "input": 3.0,
        "output": 15.0,
        "cache_read": 0.3,
        "cache_write": 3.75,
        "cache_write_long": 6.0,
        "tiers": [],
    }
    assert known["demo/chat"]["prices"] is None


def test_a_provider_without_its_key_is_listed_with_what_it_needs(run: Run) -> None:
    done = run("--provider", "zai")
    assert done.returncode == 0
    assert done.stderr == "omni-tui: zai needs ZAI_API_KEY or ZHIPU_API_KEY\n"
    lines = done.stdout.splitlines()[1:]
    assert len(lines) > 5
    assert all(line.startswith("zai/") for line in lines)
    assert all(line.endswith("ZAI_API_KEY or ZHIPU_API_KEY") for line in lines)
    assert run("--provider", "zai", ZHIPU_API_KEY="k").stderr == ""


def test_a_provider_of_the_catalogue_alone_is_listed_with_what_to_do(run: Run) -> None:
    done = run("--provider", "cerebras")
    assert done.returncode == 0
    assert "[providers.cerebras]" in done.stderr
    assert done.stdout.splitlines()[1].startswith("cerebras/")


def test_a_local_server_may_be_named_as_people_write_it(run: Run) -> None:
    done = run("--provider", "llama.cpp")
    assert done.returncode == 0
    assert done.stderr == "omni-tui: llamacpp needs a running server\n"


def test_all_shows_what_each_provider_needs(run: Run) -> None:
    few, everything = (run(*a, GROQ_API_KEY="k").stdout.splitlines() for a in ((), ("--all",)))
    assert len(everything) > 1000
    assert {line.split()[0] for line in few} < {line.split()[0] for line in everything}
    needs = [line.endswith("_KEY") for line in everything[1:]]
    first = needs.index(True)
    assert first >= len(few) - 1
    assert not any(needs[:first])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--provider", "antropic"), "did you mean anthropic?"),
        (("--provider", ""), "There is no provider"),
        (("--bogus",), "unrecognized arguments"),
        (("shuffle",), "invalid choice"),
    ],
)
def test_what_is_wrong_is_said_on_standard_error(
    run: Run, arguments: tuple[str, ...], words: str
) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_a_wrong_override_names_its_file_and_key(run: Run, home: Path) -> None:
    configure(home, '[models."groq/x"]\ncontext = "big"')
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert f'{home / "config.toml"}: models."groq/x".context' in done.stderr


def test_a_refresh_is_kept_for_the_next_time(run: Run, server: PageServer) -> None:
    url = f"{server.url}/api.json"
    done = run("refresh", OMNI_TUI_MODELS_URL=url)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"\d,\d{3} models as of \d{4}-\d\d-\d\dT[\d:]+Z\n", done.stdout)
    again = run("refresh", "--json", OMNI_TUI_MODELS_URL=url)
    assert json.loads(again.stdout)["changed"] is False
    assert server.requests[-1][1]["if-none-match"] == '"1"'
    rows = json.loads(run("--provider", "groq", "--json").stdout)
    assert "groq/newest" in {row["id"] for row in rows}


def test_a_refresh_that_fails_has_its_exit_code_and_breaks_nothing(
    run: Run, server: PageServer
) -> None:
    server.page = Page(body=b"<html>Just a moment</html>", content_type="text/html")
    done = run("refresh", OMNI_TUI_MODELS_URL=server.url)
    assert (done.returncode, done.stdout) == (5, "")
    assert "web page" in done.stderr
    assert "still used" in done.stderr
    assert run("--provider", "groq").returncode == 0


def test_help_lists_the_command_and_it_has_its_own(run: Run, home: Path) -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "--provider" in done.stdout
    top = subprocess.run(
        [*COMMAND, "--help"],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert re.search(r"^  models +what there is", top.stdout, re.MULTILINE)
