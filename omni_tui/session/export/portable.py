"""The form sessions travel in between files: what stands for a node, and what is left at home."""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

import msgspec

from omni_tui.core.messages import Message, decode_message, encode_message
from omni_tui.session.node import Node
from omni_tui.session.store.base import SessionRecord

SESSION_FORMAT = "omni-tui/session"
"""What a file of a whole session says of itself in `format`."""
MESSAGE_FORMAT = "omni-tui/message"
"""And each line of a branch."""
VERSION = 1
"""Of both; a reader refuses what is newer."""

LEFT_AT_HOME = frozenset({"approvals"})
"""Fields of a record that are permissions of this machine."""

_FACTS = {
    name: parameter.default
    for name, parameter in inspect.signature(Node).parameters.items()
    if name != "message"
}

NodeFacts: type[msgspec.Struct] = msgspec.defstruct(
    "NodeFacts",
    [
        (name, hint) if _FACTS[name] is inspect.Parameter.empty else (name, hint, _FACTS[name])
        for name, hint in get_type_hints(Node.__init__).items()
        if name in _FACTS
    ],
    kw_only=True,
)
"""All there is of a `Node` beside its message, with its types, for checking what a file says.

Made from `Node` itself, so that no fact can be forgotten.
"""


def facts_of(node: Node) -> dict[str, Any]:
    """The facts of a node that say something, as values msgspec can encode."""
    values = {name: getattr(node, name) for name in _FACTS}
    return {
        name: value
        for name, value in values.items()
        if value != _FACTS[name] or name in ("id", "parent_id")
    }


def node_from(facts: dict[str, Any], message: Message) -> Node:
    """A node of checked facts; raises `msgspec.ValidationError` for others."""
    checked = msgspec.convert(facts, NodeFacts)
    return Node(message=message, **{name: getattr(checked, name) for name in _FACTS})


def record_facts(record: SessionRecord) -> dict[str, Any]:
    """The fields of a record that leave this machine."""
    return {
        name: getattr(record, name)
        for name in SessionRecord.__struct_fields__
        if name not in LEFT_AT_HOME
    }


def message_json(node: Node) -> bytes:
    """The JSON of a node's message as it is stored; of a damaged one, what is shown for it."""
    try:
        decode_message(node.raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return encode_message(node.message)
    return node.raw
