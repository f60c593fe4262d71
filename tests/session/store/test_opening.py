"""Places of sessions as a person names them, and packages that bring stores of their own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omni_tui.core.errors import ConfigError
from omni_tui.session.store import MemoryStore, SessionRecord, SQLiteStore
from omni_tui.session.store.checking import require_store
from omni_tui.session.store.opening import GROUP, Place, open_store, place_of

MODULE = """
from omni_tui.session.store import MemoryStore

class TinyStore(MemoryStore):
    def __init__(self, url):
        super().__init__()
        self.url = url

def broken(url):
    raise RuntimeError(f"no way to {url}")

def refusing(url):
    from omni_tui.core.errors import StoreUnavailableError
    raise StoreUnavailableError("The moon is out of reach.")

def wrong(url):
    return object()
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Installs a package that offers a store, as pip would leave it."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name: str, points: str) -> None:
        (tmp_path / f"{name}.py").write_text(MODULE)
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{points}\n")
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, name, raising=False)

    return install


def test_a_path_is_a_sqlite_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ("s.db", Path("s.db"), "./s.db", "sqlite:s.db", f"sqlite:{tmp_path}/s.db"):
        place = place_of(text)
        assert place == Place("sqlite", f"sqlite:{tmp_path}/s.db", tmp_path / "s.db"), text
        assert place.shown == f"{tmp_path}/s.db"
        store = open_store(text)
        assert isinstance(store, SQLiteStore)
        assert store.path == tmp_path / "s.db"
    assert not (tmp_path / "s.db").exists(), "nothing is made before the first use"


@pytest.mark.parametrize("text", [r"C:\sessions\s.db", "c:/s.db", "./a:b.db", "/x/jsonl:y", ":x:"])
def test_a_colon_alone_makes_no_scheme(text: str) -> None:
    place = place_of(text)
    assert (place.scheme, place.path) == ("sqlite", Path(text).absolute())


def test_a_path_object_is_never_a_scheme() -> None:
    assert place_of(Path("memory:")).path == Path("memory:").absolute()


def test_the_home_of_the_user_is_known_behind_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert place_of("sqlite:~/s.db").path == Path("/home/ada/s.db")


def test_memory_is_a_store_that_is_nowhere() -> None:
    assert isinstance(open_store("memory:"), MemoryStore)
    assert place_of("MEMORY:").path is None


@pytest.mark.parametrize("text", ["", " ", "sqlite:", "jsonl: "])
def test_a_place_without_a_name_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="names no place"):
        place_of(text)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("postgres://ada:secret@db/x", "postgres://ada@db/x"),
        (
            "postgresql://ada@db:5432/x?password=secret&sslmode=",
            "postgresql://ada@db:5432/x?sslmode=",
        ),
        ("tiny://a:b:secret@h", "tiny://a@h"),
        ("tiny://[secret", "tiny:"),
    ],
)
def test_a_password_is_never_shown(typed: str, shown: str) -> None:
    place = place_of(typed)
    assert place.url == typed
    assert place.shown == shown
    assert place.path is None


def test_postgres_goes_by_two_names_and_says_which_package_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for name in [n for n in sys.modules if n.startswith("omni_tui.session.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    for scheme in ("postgres", "postgresql"):
        assert place_of(f"{scheme}://db/x").scheme == "postgres"
        with pytest.raises(ConfigError, match=r"psycopg.*omni-tui\[postgres\]"):
            open_store(f"{scheme}://db/x")


async def test_an_installed_package_brings_a_store(install: Callable[[str, str], None]) -> None:
    install("tiny_store", "tiny = tiny_store:TinyStore")
    store: Any = open_store("tiny://shelf/3")
    assert type(store).__name__ == "TinyStore"
    assert store.url == "tiny://shelf/3"
    await store.create(SessionRecord(id="s"))
    assert await store.latest() == "s"


def test_what_a_package_does_wrong_is_said_by_its_name(
    install: Callable[[str, str], None],
) -> None:
    install(
        "bad_store",
        "bad = bad_store:broken\nmissing = bad_store:nothing\nwrong = bad_store:wrong\n"
        "gone = no_such_module:x\nmoon = bad_store:refusing",
    )
    with pytest.raises(ConfigError, match=r"'bad' of the package bad_store.*no way to") as caught:
        open_store("bad://u:secret@h")
    assert "secret" not in str(caught.value)
    for name in ("missing", "gone"):
        with pytest.raises(ConfigError, match="bad_store cannot be used"):
            open_store(f"{name}:")
    with pytest.raises(TypeError, match="object is no Store"):
        open_store("wrong:")
    with pytest.raises(Exception, match="The moon is out of reach"):
        open_store("moon:")


def test_two_packages_with_one_name_are_refused(install: Callable[[str, str], None]) -> None:
    install("one_store", "same = one_store:TinyStore")
    install("two_store", "same = two_store:TinyStore")
    with pytest.raises(ConfigError, match="one_store:TinyStore, two_store:TinyStore"):
        open_store("same:x")


def test_an_unknown_store_is_refused_and_says_what_there_is(
    install: Callable[[str, str], None],
) -> None:
    install("tiny_store", "tiny = tiny_store:TinyStore")
    with pytest.raises(ConfigError) as caught:
        open_store("redis://u:secret@h")
    assert "memory, postgres, sqlite, tiny" in caught.value.message
    assert "secret" not in str(caught.value)
    assert caught.value.hint is None
    with pytest.raises(ConfigError, match=r"\./notes:2\.db"):
        open_store("notes:2.db")
    with pytest.raises(ConfigError) as hostile:
        open_store("ab:\x1b]0;x\x07")
    assert "\x1b" not in str(hostile.value)


# Replacing a store


class Watching(SQLiteStore):
    """A store of a program's own."""


def test_a_program_may_put_its_own_store_in_the_place_of_any(tmp_path: Path) -> None:
    urls: list[str] = []

    def make(url: str) -> Watching:
        urls.append(url)
        return Watching(url.removeprefix("sqlite:"))

    assert isinstance(open_store(tmp_path / "s.db", overrides={"sqlite": make}), Watching)
    assert urls == [f"sqlite:{tmp_path}/s.db"]
    assert isinstance(
        open_store("mine:1", overrides={"mine": lambda _: MemoryStore()}), MemoryStore
    )
    assert isinstance(open_store("memory:", overrides={"sqlite": make}), MemoryStore)


def test_what_is_no_store_cannot_replace_one() -> None:
    wrong: Any
    for wrong in (None, "x", MemoryStore()):
        with pytest.raises(TypeError, match="'sqlite' cannot be called"):
            open_store("memory:", overrides={"sqlite": wrong})
    for wrong in (object, lambda: MemoryStore):
        with pytest.raises(TypeError):
            open_store("mine:", overrides={"mine": wrong})


def test_a_store_needs_every_verb_as_a_coroutine_function() -> None:
    require_store(MemoryStore())
    require_store(SQLiteStore("x.db"))

    class Half:
        async def create(self) -> None: ...

        def load(self) -> None: ...

        list = 3

    with pytest.raises(TypeError) as caught:
        require_store(Half())
    said = str(caught.value)
    assert said.startswith("Half is no Store: ")
    for problem in ("it has no save_tree", "it has no lease", "list cannot be called"):
        assert problem in said
    assert "load is not async" in said
    assert "create" not in said
    with pytest.raises(TypeError, match="MemoryStore is a class"):
        require_store(MemoryStore)
