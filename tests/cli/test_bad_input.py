"""What the command does with what is wrong: one line that says so, and the right exit code."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from command import omni

from omni_tui.core.messages import Message
from omni_tui.session.store.base import SessionRecord, StoredSession
from omni_tui.session.store.sqlite import SQLiteStore
from omni_tui.session.tree import Tree

Omni = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Omni:
    """The command in an empty folder; whatever happens, it never shows a traceback."""
    cwd = tmp_path / "work"
    cwd.mkdir()

    def run(*arguments: str | Path, piped: str = "") -> subprocess.CompletedProcess[str]:
        done = omni(*arguments, home=home, cwd=cwd, piped=piped)
        assert "Traceback" not in done.stderr + done.stdout
        return done

    return run


async def seed(home: Path, *ids: str) -> None:
    async with SQLiteStore(home / "sessions.db") as store:
        for id in ids:
            tree = Tree()
            tree.push(Message.user("a question"))
            tree.push(Message.assistant("an answer"), model="demo/chat")
            await store.create(SessionRecord(id=id, title=f"named {id}", model="demo/chat"))
            await store.save_tree(id, tree.take_changes())


async def only_session(home: Path) -> StoredSession:
    async with SQLiteStore(home / "sessions.db") as store:
        page = await store.list()
        assert len(page) == 1
        return await store.load(page[0].id)


# Sessions


def test_an_unknown_session_is_named(run: Omni) -> None:
    done = run("--load", "nothingLikeIt", "-p", "hello")
    assert done.returncode == 7
    assert "nothingLikeIt" in done.stderr
    assert done.stdout == ""


async def test_an_ambiguous_prefix_opens_nothing(run: Omni, home: Path) -> None:
    await seed(home, "twinAAAA", "twinBBBB")
    done = run("--load", "twin", "-p", "hello")
    assert done.returncode == 7
    assert "twin" in done.stderr
    async with SQLiteStore(home / "sessions.db") as store:
        assert [len((await store.load(id)).tree) for id in ("twinAAAA", "twinBBBB")] == [2, 2]


async def test_a_prefix_of_one_session_opens_it(run: Omni, home: Path) -> None:
    await seed(home, "oneAAAA", "otherBBB")
    assert run("--load", "oneA", "-p", "hello").returncode == 0
    async with SQLiteStore(home / "sessions.db") as store:
        assert len((await store.load("oneAAAA")).tree) == 4
        assert len((await store.load("otherBBB")).tree) == 2


@pytest.mark.parametrize("id", ["-startsWithADash", "--twoDashes"])
async def test_an_id_that_starts_with_a_dash_can_be_opened_too(
    run: Omni, home: Path, id: str
) -> None:
    await seed(home, id)
    assert run(f"--load={id}", "-p", "hello").returncode == 0
    async with SQLiteStore(home / "sessions.db") as store:
        assert len((await store.load(id)).tree) == 4


async def test_a_session_open_in_another_process_is_refused(run: Omni, home: Path) -> None:
    await seed(home, "heldAAAA")
    async with SQLiteStore(home / "sessions.db") as store:
        await store.lease("heldAAAA")
        done = run("--load", "heldAAAA", "-p", "hello")
        assert done.returncode == 7
        assert "heldAAAA" in done.stderr
        assert len((await store.load("heldAAAA")).tree) == 2
        await store.release("heldAAAA")
    assert run("--load", "heldAAAA", "-p", "hello").returncode == 0


def test_there_is_nothing_to_continue_in_an_empty_store(run: Omni) -> None:
    assert run("--continue", "-p", "hello").returncode == 7


# Settings and arguments


@pytest.mark.parametrize("model", ["nosuch/model", "nosuchmodel", "demo/"])
def test_an_unknown_model_is_refused_with_a_hint(run: Omni, model: str) -> None:
    done = run("-m", model, "-p", "hello")
    assert done.returncode == 2
    message, hint = done.stderr.strip().splitlines()
    assert model.partition("/")[0] in message
    assert hint.startswith("  ")
    assert hint.strip()


@pytest.mark.parametrize(
    "setting",
    [
        'fallbacks = ["nobody/model"]',
        '[context]\nmodel = "nobody/model"',
        '[title]\nmodel = "nobody/model"',
    ],
)
def test_an_unknown_second_model_is_refused_before_anything_is_asked(
    run: Omni, home: Path, setting: str
) -> None:
    (home / "config.toml").write_text(f"{setting}\n")
    done = run("-p", "hi")
    assert done.returncode == 2
    assert "nobody" in done.stderr


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('model = "demo/chat"\n[tools\nx = 1\n', "line 2"),
        ('[tools]\nmax_steps = "many"\n', "max_steps"),
        ('[tools]\napproval_mode = "sometimes"\n', "approval_mode"),
        ("[context]\nthreshold = 999\n", "threshold"),
        ('[title]\nstrategy = "guess"\n', "expected one of heuristic, model, off"),
    ],
)
def test_a_broken_settings_file_is_named_with_the_place(
    run: Omni, home: Path, text: str, place: str
) -> None:
    (home / "config.toml").write_text(text)
    done = run("-p", "hello")
    assert done.returncode == 2
    assert str(home / "config.toml") in done.stderr
    assert place in done.stderr


def test_a_settings_file_that_is_no_text_is_named(run: Omni, home: Path) -> None:
    (home / "config.toml").write_bytes(b"model = '\xff\xfe'\n")
    done = run("-p", "hello")
    assert done.returncode == 2
    assert str(home / "config.toml") in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--nonsense",), ("--approval-mode", "never"), ("--load", "a", "--continue"), ("--load",)],
)
def test_arguments_that_make_no_sense_are_usage_errors(
    run: Omni, arguments: tuple[str, ...]
) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "usage: omni-tui" in done.stderr


def test_without_a_terminal_it_says_how_to_go_on(run: Omni) -> None:
    done = run()
    assert done.returncode == 2
    assert "omni-tui -p" in done.stderr


@pytest.mark.parametrize("piped", ["", "  \n\n"])
def test_an_empty_prompt_is_refused(run: Omni, home: Path, piped: str) -> None:
    done = run("-p", piped=piped)
    assert done.returncode == 2
    assert not (home / "sessions.db").exists()


@pytest.mark.parametrize(
    ("flag", "words"),
    [("--version", r"omni-tui \d+\.\d+\S*\n"), ("--help", r"(?s)usage: omni-tui.*exit codes.*")],
)
def test_help_and_version_touch_no_file(run: Omni, home: Path, flag: str, words: str) -> None:
    done = run(flag)
    assert done.returncode == 0
    assert re.fullmatch(words, done.stdout)
    assert done.stderr == ""
    assert list(home.iterdir()) == []


# The database


def test_a_database_of_a_newer_version_is_left_as_it_is(run: Omni, home: Path) -> None:
    assert run("-p", "hello").returncode == 0
    file = home / "sessions.db"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = file.read_bytes()
    done = run("-p", "hello")
    assert done.returncode == 1
    assert str(file) in done.stderr
    assert "newer" in done.stderr
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", [b"this is no database\n" * 200, b"SQLite format 3\0" * 40])
def test_a_file_that_is_no_database_is_left_as_it_is(
    run: Omni, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "letter.txt"
    file.write_bytes(content)
    done = run("--db", file, "-p", "hello")
    assert done.returncode == 1
    assert str(file) in done.stderr
    assert file.read_bytes() == content


@pytest.mark.parametrize("kind", ["folder", "under a file", "nowhere"])
def test_a_database_that_cannot_be_made_is_named(run: Omni, tmp_path: Path, kind: str) -> None:
    plain = tmp_path / "plain"
    plain.write_text("x")
    folder = tmp_path / "folder"
    folder.mkdir()
    file = {"folder": folder, "under a file": plain / "s.db", "nowhere": Path("/proc/no/s.db")}
    done = run("--db", file[kind], "-p", "hello")
    assert done.returncode == 1
    assert str(file[kind]) in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2


# Questions that go wrong


@pytest.mark.parametrize(
    ("prompt", "code", "words"),
    [("fail with 401", 6, "refused"), ("fail with 429", 5, "429"), ("run ls", 4, "bash")],
)
def test_a_failure_has_its_own_exit_code(run: Omni, prompt: str, code: int, words: str) -> None:
    done = run("-p", prompt)
    assert done.returncode == code
    assert words in done.stderr


async def test_a_failed_question_stays_in_the_tree(run: Omni, home: Path) -> None:
    assert run("-p", "fail with 401").returncode == 6
    tree = (await only_session(home)).tree
    assert tree.head is not None
    tip = tree[tree.head]
    assert tree[tree.path[0]].message.text == "fail with 401"
    assert tip.status == "failed"
    assert "401" in (tip.error or "")


async def test_a_denied_tool_is_told_to_the_model_and_kept(run: Omni, home: Path) -> None:
    assert run("-p", "run ls").returncode == 4
    tree = (await only_session(home)).tree
    results = [result for id in tree.path for result in tree[id].message.tool_results]
    assert [result.name for result in results] == ["bash"]
    assert results[0].is_error


async def test_an_answer_goes_to_standard_output(run: Omni, home: Path) -> None:
    done = run("-p", "hello")
    assert done.returncode == 0
    tree = (await only_session(home)).tree
    assert tree.head is not None
    assert done.stdout.strip() == tree[tree.head].message.text.strip()
    assert "demo" in done.stderr


def test_what_is_piped_in_joins_the_prompt(run: Omni) -> None:
    done = run("-m", "demo/echo", "-p", "sum this up:", piped="line one\nline two\n")
    assert done.returncode == 0
    assert done.stdout == "sum this up:\n\nline one\nline two\n"


HOSTILE = (
    "A\x1b]52;c;UFdO\x07B\x1b]0;PWN\x1b\\C\x1b[2JD\x90qE\x9b31mF\x9d0;PWN\x9cG\x7fH\x08I\rJ"
    "K\u202eL\u200bM\U000e0041N\x00O\x07P"
)


def test_no_control_character_reaches_standard_output(run: Omni) -> None:
    done = run("-m", "demo/echo", "-p", piped=HOSTILE)
    assert done.returncode == 0
    assert re.findall(r"[A-P]", re.sub(r"UFdO|PWN|\[2J", "", done.stdout)) == list(
        "ABCDEFGHIJKLMNOP"
    )
    assert re.findall("[^\n\\x20-\\x7e\u00a1-\uffff]", done.stdout) == []
    assert re.findall("[\u200b-\u200f\u202a-\u202e\u2066-\u2069]", done.stdout) == []


def test_a_hostile_argument_is_safe_in_a_complaint(run: Omni) -> None:
    done = run("--load", "x\x1b]0;PWN\x07\x9b2J\u202e", "-p", "hello")
    assert done.returncode == 7
    assert re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.stderr) == []
