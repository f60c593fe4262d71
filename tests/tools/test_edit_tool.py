from __future__ import annotations

import stat
from pathlib import Path

import pytest
from tool_calls import Call

from omni_tui.core.errors import ToolError


async def edit(call: Call, old: str, new: str, replace_all: bool = False) -> str:
    reply = await call(
        "edit_file", path="a.txt", old_string=old, new_string=new, replace_all=replace_all
    )
    return reply.text


async def test_one_match_is_replaced_and_the_diff_is_kept(call: Call, work: Path) -> None:
    target = work / "a.txt"
    target.write_text("one\ntwo\nthree\n")
    target.chmod(0o700)
    reply = await call("edit_file", path="a.txt", old_string="two", new_string="2\n2b")
    assert target.read_text() == "one\n2\n2b\nthree\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert reply.text == "Edited a.txt: 1 replacement (+2 −1)"
    assert reply.data == {
        "diff": "--- a/a.txt\n+++ b/a.txt\n@@ -1,3 +1,4 @@\n one\n-two\n+2\n+2b\n three\n",
        "added": 2,
        "removed": 1,
    }


async def test_no_match_is_an_error_that_helps(call: Call, work: Path) -> None:
    (work / "a.txt").write_text("    indented\n")
    with pytest.raises(ToolError, match=r"not found in a\.txt; read it again"):
        await edit(call, "missing", "x")
    with pytest.raises(ToolError, match="only the whitespace around it differs"):
        await edit(call, "\tindented\n", "x")


async def test_several_matches_need_replace_all(call: Call, work: Path) -> None:
    (work / "a.txt").write_text("x x x\n")
    with pytest.raises(ToolError, match="appears 3 times"):
        await edit(call, "x", "y")
    assert (work / "a.txt").read_text() == "x x x\n"
    assert "3 replacements" in await edit(call, "x", "y", replace_all=True)
    assert (work / "a.txt").read_text() == "y y y\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("", "x", "old_string is empty"), ("x", "x", "are the same")],
)
async def test_an_edit_that_means_nothing_is_refused(
    call: Call, work: Path, old: str, new: str, message: str
) -> None:
    (work / "a.txt").write_text("x")
    with pytest.raises(ToolError, match=message):
        await edit(call, old, new)


async def test_windows_line_ends_are_kept(call: Call, work: Path) -> None:
    (work / "a.txt").write_bytes(b"one\r\ntwo\r\nthree\r\n")
    await edit(call, "one\ntwo\n", "1\n2\n")
    assert (work / "a.txt").read_bytes() == b"1\r\n2\r\nthree\r\n"


async def test_unix_line_ends_are_kept_when_the_model_writes_windows_ones(
    call: Call, work: Path
) -> None:
    (work / "a.txt").write_bytes(b"one\ntwo\n")
    await edit(call, "one\r\ntwo", "1\r\n2")
    assert (work / "a.txt").read_bytes() == b"1\n2\n"


async def test_bytes_that_are_no_utf8_survive_an_edit(call: Call, work: Path) -> None:
    (work / "a.txt").write_bytes(b"caf\xe9 one\n")
    reply = await call("edit_file", path="a.txt", old_string="one", new_string="two")
    assert (work / "a.txt").read_bytes() == b"caf\xe9 two\n"
    assert reply.data is not None
    assert "-caf\ufffd one" in reply.data["diff"]


@pytest.mark.parametrize(
    ("data", "message"),
    [(None, "Not found"), (b"a\0b", "binary"), (b"x" * (10 * 1024 * 1024 + 1), "Too large")],
)
async def test_what_cannot_be_edited_is_said(
    call: Call, work: Path, data: bytes | None, message: str
) -> None:
    if data is not None:
        (work / "a.txt").write_bytes(data)
    with pytest.raises(ToolError, match=message):
        await edit(call, "a", "b")


async def test_an_edit_makes_no_folders(call: Call, work: Path) -> None:
    with pytest.raises(ToolError, match="Not found"):
        await call("edit_file", path="no/such/a.txt", old_string="a", new_string="b")
    assert not (work / "no").exists()
