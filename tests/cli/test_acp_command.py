"""`omni-tui acp` as an editor starts it: the real command, and the package's own client."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from acp import helpers, spawn_agent_process
from acp.client import ClientSideConnection
from acp.interfaces import Client
from acp_editor import Editor, choose, message, refusal
from command import COMMAND, environment, omni
from warm import PYTHON

from omni_tui.agent.agent import Agent
from omni_tui.agent.decisions import Execute, Reject
from omni_tui.agent.events import Event, Paused
from omni_tui.cli.main import COMMANDS
from omni_tui.llm.backends import AcpAgent
from omni_tui.llm.models import ProviderRegistry
from omni_tui.session.store.base import StoredSession
from omni_tui.session.store.sqlite import SQLiteStore


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def work(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    return made


@asynccontextmanager
async def started(
    home: Path, editor: Editor, *arguments: str
) -> AsyncIterator[tuple[ClientSideConnection, asyncio.subprocess.Process]]:
    command, *rest = (*COMMAND, "acp", *arguments)
    async with spawn_agent_process(
        cast("Client", editor), command, *rest, env=environment(home), cwd=home
    ) as (connection, process):
        await connection.initialize(protocol_version=1)
        yield connection, process


async def begin(connection: ClientSideConnection, folder: Path) -> str:
    return (await connection.new_session(cwd=str(folder), mcp_servers=[])).session_id


async def say(connection: ClientSideConnection, session: str, text: str) -> str:
    words: Any = helpers.text_block(text)
    return (await connection.prompt(session_id=session, prompt=[words])).stop_reason


async def stored(file: Path, id: str) -> StoredSession:
    store = SQLiteStore(file)
    await store.open()
    try:
        return await store.load(id)
    finally:
        await store.close()


async def test_a_session_of_an_editor_is_a_session_like_any_other(home: Path, work: Path) -> None:
    editor = Editor(choose("allow_once"))
    async with started(home, editor, "-m", "demo/chat") as (connection, process):
        session = await begin(connection, work)
        assert await say(connection, session, "plan a trip and save it to plan.md") == "end_turn"
        assert process.stdin is not None
        process.stdin.close()
        assert await process.wait() == 0
    assert editor.call()["statuses"] == ["pending", "in_progress", "completed"]
    assert editor.asked[0][0].title == "Write plan.md"
    assert "mountains" in (work / "plan.md").read_text()
    assert "The file is saved" in editor.text()
    done = omni("--load", session, "-p", "hello", "-m", "demo/echo", home=home, cwd=work)
    assert (done.returncode, done.stdout) == (0, "hello\n")
    assert len((await stored(home / "sessions.db", session)).tree) == 6


async def test_a_stored_session_is_loaded_from_the_file_that_is_named(
    home: Path, work: Path
) -> None:
    file = home / "other.db"
    result = omni(
        *("-p", "one", "-m", "demo/echo", "--db", file, "--output-format", "json"),
        home=home,
        cwd=work,
    )
    session = json.loads(result.stdout)["session_id"]
    editor = Editor()
    async with started(home, editor, "--db", str(file), "-m", "demo/chat") as (connection, _):
        listed = await connection.list_sessions(cwd=str(work))
        assert [each.session_id for each in listed.sessions] == [session]
        await connection.load_session(cwd=str(work), session_id=session, mcp_servers=[])
        assert (editor.text("user_message_chunk"), editor.text()) == ("one", "one")
        assert await say(connection, session, "two") == "end_turn"
        assert editor.text() == "onetwo"


async def test_a_session_open_elsewhere_is_refused(home: Path, work: Path) -> None:
    async with started(home, Editor(), "-m", "demo/echo") as (first, _):
        session = await begin(first, work)
        await say(first, session, "hi")
        async with started(home, Editor(), "-m", "demo/echo") as (second, _):
            loading = second.load_session(cwd=str(work), session_id=session, mcp_servers=[])
            refused = await refusal(loading)
    assert refused.data == {"type": "SessionLockedError"}


async def test_the_approval_mode_of_the_command_line_holds(home: Path, work: Path) -> None:
    editor = Editor()
    async with started(home, editor, "-m", "demo/chat", "--approval-mode", "plan") as (one, _):
        await say(one, await begin(one, work), "run touch here")
    assert editor.asked == []
    assert editor.call()["statuses"] == ["pending", "failed"]
    assert "plan mode" in editor.call()["content"][0]["content"]["text"]


async def test_a_missing_key_is_an_error_that_names_the_variable(home: Path, work: Path) -> None:
    async with started(home, Editor(), "-m", "groq/llama") as (connection, _):
        session = await begin(connection, work)
        refused = await refusal(say(connection, session, "hi"))
    assert "GROQ_API_KEY" in str(refused)
    assert refused.data == {"type": "MissingKeyError"}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="a child finds us through /proc")
async def test_nothing_but_the_protocol_reaches_standard_output(home: Path, work: Path) -> None:
    """Not even what a child writes to the standard output of the program itself."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("acp", "-m", "demo/chat", "--approval-mode", "yolo"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(home),
        cwd=work,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None

    async def answer(line: bytes, id: int | None) -> dict[str, Any]:
        """Every line until the answer is a message."""
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line)
        while "id" not in (told := json.loads(await process.stdout.readline())):
            assert told["method"] == "session/update"
        assert told["id"] == id
        return cast("dict[str, Any]", told)

    assert (await answer(b"{broken\n", None))["error"]["code"] == -32700
    await answer(message(1, "initialize", protocolVersion=1), 1)
    new = await answer(message(2, "session/new", cwd=str(work), mcpServers=[]), 2)
    words = {"type": "text", "text": "run `echo noise | tee /proc/$PPID/fd/1; echo done`"}
    session = new["result"]["sessionId"]
    ended = await answer(message(3, "session/prompt", sessionId=session, prompt=[words]), 3)
    assert ended["result"]["stopReason"] == "end_turn"
    process.stdin.close()
    assert await process.stdout.read() == b""
    assert await process.stderr.read() == b"noise\n"
    assert await process.wait() == 0


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_signal_stops_what_runs_and_keeps_what_came(
    home: Path, work: Path, signum: int, code: int
) -> None:
    editor = Editor()
    async with started(home, editor, "-m", "demo/chat") as (connection, process):
        session = await begin(connection, work)
        answer = asyncio.create_task(say(connection, session, "write a long essay"))
        await editor.until(editor.text)
        process.send_signal(signum)
        assert await process.wait() == code
        with pytest.raises(ConnectionError):
            await answer
    tree = (await stored(home / "sessions.db", session)).tree
    last = tree[tree.path[-1]]
    assert last.status == "cancelled"
    assert last.message.text.startswith(editor.text()[:12])


def printed(editor: Editor) -> list[Any]:
    """What running tools were told to have printed."""
    updates = editor.of("tool_call_update")
    return [each for each in updates if each.status == "in_progress" and each.content]


async def test_a_client_that_dies_leaves_no_tool_behind(home: Path, work: Path) -> None:
    editor = Editor(choose("allow_once"))
    async with started(home, editor, "-m", "demo/chat") as (connection, process):
        session = await begin(connection, work)
        command = "run `echo $$; exec sleep 1000`"
        answer = asyncio.create_task(say(connection, session, command))
        await editor.until(lambda: printed(editor))
        assert process.stdin is not None
        process.stdin.close()
        assert await process.wait() == 0
        with pytest.raises(ConnectionError):
            await answer
    pid = int(printed(editor)[0].content[0].content.text.strip("`\n"))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    tree = (await stored(home / "sessions.db", session)).tree
    (result,) = tree[tree.path[-1]].message.tool_results
    assert "Cancelled" in result.content


# Beginnings


def test_without_the_package_it_says_how_to_get_it(home: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "acp"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'acp'\", name='acp')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "omni_tui", "acp"],
        env=environment(home, {"PYTHONPATH": str(hidden.parent)}),
        input="",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'omni-tui[acp]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_pipes_it_says_who_starts_it(home: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "acp"],
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "an editor starts it" in done.stderr


@pytest.mark.parametrize("arguments", [("-m", "nobody/x"), ("--approval-mode", "wild"), ("--no",)])
def test_arguments_that_make_no_sense_end_it_at_once(
    home: Path, work: Path, arguments: tuple[str, ...]
) -> None:
    done = omni("acp", *arguments, home=home, cwd=work)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_a_client_that_says_nothing_costs_nothing(home: Path, work: Path) -> None:
    done = omni("acp", "-m", "demo/chat", home=home, cwd=work)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_help_lists_the_command(home: Path, work: Path) -> None:
    assert "  acp  " in omni("--help", home=home, cwd=work).stdout
    assert "--approval-mode" in omni("acp", "--help", home=home, cwd=work).stdout


# The page


PAGE = (Path(__file__).parents[2] / "docs/acp.md").read_text("utf-8")


def test_an_editor_starts_it_as_the_page_says() -> None:
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    entry = json.loads(block)["agent_servers"]["omni-tui"]
    assert (entry["type"], entry["command"]) == ("custom", "omni-tui")
    command, *rest = entry["args"]
    assert command in COMMANDS
    importlib.import_module(f"omni_tui.cli.{command}").parser().parse_args(rest)
    named = set(re.findall(r"^\| `(--?\S+)", PAGE, re.MULTILINE))
    assert named == {"-m", "--approval-mode", "--db", "--log-file"}


async def test_an_agent_of_ones_own_is_served_as_the_page_says(home: Path, work: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    file = home / "readers.py"
    file.write_text(block)
    (work / "notes.md").write_text("one\n")
    editor = Editor()
    async with spawn_agent_process(
        cast("Client", editor), *PYTHON, str(file), env=environment(home), cwd=home
    ) as (connection, _):
        await connection.initialize(protocol_version=1)
        session = await begin(connection, work)
        assert await say(connection, session, "edit notes.md") == "end_turn"
    assert (editor.call()["title"], editor.call()["statuses"][-1]) == (
        "Read notes.md",
        "completed",
    )
    assert (await stored(home / "readers.db", session)).record.system is not None


# Our own client talks to it


def ours(home: Path, work: Path) -> Agent:
    command = (*COMMAND, "acp", "-m", "demo/chat")
    registry = ProviderRegistry(
        acp={"ours": AcpAgent(command=command, env={"OMNI_TUI_HOME": str(home)})}
    )
    return Agent(model="acp/ours", registry=registry, cwd=work)


async def paused(events: AsyncIterator[Event]) -> Paused:
    async for event in events:
        if isinstance(event.payload, Paused):
            return event.payload
    raise AssertionError("it did not ask")


@pytest.mark.parametrize("allowed", [True, False])
async def test_our_own_client_is_asked_before_our_own_server_runs_a_tool(
    home: Path, work: Path, allowed: bool
) -> None:
    async with ours(home, work) as agent:
        run = agent.prompt("run touch here")
        pause = await paused(aiter(run))
        assert (pause.tool_use.name, pause.tool_use.input["command"]) == ("bash", "touch here")
        agent.resume(Execute(by="a person") if allowed else Reject("no", by="a person"))
        response = await run
    assert (work / "here").exists() is allowed
    _, asking, results, reply = response.messages
    assert asking.text == "I would like to run this:"
    (result,) = results.tool_results
    assert result.is_error is not allowed
    assert ("`bash` says" if allowed else "That did not work") in reply.text


async def test_our_own_client_goes_on_in_the_same_session(home: Path, work: Path) -> None:
    async with ours(home, work) as agent:
        first = await agent.ask("hello")
        second = await agent.ask("and again")
    assert first.text != second.text
    listed = omni("--continue", "-p", "x", "-m", "demo/echo", home=home, cwd=work)
    assert listed.returncode == 0
    store = SQLiteStore(home / "sessions.db")
    await store.open()
    try:
        (summary,) = await store.list()
        assert (summary.nodes, summary.branches) == (6, 1)
    finally:
        await store.close()
