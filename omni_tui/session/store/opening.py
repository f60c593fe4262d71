"""Where sessions are kept, as a person names it, and the store for that place.

    sessions.db  sqlite:PATH       one SQLite file
    jsonl:FOLDER                   a folder of text files for each session
    memory:                        nowhere: all is forgotten at the end
    postgres://…  postgresql://…   a PostgreSQL database
    NAME:…                         a store of the installed package that offers `NAME`

A package offers a store by an entry point `NAME` of the group `omni_tui.stores`: a callable that
takes what was typed and returns a `Store`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from omni_tui.core.errors import ConfigError, OmniError
from omni_tui.core.safe_text import safe_line
from omni_tui.session.store.base import Store
from omni_tui.session.store.checking import require_store
from omni_tui.session.store.memory import MemoryStore
from omni_tui.session.store.sqlite import SQLiteStore

GROUP = "omni_tui.stores"
"""The group of entry points by which packages offer stores."""

StoreFactory: TypeAlias = Callable[[str], Store]
"""Makes a store from what was typed; it opens nothing yet."""

# One letter is a drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.*)", re.DOTALL)

_OF_PATHS = ("sqlite", "jsonl")
_OWN = (*_OF_PATHS, "memory", "postgres")


class Place(msgspec.Struct, frozen=True):
    """Where sessions are kept."""

    scheme: str
    """Which kind of store is there."""
    url: str
    """What names the place from every folder: `sqlite:` and the like with an absolute path."""
    path: Path | None = None
    """The file or folder on this machine, if it is one."""

    @property
    def shown(self) -> str:
        """What to type for it, without a password."""
        if self.scheme == "sqlite":
            return str(self.path)
        return self.url if self.path is not None else _without_password(self.url)


def place_of(text: str | os.PathLike[str]) -> Place:
    """Read what a person typed; a path is one of a SQLite file.

    Raises `ConfigError` when it names no place.
    """
    found = _SCHEME.fullmatch(text) if isinstance(text, str) else None
    scheme, rest = (found[1].lower(), found[2]) if found else ("sqlite", os.fspath(text))
    if scheme == "postgresql":
        scheme = "postgres"
    if scheme not in _OF_PATHS:
        return Place(scheme, str(text))
    if not rest.strip():
        raise ConfigError(
            f"{safe_line(str(text), 60)!r} names no place for sessions.",
            hint="name a file, or a folder as jsonl:FOLDER",
        )
    path = Path(rest)
    path = (path.expanduser() if found else path).absolute()
    return Place(scheme, f"{scheme}:{path}", path)


def open_store(
    place: str | os.PathLike[str] | Place, *, overrides: Mapping[str, StoreFactory] | None = None
) -> Store:
    """The store for a place; it opens when it is first used.

    Args:
        place: A path or any other form that the head of this module lists.
        overrides: Factories by scheme that go before all others. Each gets the whole URL.

    Raises:
        ConfigError: the scheme is not known, or its package is missing or broken.
        TypeError: a factory cannot be called, or what it made is no `Store`.
    """
    if not isinstance(place, Place):
        place = place_of(place)
    factories = dict(overrides or {})
    for scheme, factory in factories.items():
        if not callable(factory):
            raise TypeError(f"the override for {scheme!r} cannot be called")
    override = factories.get(place.scheme)
    store = _store_at(place) if override is None else override(place.url)
    require_store(store)
    return store


def _store_at(place: Place) -> Store:
    match place:
        case Place(scheme="sqlite", path=Path() as path):
            return SQLiteStore(path)
        case Place(scheme="jsonl", path=Path() as path):
            from omni_tui.session.store.jsonl import JSONLStore

            return JSONLStore(path)
        case Place(scheme="memory"):
            return MemoryStore()
        case Place(scheme="postgres"):
            return _postgres(place.url)
    return _offered(place)


def _postgres(url: str) -> Store:
    try:
        store: Store = import_module("omni_tui.session.store.postgres").PostgresStore(url)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("omni_tui"):
            raise
        raise ConfigError(
            f"Sessions in PostgreSQL need the package {error.name}, which is not installed.",
            hint="pip install 'omni-tui[postgres]'",
        ) from error
    return store


def _offered(place: Place) -> Store:
    """The store that an installed package offers for this scheme."""
    from importlib.metadata import entry_points  # 20 ms that the usual places need not pay

    found = {each.value: each for each in entry_points(group=GROUP, name=place.scheme)}
    if not found:
        known = {*_OWN, *(each.name for each in entry_points(group=GROUP))}
        raise ConfigError(
            f"There is no store {safe_line(place.scheme, 40)!r}; "
            f"there are {safe_line(', '.join(sorted(known)), 200)}.",
            hint=None if "//" in place.url else f"a file is ./{safe_line(place.url, 60)}",
        )
    if len(found) > 1:
        raise ConfigError(
            f"Several packages offer a store {place.scheme!r}: {', '.join(sorted(found))}.",
            hint="uninstall all but one",
        )
    (offered,) = found.values()
    try:
        store: Store = offered.load()(place.url)
    except OmniError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".replace(place.url, place.shown)
        package = offered.module if offered.dist is None else offered.dist.name
        raise ConfigError(
            f"The store {offered.name!r} of the package {package} cannot be used: "
            f"{safe_line(reason, 200)}"
        ) from error
    return store


def _without_password(url: str) -> str:
    try:
        parts = urlsplit(url)
        user, at, host = parts.netloc.rpartition("@")
    except ValueError:
        return url.partition(":")[0] + ":"
    query = urlencode(
        [
            pair
            for pair in parse_qsl(parts.query, keep_blank_values=True)
            if "pass" not in pair[0].lower()
        ]
    )
    return urlunsplit(parts._replace(netloc=user.partition(":")[0] + at + host, query=query))
