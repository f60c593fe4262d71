"""The recorded streams in `data/`, cut into pieces at event boundaries."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from wire.server import chunks, messages

DATA = Path(__file__).parent / "data"

NAMES = tuple(sorted(path.name for path in DATA.iterdir() if path.suffix in (".sse", ".jsonl")))


def dialect_of(name: str) -> str:
    """The dialect a recording is in: `anthropic`, `responses` or `chat`."""
    return name.partition("-")[0]


def events(name: str) -> list[dict[str, Any]]:
    """The payloads of a recording, in order."""
    text = (DATA / name).read_text("utf-8")
    if name.endswith(".sse"):
        return [json.loads(line) for line in re.findall(r"^data: (.*)$", text, re.MULTILINE)]
    return [json.loads(line) for line in text.splitlines()]


def pieces(name: str) -> tuple[bytes, ...]:
    """A recording as it went over the wire; a `.sse` file byte for byte."""
    if name.endswith(".sse"):
        whole = (DATA / name).read_bytes()
        return tuple(re.findall(rb".+?(?:\n\n|\Z)", whole, re.DOTALL))
    return chunks(events(name)) if name.startswith("chat-") else messages(events(name))


def responses(name: str) -> list[list[dict[str, Any]]]:
    """A recording of several Responses streams, one list for each."""
    out: list[list[dict[str, Any]]] = []
    for event in events(name):
        if event["type"] == "response.created":
            out.append([])
        out[-1].append(event)
    return out


def streams() -> dict[str, tuple[bytes, ...]]:
    """Every recorded answer under a name of its own, in pieces; some files hold several."""
    found: dict[str, tuple[bytes, ...]] = {}
    for name in NAMES:
        stem = name.partition(".")[0]
        several = responses(name) if name.startswith("responses-") else []
        if len(several) > 1:
            parts = {f"{stem}-{n}": messages(part) for n, part in enumerate(several, start=1)}
            found.update(parts)
        else:
            found[stem] = pieces(name)
    return found
