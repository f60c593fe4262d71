"""Marks of conversations that cannot be forked: which one, and what was said in it until then."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

_COUNTED = ("person", "text")


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """A conversation, and the account of what had been said in it."""

    session: str
    said: str

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()


class Account:
    """What was said in a conversation, as digests that do not look at white space."""

    def __init__(self) -> None:
        self._digests = {speaker: blake2b(digest_size=12) for speaker in _COUNTED}

    def add(self, speaker: str, text: str) -> None:
        """Take in another piece; thoughts do not count, not every agent tells them again."""
        if speaker in self._digests:
            self._digests[speaker].update("".join(text.split()).encode("utf-8", "replace"))

    def __str__(self) -> str:
        return "-".join(digest.hexdigest() for digest in self._digests.values())


def read_mark(text: str | None) -> Mark | None:
    """A mark of ours; `None` for anything else: it was stored, and may be anything."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=Mark)
    except msgspec.DecodeError:
        return None
