"""A context that leaves things out: old tool results first, words later, whole messages last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from omni_tui.agent.context import Draft, View
from omni_tui.core.errors import ContextLengthError
from omni_tui.core.messages import Block, Message, Text, Thinking, ToolResult, ToolUse
from omni_tui.llm.tokens import estimate_message

KEEP_LAST = 10
"""Messages at the end that stay whole as long as anything else can go."""

MARK = "[compacted]"
"""Stands where something is left out."""

SHORT = 200
"""Characters that stay of a text in the middle."""

TAIL = 2000
"""Characters that stay of a tool result at the end: its beginning and its end."""

TARGET = 0.6
"""The part of the limit that is filled again after something was left out: not every step should
send another history, which no prompt cache knows."""

_GAP = Message.user(MARK)


class Truncate:
    """Sends the first message and the last ones, and of those between them as much as fits.

    When a request is too large, what is in the middle is made smaller, oldest first, until there is
    room again: tool results give way to a mark, then texts and arguments are cut to `SHORT`
    characters and thinking goes, then whole messages go, a tool use always together with its
    result. If the messages at the end alone are too large, their tool results are shortened too.

    Args:
        threshold: Tokens from which that is done; never more than nine tenths of the window.
        keep_last: Messages at the end that stay as they are, at least one; so does the first.
    """

    def __init__(self, threshold: int | None = None, *, keep_last: int = KEEP_LAST) -> None:
        if keep_last < 1:
            raise ValueError("keep_last must be at least 1")
        self.threshold = threshold
        self.keep_last = keep_last
        self._plan: dict[int, tuple[Message, Message | None]] = {}
        """By place: a message, and what is sent for it; `None` sends nothing."""
        self._ceiling: int | None = None
        """A size a little below one that was refused."""

    async def view(self, draft: Draft) -> View:
        """The history, with less in it when it is too large."""
        return self.fit(draft, draft.history, draft.limit(self.threshold))

    async def shrink(self, draft: Draft, error: ContextLengthError) -> View | None:
        """Half of what was refused, or as near to that as it goes."""
        return self.halve(draft, draft.history)

    def fit(self, draft: Draft, messages: Sequence[Message], limit: int) -> View:
        """These messages in at most `limit` tokens, as far as that is possible."""
        limit = limit if self._ceiling is None else min(limit, self._ceiling)
        view = self._apply(messages)
        if draft.tokens(view) < limit:
            return View(messages=view)
        return self._cut(draft, messages, int(limit * TARGET))

    def halve(self, draft: Draft, messages: Sequence[Message]) -> View | None:
        """These messages in half the tokens of the last view; `None` when they do not get fewer."""
        before = self._apply(messages)
        refused = draft.tokens(before)
        self._ceiling = refused * 9 // 10
        view = self._cut(draft, messages, refused // 2)
        return view if draft.estimate(view.messages) < draft.estimate(before) else None

    def _cut(self, draft: Draft, messages: Sequence[Message], target: int) -> View:
        """Plan anew, so that about `target` tokens are left."""
        tokens, estimated = draft.tokens(messages), draft.estimate(messages)
        excess = estimated - target * estimated // max(tokens, 1)
        before = self._plan
        replaced = _shortened(messages, excess, self.keep_last)
        self._plan = {place: (messages[place], new) for place, new in replaced.items()}
        removed = tuple(
            message
            for place, (message, _) in sorted(self._plan.items())
            if place not in before or before[place][0] is not message
        )
        return View(messages=self._apply(messages), removed=removed)

    def _apply(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        out: list[Message] = []
        for place, message in enumerate(messages):
            planned = self._plan.get(place)
            if planned is None or planned[0] is not message:
                out.append(message)
            elif planned[1] is not None:
                out.append(planned[1])
            elif not out or out[-1] is not _GAP:
                out.append(_GAP)
        return tuple(out)


def _shortened(
    messages: Sequence[Message], excess: int, keep_last: int
) -> Mapping[int, Message | None]:
    """What to send in place of which message, so that `excess` tokens go if they can."""
    middle = _middle(messages, keep_last)
    new: dict[int, Message | None] = {}

    def replace(place: int, message: Message | None) -> None:
        nonlocal excess
        before = new.get(place, messages[place])
        if before is not None and message != before:
            excess -= estimate_message(before) - (estimate_message(message) if message else 0)
            new[place] = message

    for place in middle:
        if excess > 0:
            replace(place, _without_results(messages[place]))
    for place in middle:
        if excess > 0 and messages[place].role == "assistant":
            replace(place, _in_short(messages[place]))
    for unit in _units(messages, middle):
        if excess > 0:
            for place in unit:
                replace(place, None)
    for place in range(middle.stop, len(messages)):
        if excess > 0:
            replace(place, _with_short_results(messages[place]))
    return new


def _middle(messages: Sequence[Message], keep_last: int) -> range:
    """The places that may be made smaller; no tool use there has its result outside."""
    start = 1
    while start < len(messages) and messages[start].tool_results:
        start += 1
    end = max(start, len(messages) - keep_last)
    while end > start and end < len(messages) and messages[end].tool_results:
        end -= 1
    return range(start, end)


def _units(messages: Sequence[Message], places: Iterable[int]) -> list[list[int]]:
    """The places, those of tool results together with those of the uses before them."""
    units: list[list[int]] = []
    for place in places:
        if units and messages[place].tool_results:
            units[-1].append(place)
        else:
            units.append([place])
    return units


def _without_results(message: Message) -> Message:
    return _mapped(message, lambda result: MARK if len(result) > len(MARK) else result)


def _with_short_results(message: Message) -> Message:
    return _mapped(message, lambda result: shorten(result, TAIL))


def _mapped(message: Message, change: Callable[[str], str]) -> Message:
    content = tuple(
        msgspec.structs.replace(block, content=change(block.content))
        if isinstance(block, ToolResult)
        else block
        for block in message.content
    )
    return msgspec.structs.replace(message, content=content)


def _in_short(message: Message) -> Message:
    """What an assistant said in few words; thinking is signed as a whole, so it goes as a whole."""
    content: list[Block] = []
    for block in message.content:
        if isinstance(block, Text) and len(block.text) > SHORT:
            content.append(Text(text=_head(block.text)))
        elif isinstance(block, ToolUse):
            short = {
                key: _head(value) if isinstance(value, str) and len(value) > SHORT else value
                for key, value in block.input.items()
            }
            content.append(msgspec.structs.replace(block, input=short))
        elif not isinstance(block, Thinking):
            content.append(block)
    return msgspec.structs.replace(message, content=tuple(content))


def _head(text: str) -> str:
    return f"{text[:SHORT]} {MARK}"


def shorten(text: str, limit: int) -> str:
    """The beginning and the end of a text longer than `limit` characters, a mark between them."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n{MARK}: {len(text) - 2 * half} characters\n{text[len(text) - half :]}"
