"""What is in the wheel that people install, built from the source archive as an index would."""

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the archive and the wheel made from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_themes_are_package_data(wheel: zipfile.ZipFile) -> None:
    expected = {f"omni_tui/themes/{file.name}" for file in (ROOT / "themes").glob("*.toml")}
    assert len(expected) >= 3
    assert expected <= set(wheel.namelist())


def test_every_file_of_the_package_is_in_it(wheel: zipfile.ZipFile) -> None:
    package = ROOT / "omni_tui"
    expected = {
        str(file.relative_to(ROOT))
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert "omni_tui/py.typed" in expected
    assert expected <= set(wheel.namelist())
    assert any(name.endswith("schema.sql") for name in expected)


def test_nothing_else_is_in_it(wheel: zipfile.ZipFile) -> None:
    roots = {name.partition("/")[0] for name in wheel.namelist()}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"omni_tui"}
    assert not [name for name in wheel.namelist() if name.endswith((".pyc", ".db", ".log"))]


def test_it_names_the_command_and_carries_the_licence(wheel: zipfile.ZipFile) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (entry_points,) = (n for n in wheel.namelist() if n.endswith("entry_points.txt"))
    assert f"omni-tui = {project['scripts']['omni-tui']}" in wheel.read(entry_points).decode()
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_the_archive_can_be_tested_and_documented(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"themes/omni-dark.toml", "CHANGELOG.md", "tests/contracts/test_wheel.py"} <= names
