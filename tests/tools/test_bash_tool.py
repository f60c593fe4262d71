from __future__ import annotations

import asyncio
import os
import re
import signal
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from tool_calls import Call

from omni_tui.core.errors import ToolError
from omni_tui.core.tool import ToolContext, ToolReply


def runs(pid: int) -> bool:
    """Whether a process still runs; one that is dead but not collected does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def pids(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"pid=(\d+)", text)]


def watching(work: Path, word: str) -> tuple[ToolContext, asyncio.Event, list[str]]:
    """A context whose event is set when the live output holds `word`."""
    seen: list[str] = []
    ready = asyncio.Event()

    def emit(text: str) -> None:
        seen.append(text)
        if word in "".join(seen):
            ready.set()

    return ToolContext(cwd=work, emit=emit), ready, seen


async def test_output_of_both_streams_and_the_exit_code_come_back(call: Call) -> None:
    reply = await call("bash", command="echo out; echo err >&2")
    assert reply.text == "out\nerr\nexit code: 0"
    assert reply.data == {"exit_code": 0}
    assert not reply.is_error


async def test_a_command_that_fails_is_an_error_with_its_output(call: Call) -> None:
    reply = await call("bash", command="echo why; exit 3")
    assert reply.text == "why\nexit code: 3"
    assert reply.is_error


async def test_silence_is_said(call: Call) -> None:
    assert (await call("bash", command="true")).text == "(no output)\nexit code: 0"


async def test_a_command_that_kills_itself_has_the_code_a_shell_would_give(call: Call) -> None:
    reply = await call("bash", command="kill -KILL $$")
    assert reply.data == {"exit_code": 137}
    assert "killed by signal 9" in reply.text


async def test_it_runs_in_the_working_folder_without_input_or_terminal(
    call: Call, work: Path
) -> None:
    reply = await call("bash", command="pwd; cat; test -t 0 || echo no terminal")
    assert reply.text == f"{work}\nno terminal\nexit code: 0"


async def test_a_timeout_keeps_what_was_said_and_ends_grandchildren(call: Call) -> None:
    command = "sleep 300 & echo pid=$!; (sleep 300 & echo pid=$!; wait) & sleep 300"
    reply = await call("bash", command=command, timeout=1)
    assert reply.is_error
    assert reply.text.endswith("Command timed out after 1s")
    assert reply.data == {"exit_code": None, "timed_out": True}
    assert len(pids(reply.text)) == 2
    assert not any(map(runs, pids(reply.text)))


async def test_the_executors_timeout_is_the_limit_when_it_is_shorter(
    call: Call, work: Path
) -> None:
    context = ToolContext(cwd=work, timeout=0.3)
    reply = await call("bash", context, command="sleep 300", timeout=600)
    assert "timed out after 0.3s" in reply.text


async def test_a_process_that_ignores_term_is_killed(call: Call) -> None:
    command = "trap '' TERM; echo pid=$$; while true; do sleep 300; done"
    reply = await call("bash", command=command, timeout=1)
    (pid,) = pids(reply.text)
    assert not runs(pid)


@pytest.mark.parametrize(
    "command",
    [
        "sleep 300 & echo pid=$!; echo ready; sleep 300",
        "nohup sleep 300 >/dev/null 2>&1 & echo pid=$!; echo ready; wait",
        "trap '' TERM; echo pid=$$; echo ready; while true; do sleep 300; done",
        "for n in $(seq 50); do sleep 300 & echo pid=$!; done; echo ready; wait",
    ],
)
async def test_cancelling_leaves_nobody_of_the_group(call: Call, work: Path, command: str) -> None:
    context, ready, seen = watching(work, "ready")
    running = asyncio.ensure_future(call("bash", context, command=command, timeout=60))
    await ready.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    found = pids("".join(seen))
    assert found
    assert not any(map(runs, found))


async def test_a_second_cancel_kills_at_once(call: Call, work: Path) -> None:
    context, ready, seen = watching(work, "ready")
    command = "trap 'echo asked' TERM; echo pid=$$; echo ready; while true; do sleep 1; done"
    running = asyncio.ensure_future(call("bash", context, command=command))
    await ready.wait()
    running.cancel()
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    (pid,) = pids("".join(seen))
    assert not runs(pid)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a fact of another process; the test's timeout is the limit."""
    while not condition():
        await asyncio.sleep(0.01)


async def test_what_it_leaves_in_the_background_ends_with_it(call: Call) -> None:
    reply = await call("bash", command="sleep 300 & echo pid=$!")
    (pid,) = pids(reply.text)
    assert reply.data == {"exit_code": 0}
    assert not runs(pid)


async def test_late_words_of_the_background_are_still_heard(call: Call) -> None:
    reply = await call("bash", command="(sleep 0.2; echo late) & echo early")
    assert reply.text == "early\nlate\nexit code: 0"


async def test_a_process_that_escapes_with_the_pipe_is_not_waited_for(call: Call) -> None:
    reply = await call("bash", command="setsid sleep 300 & echo pid=$!")
    (pid,) = pids(reply.text)
    try:
        assert reply.text.endswith("exit code: 0")
        assert runs(pid), "the test means nothing unless the process did escape"
    finally:
        os.kill(pid, signal.SIGKILL)


async def test_a_flood_is_cut_to_its_end_at_a_line_in_little_memory(call: Call) -> None:
    tracemalloc.start()
    try:
        reply = await call("bash", command="yes line | head -c 200M; echo; echo the end")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    note, first, *_ = reply.text.split("\n")
    assert re.fullmatch(r"\[\d+ lines, \d+ bytes dropped; this is the end\]", note)
    assert first == "line"
    assert reply.text.endswith("the end\nexit code: 0")
    assert len(reply.text) < 30_200
    assert peak < 16 * 1024 * 1024


async def test_one_endless_line_is_cut_too(call: Call) -> None:
    reply = await call("bash", command="head -c 50M /dev/zero | tr '\\0' x; echo end")
    assert len(reply.text) < 30_200
    assert reply.text.endswith("xend\nexit code: 0")


async def test_bytes_that_are_no_text_do_not_hurt(call: Call) -> None:
    reply = await call("bash", command=r"printf 'a\xff\xfe\xc3(b\n'")
    assert reply.text == "a\ufffd\ufffd\ufffd(b\nexit code: 0"


async def test_live_output_is_whole_when_it_comes_slowly(call: Call, work: Path) -> None:
    context, ready, seen = watching(work, "two")
    running = asyncio.ensure_future(
        call("bash", context, command="echo één; until test -e go; do sleep 0.01; done; echo two")
    )
    await until(lambda: "één" in "".join(seen))
    (work / "go").touch()
    reply = await running
    assert ready.is_set()
    assert "".join(seen) == "één\ntwo\n"
    assert reply.text.startswith("één\ntwo\n")


async def test_live_output_of_a_flood_stays_small(call: Call, work: Path) -> None:
    context, _, seen = watching(work, "never")
    await call("bash", context, command="yes | head -c 20M")
    assert all(len(text) <= 4000 for text in seen)
    assert sum(map(len, seen)) < 1024 * 1024


async def test_no_planted_secret_is_in_the_environment(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [
        "ANTHROPIC_API_KEY",
        "OPENAI_API_KEY",
        "GEMINI_API_KEY",
        "OPENROUTER_API_KEY",
        "GROQ_API_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "HF_TOKEN",
        "NPM_TOKEN",
        "DATABASE_URL",
        "DATABASE_PASSWORD",
        "PGPASSWORD",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "SSH_AUTH_SOCK",
        "SLACK_WEBHOOK",
        "LC_API_KEY",
        "MY_SECRET",
    ]
    for number, name in enumerate(names):
        monkeypatch.setenv(name, f"swordfish-{number}")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:swordfish-20@proxy:8080")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    reply = await call("bash", command="env; cat /proc/self/environ | tr '\\0' '\\n'")
    assert "swordfish" not in reply.text
    assert "LC_ALL=C.UTF-8" in reply.text
    assert "PATH=" in reply.text


@pytest.mark.parametrize(
    "command", ["echo a\0b", "echo \ud83d", "x" * 3_000_000], ids=["nul", "surrogate", "long"]
)
async def test_a_command_no_shell_can_take_is_an_error(call: Call, command: str) -> None:
    with pytest.raises(ToolError, match="cannot be started"):
        await call("bash", command=command)


async def test_a_working_folder_that_is_gone_is_an_error(call: Call, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="working folder is gone"):
        await call("bash", ToolContext(cwd=tmp_path / "gone"), command="true")


async def test_a_bad_timeout_is_an_error(call: Call) -> None:
    with pytest.raises(ToolError, match="Bad arguments"):
        await call("bash", command="true", timeout=0)


async def test_no_descriptor_is_left_open(call: Call) -> None:
    async def use() -> ToolReply:
        return await call("bash", command="echo hi")

    await use()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        await use()
    assert len(os.listdir("/proc/self/fd")) <= before
