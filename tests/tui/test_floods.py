"""Replies that come faster than they can be painted: nothing is lost, little is done twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from test_app import make_app, say, shown, until

from omni_tui.llm.providers.scripted import Say
from omni_tui.tui.widgets.transcript.blocks import Piece
from omni_tui.tui.widgets.transcript.lines import Line
from omni_tui.tui.widgets.transcript.markdown import Renderer
from omni_tui.tui.widgets.transcript.transcript import Transcript


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each piece of text was made into lines."""
    seen: Counter[str] = Counter()
    piece = Renderer.piece

    def counted(self: Renderer, what: Piece, *, breaks: bool = False) -> list[Line]:
        seen[what.text] += 1
        return piece(self, what, breaks=breaks)

    monkeypatch.setattr(Renderer, "piece", counted)
    return seen


async def test_a_reply_that_is_whole_is_not_laid_out_again(
    tmp_path: Path, rendered: Counter[str]
) -> None:
    paragraphs = [f"Paragraph **{number}** of many.\n\n" for number in range(400)]
    app = make_app([[Say("".join(paragraphs), chunk=16, delay=0.001)]], tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await say(pilot, app, "Go on")
        await until(pilot, lambda: len(app.session.tree) == 2 and not app.session.runs)
        await until(pilot, lambda: "Paragraph 399 of many." in shown(app))
        again = [text for text in paragraphs if rendered[text] > 1]
        assert all(rendered[text] for text in paragraphs[:-1])
        assert len(again) < len(paragraphs) // 4
        await app.manager.shut_down()


async def test_a_flood_of_letters_is_painted_a_few_times_and_kept_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted = 0
    settle = Transcript._settle

    def counted(self: Transcript) -> None:
        nonlocal painted
        painted += 1
        settle(self)

    monkeypatch.setattr(Transcript, "_settle", counted)
    text = "a letter at a time\n" * 1_000
    app = make_app([[Say(text, chunk=1)]], tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await say(pilot, app, "Flood")
        await until(pilot, lambda: len(app.session.tree) == 2 and not app.session.runs)
        await pilot.pause()
        assert app.session.tree[2].message.text == text
        assert painted < len(text) // 50
        await app.manager.shut_down()
