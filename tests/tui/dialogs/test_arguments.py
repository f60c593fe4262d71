"""What a person reads before a tool runs: the change against the file as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from omni_tui.core.messages import ToolUse
from omni_tui.tui.dialogs.arguments import MAX_READ, MAX_ROWS, arguments_view, changes_file


def shown(name: str, cwd: Path, **arguments: object) -> list[str]:
    use = ToolUse(id="1", name=name, input=arguments)
    return arguments_view(use, cwd).plain.split("\n")


def test_a_write_over_a_file_is_shown_as_the_difference(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("one\ntwo\nthree\n")
    assert shown("write_file", tmp_path, path="a.md", content="one\n2\nthree\n") == [
        "a.md   +1 −1",
        "@@ -1,3 +1,3 @@",
        "  one",
        "- two",
        "+ 2",
        "  three",
    ]


def test_a_write_of_a_new_file_says_so(tmp_path: Path) -> None:
    rows = shown("write_file", tmp_path, path="new/a.md", content="one\ntwo\n")
    assert rows == ["new/a.md   new file", "+ one", "+ two"]


def test_a_write_that_changes_nothing_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("one\n")
    assert shown("write_file", tmp_path, path="a.md", content="one\n") == [
        "a.md   no change: the file says this already"
    ]


def test_a_file_that_cannot_be_compared_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"\x89PNG\0\1")
    (tmp_path / "big").write_bytes(b"x" * (MAX_READ + 1))
    (tmp_path / "folder").mkdir()
    for name, word in (("picture", "binary"), ("big", "large"), ("folder", "cannot be read")):
        first, *rest = shown("write_file", tmp_path, path=name, content="text\n")
        assert word in first
        assert "replaces all of it" in first
        assert rest == ["+ text"]


def test_a_long_change_says_how_much_of_it_is_not_shown(tmp_path: Path) -> None:
    rows = shown("write_file", tmp_path, path="a", content="line\n" * (MAX_ROWS + 7))
    assert len(rows) == MAX_ROWS + 2
    assert rows[-1] == "7 more lines; e opens them all"
    (tmp_path / "b").write_text("")
    long = "".join(f"a line of some length, number {number}\n" for number in range(5000))
    rows = shown("write_file", tmp_path, path="b", content=long)
    assert "not shown" in "\n".join(rows) or "more lines" in rows[-1]


def test_an_edit_is_shown_with_the_lines_around_it(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("".join(f"{number}\n" for number in range(1, 21)))
    rows = shown("edit_file", tmp_path, path="a.md", old_string="10\n", new_string="ten\n")
    assert rows[0] == "a.md   +1 −1"
    assert rows[1].startswith("@@ -7")
    assert rows[2:] == ["  7", "  8", "  9", "- 10", "+ ten", "  11", "  12", "  13"]


@pytest.mark.parametrize(("old", "problem"), [("absent", "not found"), ("same", "2 times")])
def test_an_edit_that_will_fail_says_why(tmp_path: Path, old: str, problem: str) -> None:
    (tmp_path / "a.md").write_text("same\nsame\n")
    first, *rest = shown("edit_file", tmp_path, path="a.md", old_string=old, new_string="new")
    assert problem in first
    assert rest == [f"- {old}", "+ new"]


def test_an_edit_of_every_place_says_how_many(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("same\nsame\n")
    arguments = {"path": "a.md", "old_string": "same", "new_string": "new", "replace_all": True}
    assert shown("edit_file", tmp_path, **arguments)[0] == "a.md   +2 −2 in 2 places"


def test_what_cannot_be_seen_is_written_out_everywhere(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("\x1b[31mred\n")
    hidden = "\u202e\x07"
    for rows in (
        shown("bash", tmp_path, command=f"echo {hidden}"),
        shown("write_file", tmp_path, path=f"{hidden}", content=hidden),
        shown("write_file", tmp_path, path="a.md", content=hidden),
        shown("other", tmp_path, value=hidden),
    ):
        text = "\n".join(rows)
        assert "\\u202e" in text
        assert not {"\u202e", "\x07", "\x1b"} & set(text)


def test_only_changes_of_files_are_looked_at_in_a_thread(tmp_path: Path) -> None:
    names = ["bash", "write_file", "edit_file", "read_file", "other"]
    uses = [ToolUse(id="1", name=name, input={}) for name in names]
    assert [use.name for use in uses if changes_file(use)] == ["write_file", "edit_file"]
    assert shown("write_file", tmp_path, path=3) == ["{", '  "path": 3', "}"]
