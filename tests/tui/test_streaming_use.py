"""A tool use while its arguments are written: its row, and the row on the screen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_app import say, until
from textual.pilot import Pilot

from omni_tui.core.messages import Text, ToolUse
from omni_tui.core.stream import (
    Done,
    StreamEvent,
    TextDelta,
    TextEnd,
    TextStart,
    ToolUseDelta,
    ToolUseEnd,
    ToolUseStart,
)
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.base import Model, Request, finish_tool_use
from omni_tui.session.manager import SessionManager
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore
from omni_tui.tools.builtin import builtin_tools
from omni_tui.tools.permissions import Permissions
from omni_tui.tui.app import OmniApp
from omni_tui.tui.tool_view import StreamingUse, tool_row

HOSTILE = [
    "\x1b]0;title\x07",
    "\x1b]52;c;ZXZpbA==\x1b\\",
    "\x1b[2J\x1b[10;10Hmoved",
    "\x9b2J\x9d0;title\x9c",
    "honest\roverwritten\x08\x7f",
    "a\nb\x0bc\u2028d\x85e",
    "\u202eevil\u200b\ufeff",
    "\U000e0001\U000e0041",
    "\ud800lone",
    "[@click=app.evil('x')]click[/]",
    "x" * 10_000,
]


def fed(name: str, *pieces: str) -> StreamingUse:
    use = StreamingUse("call_1", name)
    for piece in pieces:
        use.feed(piece)
    return use


# The row


@pytest.mark.parametrize(
    ("name", "text", "title"),
    [
        ("bash", "", ""),
        ("bash", '{"comm', ""),
        ("bash", '{"command": "git sta', "git sta"),
        ("bash", '{"timeout": 5, "command": "git\\nsta', "git sta"),
        ("write_file", '{"path": "a.txt", "content": "# No', "a.txt"),
        ("write_file", '{"content": "# Notes\\n", "path": "a.t', "a.t"),
        ("edit_file", '{"old_string": "path", "path": "src/', "src/"),
        ("grep", '{"path": "src", "pattern": "TO', "TO"),
        ("human", '{"question": "Sea or', "Sea or"),
        ("weather", '{"city": "Os', '{"city":"Os"}'),
        ("weather", '{"units": "m", "city": "Os', '{"city":"Os","units":"m"}'),
        ("weather", "[1, 2", ""),
        ("bash", '{"command": 5, ', ""),
        ("bash", "no JSON at all", ""),
    ],
)
def test_the_row_says_what_is_known_by_now(name: str, text: str, title: str) -> None:
    for pieces in ([text], list(text)):
        row = fed(name, *pieces).row()
        assert (row.title, row.name, row.status) == (title, name, "writing")


@given(
    name=st.sampled_from(["bash", "write_file", "glob", "weather"]),
    value=st.dictionaries(
        st.sampled_from(["command", "path", "pattern", "city"]), st.text(max_size=30), min_size=1
    ),
)
def test_when_it_is_whole_it_has_the_form_of_any_other(name: str, value: dict[str, Any]) -> None:
    text = json.dumps(value)
    use = fed(name, *text)
    block = finish_tool_use("call_1", name, text)
    streamed = use.row()
    use.finish(block)
    assert use.row().title == tool_row(block, None, "running").title
    assert streamed.title in ("", use.row().title)


def test_broken_arguments_end_as_any_other() -> None:
    use = fed("bash", '{"command": "ls')
    use.finish(ToolUse(id="call_1", name="bash", invalid='{"command": "ls'))
    assert use.row().title == '{"command": "ls'


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("name", ["bash", "weather"])
def test_hostile_arguments_make_one_inert_line(name: str, text: str) -> None:
    for escaped in (True, False):
        row = fed(name, *json.dumps({"command": text}, ensure_ascii=escaped)[:-2]).row()
        assert all(char.isprintable() or char in "\u200d\ufe0f\ufffd" for char in row.title)
        assert len(row.title) <= 200


def test_long_arguments_cost_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    loads = json.loads

    def counted(text: str) -> Any:
        read.append(len(text))
        return loads(text)

    monkeypatch.setattr(json, "loads", counted)
    for name, start in (("bash", '{"command": "'), ("weather", '{"city": "')):
        use = fed(name, start)
        for _ in range(300):
            use.feed("x" * 400)
            assert use.row().title
    assert max(read) < 1100


def test_deep_arguments_are_no_danger() -> None:
    assert fed("weather", '{"a":' + "[" * 5000).row().title.startswith('{"a":[[')


# On the screen


class HalfWay:
    """A model that stops in the middle of a command until it is let go on."""

    name = "half"

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.more = asyncio.Event()

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        if request.messages[-1].tool_results:
            yield TextStart(index=0)
            yield TextDelta(index=0, text="All is well.")
            yield TextEnd(index=0, block=Text(text="All is well."))
            yield Done(stop_reason="stop")
            return
        yield TextStart(index=0)
        yield TextDelta(index=0, text="I will look.")
        yield TextEnd(index=0, block=Text(text="I will look."))
        yield ToolUseStart(index=1, id="call_1", name="glob")
        yield ToolUseDelta(index=1, json='{"pattern": "*.p')
        await self.more.wait()
        yield ToolUseDelta(index=1, json="y[bold]\\u001b[2J")
        await self.go.wait()
        arguments = '{"pattern": "*.py[bold]\\u001b[2J"}'
        yield ToolUseDelta(index=1, json='"}')
        yield ToolUseEnd(index=1, block=finish_tool_use("call_1", "glob", arguments))
        yield Done(stop_reason="tool_use")

    def prepare(self) -> None: ...

    async def close(self) -> None: ...


def make_app(provider: HalfWay, cwd: Path) -> OmniApp:
    manager = SessionManager(
        MemoryStore(),
        default_model=Model(provider, "m"),
        setup=Setup(tools=builtin_tools(), permissions=Permissions(cwd), cwd=cwd),
        registry=ProviderRegistry({"half": lambda: provider}),
    )
    return OmniApp(manager, manager.create())


def rows(app: OmniApp) -> list[str]:
    widget = app.chat.transcript
    return [widget.render_line(y).text.strip(" ┆") for y in range(widget.size.height)]


async def shown(pilot: Pilot[None], app: OmniApp, line: str) -> None:
    await until(pilot, lambda: line in rows(app))


async def test_the_row_of_a_tool_grows_with_its_arguments(tmp_path: Path) -> None:
    provider = HalfWay()
    app = make_app(provider, tmp_path)
    async with app.run_test(size=(100, 30)) as pilot:
        await say(pilot, app, "look")
        await shown(pilot, app, "… glob  *.p")
        provider.more.set()
        await shown(pilot, app, "… glob  *.py[bold]\ufffd[2J")
        provider.go.set()
        await until(pilot, lambda: not app.session.runs)
        (row,) = (row for row in rows(app) if "glob" in row)
        assert row.startswith("▸ ✓ glob  *.py[bold]\ufffd[2J")
        assert "All is well." in rows(app)
        await app.manager.shut_down()


async def test_who_comes_back_sees_what_was_written_meanwhile(tmp_path: Path) -> None:
    provider = HalfWay()
    app = make_app(provider, tmp_path)
    async with app.run_test(size=(100, 30)) as pilot:
        await say(pilot, app, "look")
        await shown(pilot, app, "… glob  *.p")
        writing = app.session
        await pilot.press("ctrl+n")
        await until(pilot, lambda: app.session is not writing)
        assert not any("glob" in row for row in rows(app))
        app.open_session(writing)
        await shown(pilot, app, "… glob  *.p")
        assert "I will look." in rows(app)
        provider.more.set()
        await shown(pilot, app, "… glob  *.py[bold]\ufffd[2J")
        provider.go.set()
        await until(pilot, lambda: not writing.runs)
        await app.manager.shut_down()


async def test_a_use_that_is_stopped_half_way_leaves_no_row(tmp_path: Path) -> None:
    app = make_app(HalfWay(), tmp_path)
    async with app.run_test(size=(100, 30)) as pilot:
        await say(pilot, app, "look")
        await shown(pilot, app, "… glob  *.p")
        await pilot.press("escape")
        await until(pilot, lambda: not app.session.runs)
        assert not any("glob" in row for row in rows(app))
        assert "I will look." in rows(app)
        await app.manager.shut_down()
