"""Files as attachments: what kind they are, told by their content, and how large they may be."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Literal, TypeAlias

from omni_tui.core.errors import AttachmentError

Kind: TypeAlias = Literal["image", "pdf", "audio", "video", "text", "other"]

SIZE_LIMITS = MappingProxyType({"image": 5_242_880, "pdf": 33_554_432, "text": 1_048_576})
"""Bytes of a file by its kind: what providers take, and for text what a conversation can hold."""

MAX_SIZE = max(SIZE_LIMITS.values())

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_BY_SUFFIX = MappingProxyType(
    {
        ".png": "image/png",
        ".jpg": "image/jpeg",
        ".jpeg": "image/jpeg",
        ".gif": "image/gif",
        ".webp": "image/webp",
        ".pdf": "application/pdf",
        ".csv": "text/csv",
        ".htm": "text/html",
        ".html": "text/html",
        ".json": "application/json",
        ".md": "text/markdown",
        ".svg": "text/xml",
        ".toml": "application/toml",
        ".txt": "text/plain",
        ".xml": "application/xml",
        ".yaml": "application/yaml",
        ".yml": "application/yaml",
    }
)
_TEXT_TYPES = ("application/json", "application/toml", "application/xml", "application/yaml")


def kind_of(media_type: str) -> Kind:
    """The kind of content a media type stands for."""
    plain = media_type.partition(";")[0].strip().lower()
    if plain == "application/pdf":
        return "pdf"
    if plain in _TEXT_TYPES:
        return "text"
    match plain.partition("/")[0]:
        case "image" | "audio" | "video" | "text" as kind:
            return kind
    return "other"


def media_type_of(data: bytes, name: str = "") -> str | None:
    """The media type of `data` by its content; the ending of `name` only tells kinds of text apart.

    `None` when it is neither a PNG, JPEG, GIF or WebP image, a PDF nor text in UTF-8.
    """
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if b"\0" in data:
        return None
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    named = media_type_of_name(name)
    return named if named and kind_of(named) == "text" else "text/plain"


def media_type_of_name(name: str) -> str | None:
    """The media type the ending of a file's name or of a URL's path stands for."""
    return _BY_SUFFIX.get(PurePosixPath(name).suffix.lower())


def read_file(path: Path) -> bytes:
    """The bytes of a regular file of at most `MAX_SIZE`. Blocks.

    Raises `AttachmentError` that names the file.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise AttachmentError(f"{path} is not a file", path=str(path))
            require_size(str(path), facts.st_size, MAX_SIZE)
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise AttachmentError(
            f"{path} cannot be read: {error.strerror or error}", path=str(path)
        ) from None
    require_size(str(path), len(data), MAX_SIZE)
    return data


def require_size(name: str, size: int, limit: int) -> None:
    """Raise `AttachmentError` when `size` bytes are more than `limit`."""
    if size > limit:
        raise AttachmentError(
            f"{name} is too large to attach: {size / 1_048_576:.1f} MiB,"
            f" at most {limit / 1_048_576:g} MiB",
            size=size,
            limit=limit,
        )


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)
