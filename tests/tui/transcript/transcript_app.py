"""A tiny app around a transcript, and a source made of entries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from omni_tui.tui.widgets.transcript import Entry, Part, Prose, Transcript


class ListSource:
    """A path whose messages can be changed by the test."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = {entry.key: entry for entry in entries}
        self.asked: list[int] = []

    @property
    def keys(self) -> Sequence[int]:
        return list(self.entries)

    def entry(self, key: int) -> Entry:
        self.asked.append(key)
        return self.entries[key]

    def size(self, key: int) -> tuple[int, int]:
        texts = [getattr(part, "text", "") for part in self.entries[key].parts]
        return sum(map(len, texts)), sum(text.count("\n") for text in texts)


class TranscriptApp(App[None]):
    """A transcript, and what it said."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        super().__init__()
        self.source = ListSource(entries)
        self.links: list[str] = []
        self.moves: list[int] = []

    def compose(self) -> ComposeResult:
        yield Transcript()

    def on_mount(self) -> None:
        self.transcript.show(self.source)
        self.transcript.focus()

    @property
    def transcript(self) -> Transcript:
        return self.query_one(Transcript)

    def on_transcript_link_clicked(self, message: Transcript.LinkClicked) -> None:
        self.links.append(message.url)

    def on_transcript_cursor_moved(self, message: Transcript.CursorMoved) -> None:
        self.moves.append(message.key)


def screen(app: TranscriptApp) -> list[str]:
    """The lines as painted, without what is right of them."""
    widget = app.transcript
    return [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]


def message(
    key: int,
    *parts: Part | str,
    role: Literal["user", "assistant"] = "assistant",
    live: bool = False,
) -> Entry:
    """An entry with `parts`; strings are prose."""
    made = tuple(Prose(part) if isinstance(part, str) else part for part in parts)
    return Entry(key, role, "you" if role == "user" else "model", "", None, made, live)


async def settled(pilot: Pilot[None]) -> None:
    """Wait until lexers are loaded and everything is painted."""
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def flushed(pilot: Pilot[None]) -> None:
    """Wait until all that was fed is painted."""
    app = pilot.app
    await pilot.pause()
    while app.query_one(Transcript)._flush_timer is not None:
        await pilot.pause()
    await pilot.pause()
