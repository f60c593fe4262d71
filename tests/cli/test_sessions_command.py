"""`omni-tui sessions`, run as a person or a script runs it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from command import COMMAND, environment, omni

from omni_tui.core.messages import Message
from omni_tui.session.store import SessionRecord, SQLiteStore
from omni_tui.session.tree import Tree

Omni = Callable[..., "subprocess.CompletedProcess[str]"]

FIRST, SECOND, KID = "first-id-of-a-session0", "second-id-of-a-sessio", "kid-id-of-a-session000"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Omni:
    """The command `sessions`; it never shows a traceback or a control character."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        done = omni("sessions", *arguments, home=home, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.stdout + done.stderr)
        return done

    return run


async def store_some(file: Path) -> None:
    """Two sessions and one of a sub-agent; in the first the branch in view is not the only one."""
    async with SQLiteStore(file) as store:
        tree = Tree()
        tree.push(Message.user("Where is \x1b]0;owned\x07 Fuji?"))
        tree.push(Message.assistant("In Japan: 富士山"))
        tree.navigate(1)
        tree.push(Message.assistant("I do not know."))
        await store.create(SessionRecord(id=FIRST, title="Mountains \x1b[31m", model="demo/chat"))
        await store.save_tree(FIRST, tree.take_changes())
        tree = Tree()
        tree.push(Message.user("Something else"))
        await store.create(SessionRecord(id=SECOND))
        await store.save_tree(SECOND, tree.take_changes())
        tree = Tree()
        tree.push(Message.user("climb a hill"))
        await store.create(
            SessionRecord(id=KID, title="Climbing", parent_id=FIRST, parent_node=1, parent_use="t")
        )
        await store.save_tree(KID, tree.take_changes())


@pytest.fixture
async def file(home: Path) -> Path:
    await store_some(home / "sessions.db")
    return home / "sessions.db"


async def test_a_search_tells_where_the_words_are_in_one_line_each(run: Omni, file: Path) -> None:
    done = run("search", "japan")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert re.fullmatch(
        r"first-id  \d{4}-\d\d-\d\d \d\d:\d\d  Mountains �\[31m  2 assistant: In Japan: 富士山",
        line,
    )
    assert run("search", "富士").stdout == done.stdout


async def test_what_a_search_tells_opens_the_session(run: Omni, home: Path, file: Path) -> None:
    id = run("search", "something").stdout.split()[0]
    shown = omni("--load", id, "-p", "and on", home=home, cwd=home)
    assert shown.returncode == 0
    assert "and on" in run("show", id).stdout


async def test_titles_and_sessions_of_sub_agents_are_found(run: Omni, file: Path) -> None:
    assert "  title: Climbing\n" in run("search", "climbing").stdout
    (line,) = run("search", "hill").stdout.splitlines()
    assert line.startswith("kid-id-o  ")
    assert "(sub-agent of first-id)" in line


async def test_words_may_be_quoted_by_the_shell_or_not(run: Omni, file: Path) -> None:
    assert run("search", "in", "japan").stdout == run("search", "in japan").stdout != ""
    assert run("search", '"japan in"').stdout == ""


async def test_json_has_the_place_and_the_matches(run: Omni, file: Path) -> None:
    (row,) = json.loads(run("search", "fuji", "--json", "--limit", "5").stdout)
    assert list(row) == [
        "session_id",
        "title",
        "parent_id",
        "node_id",
        "role",
        "time",
        "snippet",
        "matches",
    ]
    assert (row["session_id"], row["node_id"], row["role"]) == (FIRST, 1, "user")
    ((start, end),) = row["matches"]
    assert row["snippet"][start:end] == "Fuji"


async def test_the_limit_holds(run: Omni, file: Path) -> None:
    assert len(run("search", "i", "--limit", "1").stdout.splitlines()) == 1
    assert len(json.loads(run("list", "--limit", "1", "--json").stdout)) == 1


async def test_on_a_terminal_the_words_stand_out(home: Path, tmp_path: Path, file: Path) -> None:
    done = on_terminal("sessions", "search", "japan", home=home, cwd=tmp_path)
    assert "\r\n    2 assistant: In \x1b[1mJapan\x1b[0m: 富士山\r\n" in done
    assert "\x1b[31m" not in done


@pytest.mark.parametrize("query", ["nowhere-to-be-found", "*", '"', "🎉", "a\x1b[2Jb"])
async def test_nothing_found_is_said_on_standard_error(run: Omni, file: Path, query: str) -> None:
    done = run("search", query)
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing with" in done.stderr
    assert run("search", query, "--json").stdout == "[]\n"


async def test_filters_narrow_what_is_found(run: Omni, file: Path) -> None:
    found = run("search", "role:assistant", "session:first").stdout.splitlines()
    assert found
    assert all(re.match(r"first-id .* \d+ assistant: ", line) for line in found)
    assert run("search", "japan", "role:assistant").stdout == run("search", "japan").stdout != ""
    assert run("search", "japan", "role:user").stdout == ""


async def test_a_filter_that_cannot_be_read_is_an_error_that_names_it(
    run: Omni, file: Path
) -> None:
    for query, said in (
        ("japan before:some\x1bday", "omni-tui: before: wants a time"),
        ("role:robot", "omni-tui: role: is user or assistant; not robot"),
        ("model:", "omni-tui: model: needs a value"),
    ):
        done = run("search", query)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr


async def test_a_list_runs_from_the_session_used_last(run: Omni, file: Path) -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert run("list").stdout == done.stdout
    ids = [line.split()[0] for line in done.stdout.splitlines()]
    assert sorted(ids) == ["first-id", "second-i"]
    (first,) = [line for line in done.stdout.splitlines() if line.startswith("first")]
    assert first.endswith("Mountains �[31m  2 branches")
    (second,) = [line for line in done.stdout.splitlines() if line.startswith("second")]
    assert second.endswith("Something else")
    rows = json.loads(run("list", "--json").stdout)
    assert sorted(row["id"] for row in rows) == [FIRST, SECOND]


async def test_a_session_is_shown_with_the_branch_in_view(run: Omni, file: Path) -> None:
    done = run("show", "mount")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Where is �]0;owned� Fuji?" in done.stdout
    assert "I do not know." in done.stdout
    assert "Japan" not in done.stdout
    shown = json.loads(run("show", FIRST, "--json").stdout)
    assert (shown["id"], shown["nodes"]) == (FIRST, 3)
    assert [each["node_id"] for each in shown["messages"]] == [1, 3]
    assert shown["messages"][1]["content"] == [{"type": "text", "text": "I do not know."}]


async def test_a_session_that_is_not_there_has_its_exit_code(run: Omni, file: Path) -> None:
    done = run("show", "nobody")
    assert (done.returncode, done.stdout) == (7, "")
    assert "nobody" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [(("list",), 0, "no sessions yet"), (("search", "x"), 0, "nothing"), (("show", "x"), 7, "x")],
)
def test_without_a_file_nothing_is_created(
    run: Omni, home: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [("search",), ("show",), ("dance",), ("search", "x", "--limit", "0"), ("list", "--limit", "x")],
)
def test_arguments_that_make_no_sense_are_usage_errors(
    run: Omni, arguments: tuple[str, ...]
) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: omni-tui sessions" in done.stderr


async def test_another_file_can_be_named(run: Omni, tmp_path: Path) -> None:
    await store_some(tmp_path / "other.db")
    assert len(run("search", "fuji", "--db", tmp_path / "other.db").stdout.splitlines()) == 1
    assert run("search", "fuji").stdout == ""


def on_terminal(*arguments: str, home: Path, cwd: Path) -> str:
    """What the command writes to a terminal."""
    ours, its = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment(home),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=its,
    ):
        os.close(its)
        written = b""
        try:
            while piece := os.read(ours, 4096):
                written += piece
        except OSError:  # how Linux says that the other end is closed
            pass
        finally:
            os.close(ours)
    return written.decode()
