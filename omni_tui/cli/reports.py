"""What `-p` writes to standard output, in each of its formats."""

from __future__ import annotations

import json
import sys
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from omni_tui.agent.events import Event, Outcome
from omni_tui.core.errors import OmniError
from omni_tui.core.messages import scrub
from omni_tui.core.safe_text import safe
from omni_tui.core.stream import StopReason, TextDelta, TextEnd

Format: TypeAlias = Literal["text", "json", "stream-json"]


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """`Usage` with every field there, known or not; what it cost stands beside it."""

    input: int
    output: int
    cache_read: int
    cache_write: int


class Result(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="result"):
    """How it ended: the object of `json`, the payload of the last line of `stream-json`."""

    text: str
    """The last message of the model, as it wrote it; what came of it when the run was stopped."""
    output: Any
    """The value that fits the schema asked for."""
    session_id: str
    model: str
    usage: Tokens
    """The sum of all steps, corrections among them."""
    cost: float | None
    """US dollars; `None` when no price is known."""
    steps: int
    outcome: Outcome
    stop_reason: StopReason | None
    """Of the last step; `None` when none was completed."""
    denied: tuple[str, ...]
    """Tools that nobody was there to allow."""
    error: OmniError | None
    exit_code: int


class Report(Protocol):
    """Writes what a run tells as it comes, and how it ended."""

    def take(self, event: Event) -> None:
        """An event of a run."""
        ...

    def end(self, result: Result, event: Event) -> None:
        """How it ended, by itself and in the envelope of an event."""
        ...


def report(form: Format, *, shaped: bool) -> Report:
    """The writer of a format; `shaped` says that a value is asked for rather than words."""
    if form == "text":
        return _Value() if shaped else _Words()
    return _Object() if form == "json" else _Lines()


class _Words:
    """The words as they come; control characters are replaced, to a terminal and a pipe alike."""

    def __init__(self) -> None:
        self._fresh = True

    def take(self, event: Event) -> None:
        match event.payload:
            case TextDelta(text=text):
                print(safe(text), end="", flush=True)
                self._fresh = text.endswith("\n")
            case TextEnd() if not self._fresh:
                print(flush=True)
                self._fresh = True
            case _:
                pass

    def end(self, result: Result, event: Event) -> None:
        pass


class _Value:
    """Nothing but the value."""

    def take(self, event: Event) -> None:
        pass

    def end(self, result: Result, event: Event) -> None:
        if result.output is not None:
            _write(result.output)


class _Object:
    """One object at the end."""

    def take(self, event: Event) -> None:
        pass

    def end(self, result: Result, event: Event) -> None:
        _write(result)


class _Lines:
    """Every event in its envelope, a line each."""

    def take(self, event: Event) -> None:
        _write(event)

    def end(self, result: Result, event: Event) -> None:
        _write(event)


def _write(value: Any) -> None:
    sys.stdout.write(as_json(value) + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    """What msgspec does not know: errors as objects, anything else in words."""
    if isinstance(value, OmniError):
        return {
            "type": type(value).__name__,
            "message": value.message,
            "hint": value.hint,
            "details": value.details,
        }
    return str(value)


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def as_json(value: Any) -> str:
    """`value` on one line; whatever a terminal might obey is escaped, and so means the same."""
    try:
        line = _encoder.encode(value).decode()
    except (UnicodeEncodeError, OverflowError):
        # Half a surrogate pair, or a number past 64 bits.
        line = json.dumps(
            scrub(msgspec.to_builtins(value, str_keys=True, enc_hook=_plain)),
            ensure_ascii=False,
            separators=(",", ":"),
        )
    if safe(line) == line:
        return line
    return "".join(char if safe(char) == char else json.dumps(char)[1:-1] for char in line)
