"""Token estimates: they never shrink with more text, and a count corrects them within bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_tui.core.messages import (
    Attachment,
    Block,
    Message,
    Opaque,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)
from omni_tui.core.tool import Tool
from omni_tui.core.usage import Usage
from omni_tui.llm.tokens import (
    MAX_RATIO,
    MEDIA,
    PER_MESSAGE,
    Gauge,
    estimate_block,
    estimate_message,
    estimate_text,
    estimate_tokens,
)

TEXTS = st.text(max_size=80) | st.text("ab 山é\U0001f3d4\ud800", max_size=80)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("four", 1),
        ("a" * 400, 100),
        ("山" * 100, 100),
        ("ё" * 30, 20),
        ("a" * 40 + "山" * 10, 20),
        ("\U0001f3d4" * 3, 4),
        ("\ud800", 1),
    ],
)
def test_four_letters_or_three_bytes_are_a_token(text: str, tokens: int) -> None:
    assert estimate_text(text) == tokens


@given(TEXTS, TEXTS)
def test_more_text_is_never_fewer_tokens_and_no_text_counts_twice(one: str, two: str) -> None:
    both = estimate_text(one + two)
    assert both >= max(estimate_text(one), estimate_text(two))
    assert both <= estimate_text(one) + estimate_text(two)


@pytest.mark.parametrize(
    ("block", "tokens"),
    [
        (Text(text="a" * 40), 10),
        (Thinking(text="a" * 40, signature="s" * 4000), 10),
        (Thinking(redacted="x" * 40), 10),
        (ToolUse(id="i" * 400, name="bash", input={"command": "make"}), 1 + 5),
        (ToolUse(id="1", name="bash", input={"text": "\ud800" + "山" * 20}), 1 + 24),
        (ToolUse(id="1", name="bash", invalid="{" * 40), 1 + 1 + 10),
        (ToolResult(tool_use_id="1", name="bash", content="a" * 40, data={"x": "y" * 4000}), 11),
        (Opaque(kind="web", data={"a": "b" * 32}, signed_by=None), 10),
        (Attachment(media_type="image/png", data=b"1" * 100_000), MEDIA["image"]),
        (Attachment(media_type="application/pdf", url="http://x/y.pdf"), MEDIA["pdf"]),
        (Attachment(media_type="audio/wav", data=b"1"), MEDIA["audio"]),
        (Attachment(media_type="video/mp4", data=b"1"), MEDIA["video"]),
        (Attachment(media_type="text/plain", data=("山" * 50).encode()), 50),
        (Attachment(media_type="text/plain", url="http://x/y.txt"), MEDIA["other"]),
    ],
)
def test_every_kind_of_content_counts_as_what_the_model_reads(block: Block, tokens: int) -> None:
    assert estimate_block(block) == tokens
    assert estimate_message(Message.user(block)) == PER_MESSAGE + tokens


def test_system_and_tools_count_beside_the_messages() -> None:
    messages = [Message.user("a" * 40), Message.assistant("b" * 40)]
    bare = estimate_tokens(messages)
    assert bare == 2 * (PER_MESSAGE + 10)
    assert estimate_tokens(messages, system="s" * 40) == bare + 10
    tool = Tool(name="look", description="d" * 40, input_schema={"type": "object"})
    assert estimate_tokens(messages, tools=[tool]) == bare + 1 + 10 + 5


def test_a_count_stands_and_what_came_since_is_added_to_it() -> None:
    gauge = Gauge.of(Usage(input=100, cache_read=800, cache_write=50, output=50), 800)
    assert gauge is not None
    assert gauge.tokens(800) == 1000
    assert gauge.tokens(1600) == 2000  # an estimate that was a fifth too low is corrected
    assert gauge.tokens(400) == 500


@pytest.mark.parametrize(("real", "since"), [(100_000, 2), (10, 0.5)])
def test_a_count_of_something_else_corrects_only_so_far(real: int, since: float) -> None:
    gauge = Gauge(real, 1000)
    assert MAX_RATIO == 2
    assert gauge.tokens(2000) == real + 1000 * since


@pytest.mark.parametrize("usage", [None, Usage(), Usage(output=9)])
def test_a_step_that_nobody_counted_measures_nothing(usage: Usage | None) -> None:
    assert Gauge.of(usage, 800) is None


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_corrected_estimate_never_shrinks_when_more_is_sent(
    real: int, estimated: int, one: int, more: int
) -> None:
    gauge = Gauge(real, estimated)
    assert gauge.tokens(one) <= gauge.tokens(one + more)
