from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omni_tui.tools.differences import MAX_DIFF, compare

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "", "d"]), max_size=30).map("\n".join)


def test_a_change_far_down_has_the_right_line_numbers() -> None:
    old = "".join(f"{n}\n" for n in range(1, 1001))
    found = compare(old, old.replace("\n900\n", "\nnine hundred\n"), "f")
    assert "@@ -897,7 +897,7 @@" in found.text
    assert (found.added, found.removed) == (1, 1)


def test_no_change_is_no_diff() -> None:
    assert compare("a\n", "a\n", "f").text == ""


def test_a_newline_at_the_end_is_a_change() -> None:
    found = compare("a", "a\n", "f")
    assert "-a\n\\ No newline at end of file\n+a\n" in found.text


def test_a_long_diff_is_cut_at_a_line() -> None:
    found = compare("", "".join(f"line {n}\n" for n in range(20_000)), "f")
    assert len(found.text) < MAX_DIFF + 100
    assert found.text.endswith("(the rest is not shown)\n")
    assert found.added == 20_000


def test_a_change_too_large_to_compare_is_counted() -> None:
    found = compare("same\n" + "a\n" * 300_000, "same\n" + "b\n" * 300_000, "f")
    assert "(too large to show)" in found.text
    assert (found.added, found.removed) == (300_000, 300_000)


def test_a_change_that_slides_to_the_end_of_a_repeated_part_keeps_its_context() -> None:
    found = compare("b\na\nc\na\na\na\na\nb\nb\na\nb\n", "b\na\nc\nb\na\na\na\nb\nb\na\nb\n", "f")
    rows = found.text.splitlines()[3:]
    last = max(place for place, row in enumerate(rows) if row[0] in "+-")
    assert rows[last + 1 :] == [" a", " a", " a"]


@pytest.mark.skipif(shutil.which("patch") is None, reason="patch is not installed")
@settings(max_examples=60, deadline=None)
@given(old=TEXTS, new=TEXTS)
def test_the_diff_applied_to_the_old_text_gives_the_new(
    tmp_path_factory: pytest.TempPathFactory, old: str, new: str
) -> None:
    diff = compare(old, new, "f").text
    if not diff or not old or not new:
        return  # creating and deleting files is patch's own subject
    folder: Path = tmp_path_factory.mktemp("patch")
    (folder / "f").write_text(old)
    subprocess.run(["patch", "-s", "f"], input=diff, text=True, cwd=folder, check=True)
    assert (folder / "f").read_text() == new
