"""`omni-tui tree`: the shape of a session."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import msgspec

from omni_tui.cli.arguments import Parser, add_place
from omni_tui.cli.database import load_named
from omni_tui.cli.exit_codes import DONE
from omni_tui.cli.output import write_out
from omni_tui.core.messages import scrub
from omni_tui.core.safe_text import safe_line
from omni_tui.session.export.branches import walk
from omni_tui.session.export.diagrams import to_dot, to_mermaid
from omni_tui.session.export.json import json_text
from omni_tui.session.export.outline import WORDS, to_lines
from omni_tui.session.references import labelled
from omni_tui.session.store.base import StoredSession


def parser() -> argparse.ArgumentParser:
    """The arguments of `omni-tui tree`."""
    made = Parser(
        prog="omni-tui tree",
        description="Draw a session: a line for each turn, and for each version where there are "
        "several. A dot that is filled is on the branch in view.",
        allow_abbrev=False,
    )
    made.add_argument(
        "id", metavar="ID[@LABEL]", help="the start of an id or title; a label's branch is in view"
    )
    made.add_argument(
        "--format",
        choices=("text", "json", "mermaid", "dot"),
        default="text",
        help="mermaid and dot (Graphviz) are languages for drawings",
    )
    made.add_argument("--all", action="store_true", help="also what is hidden, and summaries")
    add_place(made, "where the sessions are")
    return made


async def run(arguments: argparse.Namespace) -> int:
    """Draw; raises `StoreError`."""
    stored, label = await load_named(arguments)
    if label is not None:
        stored.tree.switch(labelled(stored.tree, label))
    lines = _lines(stored, arguments.format, everything=arguments.all)
    write_out((f"{line}\n" for line in lines), None)
    return DONE


def _lines(stored: StoredSession, form: str, *, everything: bool) -> Iterator[str]:
    match form:
        case "mermaid":
            return to_mermaid(stored.tree, everything=everything)
        case "dot":
            return to_dot(stored.tree, everything=everything)
        case "json":
            return _json(stored, everything=everything)
    return _text(stored, everything=everything)


def _text(stored: StoredSession, *, everything: bool) -> Iterator[str]:
    record = stored.record
    yield f"{record.id}  {safe_line(record.title or '(untitled)', 60)}"
    yield from to_lines(stored.tree, everything=everything)


def _json(stored: StoredSession, *, everything: bool) -> Iterator[str]:
    tree, record = stored.tree, stored.record
    nodes: list[dict[str, Any]] = [
        {
            "id": node.id,
            "parent_id": node.parent_id,
            "kind": node.kind,
            "status": node.status,
            "model": node.model,
            "label": node.label,
            "created_at": node.created_at,
            "is_active": tree.on_path(node.id) and node.kind != "summary",
            "is_pruned": node.is_pruned,
            "text": safe_line(node.message.text, WORDS),
        }
        for node in walk(tree, everything=everything)
    ]
    made = {"id": record.id, "title": record.title, "head": tree.head, "nodes": nodes}
    yield msgspec.json.format(json_text(scrub(msgspec.to_builtins(made))), indent=2)
