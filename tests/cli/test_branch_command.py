"""`omni-tui branch`, run as a person or a script runs it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import COMMAND, environment, omni

from omni_tui.core.messages import Attachment, Message, Text, ToolResult, ToolUse
from omni_tui.core.usage import Usage
from omni_tui.session.store import SessionRecord, SQLiteStore
from omni_tui.session.store.base import StoredSession
from omni_tui.session.tree import Tree

Omni = Callable[..., "subprocess.CompletedProcess[str]"]

ID = "garden-session-of-test"
HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Omni:
    """The command `branch`; it never shows a traceback or a control character."""

    def run(*arguments: str | int) -> subprocess.CompletedProcess[str]:
        done = omni("branch", *map(str, arguments), home=home, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.stdout + done.stderr)
        return done

    return run


def garden() -> Tree:
    """1 → 2 [beans] → 3 → 4, and 1 → 5 (a tool) → 6 → 7, which is in view; 8 is hidden."""
    tree = Tree()
    tree.push(Message.user("What shall I plant?"))
    tree.push(
        Message.assistant("Plant\n" + "all\n" * 9 + f"Beans {HOSTILE}now."),
        model="demo/chat",
        usage=Usage(input=100, output=10, cost=0.25),
        duration_ms=2100,
        label=f"beans {HOSTILE}",
    )
    tree.push(Message.user([Text(text="And when?"), Attachment(media_type="image/png", data=b"x")]))
    tree.push(Message.assistant("In May."), usage=Usage(input=120, output=5, cost=0.5))
    tree.navigate(1)
    use = ToolUse(id="t", name="bash", input={"command": "ls"})
    tree.push(Message.assistant([use]), model=f"demo/{HOSTILE}", usage=Usage(input=7, output=1))
    tree.push(
        Message(role="user", content=(ToolResult(tool_use_id="t", name="bash", content="soil"),))
    )
    tree.push(
        Message.assistant("Plant\n" + "all\n" * 9 + "Peas now."), usage=Usage(output=2, cost=1.0)
    )
    tree.add(Message.assistant("Weeds"), parent=1, label="weeds", follow=False)
    tree.prune(8)
    return tree


@pytest.fixture
async def stored(home: Path) -> Path:
    file = home / "sessions.db"
    async with SQLiteStore(file) as store:
        record = SessionRecord(id=ID, title="The garden", model="demo/echo", system="Dig.")
        await store.create(record)
        await store.save_tree(ID, garden().take_changes())
    return file


async def load(file: Path, id: str = ID) -> StoredSession:
    async with SQLiteStore(file) as store:
        return await store.load(id)


def branch(tree: Tree, tip: int) -> list[str]:
    return [tree[step].message.text for step in tree.path_to(tip)]


# Comparing


def test_two_branches_are_compared_word_by_word(run: Omni, stored: Path) -> None:
    done = run("diff", "garden", "beans", "5")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:5] == [
        "--- 4 In May.",
        "    3 messages of its own · demo/chat · 2.1 s · 220 tokens in, 15 out · $0.7500",
        "+++ 7 Plant all all all all all all all all all Peas now.",
        "    3 messages of its own · demo/�]0;owned��31m� · 7 tokens in, 3 out · $1.0000 · bash",
        "=== 1 message in common, the last is 1 What shall I plant?",
    ]
    assert "@@ calls · 5 @@" in lines
    assert "  {+bash ls+}" in lines
    assert "  … 7 lines the same" in lines
    (words,) = [line for line in lines if "{+Peas +}" in line]
    assert words.startswith("  [-Beans �]0;owned��31m�")
    assert words.endswith("]{+Peas +}now.")
    assert "  [-And when?-]" in lines
    assert "  [-file image/png-]" in lines


def test_a_message_may_be_compared_for_itself(run: Omni, stored: Path) -> None:
    lines = run("diff", ID, "1", "2", "--exact").stdout.splitlines()
    assert lines[0] == "--- 1 What shall I plant?"
    assert lines[1].strip() == "0 messages of its own"
    assert lines[2].startswith("+++ 2 [beans �")


def test_branches_that_say_the_same_end_with_0_as_well(run: Omni, stored: Path) -> None:
    done = run("diff", "garden", "4", "beans")
    assert done.returncode == 0
    assert "@@" not in done.stdout
    assert json.loads(run("diff", "garden", "4", "beans", "--json").stdout)["is_equal"] is True


def test_a_comparison_as_json_holds_both_texts(run: Omni, stored: Path) -> None:
    done = run("diff", "garden", "4", "7", "--json")
    assert done.stdout.isascii()
    found = json.loads(done.stdout)
    assert (found["ancestor"], found["common"], found["is_equal"]) == (1, [1], False)
    assert (found["left"]["tip"], found["left"]["nodes"]) == (4, [2, 3, 4])
    assert found["left"]["usage"]["cost"] == 0.75
    assert found["left"]["duration_ms"] == 2100
    assert found["right"]["tools"] == ["bash"]
    assert [(each["kind"], each["left"], each["right"]) for each in found["pairs"]] == [
        ("calls", None, 5),
        ("results", None, 6),
        ("reply", 2, 7),
        ("prompt", 3, None),
        ("reply", 4, None),
    ]
    tree, spans = garden(), found["pairs"][2]["spans"]
    for node_id, other in ((2, "added"), (7, "removed")):
        text = "".join(span["text"] for span in spans if span["change"] != other)
        assert text == tree[node_id].message.text
    assert found["pairs"][0]["notes"] == [{"change": "added", "text": "bash ls"}]


def test_hidden_branches_can_be_compared_too(run: Omni, stored: Path) -> None:
    assert "{+Weeds+}" in run("diff", "garden", "4", "weeds").stdout


@pytest.mark.parametrize(("extra", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_terminals_whose_owner_wants_them(
    home: Path, tmp_path: Path, stored: Path, extra: dict[str, str], *, is_coloured: bool
) -> None:
    shown = on_terminal("branch", "diff", "garden", "4", "7", home=home, cwd=tmp_path, extra=extra)
    assert ("\x1b[32mPeas \x1b[0m" in shown) == is_coloured
    assert ("{+Peas +}" in shown) != is_coloured
    assert "\x1b]" not in shown


# Costs


def test_costs_are_told_of_the_tree_its_branches_forks_and_messages(
    run: Omni, stored: Path
) -> None:
    done = run("cost", "garden")
    assert (done.returncode, done.stderr) == (0, "")
    rows = {line[36:]: line[:34].split() for line in done.stdout.splitlines()[1:] if line}
    assert rows["the whole tree (1 with no known price)"] == ["227", "18", "$1.7500"]
    assert rows["branch 4 In May."] == ["220", "15", "$0.7500"]
    assert rows["detours at 1 What shall I plant?"] == ["220", "15", "$0.7500"]
    assert rows["  ○ 8 [weeds] Weeds (hidden)"] == ["0", "0", "-"]
    assert rows["reply 2  demo/chat"] == ["100", "10", "$0.2500"]
    assert rows["calls 5  demo/�]0;owned��31m�"] == ["7", "1", "-"]


def test_costs_as_json_add_up_to_the_usage_of_the_tree(run: Omni, stored: Path) -> None:
    done = run("cost", "garden", "--json")
    assert done.stdout.isascii()
    found = json.loads(done.stdout)
    whole = garden().usage()

    def total(rows: list[dict[str, Any]], name: str = "usage") -> Usage:
        return sum((Usage(**row[name]) for row in rows), Usage())

    assert Usage(**found["usage"]) == total(found["nodes"]) == whole
    assert total(found["branches"], "own") == whole
    (fork,) = found["forks"]
    assert total(fork["versions"]) == whole
    assert fork["detour"]["cost"] == 0.75
    assert [each["is_chosen"] for each in fork["versions"]] == [False, True, False]
    assert [each["is_active"] for each in found["branches"]] == [False, True, False]
    assert found["unpriced"] == 1


# Writing


async def test_a_label_is_given_and_taken_off(run: Omni, stored: Path) -> None:
    done = run("label", "garden", "7", f" the  peas{HOSTILE}")
    assert (done.returncode, done.stdout) == (0, "7 [the peas�]0;owned��31m�]\n")
    label = (await load(stored)).tree[7].label
    assert label is not None
    assert label.startswith("the peas")
    assert run("label", "garden", "the p").stdout == "7 has no label\n"
    assert (await load(stored)).tree[7].label is None


async def test_a_branch_is_hidden_and_shown_again(run: Omni, stored: Path) -> None:
    assert run("prune", "garden", "beans").stdout == "2 is hidden, with 2 below it\n"
    tree = (await load(stored)).tree
    assert tree.children(1) == (5,)
    assert run("prune", "garden", "beans").returncode == 7, "hidden labels are not in the way"
    beneath = run("restore", "garden", "4")
    assert (beneath.returncode, beneath.stdout) == (1, "")
    assert "Message 4 is hidden with message 2 above it" in beneath.stderr
    assert run("restore", "garden", "beans").stdout == "2 is shown\n"
    assert (await load(stored)).tree.children(1) == (2, 5)
    assert run("restore", "garden", "beans").returncode == 0


async def test_a_branch_is_copied_to_another_place(run: Omni, stored: Path) -> None:
    done = run("graft", "garden", "3", "--onto", "7")
    assert (done.returncode, done.stdout) == (0, "9\n")
    tree = (await load(stored)).tree
    assert branch(tree, 10)[-2:] == ["And when?", "In May."]
    assert (tree[9].parent_id, tree.head, tree[10].usage) == (7, 10, None)
    assert run("graft", "garden", "1", "--onto", "root", "--turn").stdout == "11\n"
    tree = (await load(stored)).tree
    assert tree.roots == (1, 11)
    assert [each.kind for each in tree.subtree(11)] == ["prompt", "calls", "results", "reply"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("graft", "3", "--onto", "1"), "Node 3, a prompt, cannot stand after node 1, a prompt"),
        (("graft", "2", "--onto", "root"), "Node 2, a reply, cannot stand a root"),
    ],
)
async def test_what_does_not_fit_is_refused_by_name(
    run: Omni, stored: Path, arguments: tuple[str, ...], words: str
) -> None:
    action, *others = arguments
    done = run(action, "garden", *others)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert len((await load(stored)).tree) == 8


async def test_a_fork_is_a_session_of_its_own(run: Omni, home: Path, stored: Path) -> None:
    done = run("fork", "garden", "beans")
    assert done.returncode == 0
    id = done.stdout.strip()
    made = await load(stored, id)
    assert made.record.title == "The garden (fork)"
    assert (made.record.origin_id, made.record.origin_node) == (ID, 2)
    assert (made.record.model, made.record.system) == ("demo/echo", "Dig.")
    assert len(made.tree) == 2
    assert len((await load(stored)).tree) == 8
    assert omni("--load", id, "-p", "Go on", home=home, cwd=home).stdout == "Go on\n"


async def test_a_fork_at_a_summary_is_one_at_what_it_covers(run: Omni, stored: Path) -> None:
    async with SQLiteStore(stored) as store:
        tree = (await store.load(ID)).tree
        tree.summarize(Message.user("in short"), covers=2)
        await store.save_tree(ID, tree.take_changes())
    made = await load(stored, run("fork", "garden", 9).stdout.strip())
    assert [made.tree[step].kind for step in made.tree.path] == ["prompt", "reply"]
    assert made.record.origin_node == 2


async def test_nothing_is_written_while_another_process_has_it_open(
    run: Omni, stored: Path
) -> None:
    async with SQLiteStore(stored) as store:
        before = list((await store.load(ID)).tree.nodes.values())
        await store.lease(ID)
        for arguments in (
            ("label", ID, "1", "x"),
            ("prune", ID, "2"),
            ("restore", ID, "8"),
            ("graft", ID, "3", "--onto", "7"),
            ("rerun", ID),
        ):
            done = run(*arguments)
            assert (done.returncode, done.stdout) == (7, ""), arguments
            assert str(os.getpid()) in done.stderr
        assert run("diff", ID, "4", "7").returncode == 0
        assert run("cost", ID).returncode == 0
        assert run("fork", ID, "2").returncode == 0, "a fork only reads"
        tree = (await store.load(ID)).tree
    assert list(tree.nodes.values()) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("diff", "4", "99"),
        ("diff", "no\x1b[2Jthing", "4"),
        ("diff", "9" * 5000, "4"),
        ("label", "99", "x"),
        ("prune", "99"),
        ("restore", "0"),
        ("graft", "3", "--onto", "99"),
        ("fork", "99"),
        ("rerun", "99"),
    ],
)
def test_a_message_that_is_not_there_is_named(
    run: Omni, stored: Path, arguments: tuple[str, ...]
) -> None:
    action, *others = arguments
    done = run(action, "garden", *others)
    assert (done.returncode, done.stdout) == (7, "")
    assert re.search(r"has no message (99|0)|the label 'no�\[2Jthing'", done.stderr)


def test_a_session_that_is_not_there_is_named_and_no_file_is_made(run: Omni, home: Path) -> None:
    for arguments in (("cost", "x"), ("prune", "x", "1"), ("fork", "x", "1"), ("rerun", "x")):
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (7, "")
    assert not (home / "sessions.db").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("dance", ID),
        ("diff", ID, "1"),
        ("graft", ID, "3"),
        ("rerun", ID, "-m", "demo/chat", "--replay"),
        ("rerun", ID, "-m", "nobody/nothing"),
    ],
)
def test_arguments_that_make_no_sense_are_usage_errors(
    run: Omni, stored: Path, arguments: tuple[str, ...]
) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")


# Again


def talk(home: Path, *prompts: str) -> str:
    """A session in which `demo/echo` repeated these prompts; its id."""
    first = omni(
        "-m", "demo/echo", "-p", prompts[0], "--output-format", "json", home=home, cwd=home
    )
    id: str = json.loads(first.stdout)["session_id"]
    for prompt in prompts[1:]:
        assert omni("--load", id, "-p", prompt, home=home, cwd=home).returncode == 0
    return id


async def test_a_branch_is_run_again_and_compared(run: Omni, home: Path) -> None:
    id = talk(home, "hello hills", "and lakes?")
    done = run("rerun", id, "-m", "demo/chat", "--json")
    assert done.returncode == 0
    assert "turn 1 of 2: hello hills\n" in done.stderr
    assert "turn 2 of 2: and lakes?\n" in done.stderr
    found = json.loads(done.stdout)
    assert (found["ancestor"], found["left"]["tip"], found["right"]["tip"]) == (1, 4, 7)
    assert found["right"]["models"] == ["demo/chat"]
    stored = await load(home / "sessions.db", id)
    assert branch(stored.tree, 7)[::2] == ["hello hills", "and lakes?"]
    assert stored.tree.path == (1, 2, 3, 4)
    assert stored.record.model == "demo/echo", "it was asked this once"


async def test_a_recorded_branch_replays_without_a_model(run: Omni, home: Path) -> None:
    id = talk(home, "hello hills", "and lakes?")
    done = run("rerun", id, "4", "--replay")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("@@")] == [
        "@@ reply 2 5 @@ the same",
        "@@ prompt 3 6 @@ the same",
        "@@ reply 4 7 @@ the same",
    ]
    tree = (await load(home / "sessions.db", id)).tree
    assert branch(tree, 7) == branch(tree, 4)
    assert tree[7].model == "replay/branch"


async def test_a_replayed_tool_runs_under_the_rules_of_today(run: Omni, stored: Path) -> None:
    done = run("rerun", "garden", "--replay", "--approval-mode", "plan")
    assert done.returncode == 0, done.stderr
    tree = (await load(stored)).tree
    (result,) = tree[10].message.tool_results
    assert result.name == "bash"
    assert result.content == "Tool rejected: only reading in plan mode"
    assert branch(tree, 11)[-1].endswith("Peas now.")


async def test_it_stops_where_a_run_fails_with_its_exit_code(run: Omni, home: Path) -> None:
    id = talk(home, "hello", "fail with 401", "never")
    done = run("rerun", id, "-m", "demo/chat")
    assert done.returncode == 6
    assert "Turn 2 of 3 (message 3) ended as error" in done.stderr
    assert "turn 3 of 3" not in done.stderr
    assert done.stdout.startswith("--- 6 never\n")
    assert "fail with 401" in done.stdout
    tree = (await load(home / "sessions.db", id)).tree
    assert tree[8].status == "failed"
    assert tree.path == (1, 2, 3, 4, 5, 6)


async def test_where_the_first_turn_fails_there_is_nothing_to_compare(
    run: Omni, home: Path
) -> None:
    id = talk(home, "fail with 401")
    done = run("rerun", id, "-m", "demo/chat")
    assert (done.returncode, done.stdout) == (6, "")
    assert len((await load(home / "sessions.db", id)).tree) == 2


def test_a_tool_that_nobody_allowed_has_its_exit_code(run: Omni, home: Path) -> None:
    id = talk(home, "run ls -la")
    done = run("rerun", id, "-m", "demo/chat")
    assert done.returncode == 4
    assert "bash was not allowed" in done.stderr
    assert "@@ calls ·" in done.stdout


def test_a_signal_ends_it_and_keeps_what_came(home: Path) -> None:
    id = talk(home, "write a long essay", "never")
    with subprocess.Popen(
        [*COMMAND, "branch", "rerun", id, "-m", "demo/chat"],
        env=environment(home),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "turn 1 of 2" in line:
                process.send_signal(signal.SIGINT)
                break
        said, complaints = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "turn 2 of 2" not in complaints
    assert "Traceback" not in said + complaints


def on_terminal(*arguments: str, home: Path, cwd: Path, extra: dict[str, str]) -> str:
    """What the command writes to a terminal."""
    ours, its = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment(home, {"TERM": "xterm-256color", **extra}),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=its,
    ):
        os.close(its)
        written = b""
        try:
            while piece := os.read(ours, 4096):
                written += piece
        except OSError:  # how Linux says that the other end is closed
            pass
        finally:
            os.close(ours)
    return written.decode()
