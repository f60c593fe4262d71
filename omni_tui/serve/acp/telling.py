"""What a run tells, as the updates an editor shows."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from acp import helpers, schema

from omni_tui.agent.events import (
    Event,
    MessageAdded,
    Retrying,
    ToolFinished,
    ToolOutput,
    ToolStarted,
)
from omni_tui.core.messages import ToolResult, ToolUse
from omni_tui.core.stream import TextDelta, TextStart, ThinkingDelta, ToolUseEnd, ToolUseStart
from omni_tui.serve.acp import tools
from omni_tui.serve.acp.content import Update, shown
from omni_tui.session.events import TitleChanged

log = logging.getLogger(__name__)


_Piece: TypeAlias = TextStart | TextDelta | ThinkingDelta


class Telling:
    """Follows one run.

    Args:
        cwd: Where the tools of the run are.
    """

    def __init__(self, cwd: Path) -> None:
        self._cwd = cwd
        self._calls: dict[str, str] = {}
        """The calls that have not ended: the model's id of each to the one the client knows."""
        self._uses: dict[str, ToolUse] = {}
        self._printed: dict[str, str] = {}
        self._speaking = -1
        """The step whose words were the last thing told."""

    def updates(self, event: Event) -> Iterator[Update | schema.SessionInfoUpdate]:
        """What there is to tell of an event."""
        match event.payload:
            case TextStart() | TextDelta() | ThinkingDelta() as piece:
                yield from self._words(event, piece)
            case ToolUseStart(id=id, name=name):
                self._speaking = -1
                yield tools.begun(self._name(event, id), name)
            case ToolUseEnd(block=use):
                self._uses[use.id] = use
                yield tools.told(self._name(event, use.id), use, self._cwd)
            case ToolStarted() | ToolOutput() as running:
                yield from self._running(running)
            case ToolFinished(result=result):
                yield from self._done(result)
            case MessageAdded(message=message):
                for result in message.tool_results:
                    yield from self._done(result)
            case TitleChanged(title=title):
                yield schema.SessionInfoUpdate(
                    session_update="session_info_update", title=shown(title or "")
                )
            case Retrying(error=error):
                log.warning("the model is asked again: %s", error)
            case _:
                pass

    def call_of(self, use: ToolUse) -> str | None:
        """What the client calls a use; `None` for one that was not told: a sub-agent's."""
        return self._calls.get(use.id) if self._uses.get(use.id) == use else None

    def rest(self) -> Iterator[Update]:
        """Leave no call open that nothing more will come of."""
        for name in self._calls.values():
            yield tools.given_up(name)

    def _words(
        self, event: Event, piece: TextStart | TextDelta | ThinkingDelta
    ) -> Iterator[Update]:
        if isinstance(piece, ThinkingDelta):
            self._speaking = -1
            yield helpers.update_agent_thought_text(shown(piece.text))
        elif isinstance(piece, TextDelta):
            self._speaking = event.step
            yield helpers.update_agent_message_text(shown(piece.text))
        elif self._speaking == event.step:
            # Two texts of one message are two paragraphs.
            yield helpers.update_agent_message_text("\n\n")

    def _running(self, event: ToolStarted | ToolOutput) -> Iterator[Update]:
        if isinstance(event, ToolStarted):
            if (name := self._calls.get(event.tool_use.id)) is not None:
                yield tools.running(name)
            return
        id = event.tool_use_id
        name, use = self._calls.get(id), self._uses.get(id)
        if name is not None and use is not None:
            self._printed[id] = (self._printed.get(id, "") + event.text)[-tools.OUTPUT_CHARS :]
            yield tools.printing(name, use.name, self._printed[id])

    def _name(self, event: Event, id: str) -> str:
        """A model may use the same ids in every step; an editor must not mix the calls up."""
        return self._calls.setdefault(id, f"{event.run_id}-{event.step}-{id}")

    def _done(self, result: ToolResult) -> Iterator[Update]:
        id = result.tool_use_id
        use, name = self._uses.pop(id, None), self._calls.pop(id, None)
        self._printed.pop(id, None)
        if use is not None and name is not None:
            yield tools.done(name, use, result, self._cwd)


def joined(events: Iterable[Event]) -> Iterator[Event]:
    """The events, neighbouring pieces of one text put together."""
    payload: Any
    for key, group in itertools.groupby(events, key=_piece_of):
        first, *more = group
        if key is None or not more:
            yield from (first, *more)
            continue
        payload = first.payload
        texts = [getattr(each.payload, "text", "") for each in (first, *more)]
        payload = msgspec.structs.replace(payload, text="".join(texts))
        yield msgspec.structs.replace(first, payload=payload)


def _piece_of(event: Event) -> tuple[object, ...] | None:
    """What an event is a piece of."""
    match event.payload:
        case TextDelta(index=index) | ThinkingDelta(index=index):
            return event.type, event.step, index
        case ToolOutput(tool_use_id=id):
            return event.type, id
        case _:
            return None
