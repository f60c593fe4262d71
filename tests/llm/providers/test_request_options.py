"""What a request can say beyond its messages, in every dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire.made import anthropic_block, closing, opening, text, tool, wrap
from wire.server import Reply, sse_server
from wire_helpers import ask, blocks_of, collect, error_of, make

from omni_tui.core.errors import RequestError, UnknownOptionError, UnsupportedModalityError
from omni_tui.core.messages import (
    Attachment,
    Message,
    ToolResult,
    decode_message,
    encode_message,
)
from omni_tui.core.tool import Tool
from omni_tui.llm.output import output_of
from omni_tui.llm.providers import anthropic_request, chat_request, responses_request
from omni_tui.llm.providers.base import Options, OutputFormat, Request
from omni_tui.llm.providers.quirks import Quirks
from omni_tui.llm.providers.table import ENDPOINTS, OPENAI_QUIRKS

SIZE = {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}
STRICT = {**SIZE, "additionalProperties": False}
FREE = {"type": "object", "properties": {"any": {"type": "object"}}}
SHAPE = OutputFormat(name="Size", schema=SIZE)
TOOLS = (Tool(name="ls", input_schema=SIZE), Tool(name="rm", input_schema=SIZE, strict=True))
MODELS = {"anthropic": "claude-sonnet-4-6", "responses": "gpt-5.5", "chat": "gpt-5.5"}
DIALECTS = list(MODELS)


def build(
    dialect: str,
    *,
    model: str | None = None,
    quirks: Quirks = OPENAI_QUIRKS,
    options: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    more.setdefault("messages", (Message.user("Hello"),))
    request = Request(model=model or MODELS[dialect], options=Options(**(options or {})), **more)
    if dialect == "anthropic":
        return anthropic_request.build_request(request)
    if dialect == "responses":
        return responses_request.build_request(request)
    return chat_request.build_request(request, quirks)


# The shape of the answer


def test_each_dialect_has_its_field_for_a_shape() -> None:
    assert build("anthropic", output=SHAPE)["output_config"] == {
        "format": {"type": "json_schema", "schema": STRICT}
    }
    named = {"name": "Size", "schema": STRICT, "strict": True}
    assert build("responses", output=SHAPE)["text"] == {"format": {"type": "json_schema", **named}}
    assert build("chat", output=SHAPE)["response_format"] == {
        "type": "json_schema",
        "json_schema": named,
    }


def test_a_shape_and_an_effort_stand_side_by_side() -> None:
    made = build("anthropic", output=SHAPE, options={"thinking": "high"})
    assert set(made["output_config"]) == {"format", "effort"}


def test_a_schema_without_strict_form_is_asked_for_loosely() -> None:
    free = OutputFormat(name="Free", schema=FREE)
    made = build("responses", output=free)["text"]["format"]
    assert (made["schema"], made["strict"]) == (FREE, False)
    made = build("chat", output=free)["response_format"]["json_schema"]
    assert (made["schema"], made["strict"]) == (FREE, False)


@pytest.mark.parametrize(
    ("dialect", "model", "quirks", "field"),
    [
        ("anthropic", "claude-3-5-haiku-latest", None, None),
        ("anthropic", "claude-sonnet-4-20250514", None, None),
        ("anthropic", "glm-4.7", None, None),
        ("chat", "deepseek-chat", ENDPOINTS["deepseek"].quirks, {"type": "json_object"}),
        ("chat", "llama", ENDPOINTS["groq"].quirks, None),
    ],
)
def test_where_there_is_no_field_the_shape_is_said_in_words(
    dialect: str, model: str, quirks: Quirks | None, field: Any
) -> None:
    made = build(
        dialect, model=model, quirks=quirks or OPENAI_QUIRKS, system="Be kind.", output=SHAPE
    )
    assert made.get("response_format") == field
    assert "output_config" not in made
    said = made["system"][0]["text"] if dialect == "anthropic" else made["messages"][0]["content"]
    assert said.startswith("Be kind.\n\nAnswer with one JSON object")
    assert json.loads(said.rpartition("\n")[2]) == STRICT


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_model_that_cannot_be_held_to_a_shape_is_told_of_it(dialect: str) -> None:
    words = OutputFormat(name="Size", schema=SIZE, native=False)
    made = build(dialect, output=words)
    assert not {"text", "response_format", "output_config"} & set(made)
    assert "Answer with one JSON object" in json.dumps(made)


@pytest.mark.parametrize("model", ["claude-opus-4-1", "claude-sonnet-4-5", "claude-haiku-5-5"])
def test_newer_claude_models_are_held_to_the_shape(model: str) -> None:
    assert "format" in build("anthropic", model=model, output=SHAPE)["output_config"]


# Tools


def test_a_strict_tool_is_said_strictly_where_its_schema_can_be() -> None:
    tools = build("anthropic", tools=TOOLS)["tools"]
    assert [tool.get("strict") for tool in tools] == [None, True]
    assert [tool["input_schema"] for tool in tools] == [SIZE, STRICT]
    tools = build("responses", tools=TOOLS)["tools"]
    assert [(tool["strict"], tool["parameters"]) for tool in tools] == [
        (False, SIZE),
        (True, STRICT),
    ]
    functions = [tool["function"] for tool in build("chat", tools=TOOLS)["tools"]]
    assert [tool.get("strict") for tool in functions] == [None, True]
    loose = (Tool(name="any", input_schema=FREE, strict=True),)
    assert "strict" not in build("anthropic", tools=loose)["tools"][0]
    assert build("responses", tools=loose)["tools"][0]["strict"] is False
    assert "strict" not in build("chat", tools=loose)["tools"][0]["function"]


@pytest.mark.parametrize(
    ("choice", "anthropic", "responses", "chat"),
    [
        (None, None, None, None),
        ("auto", {"type": "auto"}, "auto", "auto"),
        ("none", {"type": "none"}, "none", "none"),
        ("required", {"type": "any"}, "required", "required"),
        (
            "ls",
            {"type": "tool", "name": "ls"},
            {"type": "function", "name": "ls"},
            {"type": "function", "function": {"name": "ls"}},
        ),
    ],
)
def test_a_tool_can_be_chosen(
    choice: str | None, anthropic: Any, responses: Any, chat: Any
) -> None:
    wanted = {"anthropic": anthropic, "responses": responses, "chat": chat}
    for dialect, said in wanted.items():
        made = build(dialect, tools=TOOLS, options={"tool_choice": choice})
        assert made.get("tool_choice") == said


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_choice_of_a_tool_that_is_not_there_is_refused(dialect: str) -> None:
    with pytest.raises(RequestError, match=r"no tool 'cp'.*ls, rm"):
        build(dialect, tools=TOOLS, options={"tool_choice": "cp"})


@pytest.mark.parametrize("dialect", DIALECTS)
def test_without_tools_nothing_is_said_of_them(dialect: str) -> None:
    made = build(dialect, options={"tool_choice": "auto", "parallel_tool_calls": False})
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(made)


@pytest.mark.parametrize("parallel", [True, False])
def test_parallel_calls_can_be_forbidden(parallel: bool) -> None:
    options = {"parallel_tool_calls": parallel}
    assert build("anthropic", tools=TOOLS, options=options)["tool_choice"] == {
        "type": "auto",
        "disable_parallel_tool_use": not parallel,
    }
    for dialect in ("responses", "chat"):
        assert build(dialect, tools=TOOLS, options=options)["parallel_tool_calls"] is parallel


def test_a_forced_tool_switches_thinking_off_where_the_two_cannot_be_joined() -> None:
    options = {"tool_choice": "required", "thinking": "high"}
    assert build("anthropic", tools=TOOLS, options=options)["thinking"] == {"type": "disabled"}
    made = build("anthropic", model="claude-sonnet-4-5", tools=TOOLS, options=options)
    assert "thinking" not in made
    free = {"tool_choice": "auto", "thinking": "high"}
    assert build("anthropic", tools=TOOLS, options=free)["thinking"]["type"] == "adaptive"


# What is opaque


async def test_signatures_and_withheld_thoughts_go_back_as_they_came_even_when_stored() -> None:
    sealed = {"type": "redacted_thinking", "data": "ZW5jcnlwdGVk/+=="}
    signed = [
        {"type": "thinking_delta", "thinking": "Let me "},
        {"type": "thinking_delta", "thinking": "see…"},
        {"type": "signature_delta", "signature": "EvQBCkYICx"},
        {"type": "signature_delta", "signature": "gCKkAxhD4N/+=="},
    ]
    empty = {"type": "thinking", "thinking": "", "signature": ""}
    events = [
        *opening("anthropic"),
        *anthropic_block(0, empty, signed),
        *anthropic_block(1, sealed, []),
        *tool("anthropic", 2, "toolu_1", "ls", '{"size"', ": 1}"),
        *closing("anthropic", "tool_use"),
    ]
    with sse_server(Reply(pieces=wrap("anthropic", events))) as server:
        provider = make("anthropic", server.url)
        said = Message.assistant(blocks_of(await collect(provider)))
        stored = decode_message(encode_message(said))
        assert stored == said
        result = ToolResult(tool_use_id="toolu_1", name="ls", content="none")
        history = (Message.user("Look"), stored, Message.user(result))
        await collect(provider, Request(model="some-model", messages=history))
        await provider.close()
    assert server.requests[1].json["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Let me see…", "signature": "EvQBCkYICxgCKkAxhD4N/+=="},
        sealed,
        {"type": "tool_use", "id": "toolu_1", "name": "ls", "input": {"size": 1}},
    ]
    for dialect in ("responses", "chat"):
        assert "EvQBCkYICx" not in json.dumps(build(dialect, messages=history))


# The prompt cache


def marks(made: dict[str, Any]) -> list[Any]:
    parts = (made["system"][-1], made["tools"][-1], made["messages"][-1]["content"][-1])
    return [part.get("cache_control") for part in parts]


@pytest.mark.parametrize(
    ("hint", "mark"),
    [
        ("short", {"type": "ephemeral"}),
        ("long", {"type": "ephemeral", "ttl": "1h"}),
        (None, None),
    ],
)
def test_the_parts_of_a_prompt_are_marked_to_be_kept(hint: Any, mark: Any) -> None:
    made = build("anthropic", system="Be kind.", tools=TOOLS, options={"cache": hint})
    assert marks(made) == [mark] * 3
    assert json.dumps(made).count("cache_control") == (3 if mark else 0)


def test_anthropic_keeps_a_prompt_for_a_short_while_unless_told_otherwise() -> None:
    assert marks(build("anthropic", system="s", tools=TOOLS)) == [{"type": "ephemeral"}] * 3


@pytest.mark.parametrize("dialect", ["responses", "chat"])
def test_openai_is_told_which_requests_share_a_prompt(dialect: str) -> None:
    def key(system: str, *words: str, **options: Any) -> Any:
        messages = tuple(Message.user(word) for word in words)
        made = build(dialect, system=system, messages=messages, options=options)
        return made.get("prompt_cache_key")

    assert key("s", "a") == key("s", "a", "b")
    assert key("s", "a", "b") != key("s", "c", "b")
    assert key("s", "a") != key("t", "a")
    assert key("s", "a", cache=None) is None
    assert key("s", "lone \ud83d surrogate") is not None


@pytest.mark.parametrize(
    ("model", "kept"), [("gpt-5.5", "24h"), ("gpt-4.1", "24h"), ("gpt-4o", None), ("o3", None)]
)
@pytest.mark.parametrize("dialect", ["responses", "chat"])
def test_openai_keeps_a_prompt_for_long_where_the_model_can(
    dialect: str, model: str, kept: str | None
) -> None:
    made = build(dialect, model=model, options={"cache": "long"})
    assert made.get("prompt_cache_retention") == kept
    assert "prompt_cache_retention" not in build(dialect, model=model)


def test_other_servers_hear_nothing_of_a_cache() -> None:
    made = build("chat", quirks=Quirks(), options={"cache": "long"})
    assert not [name for name in made if "cache" in name]


# Options of one API


@pytest.mark.parametrize(
    ("dialect", "extra"),
    [
        ("anthropic", {"top_p": 0.9, "top_k": 5, "stop_sequences": ["END"]}),
        ("responses", {"top_p": 0.9, "service_tier": "flex", "truncation": "auto"}),
        ("chat", {"top_p": 0.9, "stop": ["END"], "seed": 7, "service_tier": "flex"}),
    ],
)
def test_options_of_an_api_go_out_as_they_are(dialect: str, extra: dict[str, Any]) -> None:
    plain = build(dialect)
    made = build(dialect, options={"extra": extra})
    assert made == plain | extra


def test_an_option_within_an_object_joins_what_is_there() -> None:
    made = build("responses", output=SHAPE, options={"extra": {"text": {"verbosity": "low"}}})
    assert set(made["text"]) == {"format", "verbosity"}
    made = build("anthropic", options={"thinking": "low", "extra": {"thinking": {"display": "x"}}})
    assert made["thinking"] == {"type": "adaptive", "display": "x"}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_option_the_api_does_not_know_is_refused_by_name(dialect: str) -> None:
    with pytest.raises(UnknownOptionError, match=r"takes no 'temprature', 'zeal'") as caught:
        build(dialect, options={"extra": {"zeal": 1, "temprature": 1, "top_p": 1}})
    assert caught.value.details["keys"] == ["temprature", "zeal"]
    assert "top_p" in caught.value.details["allowed"]
    assert "top_p" in str(caught.value)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (ask(extra={"zeal": 1}), UnknownOptionError),
        (
            Request(
                model="m",
                messages=(Message.user(Attachment(media_type="video/mp4", data=b"x")),),
            ),
            UnsupportedModalityError,
        ),
    ],
)
async def test_what_cannot_be_said_never_reaches_the_server(
    dialect: str, request_: Request, error: type[Exception]
) -> None:
    with sse_server(Reply()) as server:
        provider = make(dialect, server.url)
        failed = error_of(await collect(provider, request_))
        await provider.close()
    assert type(failed) is error
    assert server.requests == []


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_the_configuration_adds_wins_over_all(dialect: str) -> None:
    pieces = wrap(dialect, [*opening(dialect), *text(dialect, 0, "ok"), *closing(dialect)])
    with sse_server(Reply(pieces=pieces)) as server:
        provider = make(dialect, server.url, extra_body={"top_p": 0.1, "route": "fast"})
        await collect(provider, ask(extra={"top_p": 0.9}))
        await provider.close()
    body = server.requests[0].json
    assert (body["top_p"], body["route"]) == (0.1, "fast")


@pytest.mark.parametrize(
    "options",
    [{"max_tokens": 0}, {"thinking": -1}, {"timeout": 0.0}, {"timeout": float("nan")}],
)
def test_numbers_that_are_no_limits_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        Options(**options)


def test_a_shape_made_of_a_type_is_strict() -> None:
    shape = output_of(list[int]).format
    assert build("chat", output=shape)["response_format"]["json_schema"]["strict"] is True
