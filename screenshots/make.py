"""Makes the pictures of the README: the real application, driven without a terminal."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import TypeAlias

from textual.pilot import Pilot
from textual.widgets import OptionList

from omni_tui.agent import execute, turn
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.scripted import Call, Reply, Say, ScriptedProvider, Think
from omni_tui.session.manager import SessionManager
from omni_tui.session.setup import Setup
from omni_tui.session.store.memory import MemoryStore
from omni_tui.tools.builtin import builtin_tools
from omni_tui.tools.permissions import Permissions
from omni_tui.tui.app import OmniApp
from omni_tui.tui.dialogs.approval import ApprovalDialog
from omni_tui.tui.screens.chat import ChatScreen

FOLDER = Path(__file__).parent
WIDE = (120, 40)
SMALL = (80, 24)

NOTES = "# Peaks\n\n- Everest, 8,849 m\n- Fuji, 3,776 m\n"

UNCLIMBED = """\
Few high mountains are left. The best known:

| mountain | 漢字 | height | why |
|:---------|:----:|-------:|:----|
| **Gangkhar Puensum** | 崗卡彭孫 | 7,570 m | closed to climbers |
| **Karjiang** | 卡热疆 | 7,221 m | steep and avalanche-prone |
| **Kailash** | 冈仁波齐 | 6,638 m | *sacred*, nobody tries |
"""

WRITE = Call(
    "edit_file",
    {
        "path": "notes.md",
        "old_string": "# Peaks\n\n- Everest, 8,849 m\n",
        "new_string": "# Peaks\n\n- Everest, 8,849 m\n- Gangkhar Puensum, 7,570 m: unclimbed\n",
    },
)

TALK: tuple[Reply, ...] = (
    "There are several: Gangkhar Puensum in Bhutan is the highest of them.",
    [
        Think("A table will be easier to compare. Sacred mountains are a case of their own."),
        Say(UNCLIMBED),
    ],
    "Bhutan closed its peaks above 6,000 m in 1994, out of respect for those who live below.",
    "Karjiang. Those who tried it so far turned back below the top.",
    [Say("I will add it to your notes."), WRITE],
    "Done: `notes.md` has a line for **Gangkhar Puensum**.",
)

CLEAN: tuple[Reply, ...] = (
    [
        Say("The old build is in the way. I would like to run this:"),
        Call("bash", {"command": "rm -r build && make test | tail -n 5"}),
    ],
)

COMPARED: tuple[Reply, ...] = (
    """\
Gangkhar Puensum is the highest unclimbed mountain on Earth. Bhutan closed its peaks to climbers, \
so nobody may try.

- **Gangkhar Puensum**, 崗卡彭孫, 7,570 m
- Karjiang, 卡热疆, 7,221 m
- Kailash, 冈仁波齐, 6,638 m

Ask me about any of them.""",
    [Say("Let me look."), Call("read_file", {"path": "notes.md"})],
    "It is closed since 1994.",
    """\
Gangkhar Puensum is the highest mountain that nobody has climbed. Bhutan closed its peaks above \
6,000 m, out of respect for those who live below.

- **Gangkhar Puensum**, 崗卡彭孫, 7,570 m
- Muchu Chhish, 7,453 m
- Kailash, 冈仁波齐, 6,638 m

Ask me about any of them.""",
    [Call("grep", {"pattern": "closed", "path": "."})],
    "It is closed since 2003: no mountaineering at all.",
)

Scene: TypeAlias = Callable[[Pilot[None]], Awaitable[None]]


def stop_clocks() -> None:
    """Let every step take as long, so that the pictures change only with the program."""
    now = 0.0

    def monotonic() -> float:
        nonlocal now
        now += 1.2
        return now

    for module in (turn, execute):
        vars(module)["time"] = SimpleNamespace(monotonic=monotonic)


async def until(pilot: Pilot[None], reached: Callable[[], bool]) -> None:
    """Let the application go on until it is there."""
    while not reached():
        await pilot.pause()
        await asyncio.sleep(0)
    await pilot.pause()


def app_of(pilot: Pilot[None]) -> OmniApp:
    """The application under a pilot."""
    assert isinstance(pilot.app, OmniApp)
    return pilot.app


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys, and wait until the answer is whole or a question is on screen."""
    app = app_of(pilot)
    await pilot.press(*keys)
    await pilot.pause()
    await until(pilot, lambda: app.session.active_run is None or app.screen is not app.chat)
    await until(pilot, lambda: not isinstance(app.screen, ApprovalDialog) or app.screen.is_ready)


async def say(pilot: Pilot[None], text: str) -> None:
    """Write and send."""
    app_of(pilot).chat.composer.write(text)
    await press(pilot, "enter")


async def talk(pilot: Pilot[None]) -> None:
    """Ask, ask again, ask something else, and write down what came of it."""
    await say(pilot, "Which mountains has nobody climbed?")
    await press(pilot, "escape", "r")
    await press(pilot, "i")
    await say(pilot, "Why is the first one closed?")
    await press(pilot, "escape", "e")
    await say(pilot, "Which of them may be climbed at all?")
    await say(pilot, "Add it to notes.md")
    await press(pilot, "y")


async def nothing(pilot: Pilot[None]) -> None:
    """The first screen as it comes."""
    await pilot.pause()


async def clean(pilot: Pilot[None]) -> None:
    """A command that waits for a yes."""
    await say(pilot, "Run the tests on a clean tree")


async def tree(pilot: Pilot[None]) -> None:
    """The tree with the keys in it, over a small terminal."""
    await talk(pilot)
    await press(pilot, "escape", "escape", "up", "up")


async def light(pilot: Pilot[None]) -> None:
    """The same talk by day."""
    app_of(pilot).theme = "omni-light"
    await talk(pilot)


async def compare(pilot: Pilot[None]) -> None:
    """Two answers to one question, both gone on from, beside each other."""
    chat = app_of(pilot).chat
    await say(pilot, "Name three mountains nobody has climbed.")
    await say(pilot, "Which of them is closed?")
    await press(pilot, "escape")
    chat.transcript.cursor_key = 2
    await press(pilot, "r", "i")
    await say(pilot, "Which of them is closed?")
    await press(pilot, "escape")
    chat.transcript.cursor_key = chat.session.tree.children(1)[1]
    await pilot.press("x")
    await until(pilot, lambda: pilot.app.screen is not chat)


async def sessions(pilot: Pilot[None]) -> None:
    """Four sessions to choose from."""
    await talk(pilot)
    for prompt in (
        "Plan three days in the Dolomites",
        "A haiku about rain",
        "Why is the sky blue?",
    ):
        await press(pilot, "ctrl+n")
        await say(pilot, prompt)
    app = app_of(pilot)
    for session in app.manager.list_open():
        if session.saver is not None:
            await session.saver.flush()
    await pilot.press("ctrl+s")
    await until(pilot, lambda: app.screen is not app.chat)
    options = app.screen.query_one(OptionList)
    await until(pilot, lambda: options.option_count == 4)


async def take(
    name: str,
    scene: Scene,
    replies: Iterable[Reply] = TALK,
    *,
    size: tuple[int, int] = WIDE,
    cwd: Path | None = None,
    no_key: bool = False,
) -> None:
    """Play a scene and write its picture; in a folder of its own unless `cwd` names one."""
    provider = ScriptedProvider(replies, name="demo")
    with tempfile.TemporaryDirectory() as scratch:
        folder = cwd or Path(scratch)
        if cwd is None:
            (folder / "notes.md").write_text(NOTES)
        setup = Setup(tools=builtin_tools(), permissions=Permissions(folder), cwd=folder)
        registry = ProviderRegistry({"demo": lambda: provider})
        async with SessionManager(MemoryStore(), setup=setup, registry=registry) as manager:
            app = OmniApp(manager, manager.create(), no_key=no_key)
            app.dialog_grace = 0
            async with app.run_test(size=size) as pilot:
                await until(pilot, lambda: isinstance(app.screen, ChatScreen))
                await scene(pilot)
                await pilot.pause()
                picture = app.export_screenshot(title="omni-tui")
                # The number is drawn anew each time; a picture of the same is to be the same file.
                (FOLDER / f"{name}.svg").write_text(re.sub(r"terminal-\d+", "terminal", picture))
    print(f"{name}.svg")


async def main() -> None:
    """Take every picture."""
    stop_clocks()
    more = ("Day one: the train to Bolzano.", "Rain on the tin roof.", "Rayleigh scattering.")
    await take("chat", talk)
    await take("approval", clean, CLEAN, cwd=Path("/srv/peaks"))
    await take("tree", tree, size=SMALL)
    await take("first-run", nothing, no_key=True)
    await take("light", light)
    await take("compare", compare, COMPARED)
    await take("sessions", sessions, (*TALK, *more))


if __name__ == "__main__":
    asyncio.run(main())
