"""`omni-tui import`: conversations of other programs, and exported ones, into the store."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from omni_tui.cli.arguments import Parser, add_place
from omni_tui.cli.database import stored_at
from omni_tui.cli.exit_codes import DONE, RUN_FAILED
from omni_tui.core.safe_text import safe_line
from omni_tui.session.importers import FORMATS, Source, read_sessions
from omni_tui.session.store.base import SessionRecord, Store, StoredSession
from omni_tui.session.tree import Changes

if TYPE_CHECKING:
    from rich.progress import Progress

WARNINGS_SHOWN = 20
ID_SHOWN = 8


def parser() -> argparse.ArgumentParser:
    """The arguments of `omni-tui import`."""
    made = Parser(
        prog="omni-tui import",
        description="Store the conversations of files, with all their branches: exports of "
        "omni-tui (json, jsonl), the archives of ChatGPT and Claude.ai (the .zip or its "
        "conversations.json), sessions of Claude Code and pi (.jsonl), exports of LibreChat. What "
        "is stored already is left as it is. No permissions, folders or options are taken over.",
        allow_abbrev=False,
    )
    made.add_argument("files", metavar="FILE", nargs="+", help="- is standard input")
    made.add_argument(
        "--format",
        choices=("auto", *FORMATS),
        default="auto",
        help="what the files are; by default they show it",
    )
    add_place(made, "store them there")
    return made


class Tally(msgspec.Struct):
    """What became of the sessions of an import."""

    stored: int = 0
    messages: int = 0
    known: int = 0
    warnings: int = 0

    def warn(self, problem: str) -> None:
        """Say what was left out, but not thousands of times."""
        self.warnings += 1
        if self.warnings <= WARNINGS_SHOWN:
            print(f"omni-tui: {safe_line(problem, 400)}", file=sys.stderr)

    def tell(self) -> None:
        """Sum it all up."""
        if self.warnings > WARNINGS_SHOWN:
            more = self.warnings - WARNINGS_SHOWN
            print(f"omni-tui: and {more:,} more warnings", file=sys.stderr)
        parts = [f"{self.stored:,} imported with {self.messages:,} messages"]
        if self.known:
            parts.append(f"{self.known:,} stored already")
        print(f"omni-tui: {', '.join(parts)}", file=sys.stderr)


async def run(arguments: argparse.Namespace) -> int:
    """Import; raises `StoreError`, or `ConfigError` for a file that cannot be opened."""
    format = None if arguments.format == "auto" else arguments.format
    tally = Tally()
    with contextlib.ExitStack() as opened:
        sources = [opened.enter_context(_source(file)) for file in arguments.files]
        store = stored_at(arguments, create=True)
        try:
            for source in sources:
                with _watched(source) as progress:
                    for stored in read_sessions(source, tally.warn, format=format):
                        await _keep(store, stored, tally)
                        if progress is not None:
                            progress.update(progress.task_ids[0], completed=source.position)
        finally:
            await store.close()
    tally.tell()
    return DONE if tally.stored or tally.known else RUN_FAILED


def _source(file: str) -> Source:
    if file == "-":
        return Source.of(sys.stdin.buffer, "standard input")
    return Source(Path(file))


async def _keep(store: Store, stored: StoredSession, tally: Tally) -> None:
    """Store a session that is not there yet, or of which nothing but the name came through."""
    record, tree = stored.record, stored.tree
    if await store.exists(record.id):
        if len((await store.load(record.id)).tree):
            tally.known += 1
            return
    else:
        await store.create(await _with_parent(store, record))
    changes = Changes(nodes=tuple(tree.nodes.values()), cursors=dict(tree.cursors), head=tree.head)
    await store.save_tree(record.id, changes)
    await store.save_state(record.id, updated_at=record.updated_at)
    tally.stored += 1
    tally.messages += len(tree)
    print(f"{record.id[:ID_SHOWN]}  {safe_line(record.title or '(untitled)', 60)}")


async def _with_parent(store: Store, record: SessionRecord) -> SessionRecord:
    """The record as it is, or without a parent that is not stored here."""
    if record.parent_id is None or await store.exists(record.parent_id):
        return record
    return msgspec.structs.replace(
        record, parent_id=None, parent_node=None, parent_use=None, depth=0
    )


@contextlib.contextmanager
def _watched(source: Source) -> Iterator[Progress | None]:
    """A bar on standard error while a file is read, where that is a terminal."""
    if not (sys.stderr.isatty() and source.size):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task("", total=source.size)
        yield progress
