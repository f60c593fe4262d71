"""Whether a tool use may run: allowed, denied, or asked of a person.

Rules decide, the most specific one first; a deny always wins. What no rule speaks of falls to the
mode. Permissions guard against a model's mistakes and tricks; they are no sandbox.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from omni_tui.core.errors import ConfigError
from omni_tui.core.messages import ToolUse
from omni_tui.core.tool import Tool
from omni_tui.tools import programs
from omni_tui.tools.paths import is_inside, is_protected, real_paths
from omni_tui.tools.rules import Certainty, Effect, Rule
from omni_tui.tools.subjects import (
    CHANGING_TOOLS,
    OUTSIDE,
    PATH_TOOLS,
    Subject,
    compact,
    describe,
    read_subject,
    warnings,
)

__all__ = ["Effect", "Mode", "Permissions", "Rule", "Verdict", "describe"]

Mode: TypeAlias = Literal["ask", "auto-edit", "plan", "yolo"]
"""What happens when no rule decides: `ask` before writing and shell, `auto-edit` writes in the
working folder without asking, `plan` only reads, `yolo` asks nothing (deny rules still hold)."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer about one tool use, with all an approval dialog needs."""

    effect: Effect
    reason: str
    """Why, in a few lower-case words."""
    rule: Rule | None = None
    """The rule that decided, when one did."""
    warnings: tuple[str, ...] = ()
    """What a person should look at, such as `deletes files`."""
    always_rule: Rule | None = None
    """Exactly the rule that "always" would store; `None` when nothing safe can be stored."""
    outside: tuple[Path, ...] = ()
    """Real paths outside the allowed folders that the use needs, once it is approved."""


class Permissions:
    """The rules and the mode of one session.

    `allowed_paths` are the folders that count as inside (default: `cwd` alone). `own` are this
    program's files (configuration, keys, database): tools never touch them without asking.
    """

    def __init__(
        self,
        cwd: Path,
        *,
        rules: Iterable[Rule] = (),
        mode: Mode = "ask",
        allowed_paths: Iterable[Path] = (),
        own: Iterable[Path] = (),
    ) -> None:
        self.mode: Mode = mode
        self._rules = tuple(rules)
        (self._cwd,) = real_paths([cwd])
        self._roots = real_paths(allowed_paths) or (self._cwd,)
        self._own = real_paths(own)

    def copy(self) -> Permissions:
        """The same rules and mode, to be added to apart from these."""
        return Permissions(
            self._cwd, rules=self._rules, mode=self.mode, allowed_paths=self._roots, own=self._own
        )

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in force."""
        return self._rules

    def add(self, rule: Rule) -> None:
        """Put one more rule in force, as "for this session" and "always" do."""
        if rule not in self._rules:
            self._rules = (*self._rules, rule)

    def remove(self, rule: Rule) -> None:
        """Take a rule back; one that is not in force is passed over."""
        self._rules = tuple(each for each in self._rules if each != rule)

    def decide(self, tool: Tool | None, use: ToolUse) -> Verdict:
        """Judge one use of `tool` (`None`: a tool that is not ours). Changes nothing, never raises.

        A tool that asks a person is allowed: asking is all it does.
        """
        subject = read_subject(use, self._cwd)
        effect, reason, rule = self._judge(tool, use, subject)
        verdict = Verdict(
            effect=effect,
            reason=reason,
            rule=rule,
            warnings=warnings(use, subject, self._roots, self._own),
            outside=self._outside(subject),
        )
        if effect != "ask":
            return verdict
        rule = self._always(tool, use, subject, verdict.warnings)
        return msgspec.structs.replace(verdict, always_rule=rule)

    def _judge(
        self, tool: Tool | None, use: ToolUse, subject: Subject
    ) -> tuple[Effect, str, Rule | None]:
        doubt = False
        for rule in (rule for rule in self._rules if rule.effect == "deny"):
            certainty = self._denies(rule, use, subject)
            if certainty == "yes":
                return "deny", f"rule {rule}", rule
            doubt = doubt or certainty == "perhaps"
        if tool is not None and tool.asks_person:
            return "allow", "asks you", None
        if subject.error:
            return "deny", subject.error, None
        reads = tool is not None and tool.read_only
        if self.mode == "plan" and not reads:
            return "deny", "only reading in plan mode", None
        if doubt:
            return "ask", "may do what a rule denies", None
        if self.mode == "yolo":
            return "allow", "nothing is asked in yolo mode", None
        if self._is_guarded(use, subject):
            return "ask", "a protected file", None
        fitting = [rule for rule in self._rules if self._fits(rule, use, subject)]
        if fitting:
            rule = max(fitting, key=lambda rule: rule.weight)
            return rule.effect, f"rule {rule}", rule
        return (*self._default(reads, use, subject), None)

    def _default(self, reads: bool, use: ToolUse, subject: Subject) -> tuple[Effect, str]:
        if self._outside(subject):
            return "ask", OUTSIDE
        if reads:
            return "allow", "only reads"
        if use.name in CHANGING_TOOLS:
            if self.mode == "auto-edit":
                return "allow", "files are changed without asking in auto-edit mode"
            return "ask", "changes a file"
        return "ask", "runs a command" if subject.command is not None else "no rule allows it"

    def _denies(self, rule: Rule, use: ToolUse, subject: Subject) -> Certainty:
        """Whether a deny rule speaks of this use.

        Rules for files also make a command that names such a file doubtful, and rules for
        `read_file` hold for `grep` too.
        """
        own = rule.fits_tool(use.name)
        if subject.command is not None:
            if own:
                return rule.finds(subject.command)
            files = rule.argument is not None and any(map(rule.fits_tool, PATH_TOOLS))
            named = files and any(
                rule.refuses_path(path, self._cwd) and path.exists() for path in subject.touched
            )
            return "perhaps" if named else "no"
        if subject.path is None or subject.written is None:
            fits = own and rule.argument in (None, compact(use))
            return "yes" if fits else "no"
        searches = use.name == "grep" and rule.fits_tool("read_file")
        if not own and not searches:
            return "no"
        if any(rule.refuses_path(path, self._cwd) for path in (subject.path, subject.written)):
            return "yes"
        beneath = searches and rule.reaches_beneath(subject.path, self._cwd)
        return "perhaps" if beneath else "no"

    def _fits(self, rule: Rule, use: ToolUse, subject: Subject) -> bool:
        """Whether an allow or ask rule speaks of this use; only allowing needs proof."""
        if rule.effect == "deny" or not rule.fits_tool(use.name):
            return False
        if subject.command is not None:
            if rule.effect == "ask":
                return rule.finds(subject.command) != "no"
            return self._allows_command(rule, subject)
        if subject.path is None:
            return rule.argument in (None, compact(use))
        if rule.effect == "allow" and not is_inside(subject.path, self._roots):
            # Outside, only a rule that names the place.
            return rule.argument is not None and rule.fits_path(subject.path, self._cwd)
        return rule.fits_path(subject.path, self._cwd)

    def _allows_command(self, rule: Rule, subject: Subject) -> bool:
        if subject.words is None or not rule.covers_words(subject.words):
            return False
        if not rule.open_ended:
            return True
        return (
            not programs.runs_others(subject.words)
            and all(is_inside(path, self._roots) for path in subject.touched)
            and not any(is_protected(path, self._own) for path in subject.touched)
        )

    def _is_guarded(self, use: ToolUse, subject: Subject) -> bool:
        """Whether the use changes a protected file, or touches one of this program's own."""
        if subject.path is None:
            return False
        if use.name in CHANGING_TOOLS:
            return is_protected(subject.path, self._own)
        searched = use.name == "grep" and any(
            path.is_relative_to(subject.path) for path in self._own
        )
        return searched or is_inside(subject.path, self._own)

    def _outside(self, subject: Subject) -> tuple[Path, ...]:
        if subject.path is None or is_inside(subject.path, self._roots):
            return ()
        return (subject.path,)

    def _always(
        self, tool: Tool | None, use: ToolUse, subject: Subject, warnings: tuple[str, ...]
    ) -> Rule | None:
        reads = tool is not None and tool.read_only
        if warnings and not (reads and warnings == (OUTSIDE,)):
            return None
        if subject.command is not None:
            rule = Rule.for_command(subject.words) if subject.words else None
        elif subject.path is None:
            rule = Rule("allow", use.name)
        elif use.name in CHANGING_TOOLS:
            rule = Rule("allow", use.name, "**")
        else:
            rule = Rule("allow", use.name, glob.escape(str(subject.path)))
        return rule if rule and self._would_allow(rule, tool, use, subject) else None

    def _would_allow(self, rule: Rule, tool: Tool | None, use: ToolUse, subject: Subject) -> bool:
        """Whether `rule`, stored and read again, changes the answer: another may stand above it."""
        try:
            read = Rule.parse(str(rule))
        except ConfigError:
            return False
        tried = Permissions(
            self._cwd,
            rules=(*self._rules, read),
            mode=self.mode,
            allowed_paths=self._roots,
            own=self._own,
        )
        return read == rule and tried._judge(tool, use, subject)[0] == "allow"
