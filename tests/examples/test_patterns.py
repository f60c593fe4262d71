"""All patterns: they run as programs, on public names alone, and are what their pages show."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import omni_tui
from examples.patterns import DOCS, FILES

SHOWN = {
    "checkpointer": "Approved: ['Trees All the Way Down', 'Every conversation",
    "debate": "Con: A formatter tells it just as well",
    "pipeline": "translator: La version 2.0 marche hors ligne",
    "pool": "cheese: Käse",
    "research": "Trees are cheap machines",
    "retry": 'attempt 4: ["Rhine", "Danube", "Elbe"]',
    "supervisor": "done: A tunnel where weather decides",
    "switchboard": "scribe: The agent is halted.",
    "watcher": "4 lines were of no interest",
    "workspace": "README.md | 3 +++",
}


def run(file: Path, folder: Path, *arguments: str) -> str:
    """What the program prints, on a machine without keys."""
    env = {
        name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ
    } | {"HOME": str(folder), "OMNI_TUI_HOME": str(folder), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, str(file), *arguments],
        env=env,
        cwd=folder,
        input="approve\n" * 5,
        capture_output=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_there_are_ten() -> None:
    assert [file.stem for file in FILES] == sorted(SHOWN)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_pattern_runs_offline_and_shows_what_it_did(file: Path, tmp_path: Path) -> None:
    assert SHOWN[file.stem] in run(file, tmp_path)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_pattern_comes_to_its_end_with_any_model(file: Path, tmp_path: Path) -> None:
    assert run(file, tmp_path, "--model", "demo/echo").strip()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_pattern_needs_public_names_alone(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        match node:
            case ast.ImportFrom(module="omni_tui"):
                assert {alias.name for alias in node.names} <= set(omni_tui.__all__)
            case ast.ImportFrom(module="omni_tui.testing" | "__future__"):
                pass
            case ast.ImportFrom(module=str(module)):
                assert module.partition(".")[0] in sys.stdlib_module_names
            case ast.Import():
                assert {alias.name for alias in node.names} <= sys.stdlib_module_names
            case ast.Attribute(value=ast.Name("self"), attr=attribute):
                assert attribute not in {"queue", "history", "chain", "journal", "accumulator"}


def definitions(code: str) -> dict[str, str]:
    """The source of the classes and functions in a file or an example, by name."""
    return {
        node.name: ast.get_source_segment(code, node) or ""
        for node in ast.parse(code).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_page_of_a_pattern_shows_its_own_code(file: Path) -> None:
    page = (DOCS / "patterns" / f"{file.stem}.md").read_text("utf-8")
    core = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    there = definitions(file.read_text("utf-8"))
    shown = definitions(core)
    assert shown
    assert {name: there.get(name) for name in shown} == shown
    assert f"python docs/examples/patterns/{file.name}" in page


def test_the_table_and_the_menu_lead_to_every_pattern() -> None:
    index = (DOCS / "patterns" / "index.md").read_text("utf-8")
    menu = (DOCS / "mkdocs" / "mkdocs.yml").read_text("utf-8")
    assert "patterns/index.md" in menu
    for file in FILES:
        assert f"]({file.stem}.md)" in index
        assert f": patterns/{file.stem}.md" in menu
