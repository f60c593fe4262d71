"""What goes with a message that is being written: files read from disk, and links."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

from omni_tui.core.errors import AttachmentError
from omni_tui.core.media import kind_of
from omni_tui.core.messages import Attachment


class Chip:
    """One attachment of a message that is being written.

    Args:
        name: What it is called, as it came: make it safe before it is shown.
        attachment: What will be sent; `None` while it is still being read.
    """

    def __init__(self, name: str, attachment: Attachment | None = None) -> None:
        self.name = name
        self.attachment = attachment

    @classmethod
    def of(cls, attachment: Attachment) -> Chip:
        """The chip of something that is attached already."""
        return cls(name_of(attachment), attachment)

    @property
    def facts(self) -> str:
        """What it is and how large, or that it is not here yet."""
        return "reading" if self.attachment is None else facts_of(self.attachment)


def name_of(attachment: Attachment) -> str:
    """What people call it."""
    return attachment.name or attachment.url or attachment.media_type


def facts_of(attachment: Attachment) -> str:
    """`image · 12 kB`; of a link, whose size nobody knows, `image · link`."""
    kind = kind_of(attachment.media_type)
    size = "link" if attachment.data is None else size_of(len(attachment.data))
    return f"{attachment.media_type if kind == 'other' else kind} · {size}"


def size_of(count: int) -> str:
    """Bytes in few characters: `840 B`, `12 kB`, `3.4 MB`."""
    if count < 1000:
        return f"{count} B"
    if count < 999_500:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1_000_000:.1f} MB"


def read_attachment(text: str, cwd: Path) -> Attachment:
    """What a person means by a path or an address.

    A path may begin with `~`, be quoted as for a shell (what a terminal makes of a file dropped on
    it) or be a `file://` address; it counts from `cwd`. Blocks: call it in a thread.

    Raises:
        AttachmentError: It cannot be attached; the message says why.
    """
    text = text.strip()
    try:
        if text.lower().startswith(("http://", "https://")):
            return Attachment.from_url(text)
        return Attachment.from_path(_path_of(text, cwd))
    except ValueError as error:  # of the address, or a path no system could have
        raise AttachmentError(f"{text} cannot be attached: {error}") from None


def _path_of(text: str, cwd: Path) -> Path:
    if text.lower().startswith("file://"):
        text = unquote(urlsplit(text).path)
    path = cwd / os.path.expanduser(text)
    if os.path.lexists(path):
        return path
    try:
        words = shlex.split(text)
    except ValueError:
        return path
    return cwd / os.path.expanduser(words[0]) if len(words) == 1 else path
