"""The question before a dangerous tool: a view of a run that is paused.

The dialog decides nothing by itself and holds no truth: it gives back an `Answer`, or `Later` when
the person looks elsewhere first; the run goes on waiting.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from omni_tui.agent.decisions import Execute, Provide, Reject
from omni_tui.agent.events import Paused
from omni_tui.core.messages import ToolUse
from omni_tui.core.safe_text import safe
from omni_tui.tui.answers import Allow, ApprovalResult, Later, Stop, Visit
from omni_tui.tui.dialogs.arguments import arguments_view, changes_file
from omni_tui.tui.dialogs.base import Dialog, Reading
from omni_tui.tui.dialogs.text import TextDialog
from omni_tui.tui.safe_content import safe_content

REASONS = {
    "interrupted": "It may have run before: the program ended in the middle of it.",
}

_FIELDS = {
    "bash": ("command", {"command", "title"}),
    "write_file": ("content", {"path", "content"}),
}
"""Of these tools a person edits one argument, as long as no others are given than these."""


class Facts(VerticalScroll, can_focus=False):
    """What there is to know beside the arguments."""


class ApprovalDialog(Dialog[ApprovalResult]):
    """Shows one tool use as a person reads it, and what each answer would do.

    Args:
        pause: The question.
        cwd: Where it would run.
        agent: The sub-agent that asks, if one does.
    """

    DEFAULT_CSS = """
    ApprovalDialog {
        & .panel { border: round $omni-warn; border-title-color: $omni-warn; }
        & Facts { height: auto; max-height: 6; margin-bottom: 1; scrollbar-size-vertical: 1; }
        & .choice { color: $omni-muted; height: 1; }
        & .choice.-chosen { color: $foreground; background: $primary 20%; }
    }
    """
    BINDINGS = [
        Binding("y,1", "choose('y')", show=False),
        Binding("s,2", "choose('s')", show=False),
        Binding("a,3", "choose('a')", show=False),
        Binding("n,4", "choose('n')", show=False),
        Binding("e,5", "choose('e')", show=False),
        Binding("p,6", "choose('p')", show=False),
        Binding("o", "choose('o')", show=False),
        Binding("enter", "choose_marked", show=False),
        Binding("up,k", "mark(-1)", show=False),
        Binding("down,j", "mark(1)", show=False),
        Binding("escape", "stop", show=False),
        Binding("ctrl+s", "later('session.list')", show=False, priority=True),
        Binding("ctrl+n", "later('session.new')", show=False, priority=True),
        Binding("t,f3", "later('tree.focus')", show=False),
    ]

    def __init__(self, pause: Paused, cwd: Path, agent: str | None = None) -> None:
        position = f"{pause.position} of {pause.total} · " if pause.total > 1 else ""
        super().__init__(f"? {pause.tool_use.name} wants to run", f"{position}esc stops the run")
        self._pause = pause
        self._cwd = cwd
        self._agent = agent
        self._marked = 0
        self._rule = pause.details.get("always_rule")
        self._arguments: Content | None = None
        lasting = [("s", "yes, for this session"), ("a", "always in this project")]
        self._choices = [
            ("n", "no, and tell it why …"),
            ("y", "yes, once"),
            *(lasting if self._rule else []),
            ("e", f"edit the {_editable_part(pause.tool_use)}"),
            ("p", "give the result myself"),
            *([("o", "look at its work first")] if "session_id" in pause.details else []),
        ]

    @property
    def is_ready(self) -> bool:
        """Whether what would run is on screen; before that it cannot be allowed."""
        return self._arguments is not None

    def parts(self) -> ComposeResult:
        """The arguments, what to know about them, and the answers."""
        with Reading():
            yield Static(id="arguments")
        with Vertical(classes="foot"):
            yield Static(classes="more")
            with Facts():
                if self._agent:
                    yield Static(safe_content(f"asked by the sub-agent  {self._agent}"))
                for line in self._warnings():
                    yield Static(safe_content(f"! {line}"), classes="warn")
                yield Static(safe_content(self._place()), classes="hint")
                if self._rule:
                    rule = f"s and a would allow  {self._rule}"
                    yield Static(safe_content(rule), classes="hint")
            for key, words in self._choices:
                yield Static(
                    safe_content(f"  {key}  {words}"), classes="choice", id=f"choice-{key}"
                )

    def _warnings(self) -> list[str]:
        details = self._pause.details
        lines = [REASONS[self._pause.reason]] if self._pause.reason in REASONS else []
        lines += [str(line) for line in details.get("warnings", ())]
        lines += [f"outside the working folder: {path}" for path in details.get("outside", ())]
        return list(dict.fromkeys(lines))

    def _place(self) -> str:
        home = str(Path.home())
        folder = str(self._cwd)
        short = "~" + folder[len(home) :] if folder.startswith(home + "/") else folder
        return f"in {short}"

    def on_mount(self) -> None:
        super().on_mount()
        self._show_mark()
        if changes_file(self._pause.tool_use):
            self.run_worker(self._look_at_file(), group="arguments")
        else:
            self._show(arguments_view(self._pause.tool_use, self._cwd))

    async def _look_at_file(self) -> None:
        self._show(await asyncio.to_thread(arguments_view, self._pause.tool_use, self._cwd))

    def _show(self, arguments: Content) -> None:
        self.query_one("#arguments", Static).update(arguments)
        self._arguments = arguments

    def _show_mark(self) -> None:
        for number, (key, words) in enumerate(self._choices):
            line = self.query_one(f"#choice-{key}", Static)
            chosen = number == self._marked
            line.set_class(chosen, "-chosen")
            line.update(safe_content(f"{'▸' if chosen else ' '} {key}  {words}"))

    def action_mark(self, step: int) -> None:
        """Move the mark."""
        self._marked = (self._marked + step) % len(self._choices)
        self._show_mark()

    def action_choose_marked(self) -> None:
        """Take the marked answer."""
        self.action_choose(self._choices[self._marked][0])

    def action_stop(self) -> None:
        """Stop the run."""
        if not self.is_typed_ahead():
            self.dismiss(Stop())

    def action_later(self, action: str) -> None:
        """Leave the question open and do something else."""
        self.dismiss(Later(action))

    def action_choose(self, key: str) -> None:
        """Answer."""
        if self.is_typed_ahead() or not self.is_ready or key not in dict(self._choices):
            return
        match key:
            case "y":
                self.dismiss(Execute(by="you, once", allowed_paths=self._outside()))
            case "s" | "a":
                scope = "session" if key == "s" else "project"
                by = "you, for this session" if key == "s" else "you, always in this project"
                answer = Execute(by=by, allowed_paths=self._outside())
                self.dismiss(Allow(str(self._rule), scope, answer))
            case "n":
                self.run_worker(self._ask_reason(), exclusive=True)
            case "e":
                self.run_worker(self._edit(), exclusive=True)
            case "p":
                self.run_worker(self._provide(), exclusive=True)
            case "o":
                self.dismiss(Visit(self._pause.details["session_id"]))

    def _outside(self) -> tuple[Path, ...]:
        return tuple(Path(path) for path in self._pause.details.get("outside", ()))

    async def _write(self, dialog: TextDialog) -> str | None:
        """Ask for text in place of this dialog, not over it."""
        self.add_class("-behind")
        try:
            return await self.app.push_screen_wait(dialog)
        finally:
            self.remove_class("-behind")

    async def _ask_reason(self) -> None:
        reason = await self._write(
            TextDialog(
                f"no to {self._pause.tool_use.name}, because …",
                hint="the model reads this; leave it empty for a plain no",
                about=self._arguments,
                waits=True,
            )
        )
        if reason is not None:
            self.dismiss(Reject(reason.strip(), by="you"))

    async def _provide(self) -> None:
        text = await self._write(
            TextDialog(
                f"the result of {self._pause.tool_use.name}",
                hint="the model reads this as the tool's output",
                many_lines=True,
                about=self._arguments,
                waits=True,
            )
        )
        if text is not None:
            self.dismiss(Provide(text, by="you"))

    async def _edit(self) -> None:
        use = self._pause.tool_use
        text, problem = _editable(use), ""
        title = f"{_editable_part(use)} of {use.name}"
        while True:
            answer = await self._write(
                TextDialog(title, text, many_lines=use.name != "bash", problem=problem, waits=True)
            )
            if answer is None:
                return
            try:
                edited = _edited(use, answer)
            except (msgspec.DecodeError, ValueError) as error:
                text, problem = answer, f"not a JSON object: {error}"
                continue
            if edited == use.input:
                return
            self.dismiss(
                Execute(edited, by="you, with edited arguments", allowed_paths=self._outside())
            )
            return


def _field(use: ToolUse) -> str | None:
    """The one argument a person edits as it is, where there is one and a field can hold it."""
    name, known = _FIELDS.get(use.name, ("", set[str]()))
    value = use.input.get(name)
    is_plain = isinstance(value, str) and safe(value) == value
    return name if is_plain and set(use.input) <= known else None


def _editable_part(use: ToolUse) -> str:
    return _field(use) or "arguments"


def _editable(use: ToolUse) -> str:
    if (field := _field(use)) is not None:
        return str(use.input[field])
    text = json.dumps(use.input, indent=2, ensure_ascii=False)
    return text if safe(text) == text else json.dumps(use.input, indent=2)


def _edited(use: ToolUse, text: str) -> dict[str, object]:
    if (field := _field(use)) is not None:
        return {**use.input, field: text}
    value = msgspec.json.decode(text)
    if not isinstance(value, dict):
        raise ValueError("it is a " + type(value).__name__)
    return value
