"""Rules stored by "always": private, whole, and one folder's own."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from omni_tui.config.approvals import load_approvals, store_approval
from omni_tui.core.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "approvals.toml"


def test_nothing_is_stored_at_first(file: Path, tmp_path: Path) -> None:
    assert load_approvals(tmp_path, file) == ()
    assert not file.exists()


def test_rules_come_back_in_order_and_once(file: Path, tmp_path: Path) -> None:
    for rule in ("bash(make test)", 'bash(echo "a\nb" \\ é)', "bash(make test)"):
        store_approval(tmp_path, rule, file)
    assert load_approvals(tmp_path, file) == ("bash(make test)", 'bash(echo "a\nb" \\ é)')


def test_a_rule_counts_for_its_folder_and_no_other(file: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    below = project / "below"
    below.mkdir(parents=True)
    store_approval(project, "bash(ls)", file)
    assert load_approvals(below, file) == ()
    assert load_approvals(tmp_path, file) == ()
    assert load_approvals(tmp_path / "project_evil", file) == ()


def test_a_folder_is_the_same_through_a_symbolic_link(file: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    store_approval(tmp_path / "link", "bash(ls)", file)
    assert load_approvals(tmp_path / "real", file) == ("bash(ls)",)


def test_file_and_folder_are_closed_to_others_under_any_umask(file: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store_approval(tmp_path, "bash(ls)", file)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    assert modes == {"approvals.toml": 0o600, "approvals.lock": 0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_the_default_place_follows_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNI_TUI_HOME", str(tmp_path / "home"))
    store_approval(tmp_path, "bash(ls)")
    assert load_approvals(tmp_path) == ("bash(ls)",)
    assert (tmp_path / "home" / "state" / "approvals.toml").is_file()


def test_a_failed_write_leaves_the_old_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_approval(tmp_path, "bash(ls)", file)
    before = file.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store_approval(tmp_path, "bash(pwd)", file)
    assert file.read_bytes() == before
    assert {path.name for path in file.parent.iterdir()} == {"approvals.toml", "approvals.lock"}


@pytest.mark.parametrize("text", ['"/a" = 1', '"/a" = [1]', "[a]\nb = 1", "oops"])
def test_a_file_of_another_shape_is_refused_and_kept(file: Path, tmp_path: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"approvals\.toml"):
        load_approvals(tmp_path, file)
    with pytest.raises(ConfigError, match=r"approvals\.toml"):
        store_approval(tmp_path, "bash(ls)", file)
    assert file.read_text() == text


def test_text_that_utf8_cannot_hold_is_stored_as_escapes(file: Path, tmp_path: Path) -> None:
    store_approval(tmp_path, "bash(ls \udcff)", file)
    assert load_approvals(tmp_path, file) == ("bash(ls \\udcff)",)


def test_processes_that_store_at_once_lose_no_rule(file: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from omni_tui.config.approvals import store_approval\n"
        "folder, file, name = sys.argv[1:]\n"
        "for n in range(10): store_approval(Path(folder), f'{name}{n}', Path(file))"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(file), name])
        for name in "ab"
    ]
    assert [child.wait(30) for child in children] == [0, 0]
    assert sorted(load_approvals(tmp_path, file)) == [f"{c}{n}" for c in "ab" for n in range(10)]
