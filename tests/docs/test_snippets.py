"""Every Python example on a page runs, in the order of the page, and prints what it says it does.

The replies of models stand in a comment before an example, `<!-- answers: [...] -->`: a text,
`{"call": name, "input": {...}}` or `{"status": 529}` for each request. What a comment behind a
`print(...)` says must be printed.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from omni_tui.core.errors import OverloadedError
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Provider, Request
from omni_tui.llm.providers.scripted import Call, Fail, Reply, ScriptedProvider

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(
    r"^(?:<!-- answers: ([^\n]*) -->\n)?```python\n(.*?)^```", re.DOTALL | re.MULTILINE
)
_SAID = re.compile(r"print\(.*\)  # (.*)$", re.MULTILINE)


class Example(NamedTuple):
    line: int
    code: str
    answers: list[Any]


def examples(page: Path) -> list[Example]:
    text = page.read_text("utf-8")
    return [
        Example(text.count("\n", 0, found.start(2)), found[2], json.loads(found[1] or "[]"))
        for found in _BLOCK.finditer(text)
    ]


WRITTEN = (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")))
PAGES = [page for page in WRITTEN if examples(page)]


def reply(answer: Any) -> Reply:
    if isinstance(answer, str):
        return answer
    if "call" in answer:
        return [Call(answer["call"], answer["input"])]
    return [Fail(OverloadedError("busy", status=answer["status"]))]


def play(code: str, name: str, line: int, names: dict[str, Any]) -> None:
    """Run an example; `await` may stand outside a function."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    compiled = compile("\n" * line + code, name, "exec", flags=flags, dont_inherit=True)
    result = eval(compiled, names)
    if inspect.iscoroutine(result):
        asyncio.run(result)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[Any]]:
    """The replies still to come; every provider but the demo's plays them."""
    left: list[Any] = []
    get = ProviderRegistry.get

    def scripted(registry: ProviderRegistry, name: str) -> Provider:
        def respond(_: Request) -> Reply:
            return reply(left.pop(0))

        return get(registry, name) if name == "demo" else ScriptedProvider(respond, name=name)

    monkeypatch.setattr(ProviderRegistry, "get", scripted)
    monkeypatch.setenv("OMNI_TUI_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cat.png").write_bytes(b"\x89PNG\r\n\x1a\n\0")
    yield left
    assert left == [], "not every answer was asked for"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_run_and_print_what_they_say(
    page: Path,
    answers: list[Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", module)  # dataclasses look their module up
    names = vars(module)
    for example in examples(page):
        answers.extend(example.answers)
        play(example.code, str(page), example.line, names)
        printed = capsys.readouterr().out.splitlines()
        said = _SAID.findall(example.code)
        assert [line for line in said if line not in printed] == [], f"{page}:{example.line}"
        assert answers == [], f"{page}:{example.line}"


def test_there_are_examples() -> None:
    assert {"README.md", "llm.md", "models.md"} <= {page.name for page in PAGES}
    assert {*ROOT.glob("docs/providers/*.md")} <= {*PAGES}
