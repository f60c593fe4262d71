"""`omni-tui doctor`: what is well, what is not, and what to do; and the care of the database."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import msgspec

from omni_tui import __version__
from omni_tui.cli.arguments import Parser, add_place
from omni_tui.cli.database import place_at, stored_at
from omni_tui.cli.exit_codes import DONE, RUN_FAILED
from omni_tui.cli.output import print_json
from omni_tui.config.keymap import resolve_keymap
from omni_tui.config.paths import Paths, find_paths
from omni_tui.config.providers import make_registry
from omni_tui.config.settings import Settings, load_settings
from omni_tui.config.themes import load_themes
from omni_tui.core.errors import ConfigError, OmniError
from omni_tui.core.safe_text import safe_line
from omni_tui.session.store import maintenance
from omni_tui.session.store.maintenance import Finding
from omni_tui.session.store.opening import Place
from omni_tui.session.store.rescue import rescue

MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}

SMALLEST = (60, 16)
"""Columns and rows below which little of a conversation is to be seen."""

OLDEST_SQLITE = (3, 37, 0)
"""The first with STRICT tables."""


class Section(NamedTuple):
    """Findings about one thing, under its name."""

    name: str
    findings: list[Finding]


def parser() -> argparse.ArgumentParser:
    """The arguments of `omni-tui doctor`."""
    made = Parser(
        prog="omni-tui doctor",
        description="Examine program, settings, keys, terminal and sessions, and say what to do. "
        "Leaves with 1 when something fails.",
        allow_abbrev=False,
    )
    made.add_argument("--json", action="store_true", help="write JSON")
    add_place(made, "where the sessions are")
    act = made.add_mutually_exclusive_group()
    act.add_argument(
        "--deep", action="store_true", help="read every page and the words of every message"
    )
    act.add_argument(
        "--fix",
        action="store_true",
        help="put right what can be: the index of words, who may read the file, stale claims",
    )
    act.add_argument(
        "--backup", metavar="FILE", type=Path, help="copy the sessions to a new file, in use or not"
    )
    act.add_argument(
        "--rescue",
        metavar="FILE",
        type=Path,
        help="copy what can be read of a damaged file to a new one",
    )
    act.add_argument(
        "--vacuum", action="store_true", help="give back the room that deleted sessions left"
    )
    return made


async def run(arguments: argparse.Namespace) -> int:
    """Examine, or care for the database; raises `StoreError` or `ConfigError`."""
    place = place_at(arguments)
    if arguments.fix or arguments.backup or arguments.rescue or arguments.vacuum:
        return await _care(arguments, _file(place))
    sections = [section async for section in _sections(arguments, place)]
    failed = any(each.level == "fail" for section in sections for each in section.findings)
    if arguments.json:
        print_json(
            {
                "ok": not failed,
                "findings": [
                    {"section": section.name, **msgspec.to_builtins(each)}
                    for section in sections
                    for each in section.findings
                ],
            }
        )
    else:
        for section in sections:
            print(section.name)
            for each in section.findings:
                _print(each)
    return RUN_FAILED if failed else DONE


async def _sections(arguments: argparse.Namespace, place: Place) -> AsyncIterator[Section]:
    paths = find_paths()
    yield Section("program", list(program()))
    settings: Settings | None = None
    try:
        settings = load_settings()
    except ConfigError as error:
        yield Section("settings", [_failure("config", error)])
    else:
        yield Section("settings", list(_settings(settings, paths)))
        yield Section("keys", list(_keys(settings, paths)))
    yield Section("terminal", list(terminal(os.environ, sys.stdout.encoding, _size())))
    yield Section("sessions", await _sessions(arguments, place))


async def _care(arguments: argparse.Namespace, path: Path) -> int:
    """Do one thing to the database, and say what came of it."""
    if arguments.backup is not None:
        target = arguments.backup.absolute()
        size = await asyncio.to_thread(maintenance.back_up, path, target)
        done = {"backup": str(target), "bytes": size}
        lines = [f"copied to {target}, {size:,} bytes"]
    elif arguments.rescue is not None:
        target = arguments.rescue.absolute()
        rescued = await asyncio.to_thread(rescue, path, target)
        done = {"rescue": str(target), **rescued._asdict()}
        lines = [
            f"{rescued.sessions:,} sessions with {rescued.messages:,} messages are in {target}",
            f"{rescued.lost:,} messages could not be read",
        ]
    elif arguments.vacuum:
        before, after = await asyncio.to_thread(maintenance.compact, path)
        done = {"before": before, "after": after}
        lines = [f"{before:,} bytes before, {after:,} after: {max(0, before - after):,} freed"]
    else:
        lines = await asyncio.to_thread(maintenance.mend, path)
        done = {"fixed": lines}
        lines = lines or ["nothing to put right"]
    if arguments.json:
        print_json(done)
    else:
        for line in lines:
            print(safe_line(line))
    return DONE


def _file(place: Place) -> Path:
    """The SQLite file at a place; raises `ConfigError` for any other kind of place."""
    if place.scheme != "sqlite" or place.path is None:
        raise ConfigError(
            f"{safe_line(place.shown)} is no SQLite file.",
            hint="--fix, --backup, --rescue and --vacuum are for one",
        )
    return place.path


# What is looked at


def program() -> Iterator[Finding]:
    """Versions."""
    for name, found in (
        ("omni-tui", __version__),
        ("python", platform.python_version()),
        ("textual", _version_of("textual")),
    ):
        yield Finding(subject=name, level="ok", text=f"{found}")
    with sqlite3.connect(":memory:") as connection:
        (has_words,) = connection.execute(
            "SELECT sqlite_compileoption_used('ENABLE_FTS5')"
        ).fetchone()
    connection.close()
    problem = ""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        problem = f" is older than {'.'.join(map(str, OLDEST_SQLITE))}"
    elif not has_words:
        problem = " has no FTS5, which search needs"
    yield Finding(
        subject="sqlite",
        level="fail" if problem else "ok",
        text=f"{sqlite3.sqlite_version}{problem}",
        hint="use another build of Python" if problem else None,
    )


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _settings(settings: Settings, paths: Paths) -> Iterator[Finding]:
    file = paths.config_file
    text = str(file) if file.exists() else f"{file} is not there; everything is as shipped"
    yield Finding(subject="config", level="ok", text=text)
    try:
        resolve_keymap(settings.keymap)
    except ConfigError as error:
        yield _failure("keymap", error)
    themes, notices = load_themes(paths.themes_dir)
    if settings.theme not in themes:
        notices = [*notices, f"there is no theme {settings.theme}; there are {', '.join(themes)}"]
    for notice in (*settings.notices, *notices):
        yield Finding(subject="notice", level="warn", text=notice)


def _keys(settings: Settings, paths: Paths) -> Iterator[Finding]:
    """The names of variables that hold keys; never what is in them."""
    set_: dict[str, str] = {}
    for name, endpoint in make_registry(settings, paths).endpoints.items():
        for variable in endpoint.key_env:
            if os.environ.get(variable, "").strip():
                set_.setdefault(variable, name)
    for variable, provider in set_.items():
        yield Finding(subject=variable, level="ok", text=f"is set, for {provider}")
    if not set_:
        yield Finding(
            subject="none",
            level="warn",
            text="no key is set: the demo model answers",
            hint="omni-tui models --all says what each provider needs",
        )


def _size() -> tuple[int, int] | None:
    """Columns and rows of the terminal, if there is one."""
    return shutil.get_terminal_size() if sys.stdout.isatty() else None


def terminal(
    env: Mapping[str, str], encoding: str, size: tuple[int, int] | None
) -> Iterator[Finding]:
    """What the terminal can show."""
    kind = env.get("TERM", "")
    if kind in ("", "dumb"):
        text, hint = f"TERM is {kind or 'not set'}: only -p works", "use a terminal of its own"
        yield Finding(subject="TERM", level="warn", text=text, hint=hint)
    else:
        yield Finding(subject="TERM", level="ok", text=kind)
    if env.get("NO_COLOR"):
        colours = "none: NO_COLOR is set"
    elif env.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        colours = "16 million"
    else:
        colours = "256" if "256" in kind else "16"
        colours += "; themes look as they should where COLORTERM=truecolor"
    yield Finding(subject="colours", level="ok", text=colours)
    if encoding.lower().replace("-", "") == "utf8":
        yield Finding(subject="encoding", level="ok", text=encoding)
    else:
        text, hint = f"{encoding} lacks most characters", "set LANG=C.UTF-8 or another UTF-8 locale"
        yield Finding(subject="encoding", level="warn", text=text, hint=hint)
    if size is None:
        yield Finding(subject="size", level="ok", text="none: standard output is no terminal")
    elif size[0] < SMALLEST[0] or size[1] < SMALLEST[1]:
        text = f"{size[0]} × {size[1]} is little"
        hint = f"{SMALLEST[0]} × {SMALLEST[1]} or more shows a conversation"
        yield Finding(subject="size", level="warn", text=text, hint=hint)
    else:
        yield Finding(subject="size", level="ok", text=f"{size[0]} × {size[1]}")


async def _sessions(arguments: argparse.Namespace, place: Place) -> list[Finding]:
    if place.scheme == "sqlite" and place.path is not None:
        path, deep = place.path, arguments.deep
        return await asyncio.to_thread(lambda: list(maintenance.examine(path, deep=deep)))
    try:
        store = stored_at(arguments)
        try:
            await store.list(1)
        finally:
            await store.close()
    except OmniError as error:
        return [_failure("place", error)]
    return [Finding(subject="place", level="ok", text=place.shown)]


def _failure(subject: str, error: OmniError) -> Finding:
    return Finding(subject=subject, level="fail", text=error.message, hint=error.hint)


# How it is said


def _print(finding: Finding) -> None:
    print(f"  {MARKS[finding.level]}  {safe_line(finding.subject)}: {safe_line(finding.text)}")
    if finding.hint is not None and finding.level != "ok":
        print(f"        {safe_line(finding.hint)}")
