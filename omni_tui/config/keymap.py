"""Every action a person can take, as one table.

Bindings, the help screen, the documentation page and the check of a person's own keys all come
from `ACTIONS`. Keys are spelled as Textual spells them (`ctrl+p`, `question_mark`, `alt+up`).
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, TypeAlias

import msgspec

from omni_tui.config.settings import nearest
from omni_tui.core.errors import ConfigError
from omni_tui.core.safe_text import safe_line

Context: TypeAlias = Literal["app", "composer", "transcript", "tree", "branch"]

CONTEXTS: Mapping[Context, str] = MappingProxyType(
    {
        "app": "Anywhere",
        "composer": "In the composer",
        "transcript": "On a message",
        "tree": "In the tree",
        "branch": "On a message, and in the tree",
    }
)
"""Where a key counts, and the words for it."""


class Action(msgspec.Struct, frozen=True):
    """One thing a person can do."""

    id: str
    """`group.verb`; what a keymap file names."""
    keys: tuple[str, ...]
    """Default keys; none means palette and slash command only."""
    label: str
    """A verb for the hint line, lower case."""
    help: str
    """One sentence for the help screen."""
    context: Context = "app"
    """Where the keys count."""

    @property
    def group(self) -> str:
        """The part of the id before the dot."""
        return self.id.partition(".")[0]


ACTIONS: tuple[Action, ...] = (
    Action("app.help", ("f1", "question_mark"), "help", "Show the keys."),
    Action("app.palette", ("ctrl+p",), "palette", "Find any command by name."),
    Action("app.redraw", ("ctrl+l",), "redraw", "Draw the screen again."),
    Action("app.quit", ("ctrl+q",), "quit", "Leave; runs are stopped and saved."),
    Action("model.choose", ("f2",), "model", "Choose the model, and how much it thinks."),
    Action("model.effort", (), "effort", "Choose how much the model thinks."),
    Action("theme.choose", (), "theme", "Choose a theme and see it at once."),
    Action("theme.next", (), "next theme", "Take the next theme."),
    Action("session.new", ("ctrl+n",), "new", "Start a session."),
    Action("session.list", ("ctrl+s",), "sessions", "Find and open a session."),
    Action(
        "session.search", ("ctrl+f", "slash"), "search", "Search in what was said, on any branch."
    ),
    Action("session.title", (), "title", "Find another title for this session."),
    Action("session.compact", (), "compact", "Sum up this branch now, but for its last turn."),
    Action(
        "session.parent",
        ("alt+left",),
        "back",
        "From a sub-agent, go back to the session that asked.",
    ),
    Action("approval.next", ("shift+tab",), "mode", "Take the next approval mode."),
    Action("approval.choose", (), "permissions", "Choose what runs unasked, and see the rules."),
    Action("run.interrupt", ("escape",), "stop", "Stop the run of this branch; keep what it said."),
    Action("run.stop", (), "stop all", "Stop every run of this session; keep what they said."),
    Action("run.again", ("ctrl+r",), "try again", "Ask the last question again."),
    Action("run.halt", (), "halt", "Let the turns under way end, and begin nothing new."),
    Action("run.unhalt", (), "go on", "After a halt, begin again."),
    Action("run.auto", (), "auto", "Work on a goal by itself until it is done."),
    Action("view.thinking", ("ctrl+t",), "thinking", "Show or fold the model's thinking."),
    Action("view.tools", ("ctrl+o",), "tools", "Show or fold what tools printed."),
    Action("view.tree", ("f3",), "tree pane", "Show or hide the tree pane."),
    Action("view.events", ("f12",), "events", "Show events, log and state, or close them."),
    Action("message.previous", ("alt+up",), "previous", "Go to the message above."),
    Action("message.next", ("alt+down",), "next", "Go to the message below."),
    Action("composer.attach", ("f4",), "attach", "Attach a file to the message being written."),
    Action("composer.send", ("enter",), "send", "Send what is written.", "composer"),
    Action(
        "composer.newline",
        ("shift+enter", "alt+enter", "ctrl+j"),
        "newline",
        "Start a new line.",
        "composer",
    ),
    Action(
        "composer.detach",
        ("backspace",),
        "detach",
        "Take the last attachment off when nothing is written.",
        "composer",
    ),
    Action("composer.quit", ("ctrl+d",), "quit", "Leave when nothing is written.", "composer"),
    Action(
        "message.regenerate",
        ("r",),
        "again",
        "Ask for another reply beside this one.",
        "transcript",
    ),
    Action(
        "message.edit", ("e",), "edit", "Write this message anew as another branch.", "transcript"
    ),
    Action(
        "message.open",
        ("enter",),
        "open",
        "Open the sub-agent of this message; without one, unfold what is folded.",
        "transcript",
    ),
    Action("message.continue", ("c",), "continue", "Let the model go on from here.", "transcript"),
    Action(
        "message.sibling_previous", ("left",), "‹", "Show the branch before this.", "transcript"
    ),
    Action("message.sibling_next", ("right",), "›", "Show the branch after this.", "transcript"),
    Action(
        "branch.alternatives",
        ("R",),
        "several",
        "Ask for several replies at once, of one model or of many.",
        "branch",
    ),
    Action(
        "branch.compare",
        ("x",),
        "compare",
        "Compare two versions, or mark this branch and compare it with the next one.",
        "branch",
    ),
    Action(
        "branch.merge",
        ("m",),
        "merge",
        "Sum this branch up, and tell the branch in view of it.",
        "branch",
    ),
    Action("branch.graft", ("p",), "copy here", "Copy this to the branch in view.", "branch"),
    Action("branch.label", ("b",), "name", "Give this branch a name.", "branch"),
    Action("branch.prune", ("d",), "hide", "Hide this branch; nothing is deleted.", "branch"),
    Action("branch.undo", ("u",), "undo", "Show again what was hidden last.", "branch"),
    Action("branch.fork", ("f",), "fork", "Go on from here in a session of its own.", "branch"),
    Action("branch.rewrite", ("E",), "reword", "Put other words beside this reply.", "branch"),
    Action("message.copy", ("y",), "copy", "Copy this message.", "transcript"),
    Action("message.up", ("k",), "up", "Go to the message above.", "transcript"),
    Action("message.down", ("j",), "down", "Go to the message below.", "transcript"),
    Action("tree.focus", ("t",), "tree", "Go to this message in the tree.", "transcript"),
    Action("composer.focus", ("i",), "write", "Go back to the composer.", "transcript"),
    Action("tree.switch", ("enter",), "open", "Make this branch the active one.", "tree"),
)
"""Every action there is, in the order help shows them."""


_MODIFIERS = ("alt", "ctrl", "hyper", "meta", "shift", "super")
_SYNONYMS = MappingProxyType(
    {"control": "ctrl", "option": "alt", "esc": "escape", "return": "enter", "del": "delete"}
)
_SWALLOWED = MappingProxyType(
    {"ctrl+left_square_bracket": "Escape", "ctrl+m": "Enter", "ctrl+i": "Tab"}
)
_LABELS = MappingProxyType(
    {"escape": "Esc", "up": "↑", "down": "↓", "left": "←", "right": "→"}
    | {"pageup": "PgUp", "pagedown": "PgDn"}
)


def _symbol_name(character: str) -> str:
    """Textual's name of a character that is neither a letter nor a digit."""
    name = unicodedata.name(character).lower().replace("-", "_").replace(" ", "_")
    return {
        "solidus": "slash",
        "reverse_solidus": "backslash",
        "commercial_at": "at",
        "hyphen_minus": "minus",
        "plus_sign": "plus",
        "low_line": "underscore",
    }.get(name, name)


_SYMBOLS = MappingProxyType({_symbol_name(char): char for char in string.punctuation})
_NAMED = frozenset(
    {"enter", "escape", "tab", "space", "backspace", "delete", "insert", "home", "end"}
    | {"pageup", "pagedown", "up", "down", "left", "right", *_SYMBOLS}
    | {f"f{number}" for number in range(1, 25)}
)


def resolve_keymap(overrides: Mapping[str, str | Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The keys of every action, with a person's own in place of the defaults.

    `"none"`, or an empty list, leaves an action without a key. A string may hold several keys with
    commas between them.

    Raises:
        ConfigError: an action does not exist, a key cannot be pressed, or one key would do two
            things in the same place; names both actions.
    """
    keymap = {action.id: action.keys for action in ACTIONS}
    for action_id, value in overrides.items():
        if action_id not in keymap:
            near = nearest(action_id, keymap)
            raise ConfigError(
                f"keymap: no action {safe_line(action_id)}",
                hint=f"did you mean {near}?" if near else "the help screen lists them all",
                key=action_id,
            )
        keys = value.split(",") if isinstance(value, str) else value
        if [key.strip().lower() for key in keys] == ["none"]:
            keys = ()
        keymap[action_id] = tuple(dict.fromkeys(_normal(action_id, key) for key in keys))
    _reject_clashes(keymap)
    return keymap


def key_label(key: str) -> str:
    """A key as a person reads it: `ctrl+p` is `Ctrl+P`, `question_mark` is `?`."""
    *modifiers, name = key.split("+")
    if name in _SYMBOLS:
        name = _SYMBOLS[name]
    elif len(name) > 1 or modifiers:
        name = _LABELS.get(name, name.capitalize())
    return "+".join([*(modifier.capitalize() for modifier in modifiers), name])


def _normal(action_id: str, written: str) -> str:
    """`written` as Textual names it: modifiers in lower case and in order, then the key."""
    text = written.strip()
    head, _, name = text.rpartition("+")
    if text == "+" or text.endswith("++"):  # the plus key itself
        head, name = text[:-2], "+"
    modifiers = [_SYNONYMS.get(m, m) for m in head.lower().split("+")] if head else []
    if len(name) == 1 and name.isascii() and not name.isalnum():
        name = _symbol_name(name) if name in string.punctuation else name
    elif len(name) > 1 or modifiers:
        name = _SYNONYMS.get(name.lower(), name.lower())
    key = "+".join([*sorted(set(modifiers)), name])
    known = name in _NAMED or (len(name) == 1 and name.isprintable() and not name.isspace())
    if not known or not set(modifiers) <= set(_MODIFIERS):
        near = nearest(name, _NAMED) if not known else None
        raise ConfigError(
            f"keymap: {action_id}: there is no key {safe_line(written) or 'without a name'}",
            hint=f"did you mean {near}?" if near else "write it as ctrl+p, alt+up, f2 or r",
            key=action_id,
        )
    if key in _SWALLOWED:
        raise ConfigError(
            f"keymap: {action_id}: terminals send {key_label(key)} as {_SWALLOWED[key]}",
            hint="choose another key",
            key=action_id,
        )
    return key


def _reject_clashes(keymap: Mapping[str, tuple[str, ...]]) -> None:
    for context in CONTEXTS:
        taken: dict[str, str] = {}
        for action in ACTIONS:
            if not _counts(action.context, context):
                continue
            for key in keymap[action.id]:
                if key in taken:
                    raise ConfigError(
                        f"keymap: {key_label(key)} would do both {taken[key]} and {action.id}",
                        hint="give one of them another key",
                        key=action.id,
                    )
                taken[key] = action.id


def _counts(context: Context, place: Context) -> bool:
    """Whether an action of this context can be meant by a key pressed in this place."""
    return context in ("app", place) or (context == "branch" and place in ("transcript", "tree"))
