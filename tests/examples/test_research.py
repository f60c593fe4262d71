"""Research: one run walks through the phases, one turn for each sub-question."""

from __future__ import annotations

import pytest

from examples.patterns import asked, load
from omni_tui import OmniError, ProviderError
from omni_tui.testing import Fail, ScriptedProvider

pattern = load("research")


async def test_it_lists_answers_and_sums_up_in_one_run() -> None:
    script = ScriptedProvider(
        ["1. Who?\n\n- 1815 or 1834?\n2) Why 42?\nOne too many?", "Ann", "1815", "Fun", "R"]
    )
    async with pattern.Researcher(model=script.model()) as researcher:
        assert await researcher.research("Computers") == "R"
        assert researcher.phase == "done"
        assert researcher.questions == ["Who?", "1815 or 1834?", "Why 42?"]
        assert researcher.answers == ["Ann", "1815", "Fun"]
        assert researcher.health().turns == 5
    prompts = [asked(request) for request in script.requests]
    assert prompts[0].startswith("I want to know: Computers\nList the 3 questions")
    assert prompts[1:4] == ["Who?", "1815 or 1834?", "Why 42?"]
    assert prompts[4].startswith("Write a short report")


async def test_more_questions_than_an_agents_usual_steps_are_no_limit() -> None:
    questions = "\n".join(f"Question {letter}?" for letter in "abcdefghijklmno")
    script = ScriptedProvider([questions, *["A."] * 15, "All."])
    async with pattern.Researcher(model=script.model(), limit=15) as researcher:
        assert await researcher.research("Letters") == "All."
        assert len(researcher.answers) == 15


async def test_a_failure_halts_it_and_keeps_what_was_found() -> None:
    script = ScriptedProvider(["Who?\nWhen?", "Ann", [Fail(ProviderError("no line"))]])
    async with pattern.Researcher(model=script.model()) as researcher:
        with pytest.raises(OmniError, match="halted: no line"):
            await researcher.research("Computers")
        assert (researcher.phase, researcher.status) == ("failed", "halted")
        assert researcher.answers == ["Ann"]
