"""The log goes to a private file that rotates, and never to the terminal."""

import logging
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from omni_tui.config.logs import BACKUPS, MAX_BYTES, log_to_file
from omni_tui.core.errors import ConfigError

log = logging.getLogger("omni_tui.some.module")


def test_nothing_is_made_before_there_is_something_to_write(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "x.log"
    end = log_to_file(lambda: file, {})
    log.info("not worth a line")
    assert not file.parent.exists()
    log.warning("odd")
    end()
    log.warning("afterwards")
    text = file.read_text()
    assert "WARNING omni_tui.some.module: odd" in text
    assert "afterwards" not in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_level_is_that_of_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "x.log"
    end = log_to_file(lambda: file, {"LOG_LEVEL": "debug"})
    log.debug("fine print")
    end()
    assert "fine print" in file.read_text()
    with pytest.raises(ConfigError, match="LOG_LEVEL is no level: 'LOUD'"):
        log_to_file(lambda: file, {"LOG_LEVEL": "loud"})


def test_a_large_log_is_put_aside_and_few_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "x.log"
    end = log_to_file(lambda: file, {})
    for _ in range((BACKUPS + 3) * 11):
        log.warning("x" * (MAX_BYTES // 10))
    end()
    assert len(list(tmp_path.iterdir())) == BACKUPS + 1
    assert all(each.stat().st_size <= MAX_BYTES for each in tmp_path.iterdir())


def test_a_log_that_cannot_be_written_is_lost_and_says_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    end = log_to_file(lambda: tmp_path / "file" / "x.log", {})
    log.error("nobody hears this")
    end()
    assert capfd.readouterr() == ("", "")


def test_the_command_takes_a_file_and_refuses_an_unknown_level(tmp_path: Path) -> None:
    log_file = ["--log-file", str(tmp_path / "my.log")]

    def run(**env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "omni_tui", "-m", "demo/chat", "-p", "hello", *log_file],
            env={"OMNI_TUI_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", **env},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    wrong = run(LOG_LEVEL="loud")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("omni-tui: LOG_LEVEL is no level: 'LOUD'")
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "my.log").exists()
