"""Values of foreign files as values of ours; whatever they hold, nothing here raises."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeAlias

from omni_tui.core.errors import AttachmentError
from omni_tui.core.media import kind_of
from omni_tui.core.messages import Attachment, Block, Text, scrub
from omni_tui.core.safe_text import safe_line
from omni_tui.core.usage import Usage

Warn: TypeAlias = Callable[[str], None]
"""Is told, in one line, of what was left out or put right."""

MAX_TITLE = 200
MAX_ID = 200
MAX_DEPTH = 100
"""How deep the arguments of a tool may be nested; what is deeper becomes `null`."""

_NO_IMAGE = "[an image that cannot be read]"
_MAX_TOKENS = 2**48
_INT64 = 2**63


def text_of(value: Any) -> str:
    """A string without lone surrogates; empty for anything else."""
    if not isinstance(value, str):
        return ""
    try:
        value.encode()  # a pattern takes twenty times as long to find that there is none
    except UnicodeEncodeError:
        value = scrub(value)
    made: str = value
    return made


def line_of(value: Any, limit: int = MAX_TITLE) -> str | None:
    """A string as one safe line; `None` for an empty one and for anything else."""
    return (safe_line(value, limit) or None) if isinstance(value, str) else None


def key_of(value: Any) -> str | None:
    """A foreign id; `None` for anything but a string or a number that can be one."""
    if isinstance(value, str) and 0 < len(value) <= MAX_ID:
        return text_of(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _INT64:
        return str(value)
    return None


def dict_of(value: Any) -> dict[str, Any]:
    """An object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[Any]:
    """An array; an empty one for anything else."""
    return value if isinstance(value, list) else []


def blocks_of(text: str) -> tuple[Block, ...]:
    """A text as content; none for a blank one."""
    return (Text(text=text),) if text.strip() else ()


def time_of(value: Any) -> datetime | None:
    """A time to the millisecond, in UTC: from ISO 8601, or seconds or milliseconds since 1970."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            moment = moment.astimezone(UTC)
        elif isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            moment = datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    if not 1970 <= moment.year < 2200:
        return None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def plain(value: Any, depth: int = MAX_DEPTH) -> Any:
    """JSON that can be stored: numbers of 64 bits, no lone surrogates, not too deep."""
    if depth == 0:
        return None
    if isinstance(value, dict):
        return {text_of(key): plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item, depth - 1) for item in value]
    if isinstance(value, str):
        return text_of(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return str(value) if abs(value) < 10**1000 else None
    return value


def image_of(data: Any, name: str | None = None) -> Block:
    """An image in base64 as an attachment, of the kind its bytes say; words where it is none."""
    try:
        found = base64.b64decode(data if isinstance(data, str) else "", validate=True)
        made = Attachment.from_bytes(found, name=name)
    except (binascii.Error, ValueError):
        return Text(text=_NO_IMAGE)
    except AttachmentError as error:
        return Text(text=f"[an image left out: {error.message}]")
    return made if kind_of(made.media_type) == "image" else Text(text=_NO_IMAGE)


def count_of(value: Any) -> int:
    """A number of tokens; 0 for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 0 < value < _MAX_TOKENS else 0


def money_of(value: Any) -> float | None:
    """US dollars; `None` for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 1e9 else None


def usage_of(
    value: dict[str, Any], input: str, output: str, cache_read: str, cache_write: str
) -> Usage | None:
    """What a step used, by the names the file has for it; `None` if it says nothing."""
    usage = Usage(
        input=count_of(value.get(input)),
        output=count_of(value.get(output)),
        cache_read=count_of(value.get(cache_read)),
        cache_write=count_of(value.get(cache_write)),
        cost=money_of(dict_of(value.get("cost")).get("total")),
    )
    return None if usage == Usage() else usage


def derived_id(format: str, foreign: str) -> str:
    """The id an imported session has: 22 URL-safe characters that always come out the same.

    They are the first 16 bytes of the SHA-256 of the format's name and the foreign id, so that
    what is imported again is known again.
    """
    digest = hashlib.sha256(f"{format}\0{foreign}".encode("utf-8", "replace")).digest()
    made = base64.urlsafe_b64encode(digest[:16]).decode("ascii").rstrip("=")
    return "_" + made[1:] if made.startswith("-") else made


def fingerprint(parts: Iterable[str | None]) -> str:
    """Stands for the id of what has none: a digest of what it says."""
    digest = hashlib.sha256()
    for part in parts:
        text = (part or "").encode("utf-8", "replace")
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()
