"""`omni-tui branch`: what can be done to the branches of a stored session from the shell."""

from __future__ import annotations

import argparse

from omni_tui.cli.arguments import Parser, add_place, add_running_options
from omni_tui.cli.branch_cost import write_costs
from omni_tui.cli.branch_diff import tip_at, write_diff
from omni_tui.cli.database import stored_at
from omni_tui.cli.exit_codes import DONE

SESSION = "the start of an id or a title"
NODE = "the number of a message (omni-tui tree shows them), or a label"


def parser() -> argparse.ArgumentParser:
    """The arguments of `omni-tui branch`."""
    made = Parser(
        prog="omni-tui branch",
        description="Work on the branches of a session. What writes does so as the terminal would, "
        "and not while another program has the session open.",
        allow_abbrev=False,
    )
    actions = made.add_subparsers(dest="action", metavar="ACTION", required=True)
    where, form = Parser(add_help=False), Parser(add_help=False)
    add_place(where, "where the sessions are")
    form.add_argument("--json", action="store_true", help="write JSON")
    _add_reading(actions, where, form)
    _add_writing(actions, where)
    rerun = actions.add_parser(
        "rerun",
        parents=[form],
        help="send the prompts of a branch again",
        description="Send the prompts of a branch again as a new branch beside it, and compare the "
        "two. Progress goes to standard error; the exit code is that of the run that failed.",
    )
    rerun.add_argument("id", metavar="ID", help=SESSION)
    rerun.add_argument(
        "node", metavar="NODE", nargs="?", help=f"{NODE}; by default what is in view"
    )
    whom = rerun.add_mutually_exclusive_group()
    whom.add_argument("-m", "--model", metavar="PROVIDER/MODEL", help="by default the session's")
    whom.add_argument(
        "--replay",
        action="store_true",
        help="the recorded replies instead of a model; tools run, no network is needed",
    )
    add_running_options(rerun)
    return made


def _add_reading(actions: argparse._SubParsersAction[Parser], where: Parser, form: Parser) -> None:
    diff = actions.add_parser(
        "diff",
        parents=[where, form],
        help="compare two branches word by word",
        description="Compare two branches word by word, from where they part. The exit code is 0 "
        "whether or not they differ; --json has is_equal.",
    )
    diff.add_argument("id", metavar="ID", help=SESSION)
    diff.add_argument("left", metavar="A", help=NODE)
    diff.add_argument("right", metavar="B", help="what to compare with it")
    diff.add_argument(
        "--exact", action="store_true", help="to these very messages, not to the ends of branches"
    )
    cost = actions.add_parser(
        "cost", parents=[where, form], help="what messages, branches and detours cost"
    )
    cost.add_argument("id", metavar="ID", help=SESSION)


def _add_writing(actions: argparse._SubParsersAction[Parser], where: Parser) -> None:
    for name, help in (
        ("label", "give a message and its branch a name"),
        ("prune", "hide a message and all below it; nothing is deleted"),
        ("restore", "show again what prune hid"),
        ("graft", "copy a branch to another place of the session"),
        ("fork", "begin a new session with the path to a message, and print its id"),
    ):
        made = actions.add_parser(name, parents=[where], help=help)
        made.add_argument("id", metavar="ID", help=SESSION)
        made.add_argument("node", metavar="NODE", help=NODE)
        if name == "label":
            made.add_argument("name", metavar="NAME", nargs="?", help="without one it is taken off")
        elif name == "graft":
            made.add_argument(
                "--onto", metavar="NODE", required=True, help="what it shall follow, or root"
            )
            made.add_argument("--turn", action="store_true", help="this turn alone")


async def run(arguments: argparse.Namespace) -> int:
    """Do what is asked; raises `StoreError`, and `TreeError` for a message that does not fit."""
    if arguments.action == "rerun":
        from omni_tui.cli.branch_rerun import rerun_branch

        return await rerun_branch(arguments)
    if arguments.action not in ("diff", "cost"):
        from omni_tui.cli.branch_change import change

        await change(stored_at(arguments), arguments)
        return DONE
    store = stored_at(arguments)
    try:
        stored = await store.load(await store.find(arguments.id))
    finally:
        await store.close()
    if arguments.action == "cost":
        write_costs(stored.tree, as_json=arguments.json)
        return DONE
    left, right = (
        tip_at(stored.tree, wanted, exact=arguments.exact)
        for wanted in (arguments.left, arguments.right)
    )
    write_diff(stored.tree, left, right, as_json=arguments.json)
    return DONE
