"""`omni-tui doctor`, and how the program starts with a file of sessions that is not well."""

from __future__ import annotations

import json
import os
import random
import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from command import COMMAND, environment

from omni_tui.cli.doctor import terminal
from omni_tui.core.messages import Message
from omni_tui.session.store import SessionRecord, SQLiteStore
from omni_tui.session.tree import Tree

Omni = Callable[..., "subprocess.CompletedProcess[str]"]

SECRET = "sk-ant-0123456789abcdef"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Omni:
    """The command; it never shows a traceback, a control character or a secret."""

    def run(*arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            env=environment(home, env),
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.stdout + done.stderr)
        assert SECRET not in done.stdout + done.stderr
        return done

    return run


@pytest.fixture
async def file(home: Path) -> Path:
    """A file with a session of 300 messages."""
    tree = Tree()
    for number in range(300):
        text = f"message{number} " * 30
        tree.push(Message.assistant(text) if number % 2 else Message.user(text))
    async with SQLiteStore(home / "sessions.db") as store:
        await store.create(SessionRecord(id="s", title="Long"))
        await store.save_tree("s", tree.take_changes())
    return home / "sessions.db"


def rows(done: subprocess.CompletedProcess[str]) -> Iterator[dict[str, Any]]:
    yield from json.loads(done.stdout)["findings"]


def levels(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {f"{row['section']} {row['subject']}": row["level"] for row in rows(done)}


async def test_where_all_is_well_every_line_says_so(run: Omni, file: Path) -> None:
    done = run("doctor", TERM="xterm-256color", COLORTERM="truecolor", ANTHROPIC_API_KEY=SECRET)
    assert (done.returncode, done.stderr) == (0, "")
    marks = {line[2:6] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert marks == {"ok  "}
    assert "ANTHROPIC_API_KEY: is set, for anthropic" in done.stdout
    assert "1 with 300 messages" in done.stdout
    for name in ("omni-tui", "python", "textual", "sqlite"):
        assert re.search(rf"ok    {name}: \d+\.\d+", done.stdout)


async def test_json_has_the_same_findings(run: Omni, file: Path) -> None:
    done = run("doctor", "--json", "--deep", TERM="xterm")
    assert json.loads(done.stdout)["ok"] is True
    assert levels(done)["sessions search"] == "ok"
    assert levels(done)["keys none"] == "warn"
    assert {"section", "subject", "level", "text", "hint"} == set(next(rows(done)))


def test_without_a_file_nothing_is_created(run: Omni, home: Path) -> None:
    done = run("doctor")
    assert done.returncode == 0
    assert "is made with the first conversation" in done.stdout
    assert list(home.iterdir()) == []


async def test_a_warning_says_what_to_do_and_is_no_failure(run: Omni, file: Path) -> None:
    file.chmod(0o644)
    done = run("doctor", TERM="dumb")
    assert done.returncode == 0
    assert "  warn  modes: others can read sessions.db\n        doctor --fix" in done.stdout
    assert "only -p works" in done.stdout


def test_settings_that_cannot_be_read_fail(run: Omni, home: Path) -> None:
    (home / "config.toml").write_text("model = [\x1b]0;owned\x07")
    done = run("doctor")
    assert done.returncode == 1
    assert "  FAIL  config: " in done.stdout
    assert "config.toml" in done.stdout


def test_settings_that_clash_or_name_what_is_not_there_are_told(run: Omni, home: Path) -> None:
    (home / "config.toml").write_text(
        'theme = "nowhere"\nmodle = "x"\n[keymap]\n"app.help" = "ctrl+p"\n'
    )
    done = run("doctor")
    assert done.returncode == 1
    assert "  FAIL  keymap: " in done.stdout
    assert "there is no theme nowhere" in done.stdout
    assert "modle" in done.stdout


async def test_damage_fails_and_says_how_to_rescue(run: Omni, file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:8192] + b"\x55" * 4096 + content[12288:])
    done = run("doctor")
    assert done.returncode == 1
    assert "  FAIL  integrity: damaged" in done.stdout
    assert "doctor --rescue NEW.db" in done.stdout


async def test_what_can_be_read_of_a_damaged_file_is_rescued(run: Omni, file: Path) -> None:
    content = file.read_bytes()
    damaged = content[: 4096 * 20] + b"\x55" * 4096 + content[4096 * 21 :]
    file.write_bytes(damaged)
    new = file.with_name("new.db")
    done = run("doctor", "--rescue", new)
    assert done.returncode == 0
    found = re.search(r"1 sessions with (\d+) messages are in .*new\.db\n(\d+) m", done.stdout)
    assert found is not None
    kept, lost = map(int, found.groups())
    assert kept + lost == 300
    assert 0 < lost < 20
    assert run("doctor", "--deep", "--db", new).returncode == 0
    assert file.read_bytes() == damaged
    again = run("doctor", "--rescue", new)
    assert (again.returncode, again.stdout) == (1, "")


async def test_an_index_that_is_wrong_is_found_and_mended(run: Omni, file: Path) -> None:
    run_sql(file, "INSERT INTO message_words (message_words) VALUES ('delete-all')")
    assert run("doctor").returncode == 1
    done = run("doctor", "--fix")
    assert (done.returncode, done.stdout) == (0, "the index of words was made anew\n")
    assert run("doctor", "--deep").returncode == 0
    assert run("doctor", "--fix").stdout == "nothing to put right\n"
    assert json.loads(run("doctor", "--fix", "--json").stdout) == {"fixed": []}


async def test_a_backup_is_made_and_never_over_a_file(
    run: Omni, file: Path, tmp_path: Path
) -> None:
    done = run("doctor", "--backup", "copy.db")
    target = tmp_path / "copy.db"
    assert done.returncode == 0
    assert done.stdout == f"copied to {target}, {target.stat().st_size:,} bytes\n"
    assert "Long" in run("sessions", "list", "--db", target).stdout
    before = target.read_bytes()
    again = run("doctor", "--backup", "copy.db")
    assert (again.returncode, again.stdout) == (1, "")
    assert "is there already" in again.stderr
    assert target.read_bytes() == before


async def test_room_is_given_back_but_not_while_a_session_is_open(run: Omni, file: Path) -> None:
    async with SQLiteStore(file) as store:
        await store.lease("s")
        done = run("doctor", "--vacuum")
        assert (done.returncode, done.stdout) == (7, "")
        assert f"in use by process {os.getpid()}" in done.stderr
        await store.delete("s")
    size = file.stat().st_size
    done = run("doctor", "--vacuum", "--json")
    freed = json.loads(done.stdout)
    assert freed["after"] == file.stat().st_size < size
    assert re.fullmatch(
        r"[\d,]+ bytes before, [\d,]+ after: 0 freed\n", run("doctor", "--vacuum").stdout
    )


@pytest.mark.parametrize("care", ["--fix", "--vacuum", "--backup=x.db", "--rescue=x.db"])
def test_there_is_nothing_to_care_for_without_a_file(run: Omni, home: Path, care: str) -> None:
    done = run("doctor", care)
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no file" in done.stderr
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("care", ["--fix", "--vacuum", "--backup=x.db", "--rescue=x.db"])
def test_only_files_of_sqlite_are_cared_for(run: Omni, tmp_path: Path, care: str) -> None:
    done = run("doctor", care, "--db", f"jsonl:{tmp_path / 'folder'}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no SQLite file" in done.stderr


def test_other_places_are_tried(run: Omni, tmp_path: Path) -> None:
    assert "ok    place: memory:" in run("doctor", "--db", "memory:").stdout
    done = run("doctor", "--db", "postgres://nobody:secret@127.0.0.1:1/none")
    assert done.returncode == 1
    assert "FAIL  place" in done.stdout
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments", [("--fix", "--vacuum"), ("--backup",), ("now",), ("--deep", "--fix")]
)
def test_arguments_that_make_no_sense_are_usage_errors(
    run: Omni, arguments: tuple[str, ...]
) -> None:
    assert run("doctor", *arguments).returncode == 2


@pytest.mark.parametrize(
    ("env", "encoding", "size", "expected"),
    [
        ({"TERM": "xterm-256color"}, "utf-8", (120, 40), {}),
        ({"TERM": "xterm"}, "UTF8", None, {}),
        ({}, "utf-8", None, {"TERM": "not set"}),
        ({"TERM": "dumb"}, "utf-8", None, {"TERM": "dumb"}),
        ({"TERM": "xterm"}, "latin-1", None, {"encoding": "latin-1"}),
        ({"TERM": "xterm"}, "utf-8", (40, 40), {"size": "40 × 40"}),
    ],
)
def test_what_a_terminal_lacks_is_a_warning(
    env: dict[str, str], encoding: str, size: tuple[int, int] | None, expected: dict[str, str]
) -> None:
    found = {each.subject: each for each in terminal(env, encoding, size) if each.level != "ok"}
    assert found.keys() == expected.keys()
    assert all(words in found[name].text for name, words in expected.items())
    assert all(each.hint for each in found.values())


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "16 million"),
        ({"TERM": "xterm-256color"}, "256;"),
        ({"TERM": "xterm"}, "16;"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "none"),
    ],
)
def test_the_colours_of_a_terminal_are_told(env: dict[str, str], words: str) -> None:
    (found,) = [each for each in terminal(env, "utf-8", None) if each.subject == "colours"]
    assert found.text.startswith(words)


# Starting with a file that is not well


def run_sql(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


def spoil_with(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (spoil_with(b"hello"), "not a SQLite database"),
    "noise": (spoil_with(b"\x93" * 9999), "not a SQLite database"),
    "of another program": (lambda path: run_sql(path, "PRAGMA application_id = 7"), "another"),
    "newer": (lambda path: run_sql(path, "PRAGMA user_version = 99"), "newer omni-tui"),
    "a folder": (lambda path: path.rename(path.with_name("aside")), "cannot be used"),
}


@pytest.mark.parametrize("what", UNUSABLE)
@pytest.mark.parametrize(
    "arguments", [("-p", "hello"), ("--continue", "-p", "hello"), ("sessions", "list")]
)
async def test_a_file_that_cannot_be_used_ends_the_program_with_one_line_and_a_hint(
    run: Omni, file: Path, what: str, arguments: tuple[str, ...]
) -> None:
    spoil, words = UNUSABLE[what]
    spoil(file)
    if not file.exists():
        file.mkdir()
    before = file.read_bytes() if file.is_file() else None
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    first, *hint = done.stderr.splitlines()
    assert first.startswith("omni-tui: ")
    assert words in first
    assert "sessions.db" in first
    assert len(hint) == 1
    assert hint[0].startswith("  ")
    assert (file.read_bytes() if file.is_file() else None) == before


def test_a_file_of_no_bytes_is_begun_anew(run: Omni, home: Path) -> None:
    (home / "sessions.db").touch()
    assert run("-p", "hello").returncode == 0
    assert "hello" in run("sessions", "list").stdout


async def test_flipped_bytes_end_in_an_answer_or_in_one_line(run: Omni, file: Path) -> None:
    whole = file.read_bytes()
    chance = random.Random(5)
    codes = set()
    for _ in range(6):
        content = bytearray(whole)
        for _ in range(64):
            content[chance.randrange(100, len(content))] = chance.randrange(256)
        file.write_bytes(content)
        for side in file.parent.glob("sessions.db-*"):
            side.unlink()
        done = run("--load", "s", "-p", "hello")
        codes.add(done.returncode)
        said = [line for line in done.stderr.splitlines() if not line.startswith("  ")]
        if done.returncode:
            assert any("sessions.db is damaged" in line for line in said), said
            assert "omni-tui doctor --db" in done.stderr
        assert file.exists()
    assert 1 in codes


def test_an_answer_that_could_not_be_saved_is_printed_and_said_to_be_unsaved(
    run: Omni, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only who may mount can have a small disk")
    try:
        assert run("-p", "hello", "--db", disk / "sessions.db").returncode == 0
        done = run("-p", "long " * 20_000, "--db", disk / "sessions.db")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
    assert done.returncode == 1
    assert done.stdout
    assert re.search(r"^omni-tui: not saved: The disk that holds .* is full", done.stderr, re.M)
