"""What can be written with a slash in front of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from omni_tui.config.keymap import ACTIONS
from omni_tui.tui.keys import method

if TYPE_CHECKING:
    from omni_tui.tui.app import OmniApp

COMMANDS = (
    ("/attach PATH", "Attach an image, a PDF or a text file; an http(s) address will do."),
    ("/detach", "Take the last attachment off; /detach NAME this one, /detach all every one."),
    ("/model PROVIDER/MODEL", "Use another model from here on."),
    ("/effort LEVEL", "Think off, low, medium, high, xhigh or max; default as in the settings."),
    ("/auto GOAL", "Work on a goal by itself, turn after turn, until it is done; Esc stops it."),
    ("/title TEXT", "Name this session; without a text another title is found."),
    ("/search WORDS", "Search in what was said, on any branch of any session."),
    ("/label TEXT", "Name this branch; --load ID@TEXT opens it."),
    ("/alternatives N", "Ask for so many replies at once; or name models, with commas between."),
)
"""The commands that take an argument, and what they do."""

SHORT: Mapping[str, str] = MappingProxyType(
    {
        "new": "session.new",
        "sessions": "session.list",
        "search": "session.search",
        "help": "app.help",
        "quit": "app.quit",
        "theme": "theme.choose",
        "model": "model.choose",
        "effort": "model.effort",
        "attach": "composer.attach",
        "detach": "composer.detach",
        "tree": "tree.focus",
        "thinking": "view.thinking",
        "tools": "view.tools",
        "debug": "view.events",
        "edit": "message.edit",
        "again": "run.again",
        "stop": "run.stop",
        "permissions": "approval.choose",
        "halt": "run.halt",
        "unhalt": "run.unhalt",
        "auto": "run.auto",
        "regenerate": "message.regenerate",
        "continue": "message.continue",
        "copy": "message.copy",
        "open": "message.open",
        "alternatives": "branch.alternatives",
        "compare": "branch.compare",
        "merge": "branch.merge",
        "graft": "branch.graft",
        "label": "branch.label",
        "hide": "branch.prune",
        "undo": "branch.undo",
        "fork": "branch.fork",
        "rewrite": "branch.rewrite",
        "back": "session.parent",
        "title": "session.title",
        "compact": "session.compact",
    }
)
"""Short names of actions."""


def commands() -> dict[str, str]:
    """Slash command to action id: `/session.new`, and its short form where there is one."""
    names = {action.id: action.id for action in ACTIONS if action.context == "app"}
    return {**names, **SHORT}


def run_command(app: OmniApp, text: str) -> bool:
    """Do what a slash command says, and clear the composer; whether it was a command."""
    if not text.startswith("/"):
        return False
    name, _, rest = text[1:].strip().partition(" ")
    rest = rest.strip()
    chat = app.chat
    with_argument: dict[str, Callable[[str], None]] = {
        "title": app.session.rename,
        "model": app.use_model,
        "effort": app.use_effort,
        "attach": chat.attach,
        "detach": chat.detach,
        "auto": chat.work_on,
        "search": app.show_search,
        "label": chat.label,
        "alternatives": chat.ask_for,
    }
    action = commands().get(name)
    if rest and name in with_argument:
        chat.composer.write("")
        with_argument[name](rest)
    elif action is not None:
        chat.composer.write("")
        getattr(chat, f"action_{method(action)}")()
    else:
        return False
    return True
