"""Rooms that can be read in one sitting, and nothing swept under the carpet."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import omni_tui

PACKAGE = Path(omni_tui.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 70
EVERYTHING = {"Exception", "BaseException"}


def broken_rules(text: str, *, may_print: bool = False) -> Iterator[str]:
    """One line for each rule that the source `text` breaks."""
    lines = len(text.splitlines())
    if lines > MAX_FILE_LINES:
        yield f"1: {lines} lines: is this one subject?"
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"#\s*(TODO|FIXME|XXX|HACK)\b", line):
            yield f"{number}: left undone"
    for node in ast.walk(ast.parse(text)):
        if (what := _length(node) or _silence(node) or _unfinished(node)) is not None:
            yield what
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print" and not may_print:
            yield f"{node.lineno}: prints"


def _length(node: ast.AST) -> str | None:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > MAX_FUNCTION_LINES:
            return f"{node.lineno}: {node.name} has {length} lines"
    return None


def _silence(node: ast.AST) -> str | None:
    match node:
        case ast.ExceptHandler(type=None):
            return f"{node.lineno}: a bare except"
        case ast.ExceptHandler(type=caught, body=[ast.Pass()]) if caught is not None:
            if ast.unparse(caught) in EVERYTHING:
                return f"{node.lineno}: every error is silently dropped"
    return None


def _unfinished(node: ast.AST) -> str | None:
    match node:
        case ast.Global():
            return f"{node.lineno}: mutable module state"
        case ast.Raise(exc=raised) if raised is not None:
            if "NotImplementedError" in ast.unparse(raised):
                return f"{node.lineno}: not implemented"
    return None


def test_there_is_something_to_check() -> None:
    assert len(SOURCES) > 20


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_source_keeps_the_house_rules(source: Path) -> None:
    may_print = "cli" in source.relative_to(PACKAGE).parts
    assert list(broken_rules(source.read_text("utf-8"), may_print=may_print)) == []


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\n" * 451,
        "def f():\n" + "    x = 1\n" * 70,
        "class A:\n    async def f(self):\n" + "        x = 1\n" * 70,
        "try:\n    x = 1\nexcept:\n    raise\n",
        "try:\n    x = 1\nexcept Exception:\n    pass\n",
        "def f():\n    global x\n    x = 1\n",
        "print(1)\n",
        "x = 1  # TODO: more\n",
        "def f():\n    raise NotImplementedError\n",
    ],
)
def test_each_rule_can_be_broken(text: str) -> None:
    assert len(list(broken_rules(text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n" + "    x = 1\n" * 69,
        "try:\n    x = 1\nexcept OSError:\n    pass\n",
        "try:\n    x = 1\nexcept Exception as error:\n    log(error)\n",
        "self.print(1)\n",
    ],
)
def test_what_is_fine_is_left_alone(text: str) -> None:
    assert list(broken_rules(text)) == []


def test_printing_is_for_the_command_line() -> None:
    assert list(broken_rules("print(1)\n", may_print=True)) == []
