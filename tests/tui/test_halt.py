"""/halt and /unhalt: what is written meanwhile stays written, and the screen says why."""

from __future__ import annotations

from pathlib import Path

from test_app import make_app, rule, say, until

from omni_tui.llm.providers.scripted import Say


async def test_a_halt_ends_with_the_turn_and_holds_what_is_written(tmp_path: Path) -> None:
    app = make_app([[Say("one two three", chunk=1, delay=0.02)], "four"], tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await say(pilot, app, "count")
        await until(pilot, lambda: bool(app.session.runs))
        await say(pilot, app, "/halt")
        await until(pilot, lambda: "halted · /unhalt goes on" in rule(app))
        await until(pilot, lambda: not app.session.runs)
        assert app.session.tree[2].message.text == "one two three"
        await say(pilot, app, "and then?")
        await pilot.pause()
        assert (app.chat.composer.text, len(app.session.tree)) == ("and then?", 2)
        app.chat.composer.write("")
        await say(pilot, app, "/unhalt")
        await until(pilot, lambda: "halted" not in rule(app))
        await say(pilot, app, "and then?")
        await until(pilot, lambda: len(app.session.tree) == 4 and not app.session.runs)
        assert app.session.tree[4].message.text == "four"
        await app.manager.shut_down()
