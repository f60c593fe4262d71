"""`omni-tui sessions`: what was said before, and where."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from omni_tui.cli.arguments import Parser, add_place
from omni_tui.cli.database import stored_at
from omni_tui.cli.exit_codes import DONE, USAGE
from omni_tui.cli.output import print_json
from omni_tui.cli.sessions_change import delete_sessions, rename_session
from omni_tui.core.safe_text import safe, safe_line
from omni_tui.session.node import Node
from omni_tui.session.store.base import SessionSummary, Store, StoredSession
from omni_tui.session.store.filters import FILTERS
from omni_tui.session.store.hits import Hit
from omni_tui.session.store.words import Query

ID_SHOWN = 8
"""Characters of an id in a line for a person; enough for `--load`."""

BOLD, PLAIN = "\x1b[1m", "\x1b[0m"


def parser() -> argparse.ArgumentParser:
    """The arguments of `omni-tui sessions`."""
    made = Parser(
        prog="omni-tui sessions",
        description="List, show, search, rename and delete stored sessions. "
        "`omni-tui --load ID` opens one.",
        allow_abbrev=False,
    )
    actions = made.add_subparsers(dest="action", metavar="ACTION")
    every = Parser(add_help=False)
    every.add_argument("--json", action="store_true", default=False, help="write JSON")
    add_place(every, "where the sessions are")
    many = Parser(add_help=False)
    many.add_argument("--limit", metavar="N", type=_count, default=20, help="at most so many")
    actions.add_parser("list", parents=[every, many], help="the sessions used last")
    show = actions.add_parser("show", parents=[every], help="the messages of the branch in view")
    show.add_argument("id", metavar="ID", help="the start of an id or of a title")
    search = actions.add_parser(
        "search",
        parents=[every, many],
        help="what was said, on any branch of any session",
        description="Find prompts, replies and titles with all these words; the last may be the "
        "beginning of one. Words in quotes stand side by side: search '\"side by side\"'. "
        "NAME:VALUE narrows what is found, with these names: "
        + "; ".join(f"{name}, {meaning}" for name, meaning in FILTERS.items())
        + ".",
    )
    search.add_argument("query", metavar="QUERY", nargs="+", help="words, and filters")
    where = Parser(add_help=False)
    add_place(where, "where the sessions are")
    rename = actions.add_parser("rename", parents=[where], help="give a session a title")
    rename.add_argument("id", metavar="ID", help="the start of an id or of a title")
    rename.add_argument("title", metavar="TITLE", help="an empty one takes the title away")
    delete = actions.add_parser(
        "delete", parents=[where], help="remove sessions for good, and those of their sub-agents"
    )
    delete.add_argument("ids", metavar="ID", nargs="+", help="the start of an id or of a title")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    made.set_defaults(action="list", json=False, db=None, limit=20)
    return made


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 < number <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of lines")
    return number


async def run(arguments: argparse.Namespace) -> int:
    """Do what is asked; raises `StoreError`, and `NotFoundError` for a session that is not there.

    Nothing is created: without a file there are no sessions.
    """
    store = stored_at(arguments)
    try:
        if arguments.action == "search":
            return await _search(store, " ".join(arguments.query), arguments)
        elif arguments.action == "show":
            await _show(store, arguments)
        elif arguments.action == "rename":
            await rename_session(store, arguments.id, arguments.title)
        elif arguments.action == "delete":
            return await delete_sessions(store, arguments.ids, yes=arguments.yes)
        else:
            await _list(store, arguments)
    finally:
        await store.close()
    return DONE


async def _list(store: Store, arguments: argparse.Namespace) -> None:
    found = await store.list(arguments.limit)
    if arguments.json:
        print_json(found)
    elif not found:
        print("omni-tui: there are no sessions yet", file=sys.stderr)
    else:
        for each in found:
            print(_summary_line(each))


async def _show(store: Store, arguments: argparse.Namespace) -> None:
    stored = await store.load(await store.find(arguments.id))
    nodes = [stored.tree[node_id] for node_id in stored.tree.path]
    if arguments.json:
        print_json(_session(stored, nodes))
        return
    record = stored.record
    print(f"{record.id}  {_title(record.title)}  {safe_line(record.model or '')}".rstrip())
    for node in nodes:
        if node.message.text:
            print(f"\n{node.id} {node.role}  {_time(node.created_at)}\n")
            print(safe(node.message.text))


async def _search(store: Store, query: str, arguments: argparse.Namespace) -> int:
    if faults := Query(query).filters.faults:
        for fault in faults:
            print(f"omni-tui: {fault}", file=sys.stderr)
        return USAGE
    found = await store.search(query, limit=arguments.limit)
    if arguments.json:
        print_json(found)
    elif not found:
        print(f"omni-tui: nothing with {safe_line(query, 60)!r} was found", file=sys.stderr)
    else:
        on_terminal = sys.stdout.isatty()
        ids = _shown_ids([hit.session_id for hit in found])
        for hit in found:
            print(_hit_lines(hit, ids[hit.session_id], on_terminal=on_terminal))
    return DONE


def _shown_ids(ids: Sequence[str]) -> dict[str, str]:
    """The beginnings of ids, long enough to tell these apart."""
    known = set(ids)
    length = ID_SHOWN
    while len({id[:length] for id in known}) < len(known):
        length += 1
    return {id: id[:length] for id in known}


def _summary_line(each: SessionSummary) -> str:
    branches = f"  {each.branches} branches" if each.branches > 1 else ""
    title = _title(each.title) if each.title else safe_line(each.preview, 60) or "(empty)"
    return f"{each.id[:ID_SHOWN]}  {_time(each.updated_at)}  {title}{branches}"


def _hit_lines(hit: Hit, id: str, *, on_terminal: bool) -> str:
    """One line for a script; two for a person, the words bold."""
    where = "title" if hit.node_id is None else f"{hit.node_id} {hit.role}"
    beneath = f"  (sub-agent of {hit.parent_id[:ID_SHOWN]})" if hit.parent_id else ""
    head = f"{id}  {_time(hit.time)}  {_title(hit.title)}{beneath}"
    if not on_terminal:
        return f"{head}  {where}: {hit.snippet}"
    width = shutil.get_terminal_size().columns
    return f"{safe_line(head, width)}\n    {where}: {_marked(hit)}"


def _marked(hit: Hit) -> str:
    made, end = "", 0
    for start, stop in hit.matches:
        made += f"{hit.snippet[end:start]}{BOLD}{hit.snippet[start:stop]}{PLAIN}"
        end = stop
    return made + hit.snippet[end:]


def _title(title: str | None) -> str:
    return safe_line(title or "(untitled)", 60)


def _time(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def _session(stored: StoredSession, nodes: Sequence[Node]) -> dict[str, Any]:
    record = stored.record
    return {
        "id": record.id,
        "title": record.title,
        "model": record.model,
        "cwd": record.cwd,
        "parent_id": record.parent_id,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "nodes": len(stored.tree),
        "messages": [
            {"node_id": node.id, "status": node.status, **msgspec.to_builtins(node.message)}
            for node in nodes
        ],
    }
