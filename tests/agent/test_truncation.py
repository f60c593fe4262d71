"""Truncation: what goes first, what stays, and that no call loses its result."""

from __future__ import annotations

import pytest
from context_helpers import draft_of, orphans, round_of, said, talk
from hypothesis import given
from hypothesis import strategies as st

from omni_tui.agent.context import View
from omni_tui.agent.truncation import KEEP_LAST, MARK, SHORT, TAIL, Truncate, shorten
from omni_tui.core.errors import ContextLengthError
from omni_tui.core.messages import Message, Text, Thinking, ToolResult, ToolUse
from omni_tui.llm.tokens import Gauge, estimate_message, estimate_tokens

TOO_LONG = ContextLengthError("too long")


async def test_a_history_that_fits_is_sent_as_it_is() -> None:
    messages = talk(20)
    limit = estimate_tokens(messages) + 1
    assert await Truncate(limit).view(draft_of(messages)) == View(messages=tuple(messages))


async def test_old_tool_results_go_before_anything_else() -> None:
    rounds = [message for number in range(20) for message in round_of(number)]
    messages = [Message.user("Look around"), *rounds, Message.assistant("done")]
    view = await Truncate(estimate_tokens(messages)).view(draft_of(messages))
    assert len(view.messages) == len(messages)
    shown = [said(message) for message in view.messages]
    results = [each.partition(": ")[2] for each in shown if each.startswith("use-")]
    gone = results.count(MARK)
    assert 0 < gone < 20
    assert results == [MARK] * gone + [f"found {number}" for number in range(gone, 20)]
    assert [message for message in view.messages if not message.tool_results] == [
        message for message in messages if not message.tool_results
    ]
    assert view.removed == tuple(message for message in rounds[1 : 2 * gone : 2])


async def test_the_first_and_the_last_messages_stay_whole() -> None:
    messages = talk(60)
    view = await Truncate(1500).view(draft_of(messages))
    assert view.messages[0] is messages[0]
    assert view.messages[-KEEP_LAST:] == tuple(messages[-KEEP_LAST:])
    assert estimate_tokens(view.messages) < 1500
    assert view.messages[1].text == MARK
    assert estimate_tokens(messages) > 6000


async def test_words_are_cut_before_messages_go_and_signed_thinking_goes_whole() -> None:
    long = Message.assistant(
        [
            Thinking(text="t" * 3000, signature="signed"),
            Text(text="w" * 3000, signature="signed"),
            ToolUse(id="1", name="write", input={"text": "i" * 3000, "lines": 3}),
        ]
    )
    result = Message.user(ToolResult(tool_use_id="1", name="write", content="ok"))
    messages = [Message.user("first"), long, result, *talk(5, 40)]
    limit = estimate_tokens(messages) - 1
    view = await Truncate(limit).view(draft_of(messages))
    short = view.messages[1]
    assert [type(block) for block in short.content] == [Text, ToolUse]
    assert short.content[0] == Text(text="w" * SHORT + f" {MARK}")
    assert short.tool_uses[0].input == {"text": "i" * SHORT + f" {MARK}", "lines": 3}
    assert len(view.messages) == len(messages)


async def test_what_was_left_out_stays_out_so_that_caches_are_of_use() -> None:
    truncate = Truncate(3000)
    messages = talk(25)
    first = await truncate.view(draft_of(messages))
    assert first.removed
    messages += talk(1, 40)
    second = await truncate.view(draft_of(messages))
    assert second.removed == ()
    assert second.messages[: len(first.messages)] == first.messages
    messages += talk(12)
    third = await truncate.view(draft_of(messages))
    assert third.removed
    assert not set(map(id, third.removed)) & set(map(id, first.removed))


async def test_a_history_that_was_taken_back_is_not_cut_as_the_old_one_was() -> None:
    truncate = Truncate(3000)
    messages = talk(25)
    await truncate.view(draft_of(messages))
    others = [messages[0], *talk(5)]
    view = await truncate.view(draft_of(others))
    assert view.messages == tuple(others)


async def test_large_results_at_the_end_are_shortened_when_nothing_else_is_left() -> None:
    messages = [Message.user("Look"), *round_of(1, 40_000), *round_of(2, 40_000)]
    view = await Truncate(5000).view(draft_of(messages))
    assert estimate_tokens(view.messages) < 5000
    for message in (view.messages[2], view.messages[4]):
        assert TAIL < len(message.tool_results[0].content) < TAIL + 100
        assert MARK in message.tool_results[0].content


async def test_what_was_counted_decides_rather_than_what_is_estimated() -> None:
    messages = talk(20)
    estimated = estimate_tokens(messages)
    assert (await Truncate(estimated + 10).view(draft_of(messages))).removed == ()
    gauge = Gauge(estimated * 2, estimated)
    view = await Truncate(estimated + 10).view(draft_of(messages, gauge=gauge))
    assert view.removed
    assert gauge.tokens(estimate_tokens(view.messages)) < estimated + 10


async def test_a_refused_view_is_halved_and_stays_so() -> None:
    truncate = Truncate()
    messages = talk(40)
    whole = (await truncate.view(draft_of(messages))).messages
    assert whole == tuple(messages)
    view = await truncate.shrink(draft_of(messages), TOO_LONG)
    assert view is not None
    assert estimate_tokens(view.messages) <= estimate_tokens(messages) // 2
    assert (await truncate.view(draft_of(messages))).messages == view.messages
    for _ in range(30):  # nor does it ever grow again to what was refused
        messages += talk(1)
        view = await truncate.view(draft_of(messages))
        assert estimate_tokens(view.messages) < estimate_tokens(whole)


async def test_what_cannot_get_smaller_is_not_sent_again() -> None:
    truncate = Truncate()
    messages = talk(1)
    assert await truncate.shrink(draft_of(messages), TOO_LONG) is None


BLOCKS = st.sampled_from(["prompt", "answer", "round", "rounds", "thought"])


def conversation(kinds: list[str], size: int) -> list[Message]:
    """A conversation of these pieces, each use answered in the next message."""
    out: list[Message] = []
    for number, kind in enumerate(kinds):
        match kind:
            case "prompt":
                out.append(Message.user(f"p{number} ".ljust(size)))
            case "answer":
                out.append(Message.assistant(f"a{number} ".ljust(size)))
            case "thought":
                out.append(
                    Message.assistant([Thinking(text="t" * size, signature="s"), Text(text="x")])
                )
            case "round":
                out += round_of(number, size)
            case _:
                uses = [ToolUse(id=f"{number}-{n}", name="look") for n in range(3)]
                results = [
                    ToolResult(tool_use_id=use.id, name="look", content="r" * size) for use in uses
                ]
                out += [Message.assistant(uses), Message.user(results)]
    return out


@given(
    st.lists(BLOCKS, min_size=1, max_size=30),
    st.integers(0, 2000),
    st.integers(1, 12),
    st.floats(0.01, 1.2),
    st.booleans(),
)
async def test_no_call_is_parted_from_its_result_however_little_room_there_is(
    kinds: list[str], size: int, keep_last: int, part: float, refused: bool
) -> None:
    messages = conversation(kinds, size)
    truncate = Truncate(int(estimate_tokens(messages) * part), keep_last=keep_last)
    before = list(messages)
    draft = draft_of(messages)
    view = await truncate.view(draft)
    if refused:
        view = await truncate.shrink(draft, TOO_LONG) or view
    assert messages == before
    assert orphans(view.messages) == []
    assert view.messages[0] is messages[0]
    assert view.messages[-1].role == messages[-1].role
    assert estimate_tokens(view.messages) <= estimate_tokens(messages) + 2 * estimate_message(
        Message.user(MARK)
    ) * len(messages)
    kept = set(map(id, view.messages))
    assert all(id(message) not in kept for message in view.removed)


@pytest.mark.parametrize("limit", [10, 11, 100])
def test_a_shortened_text_keeps_both_its_ends(limit: int) -> None:
    text = "a" * 200 + "z" * 200
    short = shorten(text, limit)
    assert short.startswith("a" * (limit // 2))
    assert short.endswith("z" * (limit // 2))
    assert MARK in short
    assert shorten("a" * limit, limit) == "a" * limit
