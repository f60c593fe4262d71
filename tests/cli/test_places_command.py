"""`--db`: sessions in every place that can be named on the command line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from command import omni

Omni = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path, warm: None) -> Omni:
    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return omni(*arguments, home=tmp_path / "home", cwd=tmp_path)

    return run


def test_sessions_in_a_folder_of_text_files_are_continued_listed_and_found(
    run: Omni, tmp_path: Path
) -> None:
    place = ("--db", "jsonl:talks")
    assert run(*place, "-m", "demo/echo", "-p", "hello hills").returncode == 0
    assert run(*place, "--continue", "-p", "hello lakes").returncode == 0
    listed = json.loads(run("sessions", "list", *place, "--json").stdout)
    assert [each["nodes"] for each in listed] == [4]
    found = run("sessions", "search", "lakes", *place, "--json")
    assert {hit["session_id"] for hit in json.loads(found.stdout)} == {listed[0]["id"]}
    log = (tmp_path / "talks" / listed[0]["id"] / "nodes.jsonl").read_text("utf-8")
    assert log.count("\n") >= 4
    assert not (tmp_path / "home" / "sessions.db").exists()


def test_a_scheme_may_stand_before_a_sqlite_file(run: Omni, tmp_path: Path) -> None:
    assert run("--db", "sqlite:s.db", "-m", "demo/echo", "-p", "hello").returncode == 0
    assert len(run("sessions", "list", "--db", tmp_path / "s.db").stdout.splitlines()) == 1


def test_nothing_is_kept_of_sessions_in_memory(run: Omni, tmp_path: Path) -> None:
    done = run("--db", "memory:", "-m", "demo/echo", "-p", "hello")
    assert (done.returncode, done.stdout.strip()) == (0, "hello")
    assert list(tmp_path.rglob("*.db")) == []
    assert run("sessions", "list", "--db", "memory:").stdout == ""


def test_looking_into_a_place_that_is_not_there_makes_nothing(run: Omni, tmp_path: Path) -> None:
    for place in ("jsonl:none", "none.db"):
        done = run("sessions", "list", "--db", place)
        assert (done.returncode, done.stdout) == (0, "")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("none")] == []


@pytest.mark.parametrize("arguments", [("-p", "hello"), ("sessions", "list"), ("acp",)])
@pytest.mark.parametrize("place", ["nowhere:x", "", "jsonl:"])
def test_a_place_that_cannot_be_is_refused_and_named(
    run: Omni, arguments: tuple[str, ...], place: str
) -> None:
    done = run(*arguments, "--db", place)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    said = "There is no store 'nowhere'" if place == "nowhere:x" else "names no place"
    assert said in done.stderr.splitlines()[0]
