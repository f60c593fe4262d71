"""Each format by a file of it: every branch, tools with their results, and nothing else."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from importing import FILES, read_file, read_lines, read_text, shape

from omni_tui.core.errors import ConfigError
from omni_tui.core.messages import Attachment, Text, Thinking, ToolUse
from omni_tui.core.usage import Usage
from omni_tui.session.importers import FORMATS, Source, derived_id, read_sessions
from omni_tui.session.store.base import StoredSession
from omni_tui.session.tree import Tree


def one(name: str) -> StoredSession:
    sessions, warnings = read_file(FILES / name)
    assert warnings == []
    return sessions[0]


def uses_and_results(tree: Tree) -> list[tuple[str, str, str]]:
    """For each result: its text, its tool, and the words of the call above it."""
    found = []
    for node in tree.nodes.values():
        for result in node.message.tool_results:
            assert node.parent_id is not None
            (use,) = (
                each
                for each in tree[node.parent_id].message.tool_uses
                if each.id == result.tool_use_id
            )
            found.append((result.content, use.name, json.dumps(use.input)))
    return found


def test_a_chatgpt_conversation_has_its_three_hidden_branches() -> None:
    sessions, warnings = read_file(FILES / "chatgpt.json")
    bees, file = sessions
    assert (bees.record.title, file.record.title) == ("Bees", "A file")
    assert shape(bees) == [
        (1, None, "prompt", "How many bees live in a hive?"),
        (2, 1, "reply", "About ten thousand."),
        (3, 1, "reply", "It depends on the season."),
        (4, 1, "reply", "Some 50,000 in summer."),
        (5, 4, "prompt", "Draw their number over the year."),
        (6, 5, "calls", ""),
        (7, 6, "results", ""),
        (8, 7, "reply", "Here is the chart."),
        (9, None, "prompt", "How many wasps live in a nest?"),
        (10, 9, "reply", "Up to 5,000."),
    ]
    assert bees.tree.path == (1, 4, 5, 6, 7, 8)
    assert len(bees.tree.tips()) == 4
    assert len(warnings) == 1
    assert "2: this is of no known format" in warnings[0]


def test_thoughts_and_calls_of_chatgpt_are_one_message_and_so_are_results() -> None:
    tree = one_of("chatgpt.json").tree
    assert tree[6].message.content == (
        Thinking(text="A chart is wanted."),
        ToolUse(id="call", name="python", input={"text": "plot(bees)"}),
    )
    assert uses_and_results(tree) == [
        ("<Figure>\n\n[image: file-service://file-abc]", "python", '{"text": "plot(bees)"}')
    ]
    assert tree[8].model == "openai/gpt-5"


def one_of(name: str) -> StoredSession:
    return read_file(FILES / name)[0][0]


def test_what_a_tool_of_chatgpt_said_unasked_gets_a_call() -> None:
    tree = read_file(FILES / "chatgpt.json")[0][1].tree
    assert [node.kind for node in tree.nodes.values()] == ["prompt", "calls", "results", "reply"]
    assert uses_and_results(tree) == [("Page 1: a list of hives", "file_search", "{}")]


def test_hidden_instructions_of_chatgpt_stay_behind() -> None:
    bees = one_of("chatgpt.json")
    assert bees.record.system is None
    assert all("I keep bees" not in str(n.message) for n in bees.tree.nodes.values())


def test_a_claude_conversation_is_a_tree_where_parents_are_named() -> None:
    sessions, warnings = read_file(FILES / "claude.json")
    rivers, hello = sessions
    assert warnings == []
    assert [line[:3] for line in shape(rivers)] == [
        (1, None, "prompt"),
        (2, 1, "calls"),
        (3, 2, "results"),
        (4, 3, "reply"),
        (5, 1, "reply"),
        (6, 4, "prompt"),
    ]
    assert uses_and_results(rivers.tree) == [
        ("The Rhine flows north.", "web_search", '{"query": "river"}')
    ]
    assert rivers.tree[1].message.content[1:] == (
        Attachment(media_type="text/plain", data=b"a map of rivers", name="map.txt"),
        Text(text="[file: photo.png]"),
    )
    assert shape(hello) == [(1, None, "prompt", "Hello"), (2, 1, "reply", "Hi!")]
    assert hello.record.title is None


def test_a_pi_session_keeps_labels_summaries_costs_and_how_replies_ended() -> None:
    garden = one("pi.jsonl")
    tree = garden.tree
    assert garden.record.title == "The garden"
    assert (tree[4].label, tree[4].message.text) == ("beds known", "There are two beds.")
    assert tree[2].usage == Usage(input=10, output=4, cache_read=5, cost=0.3)
    assert uses_and_results(tree) == [
        ("1 2", "bash", '{"command": "ls beds"}'),
        ("no such bed", "read", '{"path": "beds/1"}'),
    ]
    assert [result.is_error for result in tree[3].message.tool_results] == [False, True]
    assert (tree[6].status, tree[6].stop_reason) == ("cancelled", "cancelled")
    assert tree.children(4) == (5, 7)
    (summary,) = tree.summaries(4)
    assert tree[summary].message.text == "Two beds are there."
    assert tree[tree.path[-1]].message.text == "$ date\n\nFriday"
    assert tree.path == (1, 2, 3, 4, 7, 8, 10, 11)


def test_a_leaf_line_says_which_branch_is_in_view_and_the_first_version_had_no_ids() -> None:
    def said(id: str, parent: str | None, words: str) -> dict[str, Any]:
        message = {"role": "user", "content": words}
        return {"type": "message", "id": id, "parentId": parent, "message": message}

    lines = [{"type": "session", "id": "s"}, said("a", None, "1"), said("b", "a", "2")]
    leaf = {"type": "leaf", "id": "l", "parentId": "b", "targetId": "a"}
    (stored,), _ = read_lines([*lines, leaf])
    assert stored.tree.path == (1,)
    old = [{k: v for k, v in line.items() if k not in ("id", "parentId")} for line in lines[1:]]
    (stored,), _ = read_lines([lines[0], *old])
    assert [line[:2] for line in shape(stored)] == [(1, None), (2, 1)]


def test_a_claude_code_session_joins_what_is_one_message_and_keeps_the_fork() -> None:
    sessions, warnings = read_file(FILES / "claude-code.jsonl")
    shop, side = sessions
    assert warnings == []
    assert shop.record.title == "Open the shop"
    assert [type(block) for block in shop.tree[2].message.content] == [
        Thinking,
        Text,
        ToolUse,
        ToolUse,
    ]
    assert uses_and_results(shop.tree) == [
        ("12 apples", "Read", '{"file_path": "front"}'),
        (
            "30 pears.",
            "Task",
            '{"description": "count", "prompt": "Count the back room."}',
        ),
    ]
    assert shop.tree.children(4) == (5, 7)
    assert shop.tree[2].usage == Usage(input=3, output=13, cache_read=11, cache_write=7)
    (summary,) = shop.tree.summaries(7)
    assert shop.tree[summary].message.text == "Stock was counted: 12 apples, 30 pears."
    assert shop.tree.path == (1, 2, 3, 4, 7, 9)
    assert (side.record.parent_id, side.record.parent_node, side.record.parent_use) == (
        shop.record.id,
        2,
        "toolu_2",
    )
    assert [line[3] for line in shape(side)] == ["Count the back room.", "30 pears."]


def test_both_forms_of_librechat_are_the_same_tree() -> None:
    flat, nested = one("librechat.json"), one("librechat-recursive.json")
    assert shape(flat) == shape(nested)
    assert flat.record.id == nested.record.id
    assert flat.tree.roots == (1, 8)
    assert flat.tree.children(1) == (2, 3)
    assert flat.tree[2].status == "cancelled"
    assert (flat.tree[9].status, flat.tree[9].error) == ("failed", "The server is down")
    assert uses_and_results(flat.tree) == [("rain", "weather", '{"city": "Rome"}')]


@pytest.mark.parametrize("file", sorted(FILES.iterdir()), ids=lambda path: path.name)
def test_nothing_but_title_and_times_is_taken_over(file: Path) -> None:
    sessions, _ = read_file(file)
    for stored in sessions:
        record = stored.record
        assert (record.model, record.system, record.cwd) == (None, None, None)
        assert (record.options, record.approvals, record.drafts) == ({}, (), {})
        assert 2025 <= record.created_at.year <= record.updated_at.year <= 2026
        blocks = [b for node in stored.tree.nodes.values() for b in node.message.content]
        assert {getattr(block, "signature", None) for block in blocks} == {None}


@pytest.mark.parametrize("file", sorted(FILES.iterdir()), ids=lambda path: path.name)
def test_a_file_read_again_gives_the_same_ids(file: Path) -> None:
    first, again = read_file(file)[0], read_file(file)[0]
    assert [each.record.id for each in first] == [each.record.id for each in again]
    assert all(len(each.record.id) == 22 for each in first)
    assert all(dict(a.tree.nodes) == dict(b.tree.nodes) for a, b in zip(first, again, strict=True))


def test_ids_come_from_the_format_and_the_foreign_id_and_suit_a_command_line() -> None:
    assert derived_id("chatgpt", "68e0-bees") == one_of("chatgpt.json").record.id
    assert derived_id("claude", "x") != derived_id("pi", "x")
    assert not any(derived_id("pi", str(n)).startswith("-") for n in range(1000))


@pytest.mark.parametrize(
    ("file", "format"),
    [
        ("chatgpt.json", "chatgpt"),
        ("claude.json", "claude"),
        ("pi.jsonl", "pi"),
        ("claude-code.jsonl", "claude-code"),
        ("librechat.json", "librechat"),
    ],
)
def test_a_format_can_be_named_and_another_one_does_not_fit(file: str, format: Any) -> None:
    named, _ = read_file(FILES / file, format)
    assert [each.record.id for each in named] == [
        each.record.id for each in read_file(FILES / file)[0]
    ]
    for other in set(FORMATS) - {format}:
        assert read_file(FILES / file, other)[0] == []


def test_conversations_without_ids_are_known_by_what_they_say() -> None:
    def conversation(words: str) -> str:
        message = {"author": {"role": "user"}, "content": {"parts": [words]}}
        return json.dumps({"mapping": {"a": {"message": message, "parent": None}}})

    (one,), _ = read_text(conversation("x"))
    (same,), _ = read_text(conversation("x"))
    (other,), _ = read_text(conversation("y"))
    assert one.record.id == same.record.id != other.record.id


def test_an_archive_is_read_without_unpacking_and_only_its_conversations(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(FILES / "chatgpt.json", "export/conversations.json")
        archive.writestr("export/user.json", "{}")
        archive.writestr("export/chat.html", "<p>")
    sessions, warnings = read_file(path)
    assert [each.record.title for each in sessions] == ["Bees", "A file"]
    assert "export/conversations.json" in warnings[0]


def test_an_archive_of_other_things_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("picture.png", "x")
    with pytest.raises(ConfigError, match="no conversations"), Source(path) as source:
        list(read_sessions(source, print))


def test_a_damaged_archive_gives_what_can_be_read_and_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.write(FILES / "chatgpt.json", "conversations.json")
    data = bytearray(path.read_bytes())
    data[data.index(b"wasps")] ^= 1  # the sum no longer fits, which shows at the end
    path.write_bytes(data)
    _, warnings = read_file(path)
    assert any("cannot be read to its end" in warning for warning in warnings)


def test_a_file_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.json"):
        Source(tmp_path / "nowhere.json")
