"""Attachments in the forms that all wire dialects share."""

from __future__ import annotations

import base64

from omni_tui.core.errors import UnsupportedModalityError
from omni_tui.core.messages import Attachment

_TEXT_TYPES = ("application/json", "application/xml", "application/toml", "application/yaml")


def is_image(attachment: Attachment) -> bool:
    """Whether it is a picture."""
    return attachment.media_type.startswith("image/")


def is_pdf(attachment: Attachment) -> bool:
    """Whether it is a PDF."""
    return attachment.media_type == "application/pdf"


def base64_data(attachment: Attachment) -> str:
    """The bytes as base64 text."""
    return base64.b64encode(attachment.data or b"").decode("ascii")


def data_url(attachment: Attachment) -> str:
    """Where the bytes are: the URL it was given, or a `data:` URL."""
    if attachment.url is not None:
        return attachment.url
    return f"data:{attachment.media_type};base64,{base64_data(attachment)}"


def as_text(attachment: Attachment) -> str:
    """A text file as words for the model, with its name.

    Raises `UnsupportedModalityError` when it is no text, or text that is only linked to.
    """
    kind = attachment.media_type.partition(";")[0]
    if attachment.data is None or not (kind.startswith("text/") or kind in _TEXT_TYPES):
        raise unsupported(attachment)
    text = attachment.data.decode("utf-8", errors="replace")
    return f"File {attachment.name or 'attachment'}:\n```\n{text}\n```"


def unsupported(attachment: Attachment) -> UnsupportedModalityError:
    """The error for an attachment that cannot be sent."""
    return UnsupportedModalityError(
        f"This provider cannot read {attachment.media_type} attachments",
        hint="remove the attachment, or pick another model",
        media_type=attachment.media_type,
    )
