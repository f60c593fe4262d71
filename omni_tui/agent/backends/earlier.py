"""What to tell a program that keeps conversations of its own: which to resume, and what is new.

A reply carries the mark of the conversation it ended, as the signature of its last block. So every
branch finds its own conversation, wherever it forks and whenever it is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from omni_tui.core.messages import (
    Attachment,
    Block,
    Message,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)

MAX_RESULT_CHARS = 4000
"""How much of a tool's result is told again; its beginning and its end."""

CUT_OFF = frozenset({"cancelled", "limit", "stopped"})
"""Decisions in the results of a step after which the program was stopped and went no further."""

GO_ON = "Continue."


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How to put a history to a program."""

    mark: str | None
    """Of the conversation to resume; `None` starts a new one."""
    content: tuple[Block, ...]
    """What to say: text and attachments."""


def sign(message: Message, mark: str, signer: str) -> Message:
    """The reply with the mark on its last block that can bear one, if it has such a block."""
    content = list(message.content)
    for place in reversed(range(len(content))):
        block = content[place]
        if isinstance(block, Text | Thinking | ToolUse):
            content[place] = msgspec.structs.replace(block, signature=mark, signed_by=signer)
            return msgspec.structs.replace(message, content=tuple(content))
    return message


def make_plan(history: Sequence[Message], signer: str, *, resume: bool = True) -> Plan:
    """Resume the last conversation of `signer` on this path that ended where its reply stands.

    What came after it from others, or everything if there is none, goes in front of the prompt as
    text; so does everything with `resume=False`.
    """
    mark, start = _last_mark(history, signer) if resume else (None, 0)
    rest = list(history[start:])
    if mark is not None and rest and rest[0].tool_results:
        # Results that were made up when the step was cut off: the program has its own account.
        said = tuple(block for block in rest[0].content if not isinstance(block, ToolResult))
        rest[:1] = [msgspec.structs.replace(rest[0], content=said)] if said else []
    end = len(rest)
    while end and rest[end - 1].is_prompt:
        end -= 1
    prompt = [block for message in rest[end:] for block in message.content]
    earlier = _retell(rest[:end])
    if not prompt:
        prompt = [Text(text=GO_ON)]
    if earlier:
        prompt.insert(0, Text(text=earlier))
    return Plan(mark=mark, content=tuple(prompt))


def _last_mark(history: Sequence[Message], signer: str) -> tuple[str | None, int]:
    """The mark to resume, and where what came after it begins."""
    for place in reversed(range(len(history))):
        message = history[place]
        mark = next(
            (
                block.signature
                for block in reversed(message.content)
                if isinstance(block, Text | Thinking | ToolUse) and block.signed_by == signer
            ),
            None,
        )
        if mark is not None and _is_end(history, place):
            return mark, place + 1
    return None, 0


def _is_end(history: Sequence[Message], place: int) -> bool:
    """Whether the conversation went no further than this reply."""
    if not history[place].tool_uses:
        return True
    following = history[place + 1].tool_results if place + 1 < len(history) else ()
    return any((result.data or {}).get("decision") in CUT_OFF for result in following)


def _retell(messages: Sequence[Message]) -> str:
    """Messages as one text; empty when they hold nothing to tell."""
    told = [f"{speaker}: {text}" for message in messages for speaker, text in _parts(message)]
    if not told:
        return ""
    return (
        "This conversation began elsewhere. Here is what was said and done so far; it is not to be"
        " answered again.\n\n<conversation>\n" + "\n\n".join(told) + "\n</conversation>\n\n"
        "Now the person says:"
    )


def _parts(message: Message) -> Iterator[tuple[str, str]]:
    speaker = "Person" if message.role == "user" else "Assistant"
    for block in message.content:
        match block:
            case Text(text=text) if text:
                yield speaker, text
            case ToolUse(name=name, input=input):
                yield speaker, f"[runs {name} with {_shorten(msgspec.json.encode(input).decode())}]"
            case ToolResult(name=name, content=content, is_error=is_error):
                yield ("Error of" if is_error else "Result of") + f" {name}", _shorten(content)
            case Attachment(name=name, media_type=media_type):
                yield speaker, f"[attached {name or media_type}, not shown here]"


def _shorten(text: str) -> str:
    if len(text) <= MAX_RESULT_CHARS:
        return text
    half = MAX_RESULT_CHARS // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"
