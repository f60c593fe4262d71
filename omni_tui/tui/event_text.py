"""Events as text: a line of a list, JSON to read and to copy, and what a filter asks of them.

Nothing here shows a secret it could know: texts that look like keys, values of variables and fields
whose names say so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

import msgspec

from omni_tui.agent.events import (
    Event,
    MessageAdded,
    Paused,
    PromptReturned,
    QueueChanged,
    Resumed,
    Retrying,
    RunCancelled,
    RunFailed,
    StateChanged,
    StatusChanged,
    StepFinished,
    ToolFinished,
    ToolStarted,
    TurnFinished,
)
from omni_tui.core.errors import OmniError
from omni_tui.core.messages import Attachment, Block, Opaque, Text, Thinking, ToolResult, ToolUse
from omni_tui.core.safe_text import safe, safe_line
from omni_tui.core.stream import (
    OpaqueEnd,
    TextEnd,
    TextStart,
    ThinkingEnd,
    ThinkingStart,
    ToolUseEnd,
    ToolUseStart,
)
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.faults import redact
from omni_tui.session.events import (
    Compacted,
    CompactionFailed,
    SaveFailed,
    TitleChanged,
    TreeChanged,
)
from omni_tui.tools.process import sounds_secret
from omni_tui.tui.trace import LogLine, Row
from omni_tui.tui.view import count

WORDS = 300
"""Characters a line says at most."""

MOST = 100_000
"""Characters of one text in the JSON; what is longer says how much."""

MOST_DATA = 120
"""The same for what is attached: nobody reads base64."""

LEAST_SECRET = 8
"""Characters from which the value of a variable is taken for a secret."""

HIDDEN = "[hidden]"
TOO_DEEP = "nested too deeply to be shown"


def secrets_of(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The values of variables whose names sound secret."""
    values = {
        value
        for name, value in environment.items()
        if sounds_secret(name) and len(value) >= LEAST_SECRET
    }
    return tuple(sorted(values, key=len, reverse=True))


def clock(ts: float) -> str:
    """The time of day here, to the millisecond: `14:03:22.118`."""
    return datetime.fromtimestamp(ts).isoformat(timespec="milliseconds")[11:23]


class Teller:
    """Puts rows into words, without `secrets`."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self._secrets = secrets

    def line(self, row: Row) -> str:
        """What a row says, as one safe line; kept with the row until it grows."""
        if row.told is None or row.told[0] != row.count:
            try:
                words = _words(row)
            except RecursionError:
                words = TOO_DEEP
            row.told = (row.count, safe_line(redact(words, self._secrets), WORDS))
        return row.told[1]

    def json(self, row: Row, *, indent: int | None = 2) -> str:
        """A row whole, as JSON; what a terminal might obey is escaped, and so means the same."""
        try:
            text = json.dumps(
                _shown(_values(row), self._secrets), ensure_ascii=False, indent=indent
            )
        except RecursionError:
            text = json.dumps({"type": row.event.type, "seq": row.event.seq, "error": TOO_DEEP})
        if safe(text) == text:
            return text
        return "".join(
            char if char == "\n" or safe(char) == char else json.dumps(char)[1:-1] for char in text
        )


# A line


def urgency_of(row: Row) -> str:
    """`error`, `warn` or nothing: what should catch the eye."""
    match row.event.payload:
        case RunFailed() | SaveFailed() | LogLine(level="ERROR" | "CRITICAL"):
            return "error"
        case ToolFinished(result=ToolResult(is_error=True)) | TurnFinished(outcome="error"):
            return "error"
        case Paused() | Retrying() | CompactionFailed() | LogLine(level="WARNING"):
            return "warn"
        case RunCancelled() | PromptReturned() | TurnFinished(outcome="max_steps"):
            return "warn"
        case _:
            return ""


def _words(row: Row) -> str:
    if row.is_folded:
        return f"×{row.count:,} · {row.chars:,} characters · {_quoted(row.text)}"
    payload = row.event.payload
    say = _SAY.get(type(payload))
    return say(payload) if say is not None else _short(_plain_values(payload))


def _quoted(text: str) -> str:
    return f"“{' '.join(text[:WORDS].split())}”"


def _short(value: Any) -> str:
    """A value as JSON on one line, without the type, which has a column."""
    if isinstance(value, dict):
        value = {name: each for name, each in value.items() if name != "type"}
    return "" if value == {} else json.dumps(value, ensure_ascii=False)[: WORDS * 2]


def _block(block: Block) -> str:
    match block:
        case Text(text=text):
            return _quoted(text)
        case Thinking(text=text):
            return f"thinking {_quoted(text)}"
        case ToolUse():
            return _use(block)
        case ToolResult():
            return _result(block)
        case Attachment(media_type=media, name=name):
            return f"attached {name or media}"
        case Opaque(kind=kind):
            return f"{kind} of the provider"


def _blocks(content: Sequence[Block]) -> str:
    return " · ".join(_block(block) for block in content[:8])


def _use(use: ToolUse) -> str:
    return f"{use.name} {_short(use.input) if use.invalid is None else use.invalid}"


def _result(result: ToolResult) -> str:
    took = (result.data or {}).get("duration_ms")
    facts = ["failed" if result.is_error else "done", *([f"{took} ms"] if took is not None else [])]
    return f"{result.name} {' · '.join(facts)} · {_quoted(result.content)}"


def _usage(usage: Usage) -> str:
    cost = "" if usage.cost is None else f" ${usage.cost:.4f}"
    cached = f" ({count(usage.cache_read)} cached)" if usage.cache_read else ""
    return f"↑{count(usage.read)}{cached} ↓{count(usage.output)}{cost}"


def _step(step: StepFinished) -> str:
    response = step.response
    return f"{response.stop_reason} · {_usage(response.usage)} · {response.model}"


def _turn(turn: TurnFinished) -> str:
    error = f" · {turn.error}" if turn.error else ""
    usage = f" · {_usage(turn.response.usage)}" if turn.response else ""
    return f"{turn.kind} · {turn.outcome}{usage}{error}"


def _pause(pause: Paused) -> str:
    return f"{pause.reason} {pause.position}/{pause.total} · {_use(pause.tool_use)}"


def _retry(retry: Retrying) -> str:
    next_try = f"asking {retry.fallback}" if retry.fallback else f"again in {retry.delay:.1f} s"
    return f"{retry.model} attempt {retry.attempt} · {next_try} · {retry.error}"


def _queue(queue: QueueChanged) -> str:
    steer = f" · steers with {_blocks(queue.steer)}" if queue.steer else ""
    return f"{len(queue.waiting)} waiting{steer}"


def _tree(tree: TreeChanged) -> str:
    parts = [("new", tree.new), ("changed", tree.changed)]
    told = [f"{name} {', '.join(map(str, ids))}" for name, ids in parts if ids]
    return " · ".join(told) or "moved"


_SAY: Mapping[type, Callable[[Any], str]] = MappingProxyType(
    {
        TextStart: lambda start: f"block {start.index}",
        ThinkingStart: lambda start: f"block {start.index}",
        ToolUseStart: lambda start: f"block {start.index} · {start.name} {start.id}",
        TextEnd: lambda end: _block(end.block),
        ThinkingEnd: lambda end: _quoted(end.block.text),
        ToolUseEnd: lambda end: _use(end.block),
        OpaqueEnd: lambda end: _block(end.block),
        StatusChanged: lambda changed: changed.status,
        MessageAdded: lambda added: f"{added.message.role}: {_blocks(added.message.content)}",
        StepFinished: _step,
        TurnFinished: _turn,
        ToolStarted: lambda started: _use(started.tool_use),
        ToolFinished: lambda finished: _result(finished.result),
        Paused: _pause,
        Resumed: lambda resumed: resumed.tool_use_id,
        Retrying: _retry,
        RunFailed: lambda failed: f"{type(failed.error).__name__}: {failed.error}",
        RunCancelled: lambda cancelled: _blocks(cancelled.prompt or ()),
        PromptReturned: lambda back: f"{back.reason} · {_blocks(back.content)}",
        QueueChanged: _queue,
        StateChanged: lambda changed: ", ".join(changed.fields),
        TreeChanged: _tree,
        SaveFailed: lambda failed: f"{type(failed.error).__name__}: {failed.error}",
        Compacted: lambda made: (
            f"up to {made.covers} as {made.node_id} · {made.before_tokens:,} →"
            f" {made.after_tokens:,} tokens"
        ),
        CompactionFailed: lambda failed: f"{type(failed.error).__name__}: {failed.error}",
        TitleChanged: lambda changed: _quoted(changed.title) if changed.title else "none",
        LogLine: lambda line: f"{line.level.lower()} {line.logger}: {line.text}",
    }
)


# JSON


def _values(row: Row) -> Any:
    value = _plain_values(row.event)
    if row.is_folded:
        value["payload"] = {"type": row.event.type, "pieces": row.count, "characters": row.chars}
        value["payload"]["text"] = row.text + ("…" if row.chars > len(row.text) else "")
        value["until"] = {"seq": row.last.seq, "ts": row.last.ts}
    return value


def _plain_values(value: Event | Any) -> Any:
    return msgspec.to_builtins(value, str_keys=True, enc_hook=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, OmniError):
        return {
            "type": type(value).__name__,
            "message": value.message,
            "hint": value.hint,
            "details": value.details,
        }
    return str(value)


def _shown(value: Any, secrets: tuple[str, ...], name: str = "") -> Any:
    """The value without secrets, and without more of a text than anybody reads."""
    if isinstance(value, dict):
        return {key: _shown(each, secrets, str(key)) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(each, secrets) for each in value]
    if not isinstance(value, str):
        return value
    if len(value) >= LEAST_SECRET and sounds_secret(name):
        return HIDDEN
    most = MOST_DATA if name == "data" else MOST
    text = redact(value[: most + 1], secrets)
    if len(value) <= most:
        return text
    return f"{text[:most]}… ({len(value) - most:,} characters more)"


# A filter


class Filter:
    """What a person wants to see, from words with spaces between them; a row must fit them all.

    A word stands in the type or the line. `type:tool_started` is exactly this type, `run:3f`,
    `node:12` and `step:2` are what the columns say, and a minus before a word leaves rows out.
    """

    def __init__(self, text: str, line: Callable[[Row], str]) -> None:
        self.text = text
        self._tests = [_test(word, line) for word in text.casefold().split() if word != "-"]

    def __bool__(self) -> bool:
        return bool(self._tests)

    def fits(self, row: Row) -> bool:
        """Whether to show this row."""
        return all(test(row) for test in self._tests)


def _test(word: str, line: Callable[[Row], str]) -> Callable[[Row], bool]:
    if word.startswith("-"):
        unwanted = _test(word[1:], line)
        return lambda row: not unwanted(row)
    name, _, wanted = word.partition(":")
    match name if wanted else "":
        case "type":
            return lambda row: row.event.type == wanted
        case "run":
            return lambda row: (row.event.run_id or "").startswith(wanted)
        case "node":
            return lambda row: str(row.event.node_id) == wanted
        case "step":
            return lambda row: str(row.event.step) == wanted
        case _:
            return lambda row: word in f"{row.event.type} {line(row)}".casefold()
