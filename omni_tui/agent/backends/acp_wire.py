"""The line to an agent that speaks ACP: what it tells as plain values, its questions as futures.

Only this module imports the `acp` package, which takes a second: import it in a thread, at first
use. What comes is checked before the package sees it, because the package writes about what it does
not understand to the root logger, and so on the terminal.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, cast

from acp import PROTOCOL_VERSION, RequestError, schema
from acp.client import ClientSideConnection
from acp.interfaces import Client
from pydantic import ValidationError

from omni_tui._version import __version__
from omni_tui.agent.backends.program import Program
from omni_tui.core.errors import (
    AuthError,
    BrokenStreamError,
    ConfigError,
    OmniError,
    UnsupportedModalityError,
)
from omni_tui.core.errors import RequestError as RefusedError
from omni_tui.core.messages import Attachment, Block, Text
from omni_tui.core.safe_text import safe
from omni_tui.llm.providers.attachments import as_text, is_image, is_text

_AUTH_REQUIRED = -32000
_CALLERS_FAULT = (-32602, -32601, -32600)
_MAX_WORDS = 1000

PromptBlock: TypeAlias = schema.TextContentBlock | schema.ImageContentBlock
Speaker: TypeAlias = Literal["person", "text", "thinking"]


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of what is said or thought."""

    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """What is told of a tool call; `None` where nothing new is."""

    id: str
    title: str | None = None
    kind: str | None = None
    status: str | None = None
    input: Any = None
    output: Any = None
    paths: tuple[str, ...] | None = None
    diffs: tuple[tuple[str, str | None, str], ...] | None = None
    """Path, text before (`None` for a new file), text after."""
    content: str | None = None

    def updated(self, newer: Call) -> Call:
        """With what `newer` tells."""
        fields = {name: getattr(newer, name) for name in self.__slots__}
        return replace(self, **{name: value for name, value in fields.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Question:
    """It asks for leave; `answer` takes the id of an option, `None` that there is no answer."""

    call: Call
    options: tuple[tuple[str, str], ...]
    """Kind and id."""
    answer: asyncio.Future[str | None]


@dataclass(frozen=True, slots=True)
class Ended:
    """The turn is over."""

    reason: str = ""
    error: OmniError | None = None


Told: TypeAlias = Words | Call | Question | Ended


class Wire:
    """A connection to one running agent."""

    def __init__(self, program: Program, name: str) -> None:
        self.told: asyncio.Queue[Told] = asyncio.Queue()
        """Everything it tells, in order."""
        self.is_deaf = False
        """Whether its questions are turned away."""
        self.problem: OmniError | None = None
        """Why it cannot be read any more."""
        self._program = program
        self._name = name
        client = cast("Client", _Client(self))
        self._connection = ClientSideConnection(client, _Transport(self, program))

    async def greet(self) -> schema.AgentCapabilities:
        """Begin; neither files nor terminals are offered."""
        try:
            answer = await self._connection.initialize(
                protocol_version=PROTOCOL_VERSION,
                client_capabilities=schema.ClientCapabilities(),
                client_info=schema.Implementation(name="omni-tui", version=__version__),
            )
        except (RequestError, ConnectionError, ValidationError) as error:
            raise self._error(error) from None
        if answer.protocol_version != PROTOCOL_VERSION:
            raise ConfigError(
                f"{self._name} speaks version {answer.protocol_version} of the protocol, omni-tui"
                f" version {PROTOCOL_VERSION}",
                hint="use another version of it",
            )
        return answer.agent_capabilities or schema.AgentCapabilities()

    async def new(self, cwd: str) -> str:
        """Begin a conversation; its id."""
        try:
            return (await self._connection.new_session(cwd=cwd, mcp_servers=[])).session_id
        except (RequestError, ConnectionError, ValidationError) as error:
            raise self._error(error) from None

    async def load(self, cwd: str, session: str) -> list[Words] | None:
        """Take up a conversation; what was said in it, `None` when there is no such one."""
        try:
            await self._connection.load_session(cwd=cwd, session_id=session, mcp_servers=[])
        except (RequestError, ValidationError):
            return None
        except ConnectionError as error:
            raise self._error(error) from None
        finally:
            replayed = [self.told.get_nowait() for _ in range(self.told.qsize())]
        return [each for each in replayed if isinstance(each, Words)]

    async def prompt(self, session: str, blocks: Sequence[PromptBlock]) -> None:
        """Say something and wait for the end of the turn, which is told like the rest."""
        try:
            answer = await self._connection.prompt(session_id=session, prompt=list(blocks))
        except (RequestError, ConnectionError, ValidationError) as error:
            self.told.put_nowait(Ended(error=self._error(error)))
        else:
            self.told.put_nowait(Ended(answer.stop_reason))

    async def cancel(self, session: str) -> None:
        """Ask it to end the turn; one that has gone is not asked."""
        try:
            await self._connection.cancel(session_id=session)
        except ConnectionError:
            return

    def turn_away(self) -> None:
        """Answer no question any more: those that were not taken yet neither."""
        self.is_deaf = True
        while not self.told.empty():
            told = self.told.get_nowait()
            if isinstance(told, Question) and not told.answer.done():
                told.answer.set_result(None)

    async def close(self) -> None:
        """Stop listening."""
        await self._connection.close()

    def _error(self, error: Exception) -> OmniError:
        """The error of ours for one of the line."""
        if isinstance(error, RequestError):
            words = str(error)
            if isinstance(error.data, dict) and isinstance(more := error.data.get("details"), str):
                words += f": {more}"
            message = f"{self._name}: {safe(words)[:_MAX_WORDS].strip() or 'it failed'}"
            if error.code == _AUTH_REQUIRED:
                return AuthError(message, hint="run its program by itself and log in")
            if error.code in _CALLERS_FAULT:
                return RefusedError(message)
            return BrokenStreamError(message, hint="try again")
        if isinstance(error, ValidationError):
            return BrokenStreamError(f"{self._name} answered what the protocol does not know")
        return self.problem or self._gone()

    def _gone(self) -> OmniError:
        message = f"{self._name} ended before it had answered"
        if code := self._program.exit_code:
            message += f" (signal {-code})" if code < 0 else f" (exit code {code})"
        words = self._program.complaints
        return BrokenStreamError(f"{message}: {words}" if words else message, hint="try again")


class _Transport:
    """Lines of JSON over the program's pipes, as the package wants them."""

    def __init__(self, wire: Wire, program: Program) -> None:
        self._wire = wire
        self._program = program

    async def send(self, message: dict[str, Any]) -> None:
        await self._program.send(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    async def receive(self) -> dict[str, Any] | None:
        """The next message the package is to see; updates go past it, in order."""
        while True:
            try:
                line = await self._program.line()
            except BrokenStreamError as error:
                self._wire.problem = error
                return None
            if line is None:
                return None
            message = _decoded(line)
            if message is None:
                continue
            if "method" not in message or "id" in message:
                return message
            if message["method"] == "session/update":
                self._update(message.get("params"))

    def _update(self, params: Any) -> None:
        try:
            update = schema.SessionNotification.model_validate(params).update
        except (ValidationError, RecursionError):
            return  # of a kind that is newer than the package
        for told in _translated(update):
            self._wire.told.put_nowait(told)

    async def close(self) -> None:
        """The program is ended by whom it was started."""


class _Client:
    """What the agent can ask for; everything else the package refuses."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def request_permission(
        self,
        session_id: str,
        tool_call: schema.ToolCallUpdate,
        options: list[schema.PermissionOption],
    ) -> schema.RequestPermissionResponse:
        chosen = None
        if not self._wire.is_deaf:
            answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
            kinds = tuple((option.kind, option.option_id) for option in options)
            self._wire.told.put_nowait(Question(_call(tool_call), kinds, answer))
            await asyncio.wait({answer})
            chosen = None if answer.cancelled() else answer.result()
        outcome: schema.AllowedOutcome | schema.DeniedOutcome
        if chosen is None:
            outcome = schema.DeniedOutcome(outcome="cancelled")
        else:
            outcome = schema.AllowedOutcome(outcome="selected", option_id=chosen)
        return schema.RequestPermissionResponse(outcome=outcome)


def _decoded(line: bytes) -> dict[str, Any] | None:
    """A message that has the outer shape of one; `None` for a banner or anything else."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not isinstance(message.get("id"), int | str | None):
        return None
    if "method" in message:
        if not isinstance(message["method"], str):
            return None
        if isinstance(params := message.get("params"), dict):
            params.pop("_meta", None)  # the package would mix it with the arguments
    elif "result" not in message and not isinstance(message.get("error"), dict):
        return None
    return message


def _translated(update: Any) -> Iterable[Told]:
    """What there is to tell of an update: plans, commands and modes are left out."""
    match update:
        case schema.AgentMessageChunk():
            speaker: Speaker = "text"
        case schema.AgentThoughtChunk():
            speaker = "thinking"
        case schema.UserMessageChunk():
            speaker = "person"
        case schema.ToolCallStart() | schema.ToolCallProgress():
            yield _call(update)
            return
        case _:
            return
    if text := _text_of(update.content):
        yield Words(speaker, text)


def _call(told: schema.ToolCall | schema.ToolCallUpdate) -> Call:
    content = told.content
    diffs = [each for each in content or () if isinstance(each, schema.FileEditToolCallContent)]
    texts = [
        _text_of(each.content)
        for each in content or ()
        if isinstance(each, schema.ContentToolCallContent)
    ]
    return Call(
        told.tool_call_id,
        title=told.title,
        kind=told.kind,
        status=told.status,
        input=told.raw_input,
        output=told.raw_output,
        paths=None if told.locations is None else tuple(each.path for each in told.locations),
        diffs=tuple((each.path, each.old_text, each.new_text) for each in diffs) or None,
        content="\n".join(texts) if texts else None,
    )


def _text_of(content: Any) -> str:
    """What a block says in words; a picture says nothing."""
    match content:
        case schema.TextContentBlock(text=text):
            return text
        case schema.ResourceContentBlock(uri=uri):
            return uri
        case schema.EmbeddedResourceContentBlock(resource=schema.TextResourceContents(text=text)):
            return text
        case _:
            return ""


def outgoing(
    content: Iterable[Block], able: schema.AgentCapabilities, name: str
) -> list[PromptBlock]:
    """What to say, in blocks. Raises `UnsupportedModalityError` for what the agent cannot read."""
    pictures = able.prompt_capabilities is not None and able.prompt_capabilities.image
    blocks: list[PromptBlock] = []
    for block in content:
        if isinstance(block, Text):
            blocks.append(schema.TextContentBlock(type="text", text=block.text))
        elif isinstance(block, Attachment) and is_text(block):
            blocks.append(schema.TextContentBlock(type="text", text=as_text(block)))
        elif isinstance(block, Attachment):
            if not pictures or not is_image(block) or block.data is None:
                raise UnsupportedModalityError(
                    f"{name} cannot read {block.name or block.media_type}",
                    hint="attach pictures or text" if pictures else "attach text",
                    media_type=block.media_type,
                    name=block.name,
                )
            data = base64.b64encode(block.data).decode()
            blocks.append(
                schema.ImageContentBlock(type="image", data=data, mime_type=block.media_type)
            )
    return blocks
