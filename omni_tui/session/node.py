"""A node: one message at its place in a session's tree, with the facts of the step that made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, TypedDict

import msgspec

from omni_tui.core.errors import OmniError
from omni_tui.core.messages import Message, Role, Text, decode_message, encode_message
from omni_tui.core.stream import StopReason
from omni_tui.core.usage import Usage

Kind: TypeAlias = Literal["prompt", "reply", "calls", "results", "summary"]
"""What a node is to its turn: a user message, an assistant message that ends the turn, one that
asks for tools, and the user message with the tools' results. A summary is in no turn: it stands
beside the path, for all of it up to its parent."""

Status: TypeAlias = Literal["done", "cancelled", "failed"]


How: TypeAlias = Literal["edit", "graft", "merge", "fork", "import"]
"""A person rewrote words, or they were copied: within a tree, to a new session, from a file."""


class Origin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the words of a node were first said, or what they sum up (`merge`)."""

    node_id: int
    session_id: str | None = None
    """`None`: this session."""
    how: How


class Facts(TypedDict, total=False):
    """What may be said of a new node beside its message; all of it optional."""

    usage: Usage | None
    model: str | None
    stop_reason: StopReason | None
    status: Status
    error: str | None
    run_id: str | None
    created_at: datetime
    duration_ms: int | None
    label: str | None
    origin: Origin | None


def kind_of(message: Message) -> Kind:
    """Which kind of node this message makes."""
    if message.role == "assistant":
        return "calls" if message.tool_uses else "reply"
    return "prompt" if message.is_prompt else "results"


class Late:
    """Messages that are still being read while their tree is in use already.

    `read` begins to read the stored JSON of all of them, by node id. It is called at once, and
    again for a message that is wanted after it failed.
    """

    def __init__(self, read: Callable[[], Future[Mapping[int, bytes]]]) -> None:
        self._read = read
        self._messages = read()

    @property
    def is_read(self) -> bool:
        """Whether all of them are in memory."""
        return self._messages.done()

    def take(self, node_id: int) -> bytes:
        """The JSON of a node; blocks until it is read.

        Raises `LookupError` if it is no longer stored, and what the reading failed with.
        """
        try:
            return self._messages.result()[node_id]
        except OmniError:
            self._messages = self._read()
            return self._messages.result()[node_id]


class Node:
    """A message with an identity. Never changed: `Tree.update` puts a changed copy in its place.

    A node made from stored JSON decodes it on first use of `message`, so that a session of ten
    thousand nodes opens without reading ten thousand messages.
    """

    __slots__ = (
        "_late",
        "_message",
        "_raw",
        "created_at",
        "duration_ms",
        "error",
        "id",
        "is_pruned",
        "kind",
        "label",
        "model",
        "origin",
        "parent_id",
        "run_id",
        "status",
        "stop_reason",
        "usage",
    )

    id: int
    parent_id: int | None
    """`None` for a root."""
    kind: Kind
    usage: Usage | None
    """What the step consumed; `None` where no model was asked."""
    model: str | None
    """The model that wrote it, as `provider/model`."""
    stop_reason: StopReason | None
    status: Status
    error: str | None
    """Why the run failed of which this node was the tip."""
    run_id: str | None
    created_at: datetime
    duration_ms: int | None
    """Milliseconds the step took, on the monotonic clock."""
    label: str | None
    """A name a person gave this point."""
    is_pruned: bool
    """A person hid it, with all below it. A summary that is hidden is not used."""
    origin: Origin | None
    """Where it was copied from; `None` where it was said here first."""
    _message: Message | None
    _raw: bytes | None
    _late: Late | None

    def __init__(
        self,
        id: int,
        parent_id: int | None,
        message: Message | bytes | Late,
        kind: Kind | None = None,
        usage: Usage | None = None,
        model: str | None = None,
        stop_reason: StopReason | None = None,
        status: Status = "done",
        error: str | None = None,
        run_id: str | None = None,
        created_at: datetime | None = None,
        duration_ms: int | None = None,
        label: str | None = None,
        is_pruned: bool = False,
        origin: Origin | None = None,
    ) -> None:
        """Make a node from a message, or from stored JSON with its kind and time beside it."""
        self.id = id
        self.parent_id = parent_id
        self._raw = self._message = self._late = None
        if isinstance(message, bytes):
            self._raw = message
        elif isinstance(message, Late):
            self._late = message
        else:
            self._message = message
        self.kind = kind or kind_of(self.message)
        self.usage = usage
        self.model = model
        self.stop_reason = stop_reason
        self.status = status
        self.error = error
        self.run_id = run_id
        self.created_at = created_at or self.message.created_at
        self.duration_ms = duration_ms
        self.label = label
        self.is_pruned = is_pruned
        self.origin = origin

    @property
    def message(self) -> Message:
        """The message; stored JSON that cannot be read gives one that says so."""
        if self._message is None:
            try:
                self._message = decode_message(self._stored())
            except (msgspec.DecodeError, UnicodeDecodeError, LookupError, OmniError) as error:
                self._message = _unreadable(self, error)
        return self._message

    @property
    def raw(self) -> bytes:
        """The message's JSON, as stored."""
        if self._raw is None and self._message is None:
            with suppress(LookupError, OmniError):
                return self._stored()
        if self._raw is None:
            self._raw = encode_message(self.message)
        return self._raw

    @property
    def is_read(self) -> bool:
        """Whether the message is in memory; if not, asking for it waits until it is."""
        late = self._late
        return self._raw is not None or late is None or late.is_read

    def _stored(self) -> bytes:
        if self._raw is None:
            assert self._late is not None
            self._raw = self._late.take(self.id)
            self._late = None
        return self._raw

    @property
    def role(self) -> Role:
        """Whose message it is."""
        return "assistant" if self.kind in ("reply", "calls") else "user"

    def copy(self, **changes: Any) -> Node:
        """This node with some of its facts changed; the message is shared."""
        other = object.__new__(Node)
        for name in Node.__slots__:
            setattr(other, name, changes[name] if name in changes else getattr(self, name))
        return other

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        return self._facts() == other._facts()

    def __hash__(self) -> int:
        return hash((self.id, self.parent_id))

    def __repr__(self) -> str:
        return f"Node({self.id}, parent={self.parent_id}, {self.kind}, {self.status})"

    def _facts(self) -> tuple[object, ...]:
        names = (name for name in Node.__slots__ if not name.startswith("_"))
        return (*(getattr(self, name) for name in names), self.raw)


def _unreadable(node: Node, error: Exception) -> Message:
    return Message(
        role=node.role,
        content=(Text(text=f"[This message is damaged and cannot be read: {error}]"),),
        created_at=getattr(node, "created_at", None) or datetime.fromtimestamp(0, UTC),
    )
