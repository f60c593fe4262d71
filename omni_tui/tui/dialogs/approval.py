"""The question before a dangerous tool: a view of a run that is paused.

The dialog decides nothing by itself and holds no truth: it gives back an `Answer`, or `Later` when
the person looks elsewhere first; the run goes on waiting.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from omni_tui.agent.decisions import Execute, Provide, Reject
from omni_tui.agent.events import Paused
from omni_tui.core.messages import ToolUse
from omni_tui.tui.answers import Allow, ApprovalResult, Later, Stop
from omni_tui.tui.dialogs.base import Dialog
from omni_tui.tui.dialogs.text import TextDialog
from omni_tui.tui.safe_content import safe_content
from omni_tui.tui.tool_view import arguments_view

REASONS = {
    "interrupted": "It may have run before: the program ended in the middle of it.",
}


class ApprovalDialog(Dialog[ApprovalResult]):
    """Shows one tool use as a person reads it, and what each answer would do."""

    DEFAULT_CSS = """
    ApprovalDialog {
        & > .panel { border: round $omni-warn; border-title-color: $omni-warn; }
        & #arguments { height: auto; max-height: 16; margin: 1 0; scrollbar-size-vertical: 1; }
        & .choice { color: $omni-muted; }
        & .choice.-chosen { color: $foreground; background: $omni-selection; }
        & .hint { margin-bottom: 1; }
    }
    """
    BINDINGS = [
        Binding("y,1", "choose('y')", show=False),
        Binding("s,2", "choose('s')", show=False),
        Binding("a,3", "choose('a')", show=False),
        Binding("n,4", "choose('n')", show=False),
        Binding("e,5", "choose('e')", show=False),
        Binding("p,6", "choose('p')", show=False),
        Binding("enter", "choose_marked", show=False),
        Binding("up,k", "mark(-1)", show=False),
        Binding("down,j", "mark(1)", show=False),
        Binding("escape", "stop", show=False),
        Binding("ctrl+s", "later('session.list')", show=False, priority=True),
        Binding("ctrl+n", "later('session.new')", show=False, priority=True),
        Binding("t,f3", "later('tree.focus')", show=False),
    ]

    def __init__(self, pause: Paused, cwd: Path) -> None:
        super().__init__()
        self._pause = pause
        self._cwd = cwd
        self._marked = 0
        self._rule = pause.details.get("always_rule")
        self._choices = [
            ("n", "no, and tell it why …"),
            ("y", "yes, once"),
            *(
                [
                    ("s", f"yes, for this session: {self._rule}"),
                    ("a", f"always in this project: {self._rule}"),
                ]
                if self._rule
                else []
            ),
            ("e", "edit the arguments"),
            ("p", "give the result myself"),
        ]

    def compose(self) -> ComposeResult:
        pause, use = self._pause, self._pause.tool_use
        with Vertical(classes="panel") as panel:
            panel.border_title = safe_content(f"? {use.name} wants to run")
            position = f"{pause.position} of {pause.total} · " if pause.total > 1 else ""
            panel.border_subtitle = safe_content(f"{position}esc stops the run")
            with VerticalScroll(id="arguments"):
                yield Static(arguments_view(use, self._cwd))
            for line in self._warnings():
                yield Static(safe_content(f"! {line}"), classes="warn")
            yield Static(safe_content(self._place()), classes="hint")
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
        self.query_one("#arguments").can_focus = False
        self._show_mark()

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
        if self.is_typed_ahead() or key not in dict(self._choices):
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

    def _outside(self) -> tuple[Path, ...]:
        return tuple(Path(path) for path in self._pause.details.get("outside", ()))

    async def _ask_reason(self) -> None:
        reason = await self.app.push_screen_wait(
            TextDialog("no, because …", hint="the model reads this; leave it empty for a plain no")
        )
        if reason is not None:
            self.dismiss(Reject(reason.strip(), by="you"))

    async def _provide(self) -> None:
        text = await self.app.push_screen_wait(
            TextDialog(
                "the result", hint="the model reads this as the tool's output", many_lines=True
            )
        )
        if text is not None:
            self.dismiss(Provide(text, by="you"))

    async def _edit(self) -> None:
        use = self._pause.tool_use
        text, problem = _editable(use), ""
        while True:
            answer = await self.app.push_screen_wait(
                TextDialog(
                    f"arguments of {use.name}", text, many_lines=not _is_line(use), problem=problem
                )
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


def _is_line(use: ToolUse) -> bool:
    return use.name == "bash" and set(use.input) <= {"command", "title"}


def _editable(use: ToolUse) -> str:
    if _is_line(use):
        return str(use.input.get("command", ""))
    return json.dumps(use.input, indent=2, ensure_ascii=False)


def _edited(use: ToolUse, text: str) -> dict[str, object]:
    if _is_line(use):
        return {**use.input, "command": text}
    value = msgspec.json.decode(text)
    if not isinstance(value, dict):
        raise ValueError("it is a " + type(value).__name__)
    return value
