"""The catalogue of models: what is known of thousands of them, without a network."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from omni_tui.core.errors import ConfigError
from omni_tui.llm.model_info import ModelInfo, Snapshot

BUNDLED = Path(__file__).with_name("catalog.json.gz")
CACHE_NAME = "models.json"
URL_VARIABLE = "OMNI_TUI_MODELS_URL"
"""Environment variable with another place to fetch the data from."""
MAX_COPY_BYTES = 64 * 1024 * 1024

Table = dict[str, ModelInfo]


class Refreshed(msgspec.Struct, frozen=True, kw_only=True):
    """What a refresh found."""

    changed: bool
    """Whether the data is other than before."""
    models: int
    """How many models are known now."""
    made: str
    """When the data was current."""


class Catalog:
    """Looks models up; reads nothing before the first look-up.

    `cache_dir` may hold a copy that `refresh` fetched: for each provider the newest copy that knows
    it counts. `overrides` (`provider/name` → fields of `ModelInfo`) wins over both and may add
    models; one of the wrong kind raises `ConfigError`. All methods may be called from any thread.
    """

    def __init__(
        self,
        cache_dir: Path | None = None,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.cache_dir = cache_dir
        self._overrides = dict(overrides or {})
        for model, fields in self._overrides.items():
            _overridden(model, None, fields)
        self._lock = threading.RLock()
        self._snapshots: tuple[Snapshot, ...] | None = None
        self._tables: dict[str, Table] = {}
        self._learned: dict[str, ModelInfo] = {}

    @property
    def cache_file(self) -> Path | None:
        """Where the fetched copy is kept."""
        return self.cache_dir / CACHE_NAME if self.cache_dir is not None else None

    @property
    def is_loaded(self) -> bool:
        """Whether a look-up costs next to nothing."""
        return self._snapshots is not None

    async def load(self) -> None:
        """Read the data in a thread, unless that was done."""
        if not self.is_loaded:
            await asyncio.to_thread(self.snapshots)

    def get(self, model: str) -> ModelInfo | None:
        """What is known of `provider/name`; `None` when nothing is."""
        provider, _, name = model.partition("/")
        return self._table(provider).get(name)

    def learn(self, models: Iterable[ModelInfo]) -> None:
        """Take what servers say of their own models, as far as it is known.

        It counts for more than the data and less than `overrides`, until it is said anew.
        """
        with self._lock:
            for info in models:
                self._learned[info.id] = info
                self._tables.pop(info.provider, None)

    def list(self, provider: str | None = None) -> Sequence[ModelInfo]:
        """The models of a provider, or of all, by id; without those their provider gave up."""
        names = self.providers() if provider is None else [provider]
        return [
            info
            for name in names
            for _, info in sorted(self._table(name).items())
            if not info.deprecated
        ]

    def providers(self) -> Sequence[str]:
        """The names of all providers that have models here."""
        named = {name for snapshot in self.snapshots() for name in snapshot.providers}
        named.update(model.partition("/")[0] for model in self._overrides)
        return sorted(named)

    def snapshots(self) -> tuple[Snapshot, ...]:
        """The copies there are, the newest first."""
        with self._lock:
            if self._snapshots is None:
                fetched = self._fetched()
                copies = [_bundled()] if fetched is None else [fetched, _bundled()]
                self._snapshots = tuple(sorted(copies, key=lambda copy: copy.made, reverse=True))
            return self._snapshots

    async def refresh(self, url: str | None = None, *, timeout: float = 30.0) -> Refreshed:
        """Fetch the data of models.dev, unless it is what is here already, and keep it.

        `url` defaults to the variable `OMNI_TUI_MODELS_URL`, else to the site; `timeout` is in
        seconds. Raises `CatalogError` when that fails: then nothing has changed. Without a
        `cache_dir` the data counts for this catalogue alone.
        """
        from omni_tui.llm.catalog_fetch import MODELS_DEV, fetch, save

        address = url or os.environ.get(URL_VARIABLE, "").strip() or MODELS_DEV
        before = await asyncio.to_thread(self._fetched)
        if before is not None and before.source != address:
            before = None
        fetched = await fetch(address, before, timeout=timeout)
        if self.cache_file is not None:
            await asyncio.to_thread(save, fetched, self.cache_file)
        with self._lock:
            self._snapshots = (fetched, _bundled())
            self._tables = {}
        models = await asyncio.to_thread(self.list)
        changed = before is None or fetched.providers is not before.providers
        return Refreshed(changed=changed, models=len(models), made=fetched.made)

    def _fetched(self) -> Snapshot | None:
        """The copy in the cache; `None` when there is none, or it cannot be read."""
        if self.cache_file is None:
            return None
        try:
            if self.cache_file.stat().st_size > MAX_COPY_BYTES:
                return None
            return msgspec.json.decode(self.cache_file.read_bytes(), type=Snapshot)
        except (OSError, msgspec.DecodeError):
            return None

    def _table(self, provider: str) -> Table:
        with self._lock:
            if provider not in self._tables:
                self._tables[provider] = self._read_table(provider)
            return self._tables[provider]

    def _read_table(self, provider: str) -> Table:
        table: Table = {}
        for snapshot in self.snapshots():
            if provider in snapshot.providers:
                # Rows of a later version, or changed by somebody, count as if they were not there.
                with contextlib.suppress(msgspec.DecodeError):
                    table = msgspec.json.decode(snapshot.providers[provider], type=Table)
                    break
        for model, info in self._learned.items():
            owner, _, name = model.partition("/")
            if owner == provider:
                table[name] = _overridden(model, table.get(name), msgspec.to_builtins(info))
        for model, fields in self._overrides.items():
            owner, _, name = model.partition("/")
            if owner == provider:
                table[name] = _overridden(model, table.get(name), fields)
        return table


def _overridden(model: str, known: ModelInfo | None, fields: Mapping[str, Any]) -> ModelInfo:
    base: dict[str, Any] = msgspec.to_builtins(known) if known is not None else {"id": model}
    try:
        return msgspec.convert({**base, **fields}, ModelInfo)
    except msgspec.ValidationError as error:
        raise ConfigError(f'models."{model}": {error}', key=f"models.{model}") from None


@functools.cache
def _bundled() -> Snapshot:
    """What is shipped: constant, so that every catalogue may share it."""
    import gzip  # not before the first look-up

    return msgspec.json.decode(gzip.decompress(BUNDLED.read_bytes()), type=Snapshot)
