"""The limit of steps: said as what it is, and one key goes on."""

from __future__ import annotations

from pathlib import Path

from test_app import say, shown, until

from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.scripted import Call, ScriptedProvider
from omni_tui.session.manager import SessionManager
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore
from omni_tui.tools.builtin import builtin_tools
from omni_tui.tui.app import OmniApp


async def test_the_limit_of_steps_is_said_and_a_key_goes_on(tmp_path: Path) -> None:
    script = ScriptedProvider([[Call("glob", {"pattern": "*"})], "All done."])
    manager = SessionManager(
        MemoryStore(),
        default_model=script.model(),
        setup=Setup(tools=builtin_tools(), cwd=tmp_path, max_steps=1),
        registry=ProviderRegistry({"scripted": lambda: script}),
    )
    app = OmniApp(manager, manager.create())
    async with app.run_test(size=(100, 30)) as pilot:
        await say(pilot, app, "Look")
        await until(pilot, lambda: len(app.session.tree) == 3 and not app.session.runs)

        await until(pilot, lambda: "the limit of steps is reached" in shown(app))
        assert "interrupted" not in shown(app)
        await pilot.press("escape", "c")
        await until(pilot, lambda: len(app.session.tree) == 4 and not app.session.runs)
        assert app.session.tree[4].message.text == "All done."
        await until(pilot, lambda: "the limit of steps" not in shown(app))
        await app.manager.shut_down()
