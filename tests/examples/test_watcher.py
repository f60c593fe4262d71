"""Watcher: no turn of its own accord, none for what is boring, one for each thing that matters."""

from __future__ import annotations

import asyncio

from examples.patterns import asked, load
from omni_tui import ProviderError
from omni_tui.testing import Fail, ScriptedProvider, Wait

pattern = load("watcher")


async def test_it_asks_its_model_only_about_trouble() -> None:
    script = ScriptedProvider(["Free some space."])
    async with pattern.LogWatcher(model=script.model()) as watcher:
        for line in ("INFO up", "WARN slow", "ERROR disk full", "INFO still up", None):
            watcher.notify(line)
        await watcher.is_over.wait()
        assert watcher.findings == [("ERROR disk full", "Free some space.")]
        assert (watcher.ignored, watcher.status) == (3, "halted")
    assert len(script.requests) == 1
    assert asked(script.requests[0]).endswith("\nERROR disk full")


async def test_what_happens_while_it_thinks_is_not_missed() -> None:
    gate = asyncio.Event()
    script = ScriptedProvider([[Wait(until=gate), "first"], "second", "third"])
    async with pattern.LogWatcher(model=script.model()) as watcher:
        watcher.notify("ERROR 1")
        while not script.requests:
            await asyncio.sleep(0)
        for line in ("ERROR 2", "INFO", "CRITICAL 3", None):
            watcher.notify(line)
        assert watcher.ignored == 0
        gate.set()
        await watcher.is_over.wait()
        assert watcher.findings == [
            ("ERROR 1", "first"),
            ("ERROR 2", "second"),
            ("CRITICAL 3", "third"),
        ]


async def test_a_line_without_an_answer_is_kept_and_the_next_one_has_its_own() -> None:
    script = ScriptedProvider([[Fail(ProviderError("no"))], "fine", [Wait(until=asyncio.Event())]])
    async with pattern.LogWatcher(model=script.model()) as watcher:
        for line in ("ERROR 1", "ERROR 2", "ERROR 3", None):
            watcher.notify(line)
        while len(script.requests) < 3:
            await asyncio.sleep(0)
        assert watcher.cancel()
        await watcher.is_over.wait()
        assert watcher.findings == [
            ("ERROR 1", pattern.NO_ANSWER),
            ("ERROR 2", "fine"),
            ("ERROR 3", pattern.NO_ANSWER),
        ]


async def test_a_log_without_trouble_ends_at_once() -> None:
    script = ScriptedProvider([])
    async with pattern.LogWatcher(model=script.model()) as watcher:
        watcher.notify(None)
        await watcher.is_over.wait()
        assert (watcher.findings, script.requests) == ([], [])
