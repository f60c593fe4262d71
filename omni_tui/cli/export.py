"""`omni-tui export`: a session, or a branch of it, as a file for people or programs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import PurePath
from typing import Literal, TypeAlias, get_args

from omni_tui.cli.arguments import Parser, add_place
from omni_tui.cli.database import load_named
from omni_tui.cli.exit_codes import DONE
from omni_tui.cli.output import write_out
from omni_tui.session.export import (
    Redactor,
    branch_of,
    to_html,
    to_json,
    to_jsonl,
    to_markdown,
    walk,
)
from omni_tui.session.references import labelled, node_at
from omni_tui.session.store.base import StoredSession
from omni_tui.session.tree import Tree

Form: TypeAlias = Literal["md", "html", "json", "jsonl"]
FORMS: tuple[Form, ...] = get_args(Form)


def parser() -> argparse.ArgumentParser:
    """The arguments of `omni-tui export`."""
    made = Parser(
        prog="omni-tui export",
        description="Write a session. Markdown (md) and JSON Lines (jsonl) hold one branch; html "
        "is a page with all of them that needs no network; json is everything, for import.",
        allow_abbrev=False,
    )
    made.add_argument(
        "id", metavar="ID[@LABEL]", help="the start of an id or title; a label names its branch"
    )
    made.add_argument("--format", choices=FORMS, help="by default what FILE ends in, or md")
    made.add_argument("--branch", metavar="NODE", help="the branch through this message or label")
    made.add_argument(
        "--all", action="store_true", help="every branch, what is hidden and summaries too"
    )
    made.add_argument("-o", "--output", metavar="FILE", help="by default standard output, as -")
    made.add_argument("--force", action="store_true", help="replace a file that is there")
    made.add_argument(
        "--redact", action="store_true", help="take out what looks like a key or password"
    )
    add_place(made, "where the sessions are")
    return made


async def run(arguments: argparse.Namespace) -> int:
    """Export; raises `StoreError`, or `ConfigError` where the file cannot be written."""
    stored, label = await load_named(arguments)
    form = arguments.format or form_of(arguments.output)
    place = _place(stored.tree, arguments.branch, label)
    if arguments.redact:
        stored = Redactor().session(stored)
    pieces = export(stored, form, place=place, everything=arguments.all)
    write_out(pieces, arguments.output, force=arguments.force)
    return DONE


def form_of(file: str | None) -> Form:
    """What a file's name says it shall be; Markdown if nothing."""
    ending = PurePath(file or "").suffix.lower().removeprefix(".")
    ending = "html" if ending == "htm" else ending
    return next((form for form in FORMS if form == ending), "md")


def _place(tree: Tree, branch: str | None, label: str | None) -> int | None:
    wanted = branch or label
    if wanted is None:
        return None
    return labelled(tree, wanted) if branch is None else node_at(tree, wanted)


def export(
    stored: StoredSession, form: Form, *, place: int | None, everything: bool
) -> Iterator[str]:
    """The session in a form; `place` is a node whose branch is written, or in view."""
    tree = stored.tree
    if form == "md":
        nodes = walk(tree, everything=True) if everything else branch_of(tree, place)
        return to_markdown(stored, nodes, everything=everything)
    if form == "jsonl":
        return to_jsonl(stored, tree.nodes.values() if everything else branch_of(tree, place))
    if place is not None and tree[place].kind != "summary" and not tree.is_hidden(place):
        tree.switch(place)
    if form == "json":
        return to_json(stored)
    from omni_tui.cli.markdown_html import markdown_renderer

    return to_html(stored, everything=everything, render=markdown_renderer())
