"""A turn that a command-line program does, told in lines of JSON on its standard output."""

from __future__ import annotations

import asyncio
import json
import os
import re
from abc import abstractmethod
from typing import Any, ClassVar

from omni_tui.agent.backends.base import BackendTurn
from omni_tui.agent.backends.earlier import Plan, make_plan
from omni_tui.agent.backends.program import Program, program_environment
from omni_tui.agent.events import Outcome
from omni_tui.core.errors import (
    AuthError,
    BrokenStreamError,
    ConfigError,
    OmniError,
    OverloadedError,
    RateLimitError,
    RequestError,
)
from omni_tui.core.safe_text import safe
from omni_tui.core.usage import Usage
from omni_tui.llm.backends import BACKENDS

GRACE = 3.0
"""Seconds a program gets to leave by itself before its group is ended."""
_MAX_WORDS = 1000
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,99}")

JSON = dict[str, Any]


class UnknownConversationError(BrokenStreamError):
    """The program does not have the conversation that was to be resumed (any more, or here)."""


class CliTurn(BackendTurn):
    """Runs the program once for the turn."""

    own_names: ClassVar[tuple[str, ...]]
    """How the names of environment variables begin that are meant for the program."""

    program: Program
    """While the turn goes on."""
    is_over = False
    """Set when the program has said its last word of this turn."""

    async def _steps(self) -> Outcome:
        history = self.engine.history
        plan = make_plan(history, self.signer)
        if plan.mark is not None and self.is_mark(plan.mark):
            try:
                return await self._run(plan)
            except UnknownConversationError:
                self.again()
        return await self._run(make_plan(history, self.signer, resume=False))

    async def _run(self, plan: Plan) -> Outcome:
        """Take the program through the turn once."""
        cwd = self.engine.context.cwd
        backend = BACKENDS[self.signer]
        path = await asyncio.to_thread(backend.require)
        environment = program_environment(os.environ, cwd, self.own_names)
        self.is_over, self.mark = False, None
        command = [path, *await asyncio.to_thread(self.arguments, plan)]
        self.program = await Program.start(command, cwd=cwd, environment=environment)
        try:
            await self._attend(plan)
        except asyncio.CancelledError:
            await self._leave()
            raise
        except Exception:
            self.mark = None
            raise
        finally:
            await self.program.end()
        return self.ending or "completed"

    async def _attend(self, plan: Plan) -> None:
        """Talk to the end of the turn, and let nothing that was begun for it go on longer."""
        try:
            async with asyncio.TaskGroup() as self.tasks:
                try:
                    self.begin_step()
                    await self.begin(plan)
                    await self._follow()
                finally:
                    self.stop_asking()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _follow(self) -> None:
        """Read to the end of the turn."""
        while not self.is_over and self.ending is None:
            line = await self._line()
            if line is None:
                await self.ended()
                return
            try:
                data = json.loads(line)
            except (ValueError, RecursionError):
                continue  # a banner, or a warning of the runtime
            if isinstance(data, dict):
                await self.take(data)
        if self.ending is not None:
            await self._leave()
        else:
            await self.program.leaves(GRACE)

    async def _line(self) -> bytes | None:
        """The next line. Silence is a fault only while the model is waited for."""
        limit = None if self.is_working else self.engine.settings.options.timeout
        clock = asyncio.timeout(limit)
        try:
            async with clock:
                return await self.program.line()
        except TimeoutError:
            if not clock.expired():
                raise
            raise BrokenStreamError(
                f"{self.signer} has said nothing for {limit:g} s", hint="try again"
            ) from None

    async def _leave(self) -> None:
        """Stop the program in the middle; what cannot be stopped in time has no mark."""
        try:
            await self.interrupt()
            has_left = await self.program.leaves(GRACE)
        except BaseException:
            self.mark = None
            raise
        if not has_left:
            self.mark = None

    @property
    def is_working(self) -> bool:
        """Whether the program waits for something else than its model: a tool, or a person."""
        return bool(self.open_uses)

    # What a subclass knows

    @abstractmethod
    def arguments(self, plan: Plan) -> list[str]:
        """What stands behind the program's name; called in a thread."""

    @abstractmethod
    def is_mark(self, text: str) -> bool:
        """Whether this can be one of its marks: it was stored, and may be anything."""

    @abstractmethod
    async def begin(self, plan: Plan) -> None:
        """Say what there is to say."""

    @abstractmethod
    async def take(self, data: JSON) -> None:
        """Translate a line. Kinds that are not known are left out."""

    @abstractmethod
    async def interrupt(self) -> None:
        """Ask the program to stop."""

    def stop_asking(self) -> None:
        """Withdraw the questions that wait for an answer."""

    async def ended(self) -> None:
        """The program has gone without a last word: raises why."""
        raise self.broken(f"{self.signer} ended before it had answered")

    # Errors

    def broken(self, message: str) -> OmniError:
        """The error for a program that broke off, with what it complained of."""
        code, words = self.program.exit_code, self.program.complaints
        if code:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            message += f" ({how})"
        if any(word in words for word in ("unknown option", "unexpected argument")):
            hint = f"update it: {BACKENDS[self.signer].install}"
            return ConfigError(f"{message}: {words}", hint=hint)
        return BrokenStreamError(f"{message}: {words}" if words else message, hint="try again")

    def failed(self, words: str, status: int | None = None) -> OmniError:
        """The error the program itself told."""
        message = f"{self.signer}: {safe(words)[:_MAX_WORDS].strip() or 'it failed'}"
        lower = words.lower()
        program = BACKENDS[self.signer].program
        if status in (401, 403) or "log in" in lower or "login" in lower or "401" in words:
            return AuthError(message, hint=f"run `{program}` by itself and log in")
        if status == 429 or "rate limit" in lower or "usage limit" in lower:
            return RateLimitError(message, hint="wait a moment")
        if status is not None and status >= 500:
            return OverloadedError(message, hint="try again in a moment")
        if status is not None:
            return RequestError(message)
        return BrokenStreamError(message, hint="try again")


def is_id(text: str) -> bool:
    """Whether this can be the id of a conversation, and nothing else, as an argument."""
    return _ID.fullmatch(text) is not None


def count(usage: JSON, name: str) -> int:
    """A number of tokens as told; 0 when it is none."""
    value = usage.get(name)
    return value if isinstance(value, int) and value > 0 else 0


def difference(whole: Usage, part: Usage) -> Usage:
    """The tokens of `whole` that are not in `part`; the cost of `whole`."""
    return Usage(
        input=max(whole.input - part.input, 0),
        output=max(whole.output - part.output, 0),
        cache_read=max(whole.cache_read - part.cache_read, 0),
        cache_write=max(whole.cache_write - part.cache_write, 0),
        cost=whole.cost,
    )
