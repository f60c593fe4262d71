"""Attachments in the forms that all wire dialects share."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator

from omni_tui.core.errors import UnsupportedModalityError
from omni_tui.core.media import kind_of
from omni_tui.core.messages import Attachment
from omni_tui.llm.providers.base import Model, Request


def attachments(request: Request) -> Iterator[Attachment]:
    """All attachments of a request, in order."""
    for message in request.messages:
        for block in message.content:
            if isinstance(block, Attachment):
                yield block


def is_image(attachment: Attachment) -> bool:
    """Whether it is a picture."""
    return kind_of(attachment.media_type) == "image"


def is_pdf(attachment: Attachment) -> bool:
    """Whether it is a PDF."""
    return kind_of(attachment.media_type) == "pdf"


def is_text(attachment: Attachment) -> bool:
    """Whether it is a text file whose words are at hand."""
    return kind_of(attachment.media_type) == "text" and attachment.data is not None


def require_readable(attached: Iterable[Attachment], model: Model) -> None:
    """Raise `UnsupportedModalityError` for the first attachment `model` is known not to read.

    What is not known of a model is left to its provider. Looks the model up (see `Model.info`) when
    there is anything but text.
    """
    for attachment in attached:
        kind = kind_of(attachment.media_type)
        if kind == "text" or (info := model.info) is None or info.inputs is None:
            continue
        if kind not in info.inputs:
            raise unsupported(attachment, str(model))


def require_sendable(request: Request, can_send: Callable[[Attachment], bool], api: str) -> None:
    """Raise `UnsupportedModalityError` for the first attachment that an API has no form for."""
    for attachment in attachments(request):
        whole = attachment.data is not None or attachment.url is not None
        if not whole or not can_send(attachment):
            by_url = "linked " if attachment.url is not None else ""
            raise unsupported(attachment, f"through the {api} API, {request.model}", by_url)


def base64_data(attachment: Attachment) -> str:
    """The bytes as base64 text."""
    return base64.b64encode(attachment.data or b"").decode("ascii")


def data_url(attachment: Attachment) -> str:
    """Where the bytes are: the URL it was given, or a `data:` URL."""
    if attachment.url is not None:
        return attachment.url
    return f"data:{attachment.media_type};base64,{base64_data(attachment)}"


def as_text(attachment: Attachment) -> str:
    """A text file as words for the model, with its name; the fence is longer than any within."""
    text = (attachment.data or b"").decode("utf-8", errors="replace")
    fence = "```"
    while fence in text:
        fence += "`"
    return f"File {attachment.name or 'attachment'}:\n{fence}\n{text}\n{fence}"


def unsupported(
    attachment: Attachment, reader: str, adjective: str = ""
) -> UnsupportedModalityError:
    """The error for an attachment that `reader` cannot read."""
    name = attachment.name or "the attachment"
    return UnsupportedModalityError(
        f"{name}: {reader} cannot read {adjective}{attachment.media_type}",
        hint="remove the attachment, or pick another model",
        media_type=attachment.media_type,
        name=attachment.name,
    )
