"""Where a command writes what it makes, and what it has to say to a person beside that."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

from omni_tui.core.errors import ConfigError
from omni_tui.core.safe_text import safe


def has_colour() -> bool:
    """Whether standard output is a terminal that shows colours, and nobody asked for none."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not is_plain


def tell(words: str) -> None:
    """One line for a person, on standard error."""
    print(f"omni-tui: {safe(words)}", file=sys.stderr)


def print_json(value: object) -> None:
    """Write JSON in ASCII to standard output: what a terminal obeys stays escaped."""
    print(json.dumps(msgspec.to_builtins(value), indent=2))


def write_out(pieces: Iterable[str], file: str | None, *, force: bool = False) -> None:
    """Write text in UTF-8, piece by piece.

    Args:
        pieces: The text.
        file: A path; `None` or `-` is standard output. A new file is its owner's alone.
        force: Replace a file that is there.

    Raises:
        ConfigError: The file is there already, or cannot be written.
    """
    if file in (None, "-"):
        sys.stdout.writelines(pieces)
        sys.stdout.flush()
        return
    assert file is not None
    path = Path(file)
    if not force and path.exists():
        raise _is_there(path)
    try:
        _write(pieces, path, force=force)
    except FileExistsError:
        raise _is_there(path) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from None


def _write(pieces: Iterable[str], path: Path, *, force: bool) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with open(descriptor, "w", encoding="utf-8", errors="replace", newline="") as stream:
            for piece in pieces:
                stream.write(piece)
            stream.flush()
            os.fsync(stream.fileno())
        if force:
            temporary.replace(path)
        else:
            _put_beside(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _put_beside(temporary: Path, path: Path) -> None:
    """Give the file its name unless another one got it meanwhile."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(path) from None
        temporary.replace(path)


def _is_there(path: Path) -> ConfigError:
    return ConfigError(f"{path} is there already.", hint="--force replaces it")
