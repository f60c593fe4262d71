"""Shift+Tab and /permissions: what runs unasked, changed while one works."""

from __future__ import annotations

from pathlib import Path

from test_app import WRITE, make_app, rule, say, until
from textual.pilot import Pilot

from omni_tui.tui.app import OmniApp
from omni_tui.tui.dialogs.choose import ChooseDialog


async def open_permissions(pilot: Pilot[None], app: OmniApp) -> ChooseDialog:
    await say(pilot, app, "/permissions")
    await until(pilot, lambda: isinstance(app.screen, ChooseDialog))
    dialog = app.screen
    assert isinstance(dialog, ChooseDialog)
    return dialog


async def test_a_key_goes_through_the_modes_and_the_next_tool_obeys(tmp_path: Path) -> None:
    app = make_app([[WRITE], "Done.", [WRITE], "Refused."], tmp_path)
    app.dialog_grace = 0
    async with app.run_test(size=(120, 40)) as pilot:
        seen = []
        for _ in range(4):
            seen.append(rule(app).split()[1])
            await pilot.press("shift+tab")
            await pilot.pause()
        assert seen == ["ask", "auto-edit", "plan", "ask"]
        assert app.focused is app.chat.composer
        await say(pilot, app, "Write it")
        await until(pilot, lambda: len(app.session.tree) == 4 and not app.session.runs)
        assert (tmp_path / "a.txt").read_text() == "hello\n"
        await pilot.press("shift+tab")
        await say(pilot, app, "Again")
        await until(pilot, lambda: len(app.session.tree) == 8 and not app.session.runs)
        (result,) = app.session.tree[7].message.tool_results
        assert result.is_error
        assert "plan mode" in result.content
        await app.manager.shut_down()


async def test_rules_of_the_session_are_shown_and_taken_back(tmp_path: Path) -> None:
    app = make_app([], tmp_path)
    app.dialog_grace = 0
    async with app.run_test(size=(120, 40)) as pilot:
        app.session.allow("bash(make test)")
        app.session.allow("write_file(a[b].txt)")
        dialog = await open_permissions(pilot, app)
        assert [choice.label for choice in dialog._choices[4:]] == [
            "allow bash(make test)",
            "allow write_file(a[b].txt)",
        ]
        await pilot.press("end", "enter")
        await until(pilot, lambda: app.screen is app.chat)
        assert app.session.record.approvals == ("bash(make test)",)
        assert app.session.permissions is not None
        assert [str(each) for each in app.session.permissions.rules] == ["bash(make test)"]
        await open_permissions(pilot, app)
        await pilot.press("home", "down", "down", "down", "enter")
        await until(pilot, lambda: app.screen is app.chat)
        assert rule(app).split()[1] == "yolo"
        await app.manager.shut_down()
