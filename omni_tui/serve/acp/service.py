"""The agent side of the protocol: what an editor can ask of us, on top of the sessions."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec
from acp import PROTOCOL_VERSION, RequestError, helpers, schema
from acp.agent import AgentSideConnection
from acp.interfaces import Agent, Client

from omni_tui._version import __version__
from omni_tui.core.errors import BusyError, OmniError
from omni_tui.core.safe_text import safe_line
from omni_tui.llm.offers import Offer, find_offers
from omni_tui.serve.acp.content import blocks_of, replayed, shown
from omni_tui.serve.acp.faults import bad_params, with_faults
from omni_tui.serve.acp.lines import Lines
from omni_tui.serve.acp.options import MODE, choose, modes, options
from omni_tui.serve.acp.questions import Asker
from omni_tui.serve.acp.turn import Turn
from omni_tui.session.manager import SessionManager
from omni_tui.session.session import Session
from omni_tui.session.setup import Setup
from omni_tui.session.store.base import SessionSummary

log = logging.getLogger(__name__)

PAGE = 50
"""Sessions in one answer to `session/list`."""
_SCANNED = 200
_NOT_FOUND = -32002


class Folders(Protocol):
    """What sessions are made from, by the folder an editor opens them in."""

    def setup(self, cwd: Path) -> Setup:
        """What agents are made from. Called in a thread."""
        ...

    def system(self, cwd: Path) -> str | None:
        """The system prompt of new sessions."""
        ...


async def serve(manager: SessionManager, folders: Folders, lines: Lines) -> None:
    """Serve one client until it leaves; then its runs are stopped and its sessions closed."""
    service = Service(manager, folders)
    connection = AgentSideConnection(
        cast("Agent", service), lines, listening=False, use_unstable_protocol=True
    )
    try:
        await connection.listen()
    finally:
        try:
            await connection.close()
        finally:
            await service.close()


class Service:
    """Answers the requests of one client."""

    def __init__(self, manager: SessionManager, folders: Folders) -> None:
        self._manager = manager
        self._folders = folders
        self._client: Client
        self._asker: Asker
        self._sessions: dict[str, Session] = {}
        """Those this client has opened."""
        self._turns: dict[str, Turn] = {}
        """The prompts being answered, by session."""
        self._notices: dict[str, list[str]] = {}
        """What a person should know, until the next prompt of a session tells it."""
        self._importing: set[asyncio.Future[Any]] = set()
        self._offers: asyncio.Task[list[Offer]] | None = None

    def on_connect(self, client: Client) -> None:
        """Know whom to tell; called by the connection."""
        self._client = client
        self._asker = Asker(client, takes_words=False)

    async def close(self) -> None:
        """Stop what runs and close what this client has opened."""
        if self._offers is not None:
            self._offers.cancel()
        for turn in self._turns.values():
            turn.cancel()
        await asyncio.gather(*map(self._manager.close, self._sessions), return_exceptions=True)

    @with_faults
    async def initialize(
        self,
        protocol_version: int,
        client_capabilities: schema.ClientCapabilities | None = None,
        client_info: schema.Implementation | None = None,
    ) -> schema.InitializeResponse:
        """Say what we can do. There is one version of the protocol we speak, and no login."""
        elicitation = client_capabilities.elicitation if client_capabilities else None
        takes_words = elicitation is not None and elicitation.form is not None
        self._asker = Asker(self._client, takes_words=takes_words)
        self._look_for_models()
        return schema.InitializeResponse(
            protocol_version=PROTOCOL_VERSION,
            agent_info=schema.Implementation(
                name="omni-tui", title="omni-tui", version=__version__
            ),
            agent_capabilities=schema.AgentCapabilities(
                load_session=True,
                prompt_capabilities=schema.PromptCapabilities(
                    image=await self._sees(), audio=False, embedded_context=True
                ),
                mcp_capabilities=schema.McpCapabilities(http=False, sse=False),
                session_capabilities=schema.SessionCapabilities(
                    list=schema.SessionListCapabilities(),
                    resume=schema.SessionResumeCapabilities(),
                    close=schema.SessionCloseCapabilities(),
                ),
            ),
            auth_methods=[],
        )

    async def _sees(self) -> bool:
        """Whether the model of new sessions reads images, or nobody knows that it does not."""
        try:
            model = self._manager.registry.resolve(self._manager.default_model)
        except OmniError:
            return False
        info = await asyncio.to_thread(lambda: model.info)
        return info is None or info.inputs is None or "image" in info.inputs

    # Sessions

    @with_faults
    async def new_session(
        self,
        cwd: str,
        mcp_servers: Sequence[Any] | None = None,
        additional_directories: Sequence[str] | None = None,
    ) -> schema.NewSessionResponse:
        """A new session, whose tools are held to the folder."""
        folder = await asyncio.to_thread(_folder, cwd)
        setup = await asyncio.to_thread(self._folders.setup, folder)
        session = self._manager.create(setup=setup, system=self._folders.system(folder))
        self._keep(session, _left_out(mcp_servers, additional_directories))
        return schema.NewSessionResponse(
            session_id=session.id,
            modes=modes(session),
            config_options=await self._options(session),
        )

    @with_faults
    async def load_session(
        self,
        cwd: str,
        session_id: str,
        mcp_servers: Sequence[Any] | None = None,
        additional_directories: Sequence[str] | None = None,
    ) -> schema.LoadSessionResponse:
        """A stored session; what was said on its active path is told before the answer."""
        left_out = _left_out(mcp_servers, additional_directories)
        session = await self._open(session_id, cwd, left_out)
        nodes = [session.tree[id] for id in session.tree.path]
        for update in replayed(nodes, session.setup.cwd or Path.cwd()):
            await self._client.session_update(session.id, update)
        return schema.LoadSessionResponse(
            modes=modes(session), config_options=await self._options(session)
        )

    @with_faults
    async def resume_session(
        self,
        session_id: str,
        cwd: str,
        mcp_servers: Sequence[Any] | None = None,
        additional_directories: Sequence[str] | None = None,
    ) -> schema.ResumeSessionResponse:
        """A stored session, for a client that knows what was said."""
        left_out = _left_out(mcp_servers, additional_directories)
        session = await self._open(session_id, cwd, left_out)
        return schema.ResumeSessionResponse(
            modes=modes(session), config_options=await self._options(session)
        )

    @with_faults
    async def list_sessions(
        self, cwd: str | None = None, cursor: str | None = None
    ) -> schema.ListSessionsResponse:
        """Stored sessions, those used last first; with `cwd`, those begun in that folder."""
        before = _read_cursor(cursor) if cursor is not None else None
        folder = None if cwd is None else str(_absolute(cwd))
        found: list[SessionSummary] = []
        while len(found) <= PAGE:
            page = await self._manager.list_stored(_SCANNED, before)
            found += [each for each in page if each.cwd and folder in (None, each.cwd)]
            if len(page) < _SCANNED:
                break
            before = page[-1]
        more = len(found) > PAGE
        return schema.ListSessionsResponse(
            sessions=[_info(summary) for summary in found[:PAGE]],
            next_cursor=_cursor(found[PAGE - 1]) if more else None,
        )

    @with_faults
    async def close_session(self, session_id: str) -> None:
        """Stop what runs in a session and put it away; the store keeps it."""
        session = self._session(session_id)
        if (turn := self._turns.get(session.id)) is not None:
            turn.cancel()
        del self._sessions[session.id]
        self._notices.pop(session.id, None)
        await self._manager.close(session.id)

    async def _open(self, id: str, cwd: str, notices: list[str]) -> Session:
        if id in self._turns:
            raise BusyError("This session is still being answered.", hint="wait, or cancel it")
        folder = await asyncio.to_thread(_folder, cwd)
        setup = await asyncio.to_thread(self._folders.setup, folder)
        session, notice = await self._manager.open(id, setup=setup)
        self._keep(session, [*notices, *([notice] if notice else [])])
        return session

    def _keep(self, session: Session, notices: list[str]) -> None:
        self._sessions[session.id] = session
        self._notices[session.id] = notices
        self._import_provider(session)
        for notice in notices:
            log.warning("session %s: %s", session.id, notice)

    def _import_provider(self, session: Session) -> None:
        """Import what the first prompt needs while the person writes it."""
        try:
            provider = self._manager.registry.resolve(session.model).provider
        except OmniError:
            return  # the prompt will say so
        importing = asyncio.gather(asyncio.to_thread(provider.prepare), return_exceptions=True)
        self._importing.add(importing)
        importing.add_done_callback(self._importing.discard)

    def _session(self, id: str) -> Session:
        if (session := self._sessions.get(id)) is None:
            raise RequestError(
                _NOT_FOUND, f"There is no open session {safe_line(id, 60)!r}: load it first"
            )
        return session

    # Choices

    @with_faults
    async def set_session_mode(self, session_id: str, mode_id: str) -> None:
        """Use another approval mode, at once."""
        session = self._session(session_id)
        choose(session, self._manager.registry, MODE, mode_id)
        await self._client.session_update(
            session.id,
            schema.ConfigOptionUpdate(
                session_update="config_option_update",
                config_options=await self._options(session),
            ),
        )

    @with_faults
    async def set_config_option(
        self, config_id: str, session_id: str, value: str | bool
    ) -> schema.SetSessionConfigOptionResponse:
        """Choose mode, model or how much it thinks."""
        session = self._session(session_id)
        choose(session, self._manager.registry, config_id, value)
        if config_id == MODE and session.permissions is not None:
            await self._client.session_update(
                session.id,
                schema.CurrentModeUpdate(
                    session_update="current_mode_update", current_mode_id=session.permissions.mode
                ),
            )
        return schema.SetSessionConfigOptionResponse(config_options=await self._options(session))

    async def _options(self, session: Session) -> list[Any]:
        return list(options(session, self._manager.registry, await self._known_offers()))

    def _look_for_models(self) -> asyncio.Task[list[Offer]]:
        if self._offers is None:
            self._offers = asyncio.create_task(find_offers(self._manager.registry), name="offers")
        return self._offers

    async def _known_offers(self) -> list[Offer]:
        """The models there are, looked up once; none when that fails."""
        try:
            return await asyncio.shield(self._look_for_models())
        except OmniError as error:
            log.warning("models cannot be listed: %s", error)
            return []

    # Talking

    @with_faults
    async def prompt(self, session_id: str, prompt: Sequence[Any]) -> schema.PromptResponse:
        """Answer, and tell how it goes on meanwhile."""
        session = self._session(session_id)
        if session.id in self._turns:
            raise BusyError("This session is still being answered.", hint="wait, or cancel it")
        turn = Turn(self._client, session, self._asker, self._manager.registry.catalog)
        self._turns[session.id] = turn
        try:
            content = await asyncio.to_thread(blocks_of, prompt)
            if not content:
                raise bad_params("The prompt is empty")
            await self._tell_notices(session)
            return await turn.run(content)
        finally:
            del self._turns[session.id]

    async def cancel(self, session_id: str) -> None:
        """Stop the prompt being answered, if there is one."""
        if (turn := self._turns.get(session_id)) is not None:
            turn.cancel()

    async def _tell_notices(self, session: Session) -> None:
        notices, self._notices[session.id] = self._notices.get(session.id, []), []
        for notice in notices:
            update = helpers.update_agent_message_text(f"> omni-tui: {shown(notice)}\n\n")
            await self._client.session_update(session.id, update)


def _absolute(cwd: str) -> Path:
    if not os.path.isabs(cwd):
        raise bad_params(f"cwd is no absolute path: {safe_line(cwd)}")
    return Path(os.path.normpath(cwd))


def _folder(cwd: str) -> Path:
    """The folder an editor names. Looks at the disk."""
    folder = _absolute(cwd)
    if not folder.is_dir():
        raise bad_params(f"cwd is no folder: {safe_line(cwd)}")
    return folder


def _left_out(servers: Sequence[Any] | None, folders: Sequence[str] | None) -> list[str]:
    """What an editor offers and we cannot use."""
    notices = []
    if servers:
        names = ", ".join(safe_line(str(server.name), 60) for server in servers)
        notices.append(f"MCP servers cannot be used yet, so these were left out: {names}")
    if folders:
        notices.append(
            "only the first folder counts as inside, these do not: "
            + ", ".join(safe_line(folder) for folder in folders)
        )
    return notices


def _info(summary: SessionSummary) -> schema.SessionInfo:
    return schema.SessionInfo(
        session_id=summary.id,
        cwd=shown(summary.cwd or ""),
        title=shown(summary.title or summary.preview) or None,
        updated_at=summary.updated_at.isoformat(),
    )


def _cursor(summary: SessionSummary) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((summary.updated_at, summary.id))).decode()


def _read_cursor(cursor: str) -> SessionSummary:
    """The last session of a page, as far as the store must know it."""
    try:
        updated_at, id = msgspec.json.decode(
            base64.urlsafe_b64decode(cursor), type=tuple[datetime, str]
        )
    except (ValueError, binascii.Error):
        raise bad_params("There is no such page") from None
    return SessionSummary(
        id=id,
        title=None,
        model=None,
        cwd=None,
        created_at=updated_at,
        updated_at=updated_at,
        nodes=0,
        branches=0,
        preview="",
        cost=0.0,
    )
