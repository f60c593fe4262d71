"""An editor of the package's own client side, and a service for it in this process."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias, cast

from acp import RequestError, connect_to_agent, helpers, schema
from acp.client import ClientSideConnection
from acp.interfaces import Client

from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.providers.scripted import Reply, ScriptedProvider
from omni_tui.llm.retry import RetryPolicy
from omni_tui.serve.acp.lines import open_lines
from omni_tui.serve.acp.service import serve
from omni_tui.session.manager import SessionManager
from omni_tui.session.setup import Setup
from omni_tui.session.store.base import Store
from omni_tui.session.store.memory import MemoryStore
from omni_tui.tools.builtin import builtin_tools
from omni_tui.tools.permissions import Permissions

Choice: TypeAlias = Callable[[schema.ToolCallUpdate, list[schema.PermissionOption]], Any]


def choose(option: str) -> Choice:
    """Answer questions with the option of this id, or end of its name."""

    def answer(_: Any, options: list[schema.PermissionOption]) -> str:
        named = [each.option_id for each in options if each.name.endswith(option)]
        return named[0] if named else option

    return answer


def dismiss(*_: Any) -> None:
    """Answer a question by stopping."""


class Editor:
    """Notes what it is told, and answers what it is asked."""

    def __init__(self, answer: Choice = dismiss) -> None:
        self.answer = answer
        self.updates: list[Any] = []
        self.sessions: list[str] = []
        """Whose each update is."""
        self.asked: list[tuple[schema.ToolCallUpdate, list[schema.PermissionOption]]] = []
        self.forms: list[tuple[str, Any]] = []
        self.form_answer: Any = schema.DeclineElicitationResponse(action="decline")
        self._news = asyncio.Event()

    def on_connect(self, conn: Any) -> None:
        pass

    async def session_update(self, session_id: str, update: Any, **_: Any) -> None:
        self.updates.append(update)
        self.sessions.append(session_id)
        self._news.set()

    async def request_permission(
        self,
        session_id: str,
        tool_call: schema.ToolCallUpdate,
        options: list[schema.PermissionOption],
        **_: Any,
    ) -> schema.RequestPermissionResponse:
        self.asked.append((tool_call, options))
        self._news.set()
        chosen = self.answer(tool_call, options)
        if isinstance(chosen, Awaitable):
            chosen = await chosen
        outcome: schema.AllowedOutcome | schema.DeniedOutcome
        if chosen is None:
            outcome = schema.DeniedOutcome(outcome="cancelled")
        else:
            outcome = schema.AllowedOutcome(outcome="selected", option_id=chosen)
        return schema.RequestPermissionResponse(outcome=outcome)

    async def create_elicitation(self, message: str, mode: Any, **_: Any) -> Any:
        self.forms.append((message, mode))
        return self.form_answer

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds of what was told or asked."""
        while not holds():
            self._news.clear()
            await self._news.wait()

    def of(self, kind: str) -> list[Any]:
        """The updates of a kind."""
        return [update for update in self.updates if update.session_update == kind]

    def text(self, kind: str = "agent_message_chunk") -> str:
        """What was said, its pieces put together."""
        return "".join(update.content.text for update in self.of(kind))

    def call(self, id: str | None = None) -> dict[str, Any]:
        """A tool call (by default the last one begun), with all that was told of it."""
        id = id or self.of("tool_call")[-1].tool_call_id
        known: dict[str, Any] = {"statuses": []}
        for update in (*self.of("tool_call"), *self.of("tool_call_update")):
            if update.tool_call_id == id:
                facts = update.model_dump(exclude_none=True)
                if "status" in facts:
                    known["statuses"].append(facts["status"])
                known |= facts
        return known


class Place:
    """The folder sessions work in, and what they are made from."""

    def __init__(self, **setup: Any) -> None:
        self._setup = setup

    def setup(self, cwd: Path) -> Setup:
        facts: dict[str, Any] = {
            "tools": builtin_tools(),
            "permissions": Permissions(cwd),
            "retry": RetryPolicy(base=0.0),
        }
        return Setup(cwd=cwd, **(facts | self._setup))

    def system(self, cwd: Path) -> str:
        return f"Work in {cwd}."


class Served:
    """A client's end of a service."""

    def __init__(self, connection: ClientSideConnection, manager: SessionManager, writer: Any):
        self.agent = connection
        self.manager = manager
        self.writer: asyncio.StreamWriter = writer

    async def begin(self, cwd: Path, **capabilities: Any) -> str:
        """Greet, and open a session."""
        await self.agent.initialize(
            protocol_version=1, client_capabilities=schema.ClientCapabilities(**capabilities)
        )
        return (await self.agent.new_session(cwd=str(cwd), mcp_servers=[])).session_id

    async def say(self, session: str, *texts: str) -> schema.PromptResponse:
        """Send a prompt of words."""
        blocks: list[Any] = [helpers.text_block(text) for text in texts]
        return await self.agent.prompt(session_id=session, prompt=blocks)


@asynccontextmanager
async def served(
    replies: Iterable[Reply] | ScriptedProvider,
    editor: Editor,
    *,
    store: Store | None = None,
    **setup: Any,
) -> AsyncIterator[Served]:
    """A service of a scripted model, and the editor connected to it; in the end it leaves."""
    provider = replies if isinstance(replies, ScriptedProvider) else ScriptedProvider(replies)
    registry = ProviderRegistry({"scripted": lambda: provider}, endpoints={})
    manager = SessionManager(
        store or MemoryStore(), default_model="scripted/script", registry=registry
    )
    async with manager, pipes(manager, Place(**setup)) as (reader, writer, serving):
        connection = connect_to_agent(
            cast("Client", editor), writer, reader, use_unstable_protocol=True
        )
        try:
            yield Served(connection, manager, writer)
        finally:
            writer.close()
            await connection.close()
            await serving


@asynccontextmanager
async def pipes(
    manager: SessionManager, place: Place
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, asyncio.Task[None]]]:
    """A service on two real pipes: the client's ends of them, and the task that serves."""
    theirs, ours = os.pipe(), os.pipe()
    loop = asyncio.get_running_loop()

    async def serving() -> None:
        async with open_lines(os.fdopen(theirs[0], "rb"), os.fdopen(ours[1], "wb")) as lines:
            await serve(manager, place, lines)

    task = loop.create_task(serving())
    reader = asyncio.StreamReader(limit=2**26)
    reading, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours[0], "rb")
    )
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(theirs[1], "wb")
    )
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    try:
        yield reader, writer, task
    finally:
        writer.close()
        await task
        reading.close()


async def refusal(request: Awaitable[Any]) -> RequestError:
    """The error that a request is answered with."""
    try:
        answer = await request
    except RequestError as error:
        return error
    raise AssertionError(f"no error but {answer!r}")


def message(id: int | None, method: str, **params: Any) -> bytes:
    """A line of the protocol."""
    made = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(made if id is None else {**made, "id": id}).encode() + b"\n"


def kinds(updates: Sequence[Any]) -> list[str]:
    """What updates are, neighbours of one kind counted once."""
    names = [update.session_update for update in updates]
    return [name for place, name in enumerate(names) if names[place - 1 : place] != [name]]
