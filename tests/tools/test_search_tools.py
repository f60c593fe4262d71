from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from tool_calls import Call

from omni_tui.core.errors import ToolError
from omni_tui.core.tool import ToolContext
from omni_tui.tools import grep_child, search, walk


@pytest.fixture
def project(work: Path, tmp_path: Path) -> Path:
    for name, text in {
        "a.py": "import os\nprint('hello')\n",
        "sub/b.py": "hello = 1\r\nHELLO = 2\n",
        "sub/c.txt": "hello\n",
        "sub/deep/d.ts": "say('hello')\n",
        ".git/config": "hello\n",
        "node_modules/x/e.py": "hello\n",
        ".github/f.yml": "hello: 1\n",
    }.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text, newline="")
    (work / "binary.py").write_bytes(b"hello\0")
    (work / "out").symlink_to(tmp_path)
    (work / "out.txt").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(work / "pipe")
    return work


async def lines(call: Call, name: str, **arguments: Any) -> list[str]:
    return (await call(name, **arguments)).text.split("\n")


async def test_matches_come_with_path_line_and_text(call: Call, project: Path) -> None:
    assert sorted(await lines(call, "grep", pattern="hello")) == [
        ".github/f.yml:1:hello: 1",
        "a.py:2:print('hello')",
        "sub/b.py:1:hello = 1",
        "sub/c.txt:1:hello",
        "sub/deep/d.ts:1:say('hello')",
    ]


async def test_a_search_can_be_narrowed(call: Call, project: Path) -> None:
    assert await lines(call, "grep", pattern="hello", glob="*.py") == [
        "a.py:2:print('hello')",
        "sub/b.py:1:hello = 1",
    ]
    assert await lines(call, "grep", pattern="hello", glob="sub/**/*.{txt,ts}") == [
        "sub/c.txt:1:hello",
        "sub/deep/d.ts:1:say('hello')",
    ]
    assert await lines(call, "grep", pattern="^hello", path="sub", case_insensitive=True) == [
        "sub/b.py:1:hello = 1",
        "sub/b.py:2:HELLO = 2",
        "sub/c.txt:1:hello",
    ]
    assert await lines(call, "grep", pattern="hello$", path="sub/c.txt") == ["sub/c.txt:1:hello"]


async def test_a_folder_passed_over_is_searched_when_it_is_named(call: Call, project: Path) -> None:
    assert await lines(call, "grep", pattern="hello", path="node_modules") == [
        "node_modules/x/e.py:1:hello"
    ]
    assert await lines(call, "glob", pattern="node_modules/**/*.py") == ["node_modules/x/e.py"]


async def test_nothing_found_is_no_error(call: Call, project: Path) -> None:
    assert (await call("grep", pattern="absent")).text == "No matches"
    assert (await call("glob", pattern="*.absent")).text == "No files found"


async def test_a_search_never_follows_a_link(call: Call, project: Path) -> None:
    assert (await call("grep", pattern="secret")).text == "No matches"
    assert "secret" not in (await call("glob", pattern="**/*")).text


@pytest.mark.parametrize("pattern", ["(a+", "[", "a{1,99999999999}", "*"])
async def test_a_bad_pattern_is_an_error(call: Call, project: Path, pattern: str) -> None:
    with pytest.raises(ToolError, match="Bad pattern"):
        await call("grep", pattern=pattern)


async def test_a_missing_place_is_an_error(call: Call, work: Path) -> None:
    with pytest.raises(ToolError, match="Not found: nowhere"):
        await call("grep", pattern="x", path="nowhere")
    with pytest.raises(ToolError, match="Not a folder: nowhere"):
        await call("glob", pattern="*", path="nowhere")


async def test_only_the_first_hundred_matches_come_back(call: Call, work: Path) -> None:
    (work / "a.txt").write_text("x\n" * 101)
    found = await lines(call, "grep", pattern="x")
    assert len(found) == 101
    assert found[-1] == "(the first 100 matches; narrow the pattern or the path)"
    (work / "a.txt").write_text("x\n" * 100)
    assert len(await lines(call, "grep", pattern="x")) == 100


async def test_a_long_line_is_cut_and_bad_bytes_do_no_harm(call: Call, work: Path) -> None:
    (work / "a.txt").write_bytes(b"\xffx" + b"y" * 100_000)
    (found,) = await lines(call, "grep", pattern="x")
    assert found == "a.txt:1:\ufffdx" + "y" * 498 + "…"


async def test_a_pattern_that_never_ends_is_stopped(
    call: Call, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SEARCH_SECONDS", 0.5)
    (work / "a.txt").write_text("aha\n")
    (work / "b.txt").write_text("a" * 200 + "b\n")
    reply = await call("grep", pattern="^(a+)+$|aha")
    assert reply.text == "a.txt:1:aha\n(stopped after 0.5 s; not everything was searched)"


async def test_a_search_can_be_cancelled(call: Call, work: Path) -> None:
    (work / "b.txt").write_text("a" * 200 + "b\n")
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = children.read_text()  # other tests may keep a server
    running = asyncio.ensure_future(call("grep", pattern="^(a+)+$"))
    while children.read_text() == before:
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert children.read_text() == before


async def test_files_come_newest_first(call: Call, work: Path) -> None:
    for age, name in enumerate(["new.py", "sub/mid.py", "old.py"]):
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).touch()
        os.utime(work / name, (1_000_000 - age, 1_000_000 - age))
    assert await lines(call, "glob", pattern="**/*.py") == ["new.py", "sub/mid.py", "old.py"]
    assert await lines(call, "glob", pattern="*.py") == ["new.py", "old.py"]
    assert await lines(call, "glob", pattern="*.py", path="sub") == ["sub/mid.py"]


async def test_a_name_that_is_no_text_is_found_all_the_same(call: Call, work: Path) -> None:
    (work / os.fsdecode(b"a\xff.txt")).write_text("needle\n")
    assert (await call("grep", pattern="needle")).text == "a\ufffd.txt:1:needle"
    assert (await call("glob", pattern="*.txt")).text == "a\ufffd.txt"


async def test_a_search_that_breaks_off_is_an_error(
    call: Call, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grep_child, "__file__", str(work / "missing.py"))
    with pytest.raises(ToolError, match="The search broke off"):
        await call("grep", pattern="x")


async def test_only_the_newest_two_hundred_files_come_back(call: Call, work: Path) -> None:
    for number in range(201):
        (work / f"{number}.txt").touch()
    found = await lines(call, "glob", pattern="*")
    assert len(found) == 201
    assert found[-1] == "(the newest 200 of 201; narrow the pattern)"


@pytest.mark.parametrize(
    "pattern", ["../*", "/etc/*", "sub/../../*", "~/*", "{a,../b}/*", "**/../x", "", "a\0b"]
)
async def test_a_pattern_does_not_lead_out(call: Call, work: Path, pattern: str) -> None:
    with pytest.raises(ToolError, match=r"pattern (leads out|is empty)"):
        await call("glob", pattern=pattern)


async def test_braces_cannot_explode(call: Call, work: Path) -> None:
    with pytest.raises(ToolError, match="too many alternatives"):
        await call("glob", pattern="{a,b}" * 20)


async def test_a_search_that_sees_not_everything_says_so(
    call: Call, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "MAX_FILES", 2)
    for name in "abc":
        (work / name).write_text("x\n")
    assert (await lines(call, "glob", pattern="*"))[-1].startswith("(too many files")
    assert "not everything" in (await lines(call, "grep", pattern="x"))[-1]


async def test_a_file_outside_can_be_searched_when_it_is_allowed(
    call: Call, work: Path, tmp_path: Path
) -> None:
    place = tmp_path / "secret.txt"
    context = ToolContext(cwd=work, allowed_paths=(work, place))
    assert (await call("grep", context, pattern="s", path=str(place))).text == f"{place}:1:secret"
