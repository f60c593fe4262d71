"""How many tokens a request has, estimated before it is sent and corrected by what was counted.

No tokenizer is shipped: every model has its own. Four ASCII characters, or three bytes of UTF-8 of
any other script, are taken for a token: one for each Chinese, Japanese or Korean character. Against
OpenAI's `cl100k_base` and `o200k_base` that gives 1.0 and 1.1 times the true number for English,
Markdown and code, 0.7 to 1.0 and 1.1 to 1.4 times for Chinese, Japanese and Korean, 0.8 to 1.2 and
1.7 to 2.3 times for Cyrillic, Arabic and Devanagari (a paragraph each); the older of the two, which
needs more, is the measure, because too late is worse than too early. A `Gauge` corrects the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from types import MappingProxyType

import msgspec

from omni_tui.core.media import Kind, kind_of
from omni_tui.core.messages import (
    Attachment,
    Block,
    Message,
    Opaque,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)
from omni_tui.core.tool import Tool
from omni_tui.core.usage import Usage

UNKNOWN_WINDOW = 128_000
"""Tokens a model is taken to read when nobody knows: rather too few than too many."""

CHARS = 4
"""ASCII characters in a token."""
BYTES = 3
"""Bytes of UTF-8 in a token of other scripts."""
PER_MESSAGE = 4
"""Tokens that a message has beside its content: the role and the marks around it."""

MEDIA = MappingProxyType({"image": 1000, "audio": 500, "video": 2000, "pdf": 3000, "other": 3000})
"""Tokens of an attachment by its kind, whatever its size; a text file counts by its text."""

MAX_RATIO = 2.0
"""How far a count may correct an estimate, up or down: beyond that it counted something else."""


def estimate_text(text: str) -> int:
    """Tokens of a text; never less for a longer one."""
    if text.isascii():
        return -(-len(text) // CHARS)
    plain = len(text.encode("ascii", "ignore"))
    others = len(text.encode("utf-8", "surrogatepass")) - plain
    return -(-(plain * BYTES + others * CHARS) // (CHARS * BYTES))


def estimate_block(block: Block) -> int:
    """Tokens of a content block."""
    match block:
        case Text(text=text):
            return estimate_text(text)
        case Thinking(text=text, redacted=redacted):
            return estimate_text(text) + estimate_text(redacted or "")
        case ToolUse(name=name, input=input, invalid=invalid):
            return estimate_text(name) + _estimate_json(input) + estimate_text(invalid or "")
        case ToolResult(name=name, content=content):
            return estimate_text(name) + estimate_text(content)
        case Opaque(data=data):
            return _estimate_json(data)
        case Attachment():
            return _estimate_attachment(block)


def estimate_message(message: Message) -> int:
    """Tokens of a message."""
    return PER_MESSAGE + sum(map(estimate_block, message.content))


def estimate_tokens(
    messages: Iterable[Message], *, system: str | None = None, tools: Iterable[Tool] = ()
) -> int:
    """Tokens of a request with these messages."""
    return estimate_frame(system, tools) + sum(map(estimate_message, messages))


def estimate_frame(system: str | None, tools: Iterable[Tool]) -> int:
    """Tokens of what stands around the messages of a request."""
    described = (
        estimate_text(tool.name) + estimate_text(tool.description) + _estimate_json(schema)
        for tool in tools
        for schema in [tool.input_schema]
    )
    return estimate_text(system or "") + sum(described)


class Gauge(msgspec.Struct, frozen=True):
    """A step whose tokens a provider counted: the measure for what comes after it."""

    real: int
    """What the step read and wrote."""
    estimated: int
    """What was estimated for the same."""

    @classmethod
    def of(cls, usage: Usage | None, estimated: int) -> Gauge | None:
        """The gauge of a step; `None` when its provider counted nothing."""
        if usage is None or not usage.read or estimated <= 0:
            return None
        return cls(usage.read + usage.output, estimated)

    def tokens(self, estimated: int) -> int:
        """Tokens of a request for which this much is estimated.

        What comes to the step that was counted is added to its count, corrected by how far the
        estimate was wrong there; something smaller than that step is so much smaller.
        """
        if estimated <= self.estimated:
            return round(self.real * estimated / self.estimated)
        ratio = min(max(self.real / self.estimated, 1 / MAX_RATIO), MAX_RATIO)
        return self.real + round(ratio * (estimated - self.estimated))


def _estimate_json(value: object) -> int:
    return estimate_text(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str))


def _estimate_attachment(attachment: Attachment) -> int:
    kind: Kind = kind_of(attachment.media_type)
    if kind != "text":
        return MEDIA[kind]
    if attachment.data is None:
        return MEDIA["other"]
    return estimate_text(attachment.data.decode("utf-8", "replace"))
