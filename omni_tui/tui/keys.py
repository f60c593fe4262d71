"""Bindings made from the table of actions, so that keys are written down in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

from textual.binding import Binding, BindingType

from omni_tui.config.keymap import ACTIONS, Context, key_label


def bindings(context: Context, *, skip: tuple[str, ...] = ()) -> list[BindingType]:
    """The bindings of one context; each calls `action_<id with underscores>` of the screen."""
    return [
        Binding(
            ",".join(action.keys) or action.id,  # a key nobody can press, until a keymap names one
            f"screen.{method(action.id)}",
            action.label,
            show=False,
            id=action.id,
        )
        for action in ACTIONS
        if action.context == context and action.id not in skip
    ]


def method(action_id: str) -> str:
    """The name of an action's method, without its prefix."""
    return action_id.replace(".", "_")


def hints(
    keymap: Mapping[str, tuple[str, ...]],
    ids: Sequence[str],
    words: Mapping[str, str] = MappingProxyType({}),
) -> list[tuple[str, str]]:
    """(key, verb) of the actions that have a key, for the line that shows what can be done.

    `words` says other verbs than the table, or with an empty one that the action does nothing now.
    The keys to both sides stand together.
    """
    labels = {**{action.id: action.label for action in ACTIONS}, **words}
    able = [id for id in ids if keymap.get(id) and labels[id]]
    shown: list[tuple[str, str]] = []
    for before, id in pairwise(("", *able)):
        key = key_label(keymap[id][0])
        if (before, id) == _SIDEWAYS:
            shown[-1] = (shown[-1][0] + key, "versions")
        else:
            shown.append((key, labels[id]))
    return shown


_SIDEWAYS = ("message.sibling_previous", "message.sibling_next")
