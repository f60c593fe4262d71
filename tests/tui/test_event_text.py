"""Events in words and as JSON: every kind, without secrets, and inert whatever they hold."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hostile_text import HOSTILE

from omni_tui.agent import events as agent_events
from omni_tui.agent.events import (
    AgentEvent,
    Event,
    MessageAdded,
    Paused,
    PromptReturned,
    QueueChanged,
    Resumed,
    Retrying,
    RunCancelled,
    RunFailed,
    StateChanged,
    StatusChanged,
    StepFinished,
    ToolFinished,
    ToolOutput,
    ToolStarted,
    TurnFinished,
)
from omni_tui.core.errors import OverloadedError, StoreError
from omni_tui.core.messages import Attachment, Message, Opaque, Text, Thinking, ToolResult, ToolUse
from omni_tui.core.safe_text import safe
from omni_tui.core.stream import (
    OpaqueEnd,
    Response,
    StreamEvent,
    TextDelta,
    TextEnd,
    TextStart,
    ThinkingDelta,
    ThinkingEnd,
    ThinkingStart,
    ToolUseDelta,
    ToolUseEnd,
    ToolUseStart,
)
from omni_tui.core.usage import Usage
from omni_tui.session.events import (
    Compacted,
    CompactionFailed,
    Saved,
    SaveFailed,
    SessionEvent,
    TitleChanged,
    TreeChanged,
)
from omni_tui.tui.event_text import (
    HIDDEN,
    TOO_DEEP,
    Filter,
    Teller,
    secrets_of,
    urgency_of,
)
from omni_tui.tui.trace import LogLine, Row, Trace

USE = ToolUse(id="call_1", name="bash", input={"command": "make test"})
RESULT = ToolResult(tool_use_id="call_1", name="bash", content="ok\n", data={"duration_ms": 41})
ANSWER = Message.assistant([Thinking(text="hm"), Text(text="Kailash."), USE])
RESPONSE = Response(
    message=ANSWER, usage=Usage(input=1200, output=40, cost=0.01), model="demo/chat"
)
BUSY = OverloadedError("busy", hint="try again", status=529)

SAID: list[tuple[Any, str]] = [
    (TextStart(index=0), "block 0"),
    (TextDelta(index=0, text="Kail"), "×1 · 4 characters · “Kail”"),
    (TextEnd(index=0, block=Text(text="Kailash.\n\nYes.")), "“Kailash. Yes.”"),
    (ThinkingStart(index=0), "block 0"),
    (ThinkingDelta(index=0, text="hm"), "×1 · 2 characters · “hm”"),
    (ThinkingEnd(index=0, block=Thinking(text="hm")), "“hm”"),
    (ToolUseStart(index=1, id="call_1", name="bash"), "block 1 · bash call_1"),
    (ToolUseDelta(index=1, json='{"a'), '×1 · 3 characters · “{"a”'),
    (ToolUseEnd(index=1, block=USE), 'bash {"command": "make test"}'),
    (
        OpaqueEnd(index=2, block=Opaque(kind="web_search", data={"q": "x"}, signed_by="a")),
        "web_search of the provider",
    ),
    (StatusChanged(status="busy"), "busy"),
    (
        MessageAdded(message=ANSWER),
        'assistant: thinking “hm” · “Kailash.” · bash {"command": "make test"}',
    ),
    (
        MessageAdded(message=Message.user(Attachment(media_type="image/png", data=b"x"))),
        "user: attached image/png",
    ),
    (StepFinished(response=RESPONSE), "stop · ↑1.2k ↓40 $0.0100 · demo/chat"),
    (TurnFinished(kind="stop", response=RESPONSE), "stop · completed · ↑1.2k ↓40 $0.0100"),
    (
        TurnFinished(kind="stop", response=None, outcome="error", error=BUSY),
        "stop · error · busy (try again)",
    ),
    (ToolStarted(tool_use=USE), 'bash {"command": "make test"}'),
    (ToolOutput(tool_use_id="call_1", text="ok\n"), "×1 · 3 characters · “ok”"),
    (ToolFinished(result=RESULT), "bash done · 41 ms · “ok”"),
    (Paused(reason="approval", tool_use=USE), 'approval 1/1 · bash {"command": "make test"}'),
    (Resumed(tool_use_id="call_1"), "call_1"),
    (
        Retrying(attempt=1, delay=2.0, error=BUSY, model="a/b"),
        "a/b attempt 1 · again in 2.0 s · busy (try again)",
    ),
    (
        Retrying(attempt=4, delay=0.0, error=BUSY, model="a/b", fallback="c/d"),
        "a/b attempt 4 · asking c/d · busy (try again)",
    ),
    (RunFailed(error=BUSY), "OverloadedError: busy (try again)"),
    (RunCancelled(prompt=(Text(text="Hi"),)), "“Hi”"),
    (PromptReturned(content=(Text(text="Hi"),), reason="limit"), "limit · “Hi”"),
    (QueueChanged(waiting=("a",), steer=(Text(text="Hi"),)), "1 waiting · steers with “Hi”"),
    (StateChanged(fields=("model", "tools")), "model, tools"),
    (TreeChanged(new=(3, 4), changed=(2,)), "new 3, 4 · changed 2"),
    (TreeChanged(), "moved"),
    (Saved(), ""),
    (SaveFailed(error=StoreError("disk full")), "StoreError: disk full"),
    (
        Compacted(node_id=9, covers=4, before_tokens=12_000, after_tokens=800),
        "up to 4 as 9 · 12,000 → 800 tokens",
    ),
    (CompactionFailed(covers=4, error=BUSY), "OverloadedError: busy (try again)"),
    (TitleChanged(title="Mountains"), "“Mountains”"),
    (TitleChanged(title=None), "none"),
    (LogLine(level="WARNING", logger="omni_tui.x", text="odd"), "warning omni_tui.x: odd"),
]


def row_of(payload: Any, **facts: Any) -> Row:
    trace = Trace()
    trace.add(Event(payload=payload, seq=7, ts=0.0, **facts))
    return trace.rows[-1]


@pytest.mark.parametrize(("payload", "words"), SAID, ids=lambda each: type(each).__name__)
def test_every_kind_has_its_words_and_its_json(payload: Any, words: str) -> None:
    row = row_of(payload)
    assert Teller().line(row) == words
    value = json.loads(Teller().json(row))
    assert (value["seq"], value["payload"]["type"]) == (7, row.event.type)


def test_no_kind_of_event_is_left_out() -> None:
    ends = {"Done", "Failed"}  # never told to listeners
    kinds = {*get_args(AgentEvent), *get_args(StreamEvent), *get_args(SessionEvent)}
    known = {type(payload) for payload, _ in SAID}
    assert {kind.__name__ for kind in kinds - known} == ends


def test_an_event_nobody_has_words_for_is_shown_as_json() -> None:
    class News(agent_events._Payload, frozen=True, kw_only=True, tag="news"):
        text: str

    assert Teller().line(row_of(News(text="[b]hi[/b]"))) == '{"text": "[b]hi[/b]"}'


def test_what_needs_a_look_stands_out() -> None:
    def urgency(payload: Any) -> str:
        return urgency_of(row_of(payload))

    failed = ToolResult(tool_use_id="a", name="bash", is_error=True)
    assert urgency(RunFailed(error=BUSY)) == urgency(ToolFinished(result=failed)) == "error"
    assert urgency(Paused(reason="approval", tool_use=USE)) == "warn"
    assert urgency(StatusChanged(status="busy")) == ""


# Hostile text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_inert_and_its_meaning_kept(text: str) -> None:
    use = ToolUse(id="a", name="bash", input={text: text})
    for payload in (MessageAdded(message=Message.user(text)), ToolStarted(tool_use=use)):
        row = row_of(payload)
        line, page = Teller().line(row), Teller().json(row)
        assert safe(line) == line
        assert "\n" not in line
        assert safe(page) == page
        value = json.loads(page)["payload"]
        kept = value["message"]["content"][0]["text"] if "message" in value else value["tool_use"]
        assert kept == text or text in kept["input"].values()


def test_what_is_nested_too_deeply_says_so() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    row = row_of(ToolStarted(tool_use=ToolUse(id="a", name="bash", input=deep)))
    assert TOO_DEEP in Teller().line(row)
    assert json.loads(Teller().json(row))["error"] == TOO_DEEP


def test_a_text_past_reading_is_cut_and_its_length_told() -> None:
    row = row_of(MessageAdded(message=Message.user("x" * 150_000)))
    page = Teller().json(row)
    assert "… (50,000 characters more)" in page
    assert len(page) < 110_000
    picture = Attachment(media_type="image/png", data=b"x" * 30_000)
    row = row_of(MessageAdded(message=Message.user(picture)))
    assert "characters more)" in Teller().json(row)
    assert len(Teller().json(row)) < 1000


def test_folded_pieces_say_how_many_they_were() -> None:
    trace = Trace()
    for seq, word in enumerate(("It ", "is ", "sacred."), 1):
        trace.add(Event(payload=TextDelta(index=0, text=word), seq=seq, ts=0.0, run_id="a"))
    (row,) = trace.rows
    teller = Teller()
    assert teller.line(row) == "×3 · 13 characters · “It is sacred.”"
    value = json.loads(teller.json(row))
    assert value["payload"] == {
        "type": "text_delta",
        "pieces": 3,
        "characters": 13,
        "text": "It is sacred.",
    }
    assert value["until"]["seq"] == 3
    trace.add(Event(payload=TextDelta(index=0, text=" Yes."), seq=4, ts=0.0, run_id="a"))
    assert teller.line(row) == "×4 · 18 characters · “It is sacred. Yes.”"


# Secrets


def test_secrets_are_not_shown() -> None:
    environment = {"ANTHROPIC_API_KEY": "hunter2hunter2", "HOME": "/home/me/a", "A_TOKEN": "short"}
    secrets = secrets_of(environment)
    assert secrets == ("hunter2hunter2",)
    use = ToolUse(
        id="a",
        name="web",
        input={
            "url": "https://x/?k=hunter2hunter2",
            "api_key": "whatever it is",
            "headers": {"Authorization": "Bearer abc.def"},
            "note": "my key is sk-ant-0123456789abcdef",
            "max_tokens": 5,
            "rule": "*** a rule of Markdown ***",
        },
    )
    row = row_of(ToolStarted(tool_use=use))
    shown = Teller(secrets).line(row) + Teller(secrets).json(row)
    for secret in ("hunter2", "abc.def", "sk-ant-0123456789abcdef"):
        assert secret not in shown
    value = json.loads(Teller(secrets).json(row))["payload"]["tool_use"]["input"]
    assert value["api_key"] == HIDDEN
    assert (value["max_tokens"], value["rule"]) == (5, "*** a rule of Markdown ***")


# Filters


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        ("tool", True),
        ("TOOL_Started", True),
        ("make", True),
        ("tool make", True),
        ("tool nothing", False),
        ("-tool", False),
        ("-delta", True),
        ("type:tool_started", True),
        ("type:tool", False),
        ("-type:tool_started", False),
        ("run:3f", True),
        ("run:f", False),
        ("node:12", True),
        ("node:1", False),
        ("step:2 bash", True),
        ("step:1", False),
        ("-", True),
        ("run:", False),
    ],
)
def test_a_filter_asks_for_every_word(text: str, fits: bool) -> None:
    row = row_of(ToolStarted(tool_use=USE), run_id="3fa9", node_id=12, step=2)
    assert Filter(text, Teller().line).fits(row) is fits
