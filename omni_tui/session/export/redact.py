"""Takes secrets out of a session before it leaves: keys of known shapes, and those in use now."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from omni_tui.core.messages import (
    Attachment,
    Block,
    Opaque,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)
from omni_tui.session.node import Node
from omni_tui.session.store.base import StoredSession
from omni_tui.session.tree import Tree

MARK = "[redacted]"
"""What stands in the place of a secret."""

MIN_LENGTH = 8
"""Characters of a value of the environment that is looked for; shorter ones are words."""

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS)$", re.IGNORECASE
)

_WHOLE = re.compile(
    r"""
    -----BEGIN[ ][A-Z ]{0,30}PRIVATE[ ]KEY(?:[ ]BLOCK)?-----
        (?s:.*?)(?:-----END[ ][A-Z ]{0,30}PRIVATE[ ]KEY(?:[ ]BLOCK)?-----|\Z)
    | \b(?:sk|pk|rk)[-_][A-Za-z0-9][A-Za-z0-9_-]{18,}        # Anthropic, OpenAI, OpenRouter, Stripe
    | \bgh[pousr]_[A-Za-z0-9]{30,} | \bgithub_pat_[A-Za-z0-9_]{20,} | \bglpat-[A-Za-z0-9_-]{18,}
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                            # AWS
    | \bAIza[A-Za-z0-9_-]{35} | \bya29\.[A-Za-z0-9_-]{20,}    # Google
    | \bxox[abeoprs]-[A-Za-z0-9-]{10,} | \bxapp-[A-Za-z0-9-]{20,}  # Slack
    | \b(?:hf|gsk|npm|dop_v1|xai|pplx|r8|fw|tgp_v1)[-_][A-Za-z0-9_-]{24,}
    | \bpypi-[A-Za-z0-9_-]{40,}
    | \beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}  # a JSON web token
    """,
    re.VERBOSE,
)
_AFTER = re.compile(
    r"""
    ( \b(?:Bearer|Basic)[ ]+ (?=[A-Za-z0-9._~+/=-]{16})
    | \b[A-Za-z0-9_-]{0,60}(?:api[_-]?key|access[_-]?key|token|secret|passw(?:or)?d)
        ["']?\s{0,3}[=:]\s{0,3}["']?
    ) [A-Za-z0-9._~+/=@!$%^&*-]{8,}
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LOGIN = re.compile(r"(?<=://)[^/\s:@]{1,200}:[^/\s@]{1,200}(?=@)")


def secrets_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The values of variables whose names say that they are secret, such as `GROQ_API_KEY`."""
    return tuple(
        value
        for name, value in environment.items()
        if _SECRET_NAME.search(name) and len(value) >= MIN_LENGTH
    )


class Redactor:
    """Puts a mark in the place of every secret it knows by its shape or by its value.

    Args:
        secrets: Values to look for as they are; by default those `secrets_of` the environment.
    """

    def __init__(self, secrets: Iterable[str] | None = None) -> None:
        known = secrets_of(os.environ) if secrets is None else secrets
        longest_first = sorted({each for each in known if each}, key=len, reverse=True)
        self._values = (
            re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        )

    def text(self, text: str) -> str:
        """`text` with its secrets replaced."""
        if self._values is not None:
            text = self._values.sub(MARK, text)
        text = _WHOLE.sub(MARK, text)
        text = _AFTER.sub(rf"\1{MARK}", text)
        return _LOGIN.sub(MARK, text)

    def value(self, value: Any) -> Any:
        """A JSON value with the secrets in its strings replaced, those in keys too.

        A string under a name that says it is secret is replaced whole.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {
                self.text(name): MARK
                if isinstance(item, str) and item and _SECRET_NAME.search(name.replace("-", "_"))
                else self.value(item)
                for name, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value

    def session(self, stored: StoredSession) -> StoredSession:
        """A copy of the session without its secrets; opaque data of providers stays as it is."""
        record = stored.record
        clean = msgspec.structs.replace(
            record,
            title=None if record.title is None else self.text(record.title),
            system=None if record.system is None else self.text(record.system),
            options=self.value(record.options),
            drafts={branch: self.text(text) for branch, text in record.drafts.items()},
            partials=self.value(record.partials),
        )
        tree = Tree.from_rows(
            map(self.node, stored.tree.nodes.values()),
            cursors=stored.tree.cursors,
            head=stored.tree.head,
        )
        return StoredSession(clean, tree)

    def node(self, node: Node) -> Node:
        """A copy of a node without its secrets."""
        said = tuple(map(self._block, node.message.content))
        message = msgspec.structs.replace(node.message, content=said)
        return node.copy(
            _message=message,
            _raw=None,
            error=None if node.error is None else self.text(node.error),
            label=None if node.label is None else self.text(node.label),
        )

    def _block(self, block: Block) -> Block:
        replace = msgspec.structs.replace
        match block:
            case Text() | Thinking():
                return replace(block, text=self.text(block.text))
            case ToolUse():
                invalid = None if block.invalid is None else self.text(block.invalid)
                return replace(block, input=self.value(block.input), invalid=invalid)
            case ToolResult():
                data = None if block.data is None else self.value(block.data)
                return replace(block, content=self.text(block.content), data=data)
            case Opaque():
                return replace(block, data=self.value(block.data))
            case Attachment():
                return self._attachment(block)

    def _attachment(self, block: Attachment) -> Attachment:
        """A file; the words of one of text are looked through."""
        data = block.data
        if data is not None:
            try:
                words = data.decode()
            except UnicodeDecodeError:
                pass
            else:
                data = self.text(words).encode()
        return msgspec.structs.replace(
            block,
            data=data,
            url=None if block.url is None else self.text(block.url),
            name=None if block.name is None else self.text(block.name),
        )
