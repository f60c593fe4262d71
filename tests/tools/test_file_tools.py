from __future__ import annotations

import asyncio
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from tool_calls import Call

from omni_tui.core.errors import ToolError
from omni_tui.core.tool import ToolContext
from omni_tui.tools import disk


async def test_lines_come_with_their_numbers(call: Call, work: Path) -> None:
    (work / "a.txt").write_text("one\ntwo\n")
    assert (await call("read_file", path="a.txt")).text == "     1\tone\n     2\ttwo"


async def test_a_part_of_a_file_ends_with_where_to_go_on(call: Call, work: Path) -> None:
    (work / "a.txt").write_text("".join(f"{n}\n" for n in range(1, 11)))
    reply = await call("read_file", path="a.txt", offset=3, limit=2)
    assert reply.text == "     3\t3\n     4\t4\n(lines 3–4 of 10; next offset 5)"
    last = await call("read_file", path="a.txt", offset=9)
    assert last.text == "     9\t9\n    10\t10"


async def test_an_offset_past_the_end_says_how_long_the_file_is(call: Call, work: Path) -> None:
    (work / "a.txt").write_text("one\ntwo")
    with pytest.raises(ToolError, match=r"offset 3 is past the end: a\.txt has 2 lines"):
        await call("read_file", path="a.txt", offset=3)


async def test_an_empty_file_is_said_to_be_empty(call: Call, work: Path) -> None:
    (work / "a.txt").touch()
    assert (await call("read_file", path="a.txt")).text == "(empty file)"


async def test_a_long_line_is_cut_and_the_next_one_is_whole(call: Call, work: Path) -> None:
    (work / "a.txt").write_text("é" * 50_000 + "\nnext\n")
    first, second = (await call("read_file", path="a.txt")).text.split("\n")
    assert first == "     1\t" + "é" * 2000 + "… (line cut)"
    assert second == "     2\tnext"


async def test_a_huge_answer_stops_early_and_says_so(call: Call, work: Path) -> None:
    (work / "a.txt").write_text(("x" * 1500 + "\n") * 1000)
    reply = await call("read_file", path="a.txt")
    assert len(reply.text) < 110_000
    assert reply.text.endswith(" of 1000; next offset 68)")


async def test_windows_lines_marks_and_bad_bytes_are_shown_plainly(call: Call, work: Path) -> None:
    (work / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\n\xfftwo\r\n")
    assert (await call("read_file", path="a.txt")).text == "     1\tone\n     2\t\ufffdtwo"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing.txt", "Not found: missing.txt"),
        (".", "Is a directory"),
        ("binary", "A binary file"),
        ("pipe", "Not a regular file"),
        ("a\0b", "NUL"),
        pytest.param("x" * 300, "name is too long", id="long name"),
        pytest.param("x/" * 2500, "path is too long", id="long path"),
        ("", "path is empty"),
        ("\ud83d", "characters no file name can have"),
        ("binary/x", "link or no folder"),
    ],
)
async def test_what_is_no_text_file_is_refused_without_hanging(
    call: Call, work: Path, path: str, message: str
) -> None:
    (work / "binary").write_bytes(b"ab\0c")
    os.mkfifo(work / "pipe")
    with pytest.raises(ToolError, match=message):
        await call("read_file", path=path)


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "sub/../../secret.txt",
        "{tmp}/secret.txt",
        "{tmp}/work-evil/a.txt",
        "../work-evil/a.txt",
        "link.txt",
        "linkdir/secret.txt",
        "chain",
        "~/secret.txt",
        "/etc/passwd",
        "/proc/self/environ",
        "/proc/self/root",
        "/proc/self/cwd/../secret.txt",
        "/dev/stdin",
        "/dev/tty",
        "sub/./.././../secret.txt",
        "//etc/passwd",
        "linkdir/../secret.txt",
    ],
)
@pytest.mark.parametrize("name", ["read_file", "write_file", "edit_file", "grep", "glob"])
async def test_no_path_leads_out_of_the_folder(
    call: Call, work: Path, tmp_path: Path, path: str, name: str
) -> None:
    (work / "sub").mkdir()
    (tmp_path / "work-evil").mkdir()
    (tmp_path / "work-evil" / "a.txt").write_text("evil")
    (work / "link.txt").symlink_to(tmp_path / "secret.txt")
    (work / "linkdir").symlink_to(tmp_path)
    (work / "chain").symlink_to("link.txt")
    arguments: dict[str, Any] = {
        "read_file": {},
        "write_file": {"content": "x"},
        "edit_file": {"old_string": "secret", "new_string": "x"},
        "grep": {"pattern": "."},
        "glob": {"pattern": "*"},
    }[name]
    with pytest.raises(ToolError, match="Outside the allowed folders"):
        await call(name, path=path.replace("{tmp}", str(tmp_path)), **arguments)
    assert (tmp_path / "secret.txt").read_text() == "secret\n"


async def test_other_folders_can_be_allowed_and_single_files(
    call: Call, work: Path, tmp_path: Path
) -> None:
    context = ToolContext(cwd=work, allowed_paths=(work, tmp_path / "secret.txt"))
    assert "secret" in (await call("read_file", context, path="../secret.txt")).text
    with pytest.raises(ToolError, match="Outside"):
        await call("read_file", context, path="../other.txt")


async def test_a_working_folder_reached_by_a_link_is_the_folder_itself(
    call: Call, work: Path, tmp_path: Path
) -> None:
    (work / "a.txt").write_text("a\n")
    (tmp_path / "alias").symlink_to(work)
    context = ToolContext(cwd=tmp_path / "alias")
    assert (await call("read_file", context, path="a.txt")).text == "     1\ta"


async def test_writing_makes_folders_and_says_what_it_did(call: Call, work: Path) -> None:
    reply = await call("write_file", path="a/b/c.txt", content="one\ntwo")
    assert reply.text == "Created a/b/c.txt (2 lines, 7 bytes)"
    assert (work / "a/b/c.txt").read_text() == "one\ntwo"
    assert reply.data is not None
    assert reply.data["created"] is True
    assert reply.data["diff"].startswith("--- a/a/b/c.txt\n+++ b/a/b/c.txt\n@@ -0,0 +1,2 @@\n+one")
    assert (reply.data["added"], reply.data["removed"]) == (2, 0)


async def test_overwriting_keeps_the_mode_and_leaves_no_other_file(call: Call, work: Path) -> None:
    target = work / "run.sh"
    target.write_text("old\n")
    target.chmod(0o751)
    reply = await call("write_file", path="run.sh", content="new\n")
    assert reply.text.startswith("Overwrote run.sh")
    assert stat.S_IMODE(target.stat().st_mode) == 0o751
    assert [entry.name for entry in work.iterdir()] == ["run.sh"]
    assert reply.data is not None
    assert "-old\n+new\n" in reply.data["diff"]


async def test_a_new_file_follows_the_umask(call: Call, work: Path) -> None:
    before = os.umask(0o027)
    try:
        await call("write_file", path="a.txt", content="x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((work / "a.txt").stat().st_mode) == 0o640


async def test_a_write_that_fails_leaves_the_old_file(
    call: Call, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "a.txt").write_text("old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ToolError, match=r"No space left on device: a\.txt"):
        await call("write_file", path="a.txt", content="new")
    assert {entry.name: entry.read_text() for entry in work.iterdir()} == {"a.txt": "old"}


async def test_a_link_is_not_written_through_even_inside(call: Call, work: Path) -> None:
    (work / "real.txt").write_text("real")
    (work / "link.txt").symlink_to("real.txt")
    with pytest.raises(ToolError, match="A link is not written through"):
        await call("write_file", path="link.txt", content="x")
    with pytest.raises(ToolError, match="A link is not written through"):
        await call("edit_file", path="link.txt", old_string="real", new_string="x")
    assert (work / "real.txt").read_text() == "real"


async def test_a_hard_link_to_outside_is_replaced_and_not_written_through(
    call: Call, work: Path, tmp_path: Path
) -> None:
    os.link(tmp_path / "secret.txt", work / "hard.txt")
    await call("write_file", path="hard.txt", content="mine")
    assert (tmp_path / "secret.txt").read_text() == "secret\n"


@pytest.mark.parametrize(("path", "message"), [(".", "Is a directory"), ("pipe", "Not a regular")])
async def test_only_files_are_overwritten(call: Call, work: Path, path: str, message: str) -> None:
    os.mkfifo(work / "pipe")
    with pytest.raises(ToolError, match=message):
        await call("write_file", path=path, content="x")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
async def test_a_read_only_file_is_not_replaced(call: Call, work: Path) -> None:
    (work / "a.txt").write_text("old")
    (work / "a.txt").chmod(0o444)
    with pytest.raises(ToolError, match="Permission denied"):
        await call("write_file", path="a.txt", content="new")


async def test_text_that_utf8_refuses_is_written_as_a_replacement(call: Call, work: Path) -> None:
    await call("write_file", path="a.txt", content="a\ud83db")
    assert (work / "a.txt").read_text() == "a\ufffdb"


def test_a_folder_swapped_for_a_link_is_never_followed(work: Path, tmp_path: Path) -> None:
    inner = work / "inner"
    inner.mkdir()
    (inner / "secret.txt").write_text("mine")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            inner.rename(work / "aside")
            inner.symlink_to(tmp_path)
            inner.unlink()
            (work / "aside").rename(inner)

    thread = threading.Thread(target=swap)
    thread.start()
    read = refused = 0
    try:
        for _ in range(1000):
            try:
                with disk.open_regular(inner / "secret.txt") as file:
                    assert file.read() == b"mine"
                    read += 1
            except OSError:
                refused += 1
    finally:
        stop.set()
        thread.join()
    assert read + refused == 1000


async def test_changes_to_one_file_take_turns(call: Call, work: Path) -> None:
    (work / "a.txt").write_text("".join(f"<{n}>\n" for n in range(30)))
    await asyncio.gather(
        *(
            call("edit_file", path="a.txt", old_string=f"<{n}>", new_string=f"[{n}]")
            for n in range(30)
        )
    )
    assert (work / "a.txt").read_text() == "".join(f"[{n}]\n" for n in range(30))
