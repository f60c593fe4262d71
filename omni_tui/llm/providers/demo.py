"""`demo/chat`: an offline model that needs no key, to try everything at once.

It is a script and says so. It answers in rich Markdown, thinks aloud, and uses the tools it is
given when a prompt asks for it. `demo/echo` repeats the prompt, for tests.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence

from omni_tui.core.errors import AuthError, OverloadedError, RateLimitError
from omni_tui.core.messages import Message, ToolResult
from omni_tui.core.stream import StreamEvent
from omni_tui.llm.providers.base import Request
from omni_tui.llm.providers.demo_texts import (
    ANSWERS,
    LONG,
    TASK_LOOK,
    TASK_PLAN,
    TASK_RESULT,
    TRIP,
    WELCOME,
)
from omni_tui.llm.providers.scripted import Call, Fail, Piece, Reply, Say, ScriptedProvider, Think

PACE = 0.012
"""Seconds before each piece: about as fast as a quick model."""

DEFAULT_FILE = "notes.md"

TASK = "Your task: "
"""How the prompts begin that are given to sub-agents."""
COMPLETE = "task_complete"
"""The tool that ends a task on which a model works by itself."""
RECORD = re.compile(r"^<record>$\n(.*)^</record>$", re.DOTALL | re.MULTILINE)
"""What is to be summed up, in a request for a summary."""


class DemoProvider:
    """Serves `demo/chat` and `demo/echo`.

    Args:
        pace: Seconds before each piece of text; 0 is as fast as it is read.
    """

    name = "demo"
    models = ("chat", "echo")

    def __init__(self, *, pace: float = PACE) -> None:
        self._pace = pace
        self._asked = 0
        self._script = ScriptedProvider(self._respond, name=self.name)

    def prepare(self) -> None:
        """Nothing to import."""

    async def close(self) -> None:
        """Nothing to release."""

    def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        """Answer from the script."""
        return self._script.stream(request)

    def _respond(self, request: Request) -> Reply:
        last = request.messages[-1]
        prompt = _prompt(request.messages)
        if request.model == "echo":
            return [Say(prompt or "…", chunk=24, delay=self._pace)]
        pieces = (
            _after_tools(request, last.tool_results, prompt)
            if last.tool_results
            else self._answer(request, prompt)
        )
        return [self._paced(piece) for piece in pieces]

    def _answer(self, request: Request, prompt: str) -> Sequence[Piece]:
        tools = {tool.name for tool in request.tools}
        if (record := RECORD.search(prompt)) is not None:
            return _sum_up(request, record[1])
        if COMPLETE in tools:
            return _work_on(request, tools)
        for pattern, tool, reply in _SKILLS:
            match = re.search(pattern, prompt, re.IGNORECASE)
            if match and (tool is None or tool in tools):
                return reply(match)
        self._asked += 1
        if len(request.messages) == 1 and self._asked == 1:
            return [Think("A first message. I should say what I am."), Say(WELCOME)]
        answer = ANSWERS[self._asked % len(ANSWERS)]
        return [Think(f"This is reply number {self._asked} of a script."), Say(answer)]

    def _paced(self, piece: Piece) -> Piece:
        if isinstance(piece, Say):
            return Say(piece.text, chunk=12, delay=self._pace)
        if isinstance(piece, Think):
            return Think(piece.text, chunk=12, delay=self._pace)
        if isinstance(piece, Call):
            return Call(piece.name, piece.input, chunk=12, delay=self._pace)
        return piece


def _prompt(messages: Sequence[Message]) -> str:
    return next((message.text for message in reversed(messages) if message.is_prompt), "")


def _work_on(request: Request, tools: set[str]) -> Sequence[Piece]:
    """One of three turns of a task; those that go on with it name the tool that ends it."""
    turn = 0
    for message in reversed([each for each in request.messages if each.is_prompt]):
        if COMPLETE not in message.text:
            break
        turn += 1
    if turn == 0:
        look = [Call("glob", {"pattern": "*"})] if "glob" in tools else []
        return [Think("A task. I had better look first."), Say(TASK_LOOK), *look]
    if turn == 1:
        return [Say(TASK_PLAN)]
    return [Say("Nothing more is to be done."), Call(COMPLETE, {"result": TASK_RESULT})]


def _sum_up(request: Request, record: str) -> Sequence[Piece]:
    first = re.search(r"^The first line is: (.+)", request.system or "", re.MULTILINE)
    asked = re.findall(r"^\[user\]\n  (.{1,100})", record, re.MULTILINE)[-20:]
    told = "A script understands nothing of it, but it can tell what the user asked:"
    lines = "\n".join(f"- {line}" for line in asked)
    return [Say("\n\n".join([*(first.groups() if first else ()), told, lines]))]


def _fail(match: re.Match[str]) -> Sequence[Piece]:
    code = match[1]
    if code == "401":
        return [Fail(AuthError("demo: the key was refused (401).", hint="this one is on purpose"))]
    if code == "429":
        error = RateLimitError("demo: too many requests (429).", hint="this one is on purpose")
        error.retryable = False  # a person is watching: the point is to see the error
        return [Fail(error)]
    overloaded = OverloadedError("demo: overloaded (529).", hint="this one is on purpose")
    return [Say("I start to answer, and then the connection "), Fail(overloaded)]


def _write(match: re.Match[str]) -> Sequence[Piece]:
    return [
        Think("The plan should end up in a file, so I will write it."),
        Say(f"Here is a plan. I would like to save it to `{match[1]}`:"),
        Call("write_file", {"path": match[1], "content": TRIP}),
    ]


def _edit(match: re.Match[str]) -> Sequence[Piece]:
    path = match[1] or DEFAULT_FILE
    return [Say(f"I will look at `{path}` first."), Call("read_file", {"path": path})]


def _run(match: re.Match[str]) -> Sequence[Piece]:
    return [Say("I would like to run this:"), Call("bash", {"command": match[1].strip()})]


def _list(match: re.Match[str]) -> Sequence[Piece]:
    return [Say("Let me look at this folder."), Call("glob", {"pattern": "*"})]


def _search(match: re.Match[str]) -> Sequence[Piece]:
    return [Say(f"Let me search for `{match[1]}`."), Call("grep", {"pattern": match[1]})]


def _ask(match: re.Match[str]) -> Sequence[Piece]:
    return [
        Say("One question before I go on."),
        Call("human", {"question": "Sea or mountains?", "options": ["the sea", "the mountains"]}),
    ]


def _delegate(match: re.Match[str]) -> Sequence[Piece]:
    tasks = [task.strip(" .") for task in match[1].split(";") if task.strip(" .")][:4]
    who = "a sub-agent" if len(tasks) == 1 else f"{len(tasks)} sub-agents at the same time"
    calls = [Call("task", {"description": task, "prompt": f"{TASK}{task}"}) for task in tasks]
    return [Say(f"I give this to {who}."), *calls]


def _do_task(match: re.Match[str]) -> Sequence[Piece]:
    return [
        Think("I know nothing of the conversation above: only what my task says."),
        Say(
            f"I was asked for this: *{match[1].strip()}*. A script like me has it **done** at once."
        ),
    ]


def _long(match: re.Match[str]) -> Sequence[Piece]:
    return [Say(LONG)]


_Skill = tuple[str, str | None, Callable[[re.Match[str]], Sequence[Piece]]]
_SKILLS: tuple[_Skill, ...] = (
    (r"\b(?:delegate|sub-?agents? to)\s*:?\s+(.+)$", "task", _delegate),
    (r"\bfail(?:\s+with)?(?:\s+(401|429|529))?\b", None, _fail),
    (r"\b(?:save|write)\b.*?\b(?:to|in|into)\s+[`\"']?([\w./-]+\.\w+)", "write_file", _write),
    (r"\bedit\b(?:.*?[\s`\"']([\w./-]+\.\w+))?", "read_file", _edit),
    (r"\brun\s+`([^`]+)`", "bash", _run),
    (r"\brun\s+(.+)$", "bash", _run),
    (r"\blist\b.*\bfiles?\b|\bwhat files\b", "glob", _list),
    (r"\bsearch for\s+[`\"']?([^`\"']+)", "grep", _search),
    (r"\bask me\b", "human", _ask),
    (r"\b(?:long|essay|2,?000 words)\b", None, _long),
    (rf"^{TASK}(.+)$", None, _do_task),
)


def _after_tools(request: Request, results: Sequence[ToolResult], prompt: str) -> Sequence[Piece]:
    result = results[-1]
    tools = {tool.name for tool in request.tools}
    edit = re.search(r"\bedit\b", prompt, re.IGNORECASE)
    is_readable = not result.is_error or result.content.startswith("Not found")
    if result.name == "read_file" and edit and is_readable and {"edit_file", "write_file"} <= tools:
        return _make_edit(request, result)
    if result.name == "task":
        return [Say(_what_they_say(results, is_task=prompt.startswith(TASK)))]
    if result.is_error:
        return [
            Say(f"That did not work:\n\n> {_first_line(result.content)}\n\nI leave it as it is.")
        ]
    if result.name in ("write_file", "edit_file"):
        return [
            Say(
                "Done. **The file is saved.** Press `r` on this reply for another version, or `e` "
                "on your question to ask it differently: the old line stays in the tree."
            )
        ]
    if result.name == COMPLETE:
        return [Say("The task is done, in as much as a script can do one.")]
    if result.name == "human":
        return [Say(f"*{_first_line(result.content)}*, then. Good choice.")]
    lines = result.content.strip().splitlines()
    shown = "\n".join(lines[:12])
    more = f"\n… and {len(lines) - 12} more" if len(lines) > 12 else ""
    unit = "line" if len(lines) == 1 else "lines"
    return [Say(f"`{result.name}` says, in {len(lines)} {unit}:\n\n```text\n{shown}{more}\n```")]


def _what_they_say(results: Sequence[ToolResult], *, is_task: bool) -> str:
    """The answers of sub-agents as quotations."""
    quotes = "\n\n".join(
        "\n".join(f"> {line}".rstrip() for line in result.content.splitlines())
        for result in results
    )
    last = (
        ""
        if is_task
        else "\n\nPress `Alt+Up` twice to go to the message above, and `Enter` to open the work."
    )
    return f"This came back:\n\n{quotes}{last}"


def _make_edit(request: Request, result: ToolResult) -> Sequence[Piece]:
    """An edit of the file just read: a line gets words appended; a file yet to come is written."""
    path = next(
        str(use.input.get("path", DEFAULT_FILE))
        for message in reversed(request.messages)
        for use in message.tool_uses
        if use.name == "read_file"
    )
    lines = [line.split("\t", 1)[1] for line in result.content.splitlines() if "\t" in line]
    text = "\n".join(lines)
    first = next((line for line in lines if line.strip() and text.count(line) == 1), None)
    if lines and first is None:
        return [Say(f"Every line of `{path}` is there twice: I would not know which one to edit.")]
    if first is None:
        content = "# Notes\n\n- written by the demo model\n"
        return [
            Say(f"`{path}` has nothing to edit yet, so I will write it."),
            Call("write_file", {"path": path, "content": content}),
        ]
    return [
        Say("I would change one line:"),
        Call(
            "edit_file",
            {
                "path": path,
                "old_string": first,
                "new_string": f"{first} (edited by the demo model)",
            },
        ),
    ]


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]
