"""Messages and their content blocks: immutable values without identity.

A message has no id and no parent: identity is the tree's, durability the store's. JSON is the only
wire and disk form; every block carries its kind in `type`, so one decoder reads and checks any row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

import msgspec

from omni_tui.core.errors import AttachmentError
from omni_tui.core.media import (
    MAX_SIZE,
    SIZE_LIMITS,
    kind_of,
    media_type_of,
    media_type_of_name,
    read_file,
    require_size,
)

Role: TypeAlias = Literal["user", "assistant"]


class Text(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="text"
):
    """Words of a person or a model, Markdown as written."""

    text: str
    signature: str | None = None
    """Opaque provider data, sent back byte for byte."""
    signed_by: str | None = None
    """Whose data it is, as `provider` or `provider/model`: it goes back to no one else. `None` in
    rows from before this was noted: then to all that speak its dialect. So in every block."""


class Thinking(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="thinking"
):
    """A model's reasoning. `redacted` holds the encrypted form when the words are withheld."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    signed_by: str | None = None


class ToolUse(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="tool_use"
):
    """A model's wish to run a tool."""

    id: str
    name: str
    input: dict[str, Any] = {}
    signature: str | None = None
    signed_by: str | None = None
    invalid: str | None = None
    """The argument text as sent, when it was not a JSON object: such a use is never executed."""


class ToolResult(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="type",
    tag="tool_result",
):
    """What a tool answered, or why it did not run."""

    tool_use_id: str
    name: str
    content: str = ""
    is_error: bool = False
    data: dict[str, Any] | None = None
    """Facts for a person that the model does not see: `duration_ms`, `diff`, `decision`."""


class Attachment(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="type",
    tag="attachment",
):
    """An image, a PDF or a text file; exactly one of `data` and `url` is set."""

    media_type: str
    data: bytes | None = None
    url: str | None = None
    name: str | None = None

    @classmethod
    def from_path(
        cls, path: str | Path, *, media_type: str | None = None, name: str | None = None
    ) -> Attachment:
        """Attach a file; `media_type` is told by its content, and `name` is the file's own.

        Blocks: on an event loop, call it as `await asyncio.to_thread(Attachment.from_path, path)`.

        Raises:
            AttachmentError: It is missing, too large, or neither image, PDF nor text.
        """
        path = Path(path)
        data = read_file(path)
        return _attachment(data, media_type, name or path.name, shown=str(path))

    @classmethod
    def from_bytes(
        cls, data: bytes, *, media_type: str | None = None, name: str | None = None
    ) -> Attachment:
        """Attach what is already read; `media_type` is told by the content.

        Raises:
            AttachmentError: It is too large, or neither image, PDF nor text.
        """
        return _attachment(data, media_type, name, shown=name or "the attachment")

    @classmethod
    def from_url(
        cls, url: str, *, media_type: str | None = None, name: str | None = None
    ) -> Attachment:
        """Attach what the provider shall fetch itself; nothing is fetched here.

        Raises:
            AttachmentError: It is no http(s) URL, or its ending does not tell what it is and
                `media_type` is not given.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise AttachmentError(f"{url} is no http(s) URL")
        media_type = media_type or media_type_of_name(parts.path)
        if media_type is None:
            raise AttachmentError(
                f"The address {url} does not tell what it is", hint="give a media_type"
            )
        own = unquote(parts.path.rpartition("/")[2])
        return cls(media_type=media_type, url=url, name=name or own or None)


def _attachment(data: bytes, media_type: str | None, name: str | None, *, shown: str) -> Attachment:
    media_type = media_type or media_type_of(data, name or "")
    if media_type is None:
        raise AttachmentError(
            f"{shown} is neither an image (PNG, JPEG, GIF, WebP), a PDF nor text in UTF-8",
            hint="convert it, or give its media_type",
        )
    require_size(shown, len(data), SIZE_LIMITS.get(kind_of(media_type), MAX_SIZE))
    return Attachment(media_type=media_type, data=data, name=name)


class Opaque(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="opaque"):
    """Of a kind unknown here, such as a tool the provider ran itself: sent back as it came."""

    kind: str
    """What the provider calls it."""
    data: dict[str, Any]
    """The block as it came."""
    signed_by: str | None
    """Whose it is: it goes back to no one else."""


Block: TypeAlias = Text | Thinking | ToolUse | ToolResult | Attachment | Opaque
Content: TypeAlias = str | Block | Iterable[Block]


def now() -> datetime:
    """The present moment, in UTC, to the millisecond (what the stored form keeps readable)."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a conversation.

    Tool results travel as `tool_result` blocks in a user message; the system prompt is no message.
    """

    role: Role
    content: tuple[Block, ...]
    created_at: datetime = msgspec.field(default_factory=now)

    @classmethod
    def user(cls, content: Content) -> Message:
        """A user message from a string, a block or several blocks."""
        return cls(role="user", content=as_blocks(content))

    @classmethod
    def assistant(cls, content: Content) -> Message:
        """An assistant message from a string, a block or several blocks."""
        return cls(role="assistant", content=as_blocks(content))

    @property
    def text(self) -> str:
        """The text blocks, joined by blank lines."""
        return "\n\n".join(block.text for block in self.content if isinstance(block, Text))

    @property
    def tool_uses(self) -> tuple[ToolUse, ...]:
        """The tool uses, in order."""
        return tuple(block for block in self.content if isinstance(block, ToolUse))

    @property
    def tool_results(self) -> tuple[ToolResult, ...]:
        """The tool results, in order."""
        return tuple(block for block in self.content if isinstance(block, ToolResult))

    @property
    def is_prompt(self) -> bool:
        """Whether a person (or a program in their place) said this, rather than a tool."""
        return self.role == "user" and not self.tool_results


def as_blocks(content: Content) -> tuple[Block, ...]:
    """Normalise what a caller may pass as content to a tuple of blocks."""
    if isinstance(content, str):
        return (Text(text=content),)
    if isinstance(content, msgspec.Struct):
        return (content,)
    return tuple(content)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Message)


def encode_message(message: Message) -> bytes:
    """The JSON form of a message, as stored; lone surrogates become U+FFFD."""
    try:
        return _encoder.encode(message)
    except UnicodeEncodeError:
        return _encoder.encode(scrub(msgspec.to_builtins(message)))


def decode_message(data: bytes | str) -> Message:
    """Read a stored message; raises `msgspec.DecodeError` on bad data."""
    return _decoder.decode(data)


_SURROGATES = re.compile("[\ud800-\udfff]")


def scrub(value: Any) -> Any:
    """`value` (JSON-like) with lone surrogates in its strings replaced by U+FFFD."""
    if isinstance(value, str):
        return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {scrub(key): scrub(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [scrub(item) for item in value]
    return value
