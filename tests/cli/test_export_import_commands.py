"""`omni-tui export`, `import` and `tree`, run as a person or a script runs them."""

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

FILES = Path(__file__).parents[1] / "session" / "importers" / "files"
ID = "garden-session-of-test"
SECRET = "ghp_" + "a1B2c3D4e5F6" * 4


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Omni:
    """The command; it never shows a traceback or a control character."""

    def run(*arguments: str | Path, piped: str = "") -> subprocess.CompletedProcess[str]:
        done = omni(*arguments, home=home, cwd=tmp_path, piped=piped)
        assert "Traceback" not in done.stderr
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.stdout + done.stderr)
        return done

    return run


@pytest.fixture
async def stored(home: Path) -> Path:
    """A session with a fork; `beans` is on the branch that is not in view."""
    async with SQLiteStore(home / "sessions.db") as store:
        tree = Tree()
        tree.push(Message.user("What shall I plant? \x1b]0;owned\x07"))
        tree.push(Message.assistant("Beans"))
        tree.push(Message.user(f"My key is {SECRET}"), label="beans")
        tree.push(Message.assistant("Hide it"))
        tree.navigate(1)
        tree.push(Message.assistant("Peas\x9b31m"))
        tree.navigate(1)
        tree.push(Message.assistant("Weeds"))
        tree.prune(6)
        tree.navigate(5)
        await store.create(SessionRecord(id=ID, title="The garden", approvals=("bash(ls)",)))
        await store.save_tree(ID, tree.take_changes())
    return home / "sessions.db"


async def load(file: Path, id: str) -> Tree:
    async with SQLiteStore(file) as store:
        return (await store.load(id)).tree


# Export


def test_markdown_of_the_branch_in_view_goes_to_standard_output(run: Omni, stored: Path) -> None:
    done = run("export", "garden")
    assert (done.returncode, done.stderr) == (0, "")
    assert "# The garden" in done.stdout
    assert "Peas" in done.stdout
    assert "Beans" not in done.stdout
    assert run("export", "garden", "-o", "-").stdout == done.stdout


@pytest.mark.parametrize(
    "arguments",
    [("garden@beans",), ("garden", "--branch", "2"), ("garden", "--branch", "bea")],
)
def test_another_branch_is_named_by_label_or_number(
    run: Omni, stored: Path, arguments: tuple[str, ...]
) -> None:
    done = run("export", *arguments, "--format", "jsonl")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["node"]["id"] for line in lines] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "arguments", [("nobody",), ("garden@nothing",), ("garden", "--branch", "99")]
)
def test_what_is_not_there_has_its_exit_code(
    run: Omni, stored: Path, arguments: tuple[str, ...]
) -> None:
    done = run("export", *arguments)
    assert (done.returncode, done.stdout) == (7, "")
    assert len(done.stderr.splitlines()) == 2


def test_a_file_is_written_whole_for_its_owner_and_never_over_another(
    run: Omni, stored: Path, tmp_path: Path
) -> None:
    file = tmp_path / "garden.html"
    assert run("export", "garden", "-o", file).returncode == 0
    page = file.read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert page.endswith("</html>\n")
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("mine")
    done = run("export", "garden", "-o", file)
    assert (done.returncode, file.read_text()) == (2, "mine")
    assert "--force" in done.stderr
    assert run("export", "garden", "-o", file, "--force").returncode == 0
    assert file.read_text("utf-8") == page
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_a_file_that_cannot_be_written_is_an_error(run: Omni, stored: Path, tmp_path: Path) -> None:
    done = run("export", "garden", "-o", tmp_path / "nowhere" / "x.md")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


@pytest.mark.parametrize("form", ["md", "html", "json", "jsonl"])
def test_every_form_takes_secrets_out_if_asked_to(run: Omni, stored: Path, form: str) -> None:
    plain = run("export", "garden@beans", "--format", form).stdout
    clean = run("export", "garden@beans", "--format", form, "--redact").stdout
    assert SECRET in plain
    assert SECRET not in clean
    assert "[redacted]" in clean


def test_keys_that_are_set_are_taken_out_too(stored: Path, home: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "export", "garden@beans", "--redact"],
        env=environment(home, {"MY_API_KEY": "Hide it"[:7] + " ", "OTHER_TOKEN": "plant? \x1b"}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "plant?" not in done.stdout


@pytest.mark.parametrize("form", ["md", "jsonl"])
def test_all_brings_every_branch_and_what_is_hidden(run: Omni, stored: Path, form: str) -> None:
    text = run("export", "garden", "--all", "--format", form).stdout
    assert all(words in text for words in ("Beans", "Hide it", "Peas", "Weeds"))


async def test_on_a_terminal_json_is_without_what_it_obeys(stored: Path, home: Path) -> None:
    written = on_terminal("export", "garden", "--format", "json", home=home)
    assert "\x9b" not in written
    assert json.loads(written)["nodes"][4]["message"]["content"][0]["text"] == "Peas\x9b31m"


def on_terminal(*arguments: str, home: Path, typed: bytes = b"") -> str:
    """What the command writes to a terminal on which something is typed."""
    ours, its = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment(home),
        cwd=home,
        stdin=its,
        stdout=its,
        stderr=its,
    ):
        os.close(its)
        os.write(ours, typed)
        written = b""
        try:
            while piece := os.read(ours, 4096):
                written += piece
        except OSError:  # how Linux says that the other end is closed
            pass
        finally:
            os.close(ours)
    return written.decode()


# Import


async def test_an_archive_is_imported_once(run: Omni, home: Path) -> None:
    done = run("import", FILES / "chatgpt.json")
    assert done.returncode == 0
    assert done.stdout == "anNw1UQL  Bees\ncW9iZ_t9  A file\n"
    assert "2: this is of no known format" in done.stderr
    assert "2 imported with 14 messages" in done.stderr
    again = run("import", FILES / "chatgpt.json")
    assert (again.returncode, again.stdout) == (0, "")
    assert "0 imported with 0 messages, 2 stored already" in again.stderr
    tree = await load(home / "sessions.db", "anNw1UQLe5Xp828syh0fCw")
    assert len(tree.tips()) == 4
    assert tree.path == (1, 4, 5, 6, 7, 8)
    async with SQLiteStore(home / "sessions.db") as store:
        assert all(each.updated_at.year < 2026 for each in await store.list())


async def test_every_file_is_recognised_and_sub_agents_hang_beneath(run: Omni, home: Path) -> None:
    names = ("claude.json", "pi.jsonl", "claude-code.jsonl", "librechat.json")
    done = run("import", *(FILES / name for name in names))
    assert done.returncode == 0
    assert "6 imported" in done.stderr
    listed = json.loads(run("sessions", "list", "--json").stdout)
    assert {row["title"] for row in listed} == {
        "Rivers",
        None,
        "The garden",
        "Open the shop",
        "Foxes",
    }


async def test_an_exported_session_comes_back_equal_under_its_id(
    run: Omni, stored: Path, tmp_path: Path
) -> None:
    file = tmp_path / "garden.json"
    run("export", "garden", "-o", file)
    assert "1 stored already" in run("import", file).stderr
    other = tmp_path / "other.db"
    assert run("import", file, "--db", other).returncode == 0
    before, after = await load(stored, ID), await load(other, ID)
    assert dict(after.nodes) == dict(before.nodes)
    assert (after.path, dict(after.cursors)) == (before.path, dict(before.cursors))
    async with SQLiteStore(other) as store:
        assert (await store.load(ID)).record.approvals == ()


def test_an_import_can_be_piped(run: Omni, stored: Path, tmp_path: Path) -> None:
    text = run("export", "garden", "--format", "json").stdout
    done = run("import", "-", "--db", tmp_path / "other.db", piped=text)
    assert done.stdout == "garden-s  The garden\n"


async def test_a_session_of_which_only_the_name_came_through_is_filled(
    run: Omni, home: Path
) -> None:
    id = "anNw1UQLe5Xp828syh0fCw"
    async with SQLiteStore(home / "sessions.db") as store:
        await store.create(SessionRecord(id=id, title="Bees"))
    assert "2 imported" in run("import", FILES / "chatgpt.json").stderr
    assert len(await load(home / "sessions.db", id)) == 10


def test_an_imported_session_goes_on_like_any_other(run: Omni) -> None:
    run("import", FILES / "chatgpt.json")
    done = run("--load", "Bees", "-m", "demo/chat", "-p", "hello")
    assert done.returncode == 0
    assert "hello" in run("sessions", "show", "Bees").stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [("hello", "not JSON"), ("{}", "no known format"), ("", "0 imported"), ("[" * 99, "middle")],
)
def test_a_file_with_nothing_in_it_fails_and_says_why(
    run: Omni, tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    done = run("import", file)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr


def test_a_thousand_warnings_are_not_all_said(run: Omni, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text("[" + ",".join(["1"] * 1000) + "]")
    done = run("import", file)
    assert len(done.stderr.splitlines()) == 22
    assert "980 more warnings" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("x.json", "--format", "word")])
def test_wrong_arguments_of_import_are_usage_errors(run: Omni, arguments: tuple[str, ...]) -> None:
    done = run("import", *arguments)
    assert done.returncode == 2
    assert "usage: omni-tui import" in done.stderr


def test_a_file_that_is_not_there_is_a_usage_error(run: Omni, home: Path) -> None:
    assert run("import", "nowhere.zip").returncode == 2
    assert list(home.iterdir()) == []


# Tree


def test_a_tree_is_drawn_as_text(run: Omni, stored: Path) -> None:
    done = run("tree", "garden")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{ID}  The garden",
        "● 1 What shall I plant? �]0;owned�",
        "├─ ○ 2 Beans",
        f"│  ○ 3 My key is {SECRET} → Hide it [beans]",
        "└─ ● 5 Peas�31m",
    ]
    assert "○ 6 Weeds  (hidden)" in run("tree", "garden", "--all").stdout
    assert "● 3 " in run("tree", "garden@beans").stdout


def test_a_tree_is_drawn_for_programs(run: Omni, stored: Path) -> None:
    made = json.loads(run("tree", "garden", "--format", "json", "--all").stdout)
    assert (made["id"], made["head"]) == (ID, 5)
    assert [node["id"] for node in made["nodes"]] == [1, 2, 3, 4, 5, 6]
    assert [node["id"] for node in made["nodes"] if node["is_active"]] == [1, 5]
    assert run("tree", "garden", "--format", "mermaid").stdout.startswith("flowchart TD\n")
    assert run("tree", "garden", "--format", "dot").stdout.startswith("digraph session {\n")
    assert run("tree", "nobody").returncode == 7


# A label on the way in


async def test_a_session_opens_at_a_label(run: Omni, stored: Path) -> None:
    done = run("--load", "garden@bea", "-m", "demo/chat", "-p", "and then?")
    assert done.returncode == 0
    tree = await load(stored, ID)
    assert tree.path[:4] == (1, 2, 3, 4)
    assert run("--load", "garden@nothing", "-p", "x").returncode == 7


# Renaming and deleting


async def test_a_session_is_renamed(run: Omni, stored: Path) -> None:
    assert run("sessions", "rename", "garden", "My  plot\x1b[2J").returncode == 0
    async with SQLiteStore(stored) as store:
        record = (await store.load(ID)).record
    assert (record.title, record.title_is_manual) == ("My plot�[2J", True)
    run("sessions", "rename", ID, "")
    async with SQLiteStore(stored) as store:
        record = (await store.load(ID)).record
    assert (record.title, record.title_is_manual) == (None, False)


async def test_sessions_are_deleted_for_good_with_yes_alone(run: Omni, stored: Path) -> None:
    run("import", FILES / "claude-code.jsonl", FILES / "pi.jsonl")
    refused = run("sessions", "delete", ID)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    missing = run("sessions", "delete", ID, "nobody", "--yes")
    assert missing.returncode == 7
    done = run("sessions", "delete", ID, "Open the shop", ID, "--yes")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 2
    async with SQLiteStore(stored) as store:
        assert [each.title for each in await store.list()] == ["The garden"]
        assert not await store.exists("RqduAvz90GDchu4kMRHAKQ")  # its sub-agent's


@pytest.mark.parametrize(("typed", "left"), [(b"y\n", False), (b"\n", True), (b"no\n", True)])
async def test_on_a_terminal_a_person_is_asked(
    home: Path, stored: Path, typed: bytes, left: bool
) -> None:
    written = on_terminal("sessions", "delete", "garden", home=home, typed=typed)
    assert "Delete this session for good? [y/N]" in written
    async with SQLiteStore(stored) as store:
        assert await store.exists(ID) is left


async def test_what_another_process_has_open_is_left_alone(run: Omni, stored: Path) -> None:
    async with SQLiteStore(stored) as store:
        await store.lease(ID)
        for arguments in (("rename", ID, "x"), ("delete", ID, "--yes")):
            done = run("sessions", *arguments)
            assert (done.returncode, done.stdout) == (7, "")
        assert (await store.load(ID)).record.title == "The garden"


def test_the_help_names_every_command(run: Omni) -> None:
    text = run("--help").stdout
    for command in ("sessions", "tree", "export", "import"):
        assert re.search(rf"^  {command} +\w", text, re.MULTILINE)
        assert f"usage: omni-tui {command}" in run(command, "--help").stdout
