"""Tools made from functions: what the model is told of them, and what a call does."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
import pytest
from msgspec import Meta

from omni_tui.core.errors import ToolError
from omni_tui.core.tool import Tool, ToolContext, tool


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Place(msgspec.Struct):
    lat: float
    lon: float = 0.0


@tool(read_only=True, timeout=5.0)
async def forecast(
    city: str,
    context: ToolContext,
    days: Annotated[int, Meta(ge=1, le=14)] = 3,
    unit: Literal["C", "F"] = "C",
    near: Place | None = None,
    colours: list[Colour] = [],  # noqa: B006 (a copy is made for every call)
) -> str:
    """Tell the weather.

    It is a guess.

    Args:
        city: Where, in
            English.
        days (int): How many days.
        context: Where it runs.

    Returns:
        Words.
    """
    return f"{city} {days} {unit} {near} {colours} {context.cwd}"


FORECAST_SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "Where, in English."},
        "days": {
            "type": "integer",
            "minimum": 1,
            "maximum": 14,
            "default": 3,
            "description": "How many days.",
        },
        "unit": {"enum": ["C", "F"], "default": "C"},
        "near": {"anyOf": [{"$ref": "#/$defs/Place"}, {"type": "null"}], "default": None},
        "colours": {"type": "array", "items": {"$ref": "#/$defs/Colour"}, "default": []},
    },
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {
        "Place": {
            "title": "Place",
            "type": "object",
            "properties": {"lat": {"type": "number"}, "lon": {"type": "number", "default": 0.0}},
            "required": ["lat"],
        },
        "Colour": {"title": "Colour", "enum": ["blue", "red"]},
    },
}


async def call(made: Tool, context: ToolContext | None = None, /, **arguments: Any) -> Any:
    assert made.handler is not None
    return await made.handler(arguments, context or ToolContext())


def test_the_schema_is_made_from_annotations_and_the_docstring() -> None:
    assert json.loads(json.dumps(forecast.input_schema)) == FORECAST_SCHEMA


def test_the_rest_of_the_docstring_is_the_description() -> None:
    assert forecast.name == "forecast"
    assert forecast.description == "Tell the weather.\n\nIt is a guess."
    assert (forecast.read_only, forecast.timeout) == (True, 5.0)


def test_name_and_description_may_be_given() -> None:
    @tool(name="look", description="Looks.")
    def peek() -> str:
        """Peek."""
        return ""

    assert (peek.name, peek.description) == ("look", "Looks.")
    assert (peek.read_only, peek.timeout, peek.asks_person) == (False, None, False)


async def test_arguments_arrive_converted_and_the_context_beside_them(tmp_path: Path) -> None:
    said = await call(
        forecast, ToolContext(cwd=tmp_path), city="Rome", near={"lat": 1}, colours=["red"]
    )
    assert said == f"Rome 3 C Place(lat=1.0, lon=0.0) [<Colour.RED: 'red'>] {tmp_path}"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "city"),
        ({"city": ["Rome"]}, "$.city"),
        ({"city": "Rome", "days": 15}, "$.days"),
        ({"city": "Rome", "days": "soon"}, "$.days"),
        ({"city": "Rome", "unit": "K"}, "$.unit"),
        ({"city": "Rome", "near": {}}, "$.near"),
        ({"city": "Rome", "context": {}}, "context"),
        ({"city": "Rome", "colour": "red"}, "colour"),
    ],
)
async def test_bad_arguments_are_named_and_nothing_runs(
    arguments: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ToolError, match="Bad arguments") as caught:
        await call(forecast, **arguments)
    assert complaint in str(caught.value)


async def test_numbers_sent_as_text_are_taken() -> None:
    assert (await call(forecast, city="Rome", days="2")).startswith("Rome 2 C")


async def test_a_default_is_not_shared_between_calls() -> None:
    @tool
    async def collect(item: str, into: list[str] = []) -> list[str]:  # noqa: B006
        into.append(item)
        return into

    assert await call(collect, item="a") == ["a"]
    assert await call(collect, item="b") == ["b"]


async def test_a_synchronous_function_runs_in_a_thread() -> None:
    started, may_end = threading.Event(), threading.Event()

    @tool
    def wait(seconds: float) -> str:
        started.set()
        assert may_end.wait(seconds)
        return threading.current_thread().name

    waiting = asyncio.create_task(call(wait, seconds=30))
    assert await asyncio.to_thread(started.wait, 30)
    may_end.set()  # the loop is free to do this while the function blocks
    assert await waiting != threading.main_thread().name


async def test_output_shown_from_a_thread_arrives_on_the_loop_in_order() -> None:
    shown: list[tuple[str, int]] = []
    context = ToolContext(emit=lambda text: shown.append((text, threading.get_ident())))

    @tool
    def talk(context: ToolContext) -> str:
        for word in ("one", "two", "three"):
            context.emit(word)
        return "done"

    assert await call(talk, context) == "done"
    assert shown == [(word, threading.get_ident()) for word in ("one", "two", "three")]


async def test_output_shown_after_the_loop_is_gone_goes_nowhere() -> None:
    contexts: list[ToolContext] = []

    @tool
    def keep(context: ToolContext) -> str:
        contexts.append(context)
        return ""

    def in_another_loop() -> None:
        asyncio.run(call(keep))

    await asyncio.to_thread(in_another_loop)
    contexts[0].emit("late")


async def test_what_a_function_raises_is_left_to_the_executor() -> None:
    @tool
    async def fail() -> str:
        raise ToolError("No.")

    with pytest.raises(ToolError, match="No"):
        await call(fail)


def test_a_function_that_cannot_be_a_tool_is_refused_when_it_is_made() -> None:
    def bare(x) -> None:  # type: ignore[no-untyped-def]
        pass

    def variadic(*things: str) -> None:
        pass

    def keywords(**things: str) -> None:
        pass

    def nameless(x: int, /) -> None:
        pass

    def strange(a: int, thing: Path | asyncio.Event) -> None:
        pass

    def unknown(x: int) -> None:
        pass

    unknown.__annotations__["x"] = "Nowhere"
    for function, complaint in (
        (bare, "'x'"),
        (variadic, "things"),
        (keywords, "things"),
        (nameless, "nameless: 'x' is positional-only"),
        (strange, "strange: parameter 'thing' has no JSON form: .*Path"),
        (unknown, "unknown: name 'Nowhere' is not defined"),
    ):
        with pytest.raises(TypeError, match=complaint):
            tool(function)


@dataclasses.dataclass
class Box:
    width: int
    height: int = 2


class Choice(TypedDict):
    name: str
    weight: NotRequired[float]


async def test_dataclasses_and_typed_dicts_are_objects_and_none_makes_optional() -> None:
    @tool
    async def pack(box: Box, choice: Choice, spare: Box = Box(1), note: str = None) -> Any:  # type: ignore[assignment]  # noqa: B008, RUF013
        return (box, choice, spare, note)

    properties = pack.input_schema["properties"]
    assert pack.input_schema["required"] == ["box", "choice"]
    assert properties["spare"] == {"$ref": "#/$defs/Box", "default": {"width": 1, "height": 2}}
    assert properties["note"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert pack.input_schema["$defs"]["Choice"]["required"] == ["name"]
    said = await call(pack, box={"width": 3}, choice={"name": "a"})
    assert said == (Box(3), {"name": "a"}, Box(1), None)
    with pytest.raises(ToolError, match=r"\$\.box\.width"):
        await call(pack, box={"width": "wide"}, choice={"name": "a"})


@pytest.mark.parametrize(
    ("text", "description", "notes"),
    [
        ("Look.", "Look.", {}),
        ("Args:\n        a: The first.\n        b: The second.\n", "", {"a": "The first."}),
        (
            "Look.\n\n    Arguments:\n        a (int, optional): The\n            first: one.\n"
            "\n        b:\n            Below.\n\n    Raises:\n        OSError: Never.\n    ",
            "Look.",
            {"a": "The first: one.", "b": "Below."},
        ),
        ("Look.\n\n  Args:\n    a: One.\n  More words.\n  b: no", "Look.", {"a": "One."}),
    ],
)
def test_argument_sections_are_read_as_people_write_them(
    text: str, description: str, notes: dict[str, str]
) -> None:
    def look(a: int, b: int) -> None:
        pass

    look.__doc__ = text
    made = tool(look)
    assert made.description == description
    said = {
        name: each["description"]
        for name, each in made.input_schema["properties"].items()
        if "description" in each
    }
    assert said | notes == said
    assert ("b" in said) is ("b:" in text and "b: no" not in text)
