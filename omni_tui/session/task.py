"""The tool `task`: a sub-agent that works in a session of its own, beneath the one that asked.

The session is a whole one, to look into, to answer and to go on with; only lists leave it out. What
its agent asks is asked in both: whoever answers first, in the session above or in this one, answers
for both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from msgspec import structs

from omni_tui.agent.decisions import Answer, Reject
from omni_tui.agent.events import Event, MessageAdded, Paused, Resumed, ToolStarted
from omni_tui.agent.run import Run
from omni_tui.core.errors import IdleError, ToolError
from omni_tui.core.safe_text import safe_line
from omni_tui.core.tool import Tool, ToolContext, ToolReply, tool
from omni_tui.tools.subjects import describe

if TYPE_CHECKING:
    from omni_tui.session.runs import BranchRun
    from omni_tui.session.session import Session

TASK = "task"
"""What a model calls the tool."""

TIMEOUT = 7 * 24 * 3600.0
"""Seconds: a week, which is to say none. A sub-agent's steps and turns have limits of their own."""

LINE = 120
"""Characters of a line that tells how far a sub-agent is, at most."""


class Home(Protocol):
    """Where sessions live, those of sub-agents too: the manager."""

    def changed(self, session: Session) -> None:
        """Its status or its title may be another now."""
        ...

    def keep(self, id: str) -> None:
        """Somebody looks at it."""
        ...

    def leave(self, id: str) -> None:
        """Nobody looks at it any more."""
        ...

    async def find_child(self, id: str, node: int, use: str) -> str | None:
        """The session that a tool use of session `id` began, open or stored."""
        ...

    async def open_child(self, id: str) -> Session:
        """Open it for work; it is closed when it is idle, unless somebody looks at it."""
        ...

    def create_child(self, branch: BranchRun, use: str, title: str) -> Session:
        """A new one for a tool use of the branch's tip; closed like one that is opened."""
        ...


def task_tool(branch: BranchRun, home: Home) -> Tool:
    """The tool for the agent of one branch.

    Running it asks no one, and twice is harmless: what a sub-agent does it does with tools that are
    judged as those of the session above are, and a use that was interrupted goes on with the
    session it began.
    """

    @tool(name=TASK, read_only=True, timeout=TIMEOUT)
    async def task(description: str, prompt: str, context: ToolContext) -> ToolReply:
        """Give a part of the work to a sub-agent and get its last answer.

        It has the same tools and working folder and begins without this conversation. Use it for
        work that needs many steps but only a short answer; several tasks called in one message run
        at the same time.

        Args:
            description: What the task is, in three to six words, for the user to read.
            prompt: The whole task: all it must know, and what exactly it should answer.
            context: Of the agent that asked.
        """
        if not prompt.strip():
            raise ToolError("prompt must say what to do.")
        title = safe_line(" ".join(description.split()), 60) or "sub-agent"
        return await _Task(branch, home, context, title).do(prompt)

    return task


class _Task:
    """One use of the tool."""

    def __init__(self, branch: BranchRun, home: Home, context: ToolContext, title: str) -> None:
        self._branch = branch
        self._home = home
        self._context = context
        self._title = title

    async def do(self, prompt: str) -> ToolReply:
        """Have a sub-agent answer, and count what it used."""
        session, node = self._branch.session, self._branch.tip
        assert node is not None
        was_counted = bool(session.tree.children(node))
        child = await self._session(node, prompt)
        old = set(child.tree.nodes) if was_counted else set()
        session.children.add(child)
        try:
            branch = _start(child, prompt)
            if branch is None:
                return _reply(child, child.tree.head, None)
            await self._follow(branch)
            return _reply(child, branch.tip, branch.run)
        finally:
            session.children.discard(child)
            self._context.add_usage(child.tree.usage(child.tree.nodes.keys() - old))

    async def _session(self, node: int, prompt: str) -> Session:
        """The session this use began before it was interrupted, or else a new one."""
        session, use = self._branch.session, self._context.tool_use_id
        found = await self._home.find_child(session.id, node, use)
        if found is not None and found not in {child.id for child in session.children}:
            child = await self._home.open_child(found)
            # Two uses of a message may share an id, and a person may have changed the arguments.
            if child.tree.roots and child.tree[child.tree.roots[0]].message.text == prompt:
                return child
        return self._home.create_child(self._branch, use, self._title)

    async def _follow(self, branch: BranchRun) -> None:
        """Pass on what happens until the run ends; being cancelled cancels it."""
        run = branch.run
        question: _Question | None = None
        try:
            async for event in run:
                self._tell(event)
                if isinstance(event.payload, Paused | Resumed) and question is not None:
                    await question.withdraw()
                # One from before anybody listened may be answered by now.
                if isinstance(event.payload, Paused) and branch.paused is event.payload:
                    question = _Question(self._branch, self._context, branch, self._title)
        finally:
            run.cancel()
            if question is not None:
                await question.withdraw()
            await run.wait()

    def _tell(self, event: Event) -> None:
        """Say in a line what the sub-agent does now."""
        match event.payload:
            case MessageAdded(message=message) if message.tool_uses and message.text.strip():
                line = message.text.strip().split("\n", 1)[0]
            case ToolStarted(tool_use=use):
                line = f"{use.name} {describe(use)}"
            case _:
                return
        self._context.emit(f"{safe_line(line, LINE)}\n")


class _Question:
    """What a sub-agent asks, asked in the session above until either of the two is answered."""

    def __init__(
        self, above: BranchRun, context: ToolContext, below: BranchRun, title: str
    ) -> None:
        assert below.paused is not None
        assert context.ask is not None
        self._above = above
        self._below = below
        self._question = below.paused
        details = self._question.details
        who = f"{title} › {details['agent']}" if "agent" in details else title
        # Of several floors the lowest one is named whole and can be visited: it is who asks.
        details = {"session_id": below.session.id, **details, "agent": who}
        self._asked = structs.replace(self._question, details=details)
        self._is_over = False
        self._task = asyncio.ensure_future(self._ask(context.ask))

    async def _ask(self, ask: Callable[[Paused], Awaitable[Answer]]) -> None:
        answer = await ask(self._asked)
        if not self._is_over and self._below.paused is self._question:
            with suppress(IdleError):  # answered below in this very moment
                self._below.agent.resume(answer)

    async def withdraw(self) -> None:
        """Take it back above: it was answered below, or nobody waits for it any more."""
        self._is_over = True
        if self._above.paused is self._asked:
            with suppress(IdleError):  # answered above in this very moment
                self._above.agent.resume(Reject(by="an answer given elsewhere"))
        else:
            self._task.cancel()  # it only waits for its turn to be asked
        # The clocks it stopped must run again before whoever owns them ends.
        await asyncio.wait([self._task])


def _start(child: Session, prompt: str) -> BranchRun | None:
    """Ask, or go on where the session stands; `None` when it has answered."""
    head = child.tree.head
    branch = child.active_run
    if branch is None and head is None:
        run = child.prompt(prompt)
    elif branch is None and head is not None and not child.tree.is_finished(head):
        run = child.proceed(head)
    else:
        return branch
    return child.runs[run.id]


def _reply(child: Session, tip: int | None, run: Run | None) -> ToolReply:
    """The last answer; where there is none, why, and what was said till then."""
    outcome = "completed" if run is None else run.outcome
    said = _last_words(child, tip)
    data = {"session_id": child.id, "outcome": outcome, "steps": run.step if run else 0}
    if outcome == "completed":
        return ToolReply(text=said or "(no answer)", data=data)
    match outcome:
        case "cancelled":
            text = "The sub-agent was stopped by the user before it had an answer."
        case "max_steps":
            text = f"The sub-agent reached its limit of {child.setup.max_steps} steps."
        case "error":
            text = f"The sub-agent failed: {run.error if run else None}"
        case _:
            text = f"The sub-agent gave no answer: it was {outcome}."
    if said:
        text = f"{text}\n\nIts last words:\n{said}"
    return ToolReply(text=text, data=data, is_error=True)


def _last_words(child: Session, tip: int | None) -> str:
    path = child.tree.path_to(tip)
    replies = (
        child.tree[id].message.text for id in reversed(path) if child.tree[id].role == "assistant"
    )
    return next((text for text in replies if text.strip()), "")
