"""Sub-agents where nobody watches: the rules, the exit codes and the sums are the same."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from command import omni

from omni_tui.cli import exit_codes
from omni_tui.core.usage import Usage
from omni_tui.session.store.base import StoredSession
from omni_tui.session.store.sqlite import SQLiteStore

Omni = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Omni:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "peaks.txt").write_text("Fuji")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        given = ("--db", str(tmp_path / "s.db"), "-m", "demo/chat", *arguments)
        return omni(*given, home=home, cwd=tmp_path / "here")

    return run


def stored(tmp_path: Path, id: str) -> StoredSession:
    async def load() -> StoredSession:
        async with SQLiteStore(tmp_path / "s.db") as store:
            return await store.load(id)

    return asyncio.run(load())


def child_of(tmp_path: Path, id: str) -> StoredSession:
    """The session that the first tool use of the second message began."""

    async def find() -> str:
        async with SQLiteStore(tmp_path / "s.db") as store:
            (use,) = (await store.load(id)).tree[2].message.tool_uses
            found = await store.child(id, 2, use.id)
            assert found is not None
            return found

    return stored(tmp_path, asyncio.run(find()))


def test_the_answer_and_the_sums_hold_what_the_sub_agent_did(run: Omni, tmp_path: Path) -> None:
    done = run("-p", "use a sub-agent to list the files", "--output-format", "json")
    assert done.returncode == exit_codes.DONE
    result = json.loads(done.stdout)
    assert "peaks.txt" in result["text"]
    whole = stored(tmp_path, result["session_id"]).tree.usage()
    below = child_of(tmp_path, result["session_id"]).tree.usage()
    assert below != Usage()
    assert result["usage"]["output"] == whole.output > below.output


def test_what_would_ask_is_refused_below_as_above(run: Omni, tmp_path: Path) -> None:
    done = run("-p", "use a sub-agent to run touch made.txt", "--output-format", "json")
    assert done.returncode == exit_codes.TOOL_DENIED
    assert json.loads(done.stdout)["denied"] == ["bash"]
    assert "bash was not allowed" in done.stderr
    assert not (tmp_path / "here" / "made.txt").exists()


def test_what_the_mode_allows_runs_below_too(run: Omni, tmp_path: Path) -> None:
    prompt = "use a sub-agent to run touch made.txt"
    done = run("-p", prompt, "--approval-mode", "yolo")
    assert done.returncode == exit_codes.DONE
    assert (tmp_path / "here" / "made.txt").exists()


def test_its_session_is_loaded_by_id_and_never_continued_by_chance(
    run: Omni, tmp_path: Path
) -> None:
    done = run("-p", "use a sub-agent to list the files", "--output-format", "json")
    above = json.loads(done.stdout)["session_id"]
    child = child_of(tmp_path, above).record
    done = run("--load", child.id[:10], "-p", "search for Fuji", "--output-format", "json")
    assert json.loads(done.stdout)["session_id"] == child.id
    assert stored(tmp_path, child.id).record.parent_id == above
    done = run("-c", "-p", "hello", "--output-format", "json")
    assert json.loads(done.stdout)["session_id"] == above
    assert run("--load", "list the", "-p", "hello").returncode == exit_codes.NO_SESSION
