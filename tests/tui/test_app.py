"""The application as a person drives it: keys in, session and screen out."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from omni_tui.core.errors import OverloadedError
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.scripted import Call, Fail, Reply, ScriptedProvider
from omni_tui.llm.retry import RetryPolicy
from omni_tui.session.manager import SessionManager
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore
from omni_tui.tools.builtin import builtin_tools
from omni_tui.tools.permissions import Permissions
from omni_tui.tui.app import OmniApp
from omni_tui.tui.dialogs.approval import ApprovalDialog

WRITE = Call("write_file", {"path": "a.txt", "content": "hello\n"})


def make_app(replies: list[Reply], cwd: Path) -> OmniApp:
    provider = ScriptedProvider(replies)
    manager = SessionManager(
        MemoryStore(),
        default_model=provider.model(),
        setup=Setup(tools=builtin_tools(), permissions=Permissions(cwd), cwd=cwd),
        registry=ProviderRegistry({"scripted": lambda: provider}),
    )
    return OmniApp(manager, manager.create())


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            await pilot.pause()
            return
        await pilot.pause(0.01)
    raise AssertionError("it did not happen")


def rule(app: OmniApp) -> str:
    """The line over the composer."""
    return app.chat._rule.render_line(0).text


def shown(app: OmniApp) -> str:
    """The conversation, as far as it is in view."""
    transcript = app.chat.transcript
    return "\n".join(transcript.render_line(y).text for y in range(transcript.size.height))


async def say(pilot: Pilot[None], app: OmniApp, text: str) -> None:
    app.chat.composer.write(text)
    await pilot.press("enter")


async def test_a_reply_is_regenerated_and_its_versions_are_walked(tmp_path: Path) -> None:
    app = make_app(["one", "two"], tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await say(pilot, app, "count")
        tree = app.session.tree
        await until(pilot, lambda: len(tree) == 2 and not app.session.runs)
        await pilot.press("escape", "r")
        await until(pilot, lambda: len(tree) == 3 and not app.session.runs)
        assert tree.path == (1, 3)
        assert app.chat.view.entry(3).position == (2, 2)
        await pilot.press("left")
        assert tree.path == (1, 2)
        await pilot.press("right")
        assert tree.path == (1, 3)
        await app.manager.shut_down()


async def test_an_edited_question_is_a_new_line_beside_the_old(tmp_path: Path) -> None:
    app = make_app(["one", "two"], tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await say(pilot, app, "count")
        tree = app.session.tree
        await until(pilot, lambda: len(tree) == 2 and not app.session.runs)
        await pilot.press("escape", "e")
        assert app.chat.composer.text == "count"
        await say(pilot, app, "count backwards")
        await until(pilot, lambda: len(tree) == 4 and not app.session.runs)
        assert tree.roots == (1, 3)
        assert tree[3].message.text == "count backwards"
        assert tree[1].message.text == "count"
        await app.manager.shut_down()


async def test_keys_typed_ahead_do_not_approve(tmp_path: Path) -> None:
    app = make_app([[WRITE], "done"], tmp_path)
    app.dialog_grace = 3600.0
    async with app.run_test(size=(120, 40)) as pilot:
        await say(pilot, app, "write")
        await until(pilot, lambda: isinstance(app.screen, ApprovalDialog))
        await pilot.press(*["y", "enter", "a", "s"] * 12)
        assert isinstance(app.screen, ApprovalDialog)
        assert not (tmp_path / "a.txt").exists()
        await app.manager.shut_down()


async def test_the_question_comes_back_with_its_session(tmp_path: Path) -> None:
    app = make_app([[WRITE], "done"], tmp_path)
    app.dialog_grace = 0.0
    async with app.run_test(size=(120, 40)) as pilot:
        await say(pilot, app, "write")
        await until(pilot, lambda: isinstance(app.screen, ApprovalDialog))
        asking = app.session
        await pilot.press("ctrl+n")
        await until(pilot, lambda: app.session is not asking and app.screen is app.chat)
        assert asking.active_run is not None
        assert asking.active_run.paused is not None
        app.open_session(asking)
        await until(pilot, lambda: isinstance(app.screen, ApprovalDialog))
        await pilot.press("y")
        await until(pilot, lambda: not asking.runs)
        assert (tmp_path / "a.txt").read_text() == "hello\n"
        await app.manager.shut_down()


async def test_a_rejection_with_a_reason_reaches_the_model(tmp_path: Path) -> None:
    app = make_app([[WRITE], "as you like"], tmp_path)
    app.dialog_grace = 0.0
    async with app.run_test(size=(120, 40)) as pilot:
        await say(pilot, app, "write")
        await until(pilot, lambda: isinstance(app.screen, ApprovalDialog))
        await pilot.press("n")
        await until(pilot, lambda: not isinstance(app.screen, ApprovalDialog))
        await pilot.press("n", "o", "t", "enter")
        await until(pilot, lambda: not app.session.runs)
        (result,) = app.session.tree[3].message.tool_results
        assert result.is_error
        assert "not" in result.content
        assert not (tmp_path / "a.txt").exists()
        await app.manager.shut_down()


PROBE = """
import asyncio, sys
from pathlib import Path
from omni_tui.cli.main import parser
from omni_tui.cli.setup import prepare
from omni_tui.tui.app import OmniApp

class Probe(OmniApp):
    CSS_PATH = str(Path(sys.modules["omni_tui.tui.app"].__file__).with_name("app.tcss"))

    def _import_provider(self):
        print("before the first paint:", sorted({"anthropic", "openai"} & set(sys.modules)))
        self.run_worker(self._prepare_provider(), group="import").node.call_later(self._leave)

    def _leave(self):
        self.run_worker(self._after())

    async def _after(self):
        await self.workers.wait_for_complete(
            [worker for worker in self.workers if worker.group == "import"]
        )
        print("after it:", sorted({"anthropic", "openai"} & set(sys.modules)))
        self.exit()

async def main():
    async with await prepare(parser().parse_args(["-m", "openai/some-model"])) as start:
        await Probe(start.manager, start.session, paths=start.paths).run_async(headless=True)

asyncio.run(main())
"""


def test_the_sdk_is_imported_right_after_the_first_paint_and_not_before(tmp_path: Path) -> None:
    env = {"OMNI_TUI_HOME": str(tmp_path), "OPENAI_API_KEY": "x", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env=env, capture_output=True, text=True, timeout=50
    )
    assert "before the first paint: []" in done.stdout, done.stderr
    assert "after it: ['openai']" in done.stdout, done.stderr


async def test_garbage_is_collected_again_from_the_first_paint_on(tmp_path: Path) -> None:
    gc.disable()
    try:
        async with make_app([], tmp_path).run_test() as pilot:
            await until(pilot, gc.isenabled)
            assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.enable()


async def test_a_model_that_takes_over_is_named_and_stands_on_its_answer(tmp_path: Path) -> None:
    broken = ScriptedProvider([[Fail(OverloadedError("busy"))]], name="broken")
    spare = ScriptedProvider(["From the spare."], name="spare")
    manager = SessionManager(
        MemoryStore(),
        default_model=broken.model(),
        setup=Setup(
            fallbacks=(str(spare.model()),), retry=RetryPolicy(max_retries=0), cwd=tmp_path
        ),
        registry=ProviderRegistry({"broken": lambda: broken, "spare": lambda: spare}),
    )
    app = OmniApp(manager, manager.create())
    async with app.run_test() as pilot:
        await pilot.press(*"hi", "enter")
        await until(pilot, lambda: app.session.active_run is None and len(app.session.tree) == 2)
        assert app.session.tree[2].model == str(spare.model())
        told = [note.message for note in app._notifications]
        assert any(f"Asking {spare.model()}." in text for text in told), told
