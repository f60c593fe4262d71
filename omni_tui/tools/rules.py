"""Permission rules: `read_file`, `bash(make test)`, `bash(git status *)`, `edit_file(src/**)`."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from omni_tui.core.errors import ConfigError
from omni_tui.tools import shell
from omni_tui.tools.paths import glob_match
from omni_tui.tools.programs import RUNNERS, program_name

Effect: TypeAlias = Literal["allow", "ask", "deny"]
Certainty: TypeAlias = Literal["no", "perhaps", "yes"]

_RULE = re.compile(r"([\w.*?:/-]+)(?:\((.+)\))?", re.DOTALL)
_WILD = re.compile(r"[*?[]")


class Rule(msgspec.Struct, frozen=True, dict=True):
    """One rule. Its text is `tool` or `tool(argument)`; the tool's name may hold `*` and `?`.

    For `bash` the argument is a command's words, and a last word `*` stands for any further words.
    For file tools it is a path pattern: relative to the working folder, or absolute (`/`, `~/`).
    For any other tool it is the compact JSON of the arguments.
    """

    effect: Effect
    tool: str
    argument: str | None = None

    @classmethod
    def parse(cls, text: str, effect: Effect = "allow") -> Rule:
        """Read a rule; raises `ConfigError` that says what is wrong with it."""
        match = _RULE.fullmatch(text.strip())
        if not match:
            raise ConfigError(
                f"Not a permission rule: {text!r}", hint="write tool or tool(argument)"
            )
        rule = cls(effect, match[1], None if match[2] == "*" else match[2])
        if rule.is_command and rule.argument is not None and not rule.words:
            raise ConfigError(
                f"Not a permission rule: {text!r}",
                hint="a bash rule is one plain command; a * stands only as its last word",
            )
        return rule

    @classmethod
    def for_command(cls, words: Sequence[str]) -> Rule:
        """The rule that allows exactly these words."""
        return cls("allow", "bash", shlex.join(words))

    def __str__(self) -> str:
        return self.tool if self.argument is None else f"{self.tool}({self.argument})"

    @cached_property
    def is_command(self) -> bool:
        """Whether the argument is a shell command."""
        return self.fits_tool("bash")

    def fits_tool(self, name: str) -> bool:
        """Whether the rule speaks of the tool `name`."""
        return fnmatchcase(name, self.tool)

    @cached_property
    def open_ended(self) -> bool:
        """Whether it fits more than one use."""
        if self.argument is None:
            return True
        if self.is_command:
            return self.argument.endswith(" *")
        return bool(_WILD.search(self.argument))

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words a command must begin with; empty for a rule without a command."""
        text = (self.argument or "").removesuffix("*") if self.open_ended else self.argument or ""
        return shell.parse_simple(text) or ()

    @cached_property
    def weight(self) -> tuple[bool, bool, int, bool, bool]:
        """Orders rules: the more specific one weighs more, and asking more than allowing."""
        literal = len(_WILD.split(self.argument, maxsplit=1)[0]) if self.argument else 0
        return (
            self.argument is not None,
            not self.open_ended,
            literal,
            not _WILD.search(self.tool),
            self.effect == "ask",
        )

    def covers_words(self, words: Sequence[str]) -> bool:
        """Whether a simple command is what the rule says, word for word."""
        if self.argument is None:
            return True
        if self.open_ended:
            return tuple(words[: len(self.words)]) == self.words
        return tuple(words) == self.words

    def finds(self, command: str) -> Certainty:
        """Whether any part of a command, however compound, does what the rule speaks of."""
        simple = shell.parse_simple(command)
        if self.argument is None or (simple and self.covers_words(simple)):
            return "yes"
        found: Certainty = "no" if shell.is_readable(command) else "perhaps"
        for words in shell.segments(command):
            certainty = self._finds_in(words)
            if certainty == "yes":
                return "yes"
            if certainty == "perhaps":
                found = "perhaps"
        return found

    def _finds_in(self, words: tuple[str, ...]) -> Certainty:
        runs_words = program_name(words[0]) in RUNNERS
        for start in range(len(words) if runs_words else 1):
            if self._begins(words[start:]):
                return "yes"
        plain = [word for word in self.words if not word.startswith("-")]
        text = " ".join(words)
        return "perhaps" if all(shell.has_word(text, word) for word in plain) else "no"

    def _begins(self, words: tuple[str, ...]) -> bool:
        own = self.words
        if _folded(words[0]) != _folded(own[0]):
            return False
        rest = words[1:] if not self.open_ended else words[1 : len(own)]
        return rest == own[1:]

    def fits_path(self, path: Path, cwd: Path) -> bool:
        """Whether a file's real path is one the rule speaks of; `cwd` is the real folder."""
        if self.argument is None:
            return True
        if self.argument.startswith(("/", "~")):
            return glob_match(os.path.expanduser(self.argument), str(path))
        return path.is_relative_to(cwd) and glob_match(
            self.argument, path.relative_to(cwd).as_posix()
        )

    def refuses_path(self, path: Path, cwd: Path) -> bool:
        """Like `fits_path`, but a doubt counts: upper case, and `**/name` outside `cwd` too."""
        if self.argument is None:
            return True
        folded = Rule(self.effect, self.tool, os.path.expanduser(self.argument).casefold())
        low, home = Path(str(path).casefold()), Path(str(cwd).casefold())
        return folded.fits_path(low, home) or (
            self.argument.startswith("**") and glob_match(folded.argument or "", str(low))
        )

    def reaches_beneath(self, folder: Path, cwd: Path) -> bool:
        """Whether files the rule speaks of may lie beneath `folder`."""
        if self.argument is None or self.argument.startswith("**"):
            return True
        literal = _WILD.split(os.path.expanduser(self.argument), maxsplit=1)[0]
        if literal != self.argument:
            literal = literal.rpartition("/")[0] + "/"
        start = cwd / literal
        return start.is_relative_to(folder) or folder.is_relative_to(start)


def _folded(word: str) -> str:
    return os.path.basename(word).casefold()
