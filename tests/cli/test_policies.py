"""The settings of context and titles are those of the sessions, and mean the same when left out."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from omni_tui.cli.setup import read_ground
from omni_tui.session.context import ContextPolicy
from omni_tui.session.setup import Setup
from omni_tui.session.titles import TitlePolicy

ARGUMENTS = argparse.Namespace(model=None, db=None, approval_mode=None)


def setup_of(monkeypatch: pytest.MonkeyPatch, home: Path, config: str) -> Setup:
    monkeypatch.setenv("OMNI_TUI_HOME", str(home))
    config_file = home / "config" / "config.toml"
    monkeypatch.setenv("OMNI_TUI_CONFIG", str(config_file))
    config_file.parent.mkdir()
    config_file.write_text(config)
    return read_ground(ARGUMENTS).setup(home)


def test_left_out_they_mean_what_they_mean_to_a_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    setup = setup_of(monkeypatch, tmp_path, "")
    assert (setup.context, setup.title) == (ContextPolicy(), TitlePolicy())


def test_what_is_set_arrives_in_the_sessions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    setup = setup_of(
        monkeypatch,
        tmp_path,
        '[context]\nstrategy = "truncate"\nthreshold = 20000\nmodel = "demo/chat"\n'
        '[title]\nstrategy = "model"\nmodel = "demo/echo"\n',
    )
    assert setup.context == ContextPolicy(strategy="truncate", threshold=20_000, model="demo/chat")
    assert setup.title == TitlePolicy(strategy="model", model="demo/echo")
