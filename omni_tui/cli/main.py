"""The command line: read the arguments, then load only what they need."""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import keyword
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType

from omni_tui import __version__
from omni_tui.cli.arguments import Parser, add_running_options
from omni_tui.cli.exit_codes import INTERRUPTED, USAGE, exit_code
from omni_tui.core.errors import ConfigError, OmniError
from omni_tui.core.safe_text import safe

COMMANDS = MappingProxyType(
    {
        "sessions": "list, show, search, rename and delete what was said before",
        "tree": "draw a session as text, JSON, Mermaid or Graphviz",
        "branch": "compare, price, name, hide, copy, fork and run again branches of a session",
        "export": "write a session as Markdown, a page, JSON or JSON Lines",
        "import": "store the conversations of ChatGPT, Claude, Claude Code, pi and others",
        "models": "what there is to choose from, and what it costs",
        "doctor": "what is well and what is not; back up, mend and shrink the database",
        "acp": "serve the agent to an editor that speaks the Agent Client Protocol",
    }
)
"""Each is a module of this folder with `parser()` and `run(arguments)`, loaded when it is named. A
word of Python has an underscore after it as a module: `import_`."""

EPILOG = """\
commands (each has its own --help):
{commands}

exit codes: 0 done, 1 run failed, 2 usage, 3 limit reached, 4 a needed tool was denied,
5 provider failed after retries, 6 key missing or refused, 7 session not found or locked
"""


def parser() -> argparse.ArgumentParser:
    """The arguments `omni-tui` takes."""
    made = Parser(
        prog="omni-tui",
        description="The branching terminal for LLM agents: every conversation is a tree.",
        epilog=EPILOG.format(
            commands="\n".join(f"  {name:10}{help}" for name, help in COMMANDS.items())
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--version", action="version", version=f"omni-tui {__version__}")
    which = made.add_mutually_exclusive_group()
    which.add_argument(
        "--load",
        metavar="ID[@LABEL]",
        help="open this session, at that label; the start of its id or its title will do",
    )
    which.add_argument(
        "-c", "--continue", dest="latest", action="store_true", help="open the session used last"
    )
    made.add_argument(
        "-m",
        "--model",
        metavar="PROVIDER/MODEL",
        help="the model to use; in a loaded session it takes the place of the stored one",
    )
    made.add_argument(
        "-p",
        "--print",
        metavar="PROMPT",
        nargs="?",
        const="",
        help="answer on standard output and leave; what is piped in is joined to the prompt",
    )
    made.add_argument(
        "--output-format",
        choices=("text", "json", "stream-json"),
        help="what -p prints: words, one object at the end, or every event on a line of its own",
    )
    made.add_argument(
        "--schema",
        metavar="FILE",
        type=Path,
        help="with -p: the answer must fit this JSON Schema, and is printed as JSON",
    )
    add_running_options(made)
    return made


def entry() -> None:
    """The console script."""
    sys.exit(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run the program and return its exit code."""
    if argv and argv[0] in COMMANDS:
        module = f"{argv[0]}_" if keyword.iskeyword(argv[0]) else argv[0]
        command = importlib.import_module(f"omni_tui.cli.{module}")
        arguments, run = command.parser().parse_args(argv[1:]), command.run
    else:
        arguments, run = parser().parse_args(argv), _run
    end_log = None
    try:
        end_log = _log_to(getattr(arguments, "log_file", None))
        code: int = asyncio.run(run(arguments))
        return code
    except OmniError as error:
        complain(error)
        return exit_code(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has left. Python would complain once more while closing stdout.
        sys.stdout = None
        return 0
    finally:
        if end_log is not None:
            end_log()


def _log_to(file: Path | None) -> Callable[[], None]:
    from omni_tui.config.logs import log_to_file
    from omni_tui.config.paths import find_paths

    return log_to_file(lambda: file or find_paths().log_file)


async def _run(arguments: argparse.Namespace) -> int:
    if arguments.print is not None:
        return await _print(arguments)
    for option in ("output_format", "schema"):
        if getattr(arguments, option) is not None:
            raise ConfigError(f"--{option.replace('_', '-')} goes with -p.")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print(
            'omni-tui needs a terminal; without one, use: omni-tui -p "your question"',
            file=sys.stderr,
        )
        return USAGE
    # What is imported stays, so collecting meanwhile finds nothing: a tenth of the way to the first
    # paint. The application turns it on as soon as it has painted.
    gc.disable()
    try:
        from omni_tui.cli.interactive import run_app

        return await run_app(arguments)
    finally:
        gc.enable()


async def _print(arguments: argparse.Namespace) -> int:
    from omni_tui.cli.print_mode import print_reply, read_prompt
    from omni_tui.cli.schema_file import read_schema
    from omni_tui.cli.setup import prepare

    shape = read_schema(arguments.schema) if arguments.schema is not None else None
    prompt = read_prompt(arguments.print, sys.stdin)
    if not prompt.strip():
        raise ConfigError("-p needs a prompt, as an argument or piped in.")
    async with await prepare(arguments, output=shape.format if shape else None) as start:
        return await print_reply(start, prompt, form=arguments.output_format or "text", shape=shape)


def complain(error: OmniError) -> None:
    """Say what went wrong on standard error, in one line and a hint."""
    print(f"omni-tui: {safe(error.message)}", file=sys.stderr)
    if error.hint:
        print(f"  {safe(error.hint)}", file=sys.stderr)
