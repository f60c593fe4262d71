"""A session as JSON, whole and lossless, and branches as JSON Lines.

What a terminal might obey is escaped, which JSON can without loss.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from omni_tui.core.messages import scrub
from omni_tui.session.export.portable import (
    MESSAGE_FORMAT,
    SESSION_FORMAT,
    VERSION,
    facts_of,
    message_json,
    record_facts,
)
from omni_tui.session.node import Node
from omni_tui.session.store.base import StoredSession

_OBEYED = re.compile(
    "[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\uffff"
    "\U000e0000-\U000e007f]"
)
_encoder = msgspec.json.Encoder()
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def to_json(stored: StoredSession) -> Iterator[str]:
    """The whole session in pieces: hidden nodes, summaries and cursors too, a line for each node.

    Left out are permissions (`approvals`); leases are no part of a session.
    """
    tree = stored.tree
    yield f'{{"format":"{SESSION_FORMAT}","version":{VERSION},\n'
    yield f'"session":{_text(record_facts(stored.record))},\n'
    yield f'"head":{_text(tree.head)},\n'
    yield f'"cursors":{_text([[parent, child] for parent, child in tree.cursors.items()])},\n'
    yield '"nodes":['
    for number, node in enumerate(tree.nodes.values()):
        made = {**_facts(node), "message": msgspec.Raw(message_json(node))}
        yield f"{',' if number else ''}\n{json_text(made)}"
    yield "\n]}\n"


def to_jsonl(stored: StoredSession, nodes: Iterable[Node]) -> Iterator[str]:
    """These messages of the session, each as a line with `role` and `content`."""
    for node in nodes:
        said: dict[str, Any] = _fields.decode(message_json(node))
        about = {
            "format": MESSAGE_FORMAT,
            "version": VERSION,
            "session_id": stored.record.id,
            "node": _facts(node),
        }
        yield f"{json_text(said | about)}\n"


def _facts(node: Node) -> dict[str, Any]:
    made: dict[str, Any] = scrub(msgspec.to_builtins(facts_of(node)))
    return made


def _text(value: object) -> str:
    return json_text(scrub(msgspec.to_builtins(value)))


def json_text(value: object) -> str:
    """A value as JSON in one line that is safe to print."""
    return _OBEYED.sub(_escaped, _encoder.encode(value).decode())


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
