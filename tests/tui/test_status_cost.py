"""The status bar says what the branch and the tree cost, as far as it is known."""

from __future__ import annotations

from textual.pilot import Pilot

from omni_tui.llm.catalog import Catalog
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.scripted import ScriptedProvider
from omni_tui.session.manager import SessionManager
from omni_tui.session.store.memory import MemoryStore
from omni_tui.tui.app import OmniApp
from omni_tui.tui.widgets.bars import Bar

PRICES = {"prices": {"input": 0, "output": 1_000_000}}


def make_app() -> OmniApp:
    provider = ScriptedProvider(lambda _: "four words, says he")
    manager = SessionManager(
        MemoryStore(),
        default_model="scripted/secret",
        registry=ProviderRegistry(
            {"scripted": lambda: provider},
            catalog=Catalog(overrides={"scripted/dear": PRICES}),
        ),
    )
    return OmniApp(manager, manager.create())


def status(app: OmniApp) -> str:
    bar = app.chat.query_one("#status", Bar)
    return bar.render_line(0).text


async def ask(pilot: Pilot[None], app: OmniApp) -> None:
    await app.session.prompt("say it")
    await settle(pilot, app)


async def settle(pilot: Pilot[None], app: OmniApp) -> None:
    for _ in range(200):
        await pilot.pause(0.01)
        if not app.session.runs:
            break
    app.chat.refresh_bars()
    await pilot.pause()


async def test_a_price_that_is_not_known_is_not_shown_and_one_that_is_adds_up() -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await ask(pilot, app)
        assert "$" not in status(app)
        app.use_model("scripted/dear")
        await ask(pilot, app)
        usage = app.session.tree.nodes[4].usage
        assert usage is not None
        assert usage.cost == usage.output > 0
        assert f"branch ${usage.cost:.3f} · tree ${usage.cost:.3f}" in status(app)
        app.use_model("scripted/secret")
        await app.session.branch(None, "Start over")
        await settle(pilot, app)
        assert f"branch $0.000 · tree ${usage.cost:.3f}" in status(app)
        await app.manager.shut_down()
