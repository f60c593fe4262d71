from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot
from transcript_app import TranscriptApp, settled

from omni_tui.tui.widgets.transcript import Entry, Notice, Prose, Thought, ToolRow

MARKDOWN = """**Gangkhar Puensum** is the *highest unclimbed* mountain on Earth (`7,570 m`); \
see [the article](https://en.wikipedia.org/wiki/Gangkhar_Puensum).

| Mountain | Height | Why unclimbed |
|----------|-------:|---------------|
| Gangkhar Puensum | 7,570 m | closed since 2003 |
| 岡仁波齊 (Kailash) | 6,638 m | sacred 🏔️ |

## In code

- the height is in metres
  - and never climbed
- [x] checked

```python
def tallest(peaks: list[Peak]) -> Peak:
    \"\"\"The highest of them.\"\"\"
    return max(peaks, key=lambda peak: peak.height)  # metres
```

> Nobody may climb it."""

TALK = [
    Entry(1, "user", "you", "", (2, 2), (Prose("Name three mountains nobody has climbed."),)),
    Entry(
        2,
        "assistant",
        "claude-sonnet-4-6",
        "2.1 s · 214 tok · $0.003",
        (1, 3),
        (
            Thought("Let me look at the notes first."),
            Prose("Let me look at the notes."),
            ToolRow("a", "read_file", "notes/bhutan.md", "done", "41 lines · 3 ms", "text"),
            ToolRow(
                "b",
                "edit_file",
                "notes/bhutan.md",
                "done",
                "+2 −1 · allowed by you",
                diff="- closed since 1994\n+ closed since 2003\n+ (banned outright)",
            ),
            ToolRow("c", "bash", "make test", "failed", "exit 2 · 4.1 s", "boom"),
            ToolRow("d", "bash", "rm -rf build", "asks", "waits for you"),
        ),
    ),
    Entry(3, "user", "you", "", None, (Prose("and in Bhutan?"),)),
    Entry(
        4,
        "assistant",
        "claude-sonnet-4-6",
        "4.3 s · 512 tok · $0.006",
        None,
        (Prose(MARKDOWN), Notice("error", "The provider is overloaded (529).", "r retries")),
    ),
]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("theme", ["textual-dark", "textual-light"])
@pytest.mark.parametrize("keys", [("end",), ("k", "k", "k")], ids=["end", "cursor"])
def test_a_conversation(
    snap_compare: Any, size: tuple[int, int], theme: str, keys: tuple[str, ...]
) -> None:
    app = TranscriptApp(TALK)

    async def prepare(pilot: Pilot[None]) -> None:
        app.theme = theme
        await pilot.press(*keys)
        await settled(pilot)

    assert snap_compare(app, terminal_size=size, run_before=prepare)
