"""The log: a rotating file, and nothing on the terminal."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from omni_tui.config.paths import PRIVATE_FILE, private_dir
from omni_tui.core.errors import ConfigError

MAX_BYTES = 1024 * 1024
BACKUPS = 3
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def log_to_file(
    find: Callable[[], Path], env: Mapping[str, str] = os.environ
) -> Callable[[], None]:
    """Write what the package logs to the file `find` names; gives a function that ends it.

    `LOG_LEVEL` says from which level on (`WARNING`). The file is found and made with the first line
    there is to write; past 1 MiB it is put aside, and three old ones are kept. Where it cannot be
    written the log is lost, never the terminal's screen.

    Raises `ConfigError` when `LOG_LEVEL` is no level.
    """
    level = env.get("LOG_LEVEL", "WARNING").upper()
    if level not in LEVELS:
        raise ConfigError(
            f"LOG_LEVEL is no level: {level!r}", hint=f"one of {', '.join(LEVELS)}", key="LOG_LEVEL"
        )
    logger = logging.getLogger("omni_tui")
    before = logger.propagate, logger.level
    handler = _Late(find)
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(level)

    def end() -> None:
        logger.removeHandler(handler)
        logger.propagate, logger.level = before
        handler.close()

    return end


class _Late(logging.Handler):
    """Opens the file when there is something to write: most runs have nothing to say."""

    def __init__(self, find: Callable[[], Path]) -> None:
        super().__init__()
        self._find = find
        self._file: logging.Handler | None = None
        self._is_lost = False

    def emit(self, record: logging.LogRecord) -> None:
        if self._file is None and not self._is_lost:
            try:
                self._file = _open(self._find())
            except OSError:
                self._is_lost = True
        if self._file is not None:
            self._file.handle(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing: the default prints a traceback over the screen."""

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()


def _open(file: Path) -> logging.Handler:
    from logging.handlers import RotatingFileHandler

    private_dir(file.parent)
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE))
    made = RotatingFileHandler(file, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8")
    made.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    made.handleError = lambda record: None  # type: ignore[method-assign]
    return made
