"""How the session in view and its agents are, for whoever looks for a fault."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from omni_tui.core.safe_text import safe_line
from omni_tui.core.usage import Usage
from omni_tui.llm.providers.faults import redact
from omni_tui.session.runs import BranchRun
from omni_tui.session.session import Session
from omni_tui.tui.auto import completion_of
from omni_tui.tui.drafts import words
from omni_tui.tui.view import count
from omni_tui.tui.widgets.page import Line

if TYPE_CHECKING:
    from omni_tui.tui.app import OmniApp

LABEL = 10
"""Cells of the column of names."""


def inspect(app: OmniApp, secrets: tuple[str, ...] = ()) -> list[Line]:
    """All there is to say, as lines of a page."""
    session = app.session
    lines = _titled("session", _session(session))
    for branch in session.runs.values():
        lines += _titled("run " + branch.run.id[:8], _run(branch))
    lines += _titled("program", _program(app))
    return [
        msgspec.structs.replace(line, text=redact(safe_line(line.text, 1000), secrets))
        for line in lines
    ]


def _titled(title: str, facts: list[tuple[str, str, str]]) -> list[Line]:
    lines = [Line("", title, label_kind="accent")]
    lines += [
        Line(text, f"  {name:<{LABEL}}", LABEL + 2, kind, by_words=True)
        for name, text, kind in facts
        if text
    ]
    return [*lines, Line("")]


def _fact(name: str, text: object, kind: str = "plain") -> tuple[str, str, str]:
    return name, "" if text is None else str(text), kind


def _session(session: Session) -> list[tuple[str, str, str]]:
    tree, saver, permissions = session.tree, session.saver, session.permissions
    status = _status(session)
    saved, urgent = "kept nowhere", "warn"
    if saver is not None:
        saved = "with the first message" if not saver.is_stored else "yes"
        urgent = "plain"
        if saver.error is not None:
            saved, urgent = str(saver.error), "error"
    tips = len(tree.tips())
    branches = f"{tips} branch{'' if tips == 1 else 'es'}"
    rules = len(permissions.rules) if permissions is not None else 0
    return [
        _fact("status", status, "warn" if "paused" in status or session.is_halted else "plain"),
        _fact("id", session.id),
        _fact("model", session.model),
        _fact("options", options_of(session)),
        _fact("messages", f"{len(tree)} · head {tree.head} · {branches}" if tree.nodes else 0),
        _fact("usage", usage_of(tree.usage())),
        _fact("approval", f"{permissions.mode} · {rules} rules" if permissions else "nothing asks"),
        _fact("tools", ", ".join(tool.name for tool in session.setup.tools) or "none"),
        _fact("system", f"{len(session.record.system or ''):,} characters"),
        _fact("saved", saved, urgent),
        _fact("events", session.seq),
    ]


def _status(session: Session) -> str:
    runs = list(session.runs.values())
    halted = " · halted" if session.is_halted else ""
    if not runs:
        return f"idle{halted}"
    asking = sum(run.paused is not None for run in runs)
    status = "paused" if asking == len(runs) else "busy"
    many = f"{len(runs)} run{'' if len(runs) == 1 else 's'}"
    return f"{status} · {many}" + (f" · {asking} asking" if asking else "") + halted


def options_of(session: Session) -> str:
    """How the model is asked where that is not as always."""
    chosen = msgspec.to_builtins(session.options)
    return " ".join(f"{name}={value}" for name, value in chosen.items()) or "none of its own"


def usage_of(usage: Usage) -> str:
    """Tokens and money in few words."""
    cached = [f"cached {count(usage.cache_read)}"] if usage.cache_read else []
    cost = [f"${usage.cost:.4f}"] if usage.cost is not None else []
    return " · ".join([f"↑{count(usage.read)} ↓{count(usage.output)}", *cached, *cost])


def _run(branch: BranchRun) -> list[tuple[str, str, str]]:
    agent, run = branch.agent, branch.run
    health = agent.health()
    completion, pause = completion_of(branch), branch.paused
    open_tools = [f"{id[:8]}" for id, tool in branch.tools.items() if tool.result is None]
    waited = int(time.monotonic() - branch.started)
    waits = agent.steering
    steer = [f"steered by “{words(waits.content)}”"] if waits else []
    now = branch.session.tree.depth(branch.tip) if branch.tip is not None else 0
    auto = f"turn {completion.turns + 1} of {completion.max_turns}" if completion else ""
    queue = f"{health.pending_count} of {health.max_pending}"
    return [
        _fact(
            "status",
            f"{health.status} · step {run.step} · {waited} s",
            "warn" if health.status == "paused" else "plain",
        ),
        _fact("asks", f"{pause.reason} {pause.tool_use.name}" if pause else "", "warn"),
        _fact("node", f"{branch.tip} from {branch.start}"),
        _fact("model", agent.model),
        _fact("turns", f"{health.turns} done" if completion is None else ""),
        _fact("auto", auto),
        _fact("messages", f"{now} · {health.message_count} before this turn"),
        _fact("usage", usage_of(health.usage)),
        _fact("queue", " · ".join([queue, *steer])),
        _fact("tools", f"running {', '.join(open_tools)}" if open_tools else ""),
        _fact("agent", f"{type(agent).__name__} {agent.id[:8]} · up {health.uptime:.0f} s"),
    ]


def _program(app: OmniApp) -> list[tuple[str, str, str]]:
    sessions = app.manager.list_open()
    others = sum(session.is_busy for session in sessions if session is not app.session)
    return [
        _fact("sessions", f"{len(sessions)} open · {others} others busy"),
        _fact("folder", app.cwd),
        _fact("database", getattr(app.manager.store, "path", "in memory")),
        _fact("log", app.log_file or "nowhere"),
    ]
