"""Where an import reads from: a file, the files of a zip archive that matter, or a pipe."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from omni_tui.core.errors import ConfigError

READ_ERRORS = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What reading a damaged or encrypted file raises; `NotImplementedError` is a `RuntimeError`."""

_CONVERSATIONS = re.compile(r"(?:.*/)?conversations[^/]*\.json", re.IGNORECASE)
_READABLE = re.compile(r".*\.jsonl?", re.IGNORECASE)
_BUFFER = 262_144


class Source:
    """An opened file; close it by leaving it.

    Raises `ConfigError`, which names the file, when it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        try:
            self._file: IO[bytes] = open(path, "rb", buffering=_BUFFER)  # noqa: SIM115
            self.size: int = path.stat().st_size
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror or error}") from None

    @classmethod
    def of(cls, stream: IO[bytes], name: str) -> Source:
        """What is piped in: never an archive, and of unknown size."""
        made = object.__new__(cls)
        made.name, made.size, made._file = name, 0, stream
        return made

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def position(self) -> int:
        """How many bytes of the file are read; of an archive, packed ones."""
        return self._file.tell() if self.size else 0

    def parts(self) -> Iterator[tuple[str, io.BufferedReader[Any]]]:
        """The name and the bytes of each part; those of an archive are unpacked as they are read.

        Raises `ConfigError` for an archive without conversations, and while reading `READ_ERRORS`.
        """
        if not self.size or not zipfile.is_zipfile(self._file):
            if self.size:
                self._file.seek(0)
            yield self.name, cast("io.BufferedReader[Any]", self._file)
            return
        with zipfile.ZipFile(self._file) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            wanted = [info for info in members if _CONVERSATIONS.fullmatch(info.filename)]
            wanted = wanted or [info for info in members if _READABLE.fullmatch(info.filename)]
            if not wanted:
                raise ConfigError(f"{self.name}: there are no conversations in this archive")
            for info in wanted:
                with archive.open(info) as member:
                    yield info.filename, io.BufferedReader(cast(io.RawIOBase, member), _BUFFER)
