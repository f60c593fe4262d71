"""The catalogue of models: what is known of thousands of them, without a network."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from omni_tui.core.errors import ConfigError
from omni_tui.llm.model_info import ModelInfo

BUNDLED = Path(__file__).with_name("catalog.json.gz")
CACHE_NAME = "models.json"

Table = dict[str, ModelInfo]


class Snapshot(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One copy of the data, as it lies on disk. A provider's models are decoded when asked for."""

    made: str
    """When the data was current, as `2026-11-21T07:30:00Z`."""
    source: str
    """The address it came from."""
    etag: str | None = None
    """What the source called this state."""
    providers: dict[str, msgspec.Raw]


class Catalog:
    """Looks models up; reads nothing before the first look-up.

    `cache_dir` may hold a copy that `catalog_refresh.refresh` fetched: for each provider the newest
    copy that knows it counts. `overrides` (`provider/name` → fields of `ModelInfo`) wins over both
    and may add models. All methods may be called from any thread.
    """

    def __init__(
        self,
        cache_dir: Path | None = None,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.cache_dir = cache_dir
        self._overrides = dict(overrides or {})
        self._lock = threading.RLock()
        self._snapshots: tuple[Snapshot, ...] | None = None
        self._tables: dict[str, Table] = {}

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

    def list(self, provider: str | None = None) -> list[ModelInfo]:
        """The models of a provider, or of all, by id; without those their provider gave up."""
        names = self.providers() if provider is None else [provider]
        return [
            info
            for name in names
            for _, info in sorted(self._table(name).items())
            if not info.deprecated
        ]

    def providers(self) -> list[str]:
        """The names of all providers that have models here."""
        named = {name for snapshot in self.snapshots() for name in snapshot.providers}
        named.update(model.partition("/")[0] for model in self._overrides)
        return sorted(named)

    def snapshots(self) -> tuple[Snapshot, ...]:
        """The copies there are, the newest first; a fetched one that cannot be read is left out."""
        with self._lock:
            if self._snapshots is None:
                found = [_read(BUNDLED)]
                if self.cache_file is not None:
                    found.append(_read(self.cache_file))
                copies = [copy for copy in found if copy is not None]
                self._snapshots = tuple(sorted(copies, key=lambda copy: copy.made, reverse=True))
            return self._snapshots

    def forget(self) -> None:
        """Read the data anew at the next look-up."""
        with self._lock:
            self._snapshots = None
            self._tables = {}

    def _table(self, provider: str) -> Table:
        with self._lock:
            if provider not in self._tables:
                self._tables[provider] = self._read_table(provider)
            return self._tables[provider]

    def _read_table(self, provider: str) -> Table:
        table: Table = {}
        for snapshot in self.snapshots():
            if provider in snapshot.providers:
                table = msgspec.json.decode(snapshot.providers[provider], type=Table)
                break
        for model, fields in self._overrides.items():
            owner, _, name = model.partition("/")
            if owner == provider:
                table[name] = _overridden(model, table.get(name), fields)
        return table


def _overridden(model: str, known: ModelInfo | None, fields: Mapping[str, Any]) -> ModelInfo:
    """Raises `ConfigError` when a field has the wrong kind."""
    base: dict[str, Any] = msgspec.to_builtins(known) if known is not None else {"id": model}
    try:
        return msgspec.convert({**base, **fields}, ModelInfo)
    except msgspec.ValidationError as error:
        raise ConfigError(f'models."{model}": {error}', key=f"models.{model}") from None


def _read(file: Path) -> Snapshot | None:
    try:
        data = file.read_bytes()
        if file.suffix == ".gz":
            data = gzip.decompress(data)
        return msgspec.json.decode(data, type=Snapshot)
    except (OSError, EOFError, msgspec.DecodeError):
        return None
