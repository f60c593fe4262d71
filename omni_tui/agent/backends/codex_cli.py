"""The `codex` program as a backend: `codex exec --json`, the prompt on its standard input.

It tells whole items: words, thoughts, commands, changes of files. Tools run in its own sandbox and
nobody is asked. A conversation that goes on is forked, so that a reply's mark stands for what led
to it and no more. Its token counts are those of the whole conversation; the mark keeps what they
were, so that a turn counts only its own.
"""

from __future__ import annotations

import re
import signal
import tempfile
from collections import deque
from pathlib import Path
from typing import Any

import msgspec

from omni_tui.agent.backends.cli_turn import (
    JSON,
    CliTurn,
    UnknownConversationError,
    count,
    difference,
    is_id,
)
from omni_tui.agent.backends.earlier import Plan
from omni_tui.agent.events import Outcome, Retrying
from omni_tui.core.errors import BrokenStreamError, ConnectionFailedError, UnsupportedModalityError
from omni_tui.core.messages import Attachment, Text, Thinking, ToolResult, ToolUse
from omni_tui.core.safe_text import safe_line
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.attachments import as_text, is_image, is_text

_GONE = ("no rollout found", "thread not found", "no thread")
_ENDINGS = {"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp"}
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_ATTEMPT = re.compile(r"(\d+)/\d+")


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """A conversation, and the tokens it had used at that point."""

    thread: str
    usage: Usage = Usage()


class CodexTurn(CliTurn):
    """A turn of Codex."""

    signer = "codex-cli"
    own_names = ("OPENAI_", "CODEX_")

    async def _run(self, plan: Plan) -> Outcome:
        with tempfile.TemporaryDirectory(prefix="omni-tui-") as folder:
            self._folder = Path(folder)
            return await super()._run(plan)

    def arguments(self, plan: Plan) -> list[str]:
        given = ["exec", "--json", "--skip-git-repo-check"]
        if self.model_name is not None:
            given.append(f"--model={self.model_name}")
        level = self.engine.settings.options.thinking_level
        if level in _EFFORTS:
            given += ["-c", f'model_reasoning_effort="{level}"']
        mark = _read(plan.mark)
        if mark is None and self.instructions:
            given += ["-c", f"developer_instructions={_toml(self.instructions)}"]
        given += [f"--image={path}" for path in self._images(plan)]
        if mark is not None:
            given += ["fork", mark.thread]
        return [*given, "-"]

    def _images(self, plan: Plan) -> list[Path]:
        """Pictures go as files."""
        paths = []
        for number, block in enumerate(plan.content):
            if not isinstance(block, Attachment) or is_text(block):
                continue
            if not is_image(block) or block.data is None:
                raise UnsupportedModalityError(
                    f"codex-cli cannot read {block.name or block.media_type}",
                    hint="attach pictures or text",
                    media_type=block.media_type,
                    name=block.name,
                )
            path = self._folder / f"{number}{_ENDINGS.get(block.media_type, '.png')}"
            path.write_bytes(block.data)
            paths.append(path)
        return paths

    def is_mark(self, text: str) -> bool:
        return _read(text) is not None

    async def begin(self, plan: Plan) -> None:
        before = _read(plan.mark)
        self._before = before.usage if before is not None else Usage()
        self._later: deque[tuple[str, JSON]] = deque()
        self._blocks = 0
        self._problem = ""
        words = [
            block.text if isinstance(block, Text) else as_text(block)
            for block in plan.content
            if isinstance(block, Text) or (isinstance(block, Attachment) and is_text(block))
        ]
        await self.program.send("\n\n".join(words).encode("utf-8", "replace"))
        self.program.close_input()

    async def interrupt(self) -> None:
        self.program.signal(signal.SIGINT)

    async def ended(self) -> None:
        words = self.program.complaints
        if any(sign in words for sign in _GONE):
            raise UnknownConversationError(words)
        if self._problem:
            raise self.failed(self._problem)
        await super().ended()

    # Its lines

    async def take(self, data: JSON) -> None:
        match data:
            case {"type": "thread.started", "thread_id": str(thread)}:
                self.mark = _written(Mark(thread, self._before))
            case {"type": "item.started" | "item.completed" as kind, "item": dict(item)}:
                # Its numbers begin anew with every turn.
                id = f"{self.run.id}_{self.start}_{item.get('id')}"
                self._later.append((kind, {**item, "id": id}))
                await self._items()
            case {"type": "turn.completed"}:
                await self._completed(data.get("usage") or {})
            case {"type": "turn.failed"}:
                self.is_over = True
                error = data.get("error")
                words = error.get("message") if isinstance(error, dict) else None
                raise self.failed(str(words or self._problem))
            case {"type": "error", "message": str(words)}:
                self._trouble(words)

    def _trouble(self, words: str) -> None:
        """It lost its model and tries again; or it says why it is about to give up."""
        self._problem = words
        if "econnecting" in words:
            attempt = _ATTEMPT.search(words)
            error = ConnectionFailedError(f"codex-cli: {safe_line(words)}")
            number = int(attempt[1]) if attempt else 1
            model = str(self.model)
            self.engine.emit(Retrying(attempt=number, delay=0.0, error=error, model=model))

    async def _items(self) -> None:
        """Take the items in turn: while a tool runs, what belongs to no tool of ours waits.

        Two tools at once are told one after the other.
        """
        progress = True
        while progress and self.ending is None:
            progress = False
            for place, (kind, item) in enumerate(self._later):
                id = str(item.get("id"))
                is_open = any(use.id == id for use in self.open_uses)
                if self.open_uses and not (is_open and kind == "item.completed"):
                    continue
                del self._later[place]
                await self._item(kind, item, is_open=is_open)
                progress = True
                break

    async def _item(self, kind: str, item: JSON, *, is_open: bool) -> None:
        match item:
            case {"type": "agent_message", "text": str(text)} if kind == "item.completed":
                await self._block(Text(text=text))
            case {"type": "reasoning", "text": str(text)} if kind == "item.completed":
                await self._block(Thinking(text=text))
            case {"type": "error" | "agent_message" | "reasoning" | "todo_list"}:
                pass
            case _:
                await self._tool(kind, item, is_open=is_open)

    async def _block(self, block: Text | Thinking | ToolUse) -> None:
        if self.engine.accumulator is None:
            self.begin_step()
        await self.tell_block(block, self._blocks)
        self._blocks += 1

    async def _tool(self, kind: str, item: JSON, *, is_open: bool) -> None:
        id = str(item.get("id"))
        if not is_open:
            name, given = _call(item)
            await self._block(ToolUse(id=id, name=name, input=given))
            self._blocks = 0
            await self.finish_step("tool_use", model=self.model_name)
            if self.ending is not None:
                return
            self.tool_started(id)
        if kind == "item.completed" and await self.tool_finished(_result(item)):
            self.begin_step()

    async def _completed(self, told: JSON) -> None:
        self.is_over = True
        cached = count(told, "cached_input_tokens")
        whole = Usage(
            input=max(count(told, "input_tokens") - cached, 0),
            output=count(told, "output_tokens"),
            cache_read=cached,
            cache_write=count(told, "cache_write_input_tokens"),
        )
        if (mark := _read(self.mark)) is not None:
            self.mark = _written(Mark(mark.thread, whole))
        await self.finish_tools()
        await self.finish_step("stop", difference(whole, self._before), self.model_name)
        if self.last is None:
            raise BrokenStreamError("codex-cli ended without an answer", hint="try again")


def _call(item: JSON) -> tuple[str, dict[str, Any]]:
    """The name and the arguments of a tool, as an item tells them."""
    match item:
        case {"type": "command_execution", "command": str(command)}:
            return "bash", {"command": command}
        case {"type": "file_change", "changes": list(changes)}:
            return "apply_patch", {"changes": changes}
        case {"type": "mcp_tool_call", "server": str(server), "tool": str(tool)}:
            given = item.get("arguments")
            return f"{server}.{tool}", given if isinstance(given, dict) else {}
        case {"type": "web_search", "query": str(query)}:
            return "web_search", {"query": query}
        case _:
            left_out = ("id", "type", "status")
            given = {key: value for key, value in item.items() if key not in left_out}
            return str(item.get("type")), given


def _result(item: JSON) -> ToolResult:
    """What a tool gave, as its finished item tells it."""
    code, status = item.get("exit_code"), item.get("status")
    failed = status in ("failed", "declined") or code not in (None, 0)
    content = ""
    data: dict[str, Any] | None = None
    match item:
        case {"aggregated_output": str(output)}:
            content = output.rstrip("\n") or "(no output)"
            if isinstance(code, int):
                content += f"\nexit code: {code}"
                data = {"exit_code": code}
        case {"error": {"message": str(words)}}:
            content, failed = words, True
        case {"result": {"content": list(blocks)}}:
            texts = [block.get("text") for block in blocks if isinstance(block, dict)]
            content = "\n".join(text for text in texts if isinstance(text, str))
        case {"changes": list(changes)}:
            content = "\n".join(
                f"{change.get('kind')}: {change.get('path')}"
                for change in changes
                if isinstance(change, dict)
            )
    return ToolResult(
        tool_use_id=str(item.get("id")),
        name="",
        content=content or str(status or "done"),
        is_error=failed,
        data=data,
    )


def _written(mark: Mark) -> str:
    return msgspec.json.encode(mark).decode()


def _read(text: str | None) -> Mark | None:
    """A mark of ours; `None` for anything else."""
    if text is None:
        return None
    try:
        mark = msgspec.json.decode(text, type=Mark)
    except msgspec.DecodeError:
        return None
    return mark if is_id(mark.thread) else None


def _toml(text: str) -> str:
    """A TOML string: one of JSON is one too, but for DEL."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")
