"""Where things live."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from omni_tui.config.paths import find_paths, private_dir


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_home_moves_everything_below_one_folder(tmp_path: Path) -> None:
    paths = find_paths({"OMNI_TUI_HOME": str(tmp_path)})
    places = (
        paths.config_file,
        paths.database,
        paths.approvals_file,
        paths.themes_dir,
        paths.log_dir,
        paths.cache_dir,
    )
    assert all(place.is_relative_to(tmp_path) for place in places)
    assert len(set(places)) == len(places)
    assert paths.config_file == tmp_path / "config.toml"
    assert paths.database == tmp_path / "sessions.db"


def test_finding_the_places_makes_none_of_them(tmp_path: Path) -> None:
    find_paths({"OMNI_TUI_HOME": str(tmp_path / "new")})
    assert not (tmp_path / "new").exists()


def test_a_named_file_wins_over_the_home(tmp_path: Path) -> None:
    env = {"OMNI_TUI_HOME": str(tmp_path), "OMNI_TUI_CONFIG": "~/other.toml"}
    paths = find_paths(env)
    assert paths.config_file == Path("~/other.toml").expanduser()
    assert paths.themes_dir == tmp_path / "themes"


def test_without_a_home_the_folders_carry_the_application_name() -> None:
    paths = find_paths({})
    assert all(
        "omni-tui" in place.parts for place in (paths.config_dir, paths.data_dir, paths.state_dir)
    )
    assert len({paths.config_dir, paths.data_dir, paths.state_dir, paths.log_dir}) == 4


@pytest.mark.usefixtures("open_umask")
def test_a_private_folder_and_its_parents_are_closed_to_others_under_any_umask(
    tmp_path: Path,
) -> None:
    made = private_dir(tmp_path / "a" / "b")
    assert mode(made) == 0o700
    assert mode(made.parent) == 0o700


def test_an_existing_folder_keeps_its_mode(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o750)
    assert private_dir(shared) == shared
    assert mode(shared) == 0o750


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        private_dir(tmp_path / "file" / "below")
