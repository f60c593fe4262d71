"""What an import may bring with it. A linter cannot see imports made inside functions; this can."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = ("core", "llm", "tools", "agent", "session", "config")
SCREEN = {"textual", "rich", "markdown_it", "pygments"}
SDKS = {"anthropic", "openai", "httpx", "httpx2", "pydantic"}

IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
modules = [m.name for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
modules = [name for name in modules if name != "omni_tui.agent.backends.acp_wire"]  # when used
for module in modules:
    importlib.import_module(module)
print("\\n".join({name.partition(".")[0] for name in sys.modules}))
"""


def loaded(program: str, *arguments: str) -> set[str]:
    """The names `program` prints, one a line, in a fresh interpreter."""
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


@pytest.mark.parametrize("package", LIBRARY)
def test_no_module_of_the_library_brings_a_screen_or_an_sdk(package: str) -> None:
    names = loaded(IMPORT_ALL, f"omni_tui.{package}")
    assert "omni_tui" in names
    assert names & (SCREEN | SDKS) == set()


def test_what_serves_programs_brings_no_screen_and_only_the_package_of_its_protocol() -> None:
    names = loaded(IMPORT_ALL, "omni_tui.serve")
    assert "acp" in names
    assert names & (SCREEN | SDKS) == {"pydantic"}


def test_the_command_that_serves_editors_is_read_without_the_package_of_the_protocol() -> None:
    names = loaded(
        "import omni_tui.cli.acp, sys; print(*{n.partition('.')[0] for n in sys.modules})"
    )
    assert "omni_tui" in names
    assert names & (SCREEN | SDKS | {"acp"}) == set()


def test_the_check_would_see_a_screen() -> None:
    program = "import sys, textual; print(*{n.partition('.')[0] for n in sys.modules})"
    assert SCREEN & loaded(program) >= {"textual", "rich"}


def test_importing_the_package_brings_nothing_but_itself() -> None:
    program = (
        "import sys; before = set(sys.modules); import omni_tui; print(*set(sys.modules) - before)"
    )
    names = loaded(program)
    allowed = sys.stdlib_module_names | {"omni_tui"}
    assert {name.partition(".")[0] for name in names} - allowed == set()
    floors = {f"omni_tui.{name}" for name in (*LIBRARY, "tui", "cli", "serve")}
    assert names & (floors | {"asyncio", "sqlite3", "ssl"}) == set()


@pytest.mark.skipif(
    importlib.util.find_spec("omni_tui.cli.main") is None, reason="no command line yet"
)
def test_asking_for_the_version_brings_no_screen_and_no_sdk() -> None:
    program = "import sys; from omni_tui.cli.main import entry; sys.exit(entry())"
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program, "--version"],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "omni_tui.cli.main" in imported
    heavy = SCREEN | SDKS | {"platformdirs", "msgspec"}
    assert {name.partition(".")[0] for name in imported} & heavy == set()


START = """
import asyncio, sys
from omni_tui.cli.main import parser
from omni_tui.cli.setup import prepare

async def main():
    async with await prepare(parser().parse_args(sys.argv[1:])) as start:
        import omni_tui.tui.app
        print("loaded" if start.manager.registry.catalog.is_loaded else "untouched")
        print(*sys.modules, sep="\\n")

asyncio.run(main())
"""


def test_a_start_reads_no_catalogue_and_brings_only_the_provider_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNI_TUI_HOME", str(tmp_path))
    monkeypatch.setenv("GROQ_API_KEY", "k")
    names = loaded(START, "-m", "demo/chat")
    assert "untouched" in names
    assert "omni_tui.llm.catalog" in names
    adapters = {"anthropic", "openai_chat", "openai_responses", "wire"}
    assert {f"omni_tui.llm.providers.{name}" for name in adapters} & names == set()
    later = {"catalog_fetch", "models_dev", "offers", "local"}
    assert {f"omni_tui.llm.{name}" for name in later} & names == set()
    assert {name.partition(".")[0] for name in names} & (SDKS | {"gzip"}) == set()
