"""Where the configuration, the sessions, the logs and the state live.

The system's own folders by default; `OMNI_TUI_HOME` moves everything below one folder and
`OMNI_TUI_CONFIG` names another configuration file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

APP_NAME = "omni-tui"
PRIVATE_DIR = 0o700
PRIVATE_FILE = 0o600


class Paths(msgspec.Struct, frozen=True):
    """Every place the application reads or writes. Nothing exists until `private_dir` makes it."""

    config_file: Path
    """Settings, in TOML."""
    config_dir: Path
    """What a person writes: settings and `themes/`."""
    data_dir: Path
    """What must not be lost: the sessions."""
    state_dir: Path
    """What the application remembers: stored approvals."""
    log_dir: Path
    """Diagnostics."""
    cache_dir: Path
    """What can be fetched again: the catalogue of models."""

    @property
    def database(self) -> Path:
        """The file with every session."""
        return self.data_dir / "sessions.db"

    @property
    def log_file(self) -> Path:
        """What went wrong."""
        return self.log_dir / "omni-tui.log"

    @property
    def themes_dir(self) -> Path:
        """A person's own themes."""
        return self.config_dir / "themes"

    @property
    def approvals_file(self) -> Path:
        """The rules stored by answering "always"."""
        return self.state_dir / "approvals.toml"


def find_paths(env: Mapping[str, str] = os.environ) -> Paths:
    """The places for this environment; touches no file."""
    home = env.get("OMNI_TUI_HOME")
    if home:
        base = Path(home).expanduser().absolute()
        config_dir, data_dir, state_dir, log_dir = base, base, base / "state", base / "logs"
        cache_dir = base / "cache"
    else:
        import platformdirs  # 40 ms that a moved home need not pay

        dirs = platformdirs.PlatformDirs(APP_NAME, appauthor=False)
        config_dir, data_dir = dirs.user_config_path, dirs.user_data_path
        state_dir, log_dir = dirs.user_state_path, dirs.user_log_path
        cache_dir = dirs.user_cache_path
    named = env.get("OMNI_TUI_CONFIG")
    config_file = Path(named).expanduser().absolute() if named else config_dir / "config.toml"
    return Paths(config_file, config_dir, data_dir, state_dir, log_dir, cache_dir)


def private_dir(path: Path) -> Path:
    """Make `path` and its missing parents readable by nobody else, whatever the umask.

    A folder that already exists keeps its mode: it may be shared on purpose.

    Raises:
        OSError: the folder cannot be made.
    """
    if not path.is_dir():
        private_dir(path.parent)
        path.mkdir(mode=PRIVATE_DIR, exist_ok=True)
    return path
