"""Any text in a database that refuses one character.

PostgreSQL's text cannot hold NUL. It is stored as DLE and `0`, and DLE itself as two of them; all
else, which is to say nearly everything, is stored as it is.
"""

from __future__ import annotations

import re

from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.postgres import types
from psycopg.pq import Format

from omni_tui.core.messages import scrub

_DLE = "\x10"
_ESCAPED = re.compile(f"{_DLE}(.)", re.DOTALL)


def escape(text: str) -> str:
    """The text without NUL."""
    if _DLE not in text and "\0" not in text:
        return text
    return text.replace(_DLE, _DLE * 2).replace("\0", f"{_DLE}0")


def unescape(text: str) -> str:
    """What `escape` was given."""
    if _DLE not in text:
        return text
    return _ESCAPED.sub(lambda match: "\0" if match[1] == "0" else match[1], text)


def adapt(context: AdaptContext) -> None:
    """Have all text that goes to the server or comes from it pass through here."""
    adapters = context.adapters
    if adapters is None:
        raise ValueError("nothing to adapt")
    adapters.register_dumper(str, _TextDumper)
    adapters.register_loader("text", _TextLoader)
    adapters.register_loader("text", _BinaryTextLoader)


class _TextDumper(Dumper):
    oid = types["text"].oid

    def dump(self, obj: str) -> Buffer:
        text = escape(obj)
        try:
            return text.encode()
        except UnicodeEncodeError:
            return str(scrub(text)).encode()


class _TextLoader(Loader):
    def load(self, data: Buffer) -> str:
        return unescape(str(data, "utf-8"))


class _BinaryTextLoader(_TextLoader):
    format = Format.BINARY
