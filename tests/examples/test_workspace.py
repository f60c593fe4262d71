"""Workspace: a repository before the first turn, a commit after each, a summary at the end."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from examples.patterns import asked, load
from omni_tui import ProviderError
from omni_tui.testing import Call, Fail, Reply, ScriptedProvider

pattern = load("workspace")


def writes(path: str, content: str = "x\n") -> list[Reply]:
    return [[Call("write_file", {"path": path, "content": content})], "Done."]


def subjects(folder: Path) -> list[str]:
    git = ["git", "-C", str(folder), "log", "--reverse", "--format=%s"]
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout.splitlines()


async def test_every_turn_that_changes_something_is_a_commit(tmp_path: Path) -> None:
    script = ScriptedProvider([*writes("a.txt"), "Nothing to do.", *writes("docs/b.txt")])
    async with pattern.Workspace(model=script.model(), folder=tmp_path) as workspace:
        await workspace.ask("Write a.\nWith care.")
        await workspace.ask("Look at it.")
        await workspace.ask("--all of it, and b too")
        assert subjects(tmp_path) == ["Write a.", "--all of it, and b too"]
        assert (tmp_path / "docs" / "b.txt").read_text() == "x\n"
        summary = await workspace.finish()
        assert workspace.status == "halted"
    assert summary.index("Write a.") < summary.index("a.txt | 1 +") < summary.index("b.txt | 1 +")


async def test_the_model_is_told_what_the_workspace_holds(tmp_path: Path) -> None:
    script = ScriptedProvider([*writes("a.txt"), "Fine."])
    async with pattern.Workspace(model=script.model(), folder=tmp_path) as workspace:
        await workspace.ask("Write a.")
        await workspace.ask("Look at it.")
    assert asked(script.requests[0]) == "The workspace holds:\nno files yet\n\nWrite a."
    assert asked(script.requests[2]) == "The workspace holds:\na.txt\n\nLook at it."


async def test_what_a_turn_wrote_before_it_failed_is_committed_too(tmp_path: Path) -> None:
    script = ScriptedProvider([writes("a.txt")[0], [Fail(ProviderError("no"))]])
    async with pattern.Workspace(model=script.model(), folder=tmp_path) as workspace:
        assert await workspace.prompt("Write a.").wait() == "error"
        assert "The turn: error." in await workspace.git("log", "--format=%b")


@pytest.mark.parametrize("path", ["../out.txt", "/etc/x", ".git/hooks/post-commit", "a/.GIT/b", ""])
async def test_only_files_of_the_workspace_are_written(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    async with pattern.Workspace(
        model=ScriptedProvider(writes(path)).model(), folder=folder
    ) as workspace:
        await workspace.ask("Write.")
        result = workspace.messages[2].tool_results[0]
        assert (result.is_error, "only files of the workspace" in result.content) == (True, True)
    assert not (tmp_path / "out.txt").exists()
    assert not (folder / ".git" / "hooks" / "post-commit").exists()


async def test_the_repositories_around_it_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other.git"))
    folder = tmp_path / "inside"
    folder.mkdir()
    async with pattern.Workspace(
        model=ScriptedProvider(writes("a.txt")).model(), folder=folder
    ) as workspace:
        await workspace.ask("Write a.")
    assert (folder / ".git").is_dir()
    assert not (tmp_path / "other.git").exists()


async def test_work_without_a_turn_has_an_empty_summary(tmp_path: Path) -> None:
    async with pattern.Workspace(model=ScriptedProvider([]).model(), folder=tmp_path) as workspace:
        assert await workspace.finish() == ""
