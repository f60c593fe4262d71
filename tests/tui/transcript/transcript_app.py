"""A tiny app around a transcript, a source made of entries, and hostile text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from omni_tui.tui.widgets.transcript import Entry, Part, Prose, Transcript

HOSTILE = [
    "\x1b]0;title\x07",
    "\x1b]2;title\x1b\\",
    "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\",
    "\x1b]9;notify\x07",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b]52;c;ZXZpbA==\x1b\\",
    "\x1b]133;A\x07",
    "\x1b]777;notify;a;b\x07",
    "\x1b]1337;File=:AAAA\x07",
    "\x1b]4;1;rgb:ff/00/00\x07",
    "\x1b[2J",
    "\x1b[H",
    "\x1b[6n",
    "\x1b[?1049l",
    "\x1b[?25l",
    "\x1b[31mred\x1b[0m",
    "\x1b[10;10Hmoved",
    "\x1b[>c",
    "\x1bP$qm\x1b\\",
    "\x1bP+q544e\x1b\\",
    "\x1b_Gi=1;AAAA\x1b\\",
    "\x1b^pm\x1b\\",
    "\x1bXsos\x1b\\",
    "\x1bc",
    "\x1b",
    "\x9b2J",
    "\x9d0;title\x9c",
    "\x90q\x9c",
    "\x85next",
    "\x07" * 50,
    "honest\roverwritten",
    "abc\x08\x08\x08xyz",
    "\x7f\x7f",
    "a\x00b",
    "\x0b\x0c",
    "\u202eevil",
    "\u2066a\u2069",
    "\u200b\u200e\u200f\u061c",
    "\ufeffbom",
    "\u2028line\u2029para",
    "\U000e0001\U000e0041\U000e007f",
    "\ud800lone",
    "&#27;[2J &#x202e;x &#0;",
    "[link](\x1b]52;c;AAAA\x07)",
    "[x](javascript:alert(1)) <javascript:alert(1)>",
    "```\x1b]0;t\x07\n\x1b[2J\n```",
    "| a\x1b[2J | b |\n|---|---|\n| \x9b1m | \u202e |",
    "[@click=app.evil('x')]click[/]",
    "[bold]not bold[/bold] [/] [",
    "$(rm -rf /) `\x1b[2J`",
    "<script>alert(1)</script>",
    "- \x1b[A\n  - \x1b[B\n\n> \x1b[C",
    "\u0301\u0301\u0301 combining first",
    "\u200d\ufe0f",
]


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
