"""What an editor sends as our blocks, and a conversation as what an editor shows."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from acp import helpers, schema

from omni_tui.core.errors import AttachmentError
from omni_tui.core.media import kind_of
from omni_tui.core.messages import Attachment, Block, Text, Thinking, ToolUse
from omni_tui.core.safe_text import safe
from omni_tui.serve.acp import tools
from omni_tui.session.node import Node

Update: TypeAlias = (
    schema.UserMessageChunk
    | schema.AgentMessageChunk
    | schema.AgentThoughtChunk
    | schema.ToolCallStart
    | schema.ToolCallProgress
)


def blocks_of(prompt: Sequence[Any]) -> tuple[Block, ...]:
    """A prompt as our blocks; mentions become part of the text around them. Blocks on large ones.

    Raises `AttachmentError` for what no model reads.
    """
    blocks: list[Block] = []
    for each in prompt:
        block = _block(each)
        before = blocks[-1] if blocks else None
        if isinstance(block, Text) and isinstance(before, Text):
            blocks[-1] = Text(text=before.text + block.text)
        else:
            blocks.append(block)
    return tuple(blocks)


def _block(given: Any) -> Block:
    match given:
        case schema.TextContentBlock(text=text):
            return Text(text=text)
        case schema.ImageContentBlock(data=data, uri=uri):
            name = _name(uri) if uri else "image"
            attachment = Attachment.from_bytes(_bytes(data, name), name=name)
            if kind_of(attachment.media_type) != "image":
                raise AttachmentError(f"{name} is no image (PNG, JPEG, GIF, WebP)")
            return attachment
        case schema.ResourceContentBlock(name=name, uri=uri):
            return Text(text=f"[@{name}]({_path(uri)})")
        case schema.EmbeddedResourceContentBlock(resource=resource):
            name = _path(resource.uri)
            if isinstance(resource, schema.TextResourceContents):
                return Attachment.from_bytes(resource.text.encode("utf-8", "replace"), name=name)
            return Attachment.from_bytes(_bytes(resource.blob, name), name=name)
        case _:
            raise AttachmentError("Sound cannot be attached", hint="send text, images or files")


def _bytes(data: str, name: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (ValueError, binascii.Error):
        raise AttachmentError(f"{name} is no base64") from None


def _path(uri: str) -> str:
    """The path (and lines) of a `file:` address; any other address as it stands."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return uri
    if parts.scheme != "file" or not parts.path:
        return uri
    return unquote(parts.path) + (f"#{parts.fragment}" if parts.fragment else "")


def _name(uri: str) -> str:
    return _path(uri).rstrip("/").rpartition("/")[2] or uri


def shown(text: str) -> str:
    """Words as an editor may show them, the same whether they come whole or in pieces."""
    return safe(text.replace("\r", ""))


def replayed(nodes: Iterable[Node], cwd: Path) -> Iterator[Update]:
    """What was said and done on a path, as if it came now."""
    waiting: dict[str, tuple[str, ToolUse]] = {}
    for node in nodes:
        for block in node.message.content:
            match block:
                case Text(text=text) if text:
                    yield _said(node, text)
                case Thinking(text=text) if text:
                    yield helpers.update_agent_thought_text(shown(text))
                case Attachment():
                    yield helpers.update_user_message(_resource(block))
                case ToolUse():
                    id = f"{node.id}-{block.id}"
                    waiting[block.id] = id, block
                    yield tools.started(id, block, cwd)
                case _:
                    pass
        for result in node.message.tool_results:
            if (known := waiting.pop(result.tool_use_id, None)) is not None:
                yield tools.done(*known, result, cwd)
    for id, _ in waiting.values():
        yield tools.given_up(id)


def _said(node: Node, text: str) -> Update:
    if node.role == "assistant":
        return helpers.update_agent_message_text(shown(text))
    return helpers.update_user_message_text(shown(text))


def _resource(attachment: Attachment) -> Any:
    """An attachment of a prompt: an image is shown again, anything else is named."""
    name = safe(attachment.name or attachment.url or attachment.media_type)
    if attachment.data is not None and kind_of(attachment.media_type) == "image":
        data = base64.b64encode(attachment.data).decode("ascii")
        return helpers.image_block(data, safe(attachment.media_type))
    uri = attachment.url or (Path(name).as_uri() if name.startswith("/") else f"attachment:{name}")
    return helpers.resource_link_block(
        name.rpartition("/")[2] or name, safe(uri), mime_type=safe(attachment.media_type)
    )
