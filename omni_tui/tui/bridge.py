"""Between a session and the screen: listens to its events and tells the widgets what to redraw.

The screen holds no truth. Whatever an event says, the state is read from the session itself; events
only say when to look. Text on its way is the exception: deltas are handed on one by one, and those
the state already held when it was read are skipped by their number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from textual.worker import WorkType

from omni_tui.agent.events import (
    Event,
    Paused,
    PromptReturned,
    QueueChanged,
    Resumed,
    Retrying,
    RunCancelled,
    RunFailed,
    StateChanged,
    StatusChanged,
    ToolFinished,
    ToolOutput,
    ToolStarted,
    TurnFinished,
)
from omni_tui.agent.subscription import Subscription
from omni_tui.core.messages import Block, Text, Thinking, ToolUse
from omni_tui.core.stream import (
    TextDelta,
    ThinkingDelta,
    ToolUseDelta,
    ToolUseEnd,
    ToolUseStart,
)
from omni_tui.llm.accumulator import Accumulator
from omni_tui.session.events import (
    Compacted,
    CompactionFailed,
    Saved,
    SaveFailed,
    TitleChanged,
    TreeChanged,
)
from omni_tui.session.session import Session
from omni_tui.tui.tool_view import StreamingUse
from omni_tui.tui.view import LIVE, SessionView
from omni_tui.tui.widgets.transcript.model import DeltaKind

if TYPE_CHECKING:
    from omni_tui.tui.screens.chat import ChatScreen
    from omni_tui.tui.trace import Trace

FRAME = 1 / 60
"""Seconds between two looks at a stream of events: what comes meanwhile is taken together."""


_Delta: TypeAlias = TextDelta | ThinkingDelta | ToolUseStart | ToolUseDelta | ToolUseEnd


class Bridge:
    """Follows one session at a time."""

    def __init__(self, screen: ChatScreen) -> None:
        self._screen = screen
        self._subscription: Subscription | None = None
        self._live: tuple[str, int] | None = None
        """Run and step of the text in the live entry."""
        self._seen = 0
        self._parts: dict[int, int] = {}
        self._uses: dict[int, StreamingUse] = {}
        self.on_noted: Callable[[], None] | None = None
        """Called when the trace has grown; set by whoever looks at it."""

    @cached_property
    def trace(self) -> Trace:
        """What the sessions told while they were in view, and the log."""
        from omni_tui.tui.trace import Trace  # nothing is told before the first paint

        return Trace()

    def attach(self, session: Session) -> None:
        """Follow this session, and no other any more."""
        if self._subscription is not None:
            self._subscription.close()
        self._live = None
        subscription = self._subscription = session.subscribe()

        async def listen() -> None:
            await self._listen(session, subscription)

        work: WorkType[None] = listen
        # A worker of the application: a screen's own would end with it.
        self._screen.app.run_worker(
            work,
            name="events",
            group="events",
            exclusive=True,
        )

    async def _listen(self, session: Session, subscription: Subscription) -> None:
        while events := await subscription.batch():
            for event in events:
                if session is not self._screen.session:
                    return
                self.trace.add(event)
                self._apply(event)
            if self.on_noted is not None:
                self.on_noted()
            await asyncio.sleep(FRAME)

    def look(self, view: SessionView) -> None:
        """Bring the live entry in line with a fresh view: what is written there so far, or none."""
        run = view.run if LIVE in view.keys else None
        wanted = (run.run.id, run.run.step) if run is not None else None
        if wanted == self._live:
            return
        self._begin(wanted)
        self._seen = self._screen.session.seq
        if run is not None and run.agent.partial is not None:
            self._catch_up(run.agent.partial)

    def _is_live(self, node_id: int, seq: int) -> bool:
        """Whether this new node is the text in the live entry, now whole."""
        node = self._screen.session.tree.nodes.get(node_id)
        if node is None or self._live is None or seq <= self._seen:
            return False
        return node.role == "assistant" and node.run_id == self._live[0]

    def _begin(self, live: tuple[str, int] | None) -> None:
        """Another text is written from here on, or none."""
        self._screen.drop_live()
        self._live, self._parts, self._uses = live, {}, {}

    def _catch_up(self, accumulator: Accumulator) -> None:
        """Show what was written before anyone looked."""
        blocks: dict[int, Block] = {index: block for index, block, _ in accumulator.parts()}
        half = {start.index: (start, json) for start, json in accumulator.open_uses()}
        for index in sorted(blocks.keys() | half.keys()):
            block = blocks.get(index)
            if isinstance(block, Text | Thinking):
                self._feed(index, block.text, is_text=isinstance(block, Text))
            elif isinstance(block, ToolUse):
                self._use(ToolUseStart(index=index, id=block.id, name=block.name))
                self._use(ToolUseEnd(index=index, block=block))
            elif index in half:
                start, json = half[index]
                self._use(start)
                self._use(ToolUseDelta(index=index, json=json))

    def _apply(self, event: Event) -> None:
        screen = self._screen
        match event.payload:
            case (
                TextDelta()
                | ThinkingDelta()
                | ToolUseStart()
                | ToolUseDelta()
                | ToolUseEnd() as delta
            ):
                self._delta(event, delta)
            case TreeChanged(new=new):
                if new and self._is_live(new[-1], event.seq):
                    screen.settle_live(new[-1])
                    self._live = None
                screen.refresh_conversation()
            case StatusChanged() | RunFailed() | RunCancelled() | TurnFinished() | Resumed():
                screen.run_changed(event)
            case ToolStarted() | ToolFinished() | ToolOutput():
                screen.tool_changed(event)
            case Paused():
                screen.refresh_conversation()
                screen.ask_if_needed()
            case QueueChanged():
                screen.show_waiting()
            case PromptReturned(content=content, reason=reason) if reason != "replaced":
                screen.given_back(content)
            case Retrying() as retrying:
                screen.show_retry(retrying)
            case Compacted() | CompactionFailed() as told:
                screen.tell_of_compaction(told)
            case TitleChanged() | Saved() | SaveFailed() | StateChanged():
                screen.refresh_bars()
            case _:
                pass

    def _delta(self, event: Event, delta: _Delta) -> None:
        if event.seq <= self._seen or not self._screen.is_in_view(event.run_id):
            return
        live = (event.run_id or "", event.step)
        if live != self._live:
            self._begin(live)
        if isinstance(delta, TextDelta | ThinkingDelta):
            self._feed(delta.index, delta.text, is_text=isinstance(delta, TextDelta))
        else:
            self._use(delta)

    def _feed(self, index: int, text: str, *, is_text: bool) -> None:
        kind: DeltaKind = "text" if is_text else "thinking"
        self._screen.transcript.feed(LIVE, self._place(index), kind, text)

    def _use(self, event: ToolUseStart | ToolUseDelta | ToolUseEnd) -> None:
        if isinstance(event, ToolUseStart):
            self._uses[event.index] = StreamingUse(event.id, event.name)
        use = self._uses.get(event.index)
        if use is None:
            return
        if isinstance(event, ToolUseDelta):
            use.feed(event.json)
        elif isinstance(event, ToolUseEnd):
            use.finish(event.block)
        self._screen.transcript.grow(LIVE, self._place(event.index), use)

    def _place(self, index: int) -> int:
        """Where a block stands among the parts that are shown."""
        return self._parts.setdefault(index, len(self._parts))
