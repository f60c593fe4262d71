"""What `-p` writes to standard output in each format, with a server or the demo behind it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command import COMMAND, environment, omni
from wire.made import closing, opening, text, tool, wrap
from wire.server import Reply, SSEServer, sse_server

from omni_tui.cli import exit_codes
from omni_tui.cli.reports import Result
from omni_tui.session.store.sqlite import SQLiteStore

Omni = Callable[..., "subprocess.CompletedProcess[str]"]
Serve = Callable[..., SSEServer]

SCHEMA = {
    "type": "object",
    "title": "mountain",
    "properties": {"name": {"type": "string"}, "height": {"type": "integer", "minimum": 0}},
    "required": ["name", "height"],
}
GOOD = '{"name": "Fuji", "height": 3776}'


def answer(*words: str, reason: str = "stop") -> Reply:
    events = [*opening("chat"), *text("chat", 0, *words), *closing("chat", reason)]
    return Reply(pieces=wrap("chat", events))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Omni:
    def run(*arguments: str | Path, piped: str = "") -> subprocess.CompletedProcess[str]:
        done = omni(*arguments, home=home, cwd=tmp_path, piped=piped)
        assert "Traceback" not in done.stderr + done.stdout
        return done

    return run


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    file = tmp_path / "mountain.json"
    file.write_text(json.dumps(SCHEMA))
    return file


@pytest.fixture
def serve(home: Path) -> Iterator[Serve]:
    """A model `box/m` that gives these replies."""
    with sse_server(answer("…")) as server:
        file = home / "config.toml"
        file.write_text(
            f'model = "box/m"\n[providers.box]\nbase_url = "{server.url}/v1"\n'
            '[models."box/m"]\nstructured_output = true\n'
            "prices = {input = 1.0, output = 10.0}\n"
        )
        file.chmod(0o600)

        def serve(*replies: Reply) -> SSEServer:
            server.replies = list(replies)
            return server

        yield serve


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


# json


def test_json_is_one_object_with_what_came_of_it(run: Omni, serve: Serve) -> None:
    serve(answer("Mount ", "Fuji."))
    done = run("-p", "hi", "--output-format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    (result,) = lines(done)
    assert len(result.pop("session_id")) == 22
    assert result == {
        "type": "result",
        "text": "Mount Fuji.",
        "output": None,
        "model": "box/m",
        "usage": {"input": 7, "output": 5, "cache_read": 0, "cache_write": 0},
        "cost": pytest.approx(57e-6),
        "steps": 1,
        "outcome": "completed",
        "stop_reason": "stop",
        "denied": [],
        "error": None,
        "exit_code": 0,
    }


def test_the_session_named_in_json_can_be_continued(run: Omni) -> None:
    first = json.loads(run("-m", "demo/echo", "-p", "one", "--output-format", "json").stdout)
    args = ("--load", first["session_id"], "-p", "two", "--output-format", "json")
    second = json.loads(run(*args).stdout)
    assert second["session_id"] == first["session_id"]
    assert second["text"] == "two"


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (
            "fail with 401",
            {"outcome": "error", "stop_reason": None, "exit_code": 6, "text": "", "steps": 0},
        ),
        (
            "fail with 529",
            {"outcome": "error", "exit_code": 5, "steps": 0},
        ),
        ("run ls", {"outcome": "completed", "denied": ["bash"], "exit_code": 4, "steps": 2}),
    ],
)
def test_json_says_how_it_failed_and_so_does_the_exit_code(
    run: Omni, prompt: str, expected: dict[str, Any]
) -> None:
    done = run("-p", prompt, "--output-format", "json")
    (result,) = lines(done)
    assert result.items() >= expected.items()
    assert done.returncode == result["exit_code"]
    assert (result["error"] is None) == (result["outcome"] == "completed")
    if result["error"]:
        assert result["error"]["message"] in done.stderr
        assert result["error"]["type"].endswith("Error")


def test_the_limit_of_steps_is_an_outcome(run: Omni, home: Path) -> None:
    (home / "config.toml").write_text("[tools]\nmax_steps = 1\n")
    done = run("-p", "list the files", "--output-format", "json")
    (result,) = lines(done)
    assert (result["outcome"], result["stop_reason"]) == ("max_steps", "tool_use")
    assert done.returncode == result["exit_code"] == 3


# stream-json


def test_stream_json_is_every_event_in_its_envelope_and_the_result_last(
    run: Omni, serve: Serve
) -> None:
    serve(answer("Mount ", "Fuji."))
    done = run("-p", "hi", "--output-format", "stream-json")
    assert done.returncode == 0
    events = lines(done)
    assert {tuple(sorted(event)) for event in events} == {
        ("node_id", "payload", "run_id", "seq", "session_id", "step", "ts", "v")
    }
    numbers = [event["seq"] for event in events]
    assert numbers == sorted(set(numbers))
    assert len({event["session_id"] for event in events}) == 1
    kinds = [event["payload"]["type"] for event in events]
    assert kinds[:2] == ["status", "message"]
    assert kinds[-1] == "result"
    assert "step" in kinds
    said = [e["payload"]["text"] for e in events if e["payload"]["type"] == "text_delta"]
    assert "".join(said) == events[-1]["payload"]["text"] == "Mount Fuji."


def test_errors_are_objects_in_the_stream(run: Omni) -> None:
    events = lines(run("-p", "fail with 401", "--output-format", "stream-json"))
    (failed,) = (e["payload"] for e in events if e["payload"]["type"] == "error")
    assert failed["error"]["type"] == "AuthError"
    assert failed["error"]["hint"] == "this one is on purpose"
    assert events[-1]["payload"]["error"] == failed["error"]


def test_a_line_is_out_as_soon_as_its_event_came(home: Path, tmp_path: Path, serve: Serve) -> None:
    pieces = wrap("chat", [*opening("chat"), *text("chat", 0, "Mount ", "Fuji.")])
    server = serve(Reply(pieces=pieces, ending="stall"))
    with subprocess.Popen(
        [*COMMAND, "-p", "hi", "--output-format", "stream-json"],
        env=environment(home),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            payload = json.loads(line)["payload"]
            if payload["type"] == "text_delta" and payload["text"].endswith("Fuji."):
                break
        assert server.stalling.wait(20)
        assert process.poll() is None
        os.kill(process.pid, signal.SIGTERM)
        rest = [json.loads(line)["payload"] for line in process.stdout]
        assert process.stderr is not None
        said = process.stderr.read()
        error = rest[-1]["error"]["type"]
        assert (process.wait(20), error, said) == (143, "CancelledRequestError", "")
    assert rest[-1]["outcome"] == "cancelled"
    assert rest[-1]["exit_code"] == 143
    assert rest[-1]["text"] == "Mount Fuji."


HOSTILE = "A\x1b]0;PWN\x07B\x9b2JC\x7fD\u202eE\u200bF\U000e0041G日本"


@pytest.mark.parametrize("form", ["json", "stream-json"])
def test_what_a_terminal_might_obey_is_escaped_and_nothing_is_lost(run: Omni, form: str) -> None:
    done = run("-m", "demo/echo", "-p", "--output-format", form, piped=HOSTILE)
    assert done.returncode == 0
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e\U000e0000-\U000e007f]", done.stdout
    )
    assert "日本" in done.stdout
    last = lines(done)[-1]
    assert last.get("payload", last)["text"] == HOSTILE


def test_numbers_past_64_bits_and_half_pairs_can_be_printed(
    run: Omni, serve: Serve, schema: Path
) -> None:
    serve(answer('{"name": "\\ud800", "height": 1' + "0" * 30 + "}"))
    done = run("-p", "hi", "--schema", schema, "--output-format", "json")
    assert done.returncode == 0
    assert lines(done)[0]["output"] == {"name": "\ufffd", "height": 10**30}


# --schema


def test_the_value_is_all_that_is_printed(run: Omni, serve: Serve, schema: Path) -> None:
    server = serve(answer(*GOOD))
    done = run("-p", "The highest of Japan?", "--schema", schema)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == '{"name":"Fuji","height":3776}\n'
    (request,) = server.requests
    assert request.json["response_format"]["json_schema"]["name"] == "mountain"


def test_bad_answers_are_sent_back_with_what_is_wrong(
    run: Omni, serve: Serve, schema: Path
) -> None:
    server = serve(answer("High."), answer('{"name": "Fuji", "height": -1}'), answer(GOOD))
    done = run("-p", "The highest of Japan?", "--schema", schema, "--output-format", "json")
    assert done.returncode == 0
    (result,) = lines(done)
    assert result["output"] == {"name": "Fuji", "height": 3776}
    assert (result["steps"], result["usage"]["input"]) == (3, 21)
    assert len(server.requests) == 3
    second, third = (request.json["messages"] for request in server.requests[1:])
    assert second[-2]["content"] == "High."
    assert "not JSON" in second[-1]["content"]
    assert "$.height" in third[-1]["content"]
    assert all("response_format" in request.json for request in server.requests)


@pytest.mark.parametrize("form", ["text", "json", "stream-json"])
def test_after_three_corrections_it_fails(run: Omni, serve: Serve, schema: Path, form: str) -> None:
    server = serve(answer("High."))
    done = run("-p", "The highest?", "--schema", schema, "--output-format", form)
    assert done.returncode == 1
    assert len(server.requests) == 4
    assert "does not have the shape asked for: at $: this is not JSON" in done.stderr
    if form == "text":
        assert done.stdout == ""
        return
    last = lines(done)[-1]
    result = last.get("payload", last)
    assert (result["outcome"], result["output"], result["exit_code"]) == ("error", None, 1)
    assert result["error"]["type"] == "OutputError"
    assert result["error"]["details"]["attempts"] == 4
    assert result["text"] == "High."


@pytest.mark.parametrize(("reason", "words"), [("length", "cut off"), ("refusal", "refused")])
def test_an_answer_that_cannot_be_corrected_is_not_asked_for_again(
    run: Omni, serve: Serve, schema: Path, reason: str, words: str
) -> None:
    server = serve(answer('{"name": "Fu', reason=reason))
    done = run("-p", "hi", "--schema", schema)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert len(server.requests) == 1


def test_tools_run_before_the_value_comes(
    run: Omni, serve: Serve, schema: Path, tmp_path: Path
) -> None:
    (tmp_path / "fuji.txt").write_text("3776")
    use = tool("chat", 0, "call_1", "read_file", '{"path": "fuji.txt"}')
    first = Reply(pieces=wrap("chat", [*opening("chat"), *use, *closing("chat", "tool_use")]))
    server = serve(first, answer(GOOD))
    done = run("-p", "hi", "--schema", schema)
    assert done.stdout == '{"name":"Fuji","height":3776}\n'
    assert "3776" in server.requests[1].json["messages"][-1]["content"]


async def test_corrections_stay_in_the_tree(
    run: Omni, serve: Serve, schema: Path, home: Path
) -> None:
    serve(answer("High."), answer(GOOD))
    assert run("-p", "The highest?", "--schema", schema).returncode == 0
    async with SQLiteStore(home / "sessions.db") as store:
        (row,) = await store.list()
        tree = (await store.load(row.id)).tree
    said = [tree[id].message.text for id in tree.path]
    assert said[:2] == ["The highest?", "High."]
    assert said[2].startswith("Your answer does not fit")
    assert said[3:] == [GOOD]
    assert row.title == "The highest?"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"type": "array", "items": {}}', "type object"),
        (b'{"type": "object", "if": {}}', "'if' is not supported"),
        (b'{"type": "object", "properties": {"a": {"minimum": "1"}}}', "'minimum' must be"),
        (b'{"type": "object", "properties": {"a": {"pattern": "("}}}', "pattern '('"),
        (b'{"type": "object", "properties": {"a": {"default": NaN}}}', "NaN"),
        (b'{"$ref": "#"}', "refers to itself"),
        (b"[" * 100_000, "not JSON"),
    ],
    ids=range(11),
)
def test_a_schema_that_cannot_be_used_is_named(
    run: Omni, home: Path, tmp_path: Path, content: bytes | None, words: str
) -> None:
    file = tmp_path / "shape.json"
    if content is not None:
        file.write_bytes(content)
    done = run("-p", "hi", "--schema", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"omni-tui: {file}: ")
    assert words in done.stderr
    assert not (home / "sessions.db").exists()


@pytest.mark.parametrize(
    "arguments", [("--schema", "x.json"), ("--output-format", "json"), ("--output-format", "text")]
)
def test_formats_and_schemas_go_with_a_prompt(run: Omni, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{arguments[0]} goes with -p" in done.stderr


def test_an_unknown_format_is_a_usage_error(run: Omni) -> None:
    done = run("-p", "hi", "--output-format", "yaml")
    assert done.returncode == 2
    assert "stream-json" in done.stderr


def test_the_page_names_every_field_and_every_exit_code() -> None:
    page = (Path(__file__).parents[2] / "docs" / "index.md").read_text("utf-8")
    assert [name for name in Result.__struct_fields__ if f"`{name}`" not in page] == []
    codes = {value for value in vars(exit_codes).values() if isinstance(value, int)}
    numbers = {
        int(n) for row in re.findall(r"^\| ([\d, ]+) \|", page, re.M) for n in row.split(",")
    }
    assert numbers == codes - {exit_codes.HANGUP}
