"""The messages of a path, their layouts (a bounded number) and what is still being written."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from omni_tui.core.safe_text import safe
from omni_tui.tui.widgets.transcript.layout import EntryLayout, PartLayout, lay_out
from omni_tui.tui.widgets.transcript.lines import Line
from omni_tui.tui.widgets.transcript.live import Growing, LivePart, LiveRow
from omni_tui.tui.widgets.transcript.markdown import Renderer
from omni_tui.tui.widgets.transcript.model import (
    DeltaKind,
    Entry,
    Folded,
    GrowingRow,
    Part,
    Prose,
    Source,
    Thought,
    ToolRow,
)
from omni_tui.tui.widgets.transcript.parts import foldable, folded_by_default

KEPT_ENTRIES = 400
KEPT_LINES = 40_000


class Shelf:
    """Lays out messages when they are first looked at and keeps the newest used ones."""

    def __init__(self) -> None:
        self.source: Source | None = None
        self.keys: list[int] = []
        self.renderer: Renderer | None = None
        self.live: dict[int, dict[int, Growing]] = {}
        self.thoughts_open = False
        self.tools_open: bool | None = None
        self._index: dict[int, int] = {}
        self._sizes: list[tuple[int, int]] = []
        self._layouts: OrderedDict[int, EntryLayout] = OrderedDict()
        self._fresh: set[int] = set()
        self._refold: set[int] = set()
        self._lines = 0
        self._folds: dict[tuple[int, int], bool] = {}

    # -- the path ------------------------------------------------------------

    def show(self, source: Source, *, keep: bool) -> int:
        """Take another path; layouts of messages that did not change stay valid.

        Returns how many messages it has in common with the path before, from the first on.
        """
        if not keep:
            self.forget()
            self._folds.clear()
        self._fresh.clear()
        self.source = source
        old, self.keys = self.keys, list(source.keys)
        same = _common(old, self.keys) if keep else 0
        for key in old[same:]:
            del self._index[key]
        self._index.update(zip(self.keys[same:], range(same, len(self.keys)), strict=True))
        self._sizes[same:] = map(source.size, self.keys[same:])
        return same

    def index(self, key: int | None) -> int | None:
        """The place of a message in the path."""
        return None if key is None else self._index.get(key)

    def estimates(self, start: int) -> list[int]:
        """Heights of the messages from `start` on, unseen: about right is enough."""
        measure = self.renderer.measure if self.renderer is not None else 80
        return [2 + newlines + (chars // measure or 1) for chars, newlines in self._sizes[start:]]

    # -- layouts -------------------------------------------------------------

    def entry(self, key: int) -> Entry:
        """The message as the source has it now."""
        assert self.source is not None
        return self.source.entry(key)

    def touch(self, key: int) -> None:
        """The message may have changed."""
        self._fresh.discard(key)

    def forget(self) -> None:
        """Drop every layout (another width, another theme)."""
        self._layouts.clear()
        self._fresh.clear()
        self._lines = 0

    def layout(self, index: int) -> EntryLayout:
        """The layout of a message, made or brought up to date where needed."""
        assert self.renderer is not None
        key = self.keys[index]
        known = self._layouts.get(key)
        if known is None or key not in self._fresh:
            known = self._make(key, known)
        self._layouts.move_to_end(key)
        return known

    def lines(self, index: int) -> list[Line]:
        """The lines of a message."""
        return self.layout(index).lines

    def _make(self, key: int, before: EntryLayout | None) -> EntryLayout:
        assert self.renderer is not None
        entry, live = self.entry(key), self.live.get(key)
        if before is None or live or key in self._refold or before.entry != entry:
            made = lay_out(entry, self._unfolded(key), self.renderer, before, live)
            self._put(key, made)
        else:
            made = before
        self._fresh.add(key)
        self._refold.discard(key)
        return made

    def _put(self, key: int, layout: EntryLayout) -> None:
        before = self._layouts.pop(key, None)
        self._lines += len(layout.lines) - (len(before.lines) if before is not None else 0)
        self._layouts[key] = layout
        while len(self._layouts) > 1 and (
            len(self._layouts) > KEPT_ENTRIES or self._lines > KEPT_LINES
        ):
            old, dropped = self._layouts.popitem(last=False)
            self._fresh.discard(old)
            self._lines -= len(dropped.lines)

    def source_text(self, key: int) -> str:
        """The Markdown of a message, safe; what its tools said where it has no words."""
        parts = self.parts(key)
        texts = [part.text for part in parts if isinstance(part, Prose)]
        if not any(text.strip() for text in texts):
            texts = [_words(part) for part in parts]
        return safe("\n\n".join(text.strip("\n") for text in texts if text.strip()))

    # -- folds ---------------------------------------------------------------

    def toggle(self, key: int, part: int) -> None:
        """Fold or unfold one part."""
        now = self._unfolded(key)(part, self.parts(key)[part])
        self._folds[key, part] = not now
        self._drop(key)

    def toggle_message(self, key: int) -> bool:
        """Unfold all parts of a message, or fold them where all are open; False: there are none."""
        parts = [(i, part) for i, part in enumerate(self.parts(key)) if foldable(part)]
        unfolded = self._unfolded(key)
        target = not all(unfolded(i, part) for i, part in parts)
        for i, _ in parts:
            self._folds[key, i] = target
        self._drop(key)
        return bool(parts)

    def toggle_thoughts(self) -> None:
        """Fold or unfold every thought."""
        self.thoughts_open = not self.thoughts_open
        self._refold_all()

    def toggle_tools(self) -> None:
        """Unfold every tool row, then fold every one."""
        self.tools_open = not self.tools_open
        self._refold_all()

    def _refold_all(self) -> None:
        self._folds.clear()
        self._refold.update(self._layouts)
        self._fresh.clear()

    def parts(self, key: int) -> tuple[Part, ...]:
        """The parts of a message, with what is live in place of what is stored."""
        parts = list(self.entry(key).parts)
        for index, growing in sorted(self.live.get(key, {}).items()):
            parts[index : index + 1] = [growing.part()]
        return tuple(parts)

    def _drop(self, key: int) -> None:
        self._refold.add(key)
        self._fresh.discard(key)

    def _unfolded(self, key: int) -> Callable[[int, Part], bool]:
        def shown(index: int, part: Part) -> bool:
            chosen = self._folds.get((key, index))
            if chosen is not None:
                return chosen
            if isinstance(part, Thought):
                return self.thoughts_open
            if isinstance(part, Folded):
                return False
            return not folded_by_default(part) if self.tools_open is None else self.tools_open

        return shown

    # -- live ----------------------------------------------------------------

    def feed(self, key: int, part: int, kind: DeltaKind, delta: str) -> None:
        """Take a delta of a message that may or may not be on the path."""
        growing = self.live.get(key, {}).get(part)
        if not isinstance(growing, LivePart):
            growing = LivePart(kind, part)
            self._begin(key, part, growing)
        growing.feed(delta)
        self._fresh.discard(key)

    def grow(self, key: int, part: int, source: GrowingRow) -> None:
        """A row of a message that may or may not be on the path is new, or has changed."""
        growing = self.live.get(key, {}).get(part)
        if isinstance(growing, LiveRow):
            growing.pending = True
        else:
            self._begin(key, part, LiveRow(part, source))
        self._fresh.discard(key)

    def _begin(self, key: int, part: int, growing: Growing) -> None:
        parts = self.live.setdefault(key, {})
        parts[part] = growing
        for index, earlier in parts.items():
            earlier.done = index < max(parts)

    def work(self, deadline: float, clock: Callable[[], float]) -> bool:
        """Parse what was fed to messages of the path; whether all of it is done."""
        done = True
        if self.renderer is not None:
            for key, parts in self.live.items():
                if key in self._index:
                    for growing in parts.values():
                        if growing.pending:
                            self._fresh.discard(key)
                            done = growing.work(self.renderer, deadline, clock) and done
        return done

    def restart_live(self) -> None:
        """What is live is laid out again from its beginning."""
        for parts in self.live.values():
            for growing in parts.values():
                growing.restart(None)

    def rename(self, key: int, new: int) -> None:
        """What is live is another message now; it keeps its layout and its folds."""
        if (parts := self.live.pop(key, None)) is not None:
            self.live[new] = parts
        if (layout := self._layouts.pop(key, None)) is not None:
            self._lines -= len(layout.lines)
            self._put(new, layout)
        for old, part in [place for place in self._folds if place[0] == key]:
            self._folds[new, part] = self._folds.pop((old, part))
        self._fresh -= {key, new}

    def finish(self, key: int) -> None:
        """The message is settled: its final lines stay where the text is the same."""
        parts = self.live.pop(key, None)
        self._fresh.discard(key)
        known = self._layouts.get(key)
        if not parts or known is None:
            return
        kept = list(known.parts)
        for index, growing in parts.items():
            lines = growing.close() if isinstance(growing, LivePart) else None
            if isinstance(growing, LivePart) and lines is not None and index < len(kept):
                kept[index] = PartLayout(Prose(growing.text), kept[index].unfolded, lines)
        # An entry equal to the old one must be laid out too: its lines were those of the tail.
        self._layouts[key] = EntryLayout(_unsettled(known.entry), tuple(kept), known.lines)


def _unsettled(entry: Entry) -> Entry:
    return Entry(-1, entry.role, "")


def _words(part: Part) -> str:
    match part:
        case ToolRow():
            return part.diff or part.output or f"{part.name} {part.title}"
        case _:
            return part.text


def _common(old: list[int], new: list[int]) -> int:
    """How many items two lists have in common, from the first on."""
    size = min(len(old), len(new))
    if old[:size] == new[:size]:
        return size
    return next(place for place in range(size) if old[place] != new[place])
