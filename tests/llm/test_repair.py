"""Conversations that no provider would take, and what is sent instead."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from omni_tui.core.messages import Block, Message, Text, Thinking, ToolResult, ToolUse
from omni_tui.llm.repair import INTERRUPTED, merge_roles, repair, safe_tool_id


def use(id: str, name: str = "ls") -> ToolUse:
    return ToolUse(id=id, name=name)


def result(id: str, content: str = "done") -> ToolResult:
    return ToolResult(tool_use_id=id, name="ls", content=content)


def contents(*messages: Message) -> list[tuple[str, tuple[Block, ...]]]:
    return [(message.role, message.content) for message in repair(messages)]


def test_a_sound_conversation_is_left_alone() -> None:
    history = (
        Message.user("a"),
        Message.assistant((Thinking(text="hm"), Text(text="b"), use("1"), use("2"))),
        Message.user((result("1"), result("2"))),
        Message.assistant("c"),
    )
    assert repair(history) == history


def test_a_call_without_a_result_is_answered_as_interrupted() -> None:
    synthetic = ToolResult(tool_use_id="1", name="ls", content=INTERRUPTED, is_error=True)
    assert INTERRUPTED.startswith("interrupted")
    assert contents(Message.assistant(use("1"))) == [
        ("assistant", (use("1"),)),
        ("user", (synthetic,)),
    ]
    assert contents(Message.assistant(use("1")), Message.assistant("b")) == [
        ("assistant", (use("1"),)),
        ("user", (synthetic,)),
        ("assistant", (Text(text="b"),)),
    ]
    assert contents(Message.assistant(use("1")), Message.user("go on")) == [
        ("assistant", (use("1"),)),
        ("user", (synthetic, Text(text="go on"))),
    ]


def test_results_stand_first_and_in_the_order_of_the_calls() -> None:
    answers = Message.user((Text(text="hurry"), result("2"), result("1")))
    assert contents(Message.assistant((use("1"), use("2"))), answers)[1] == (
        "user",
        (result("1"), result("2"), Text(text="hurry")),
    )


def test_results_that_answer_nothing_are_dropped() -> None:
    assert contents(Message.user((result("9"), Text(text="a"))), Message.user(result("1"))) == [
        ("user", (Text(text="a"),))
    ]


def test_a_second_result_for_one_call_is_dropped() -> None:
    made = contents(Message.assistant(use("1")), Message.user((result("1"), result("1", "again"))))
    assert made[1] == ("user", (result("1"),))


def test_an_id_used_twice_is_made_unique_with_its_result() -> None:
    made = contents(
        Message.assistant((use("1"), use("1"))),
        Message.user((result("1", "a"), result("1", "b"))),
        Message.assistant(use("1")),
        Message.user(result("1", "c")),
    )
    assert made == [
        ("assistant", (use("1"), use("2-1"))),
        ("user", (result("1", "a"), result("2-1", "b"))),
        ("assistant", (use("3-1"),)),
        ("user", (result("3-1", "c"),)),
    ]


def test_ids_and_names_keep_to_the_letters_every_provider_takes() -> None:
    made = repair((Message.assistant(use("functions.ls:0", "my tool!")),))
    (call,) = made[0].tool_uses
    assert (call.id, call.name) == ("functions_ls_0", "my_tool_")
    assert made[1].tool_results[0].tool_use_id == call.id
    assert safe_tool_id("x" * 99) == "x" * 64
    assert safe_tool_id("") == "call"
    assert repair((Message.assistant(use("1", "")),))[0].tool_uses[0].name == "unknown"


def test_blank_text_and_empty_messages_are_dropped() -> None:
    assert contents(
        Message.user(" \n"),
        Message.assistant(()),
        Message.user((Text(text=""), Text(text="a"))),
        Message.assistant(Thinking(text="hm")),
    ) == [("user", (Text(text="a"),))]


def test_neighbours_of_one_role_are_merged() -> None:
    merged = merge_roles((Message.user("a"), Message.user("b"), Message.assistant("c")))
    assert [(message.role, len(message.content)) for message in merged] == [
        ("user", 2),
        ("assistant", 1),
    ]


_ids = st.sampled_from(["1", "2", "a.b", "x" * 70])
_blocks = st.one_of(
    st.builds(Text, text=st.sampled_from(["", " ", "words"])),
    st.builds(Thinking, text=st.just("hm")),
    st.builds(ToolUse, id=_ids, name=st.just("ls")),
    st.builds(ToolResult, tool_use_id=_ids, name=st.just("ls")),
)
_messages = st.builds(
    Message, role=st.sampled_from(["user", "assistant"]), content=st.lists(_blocks).map(tuple)
)


@settings(deadline=None)
@given(st.lists(_messages, max_size=8))
def test_any_history_becomes_one_a_provider_takes(history: list[Message]) -> None:
    made = repair(history)
    seen: set[str] = set()
    for position, message in enumerate(made):
        assert message.content
        ids = [block.id for block in message.tool_uses]
        assert not seen & set(ids)
        assert len(ids) == len(set(ids))
        seen |= set(ids)
        if ids:
            assert message.role == "assistant"
            answers = made[position + 1]
            assert answers.role == "user"
            head = answers.content[: len(ids)]
            assert [block.tool_use_id for block in head if isinstance(block, ToolResult)] == ids
            assert len(answers.tool_results) == len(ids)
        if message.tool_results:
            assert made[position - 1].tool_uses
    assert repair(made) == made
