"""Structured output: what is asked for, how answers are read, and how bad ones are corrected."""

from __future__ import annotations

import dataclasses
import enum
import subprocess
import sys
from typing import Any, Literal, NotRequired, TypedDict

import msgspec
import pydantic
import pytest

from omni_tui.core.errors import OutputError, OverloadedError
from omni_tui.core.messages import Message
from omni_tui.core.stream import TextDelta
from omni_tui.core.tool import Tool
from omni_tui.core.usage import Usage
from omni_tui.llm.api import generate_text, stream_text
from omni_tui.llm.catalog import Catalog
from omni_tui.llm.output import output_of
from omni_tui.llm.providers.base import Model, OutputFormat
from omni_tui.llm.providers.scripted import Call, Fail, Reply, ScriptedProvider, Stop
from omni_tui.llm.retry import RetryPolicy


class Mood(enum.Enum):
    CALM = "calm"
    WILD = "wild"


class Person(msgspec.Struct):
    """Somebody."""

    name: str
    age: int
    mood: Mood = Mood.CALM
    friends: list[Person] = []


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Entry(TypedDict):
    key: str
    value: NotRequired[int]


class Address(pydantic.BaseModel):
    street: str
    number: int = pydantic.Field(ge=1)


SCHEMA = {
    "title": "City",
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer", "minimum": 0}},
    "required": ["name"],
}


def script(*replies: Reply) -> ScriptedProvider:
    return ScriptedProvider(replies)


async def ask(wanted: Any, *replies: Reply) -> Any:
    return (await generate_text(script(*replies).model(), "Go", output=wanted)).output


@pytest.mark.parametrize(
    ("wanted", "reply", "value"),
    [
        (
            Person,
            '{"name": "Ada", "age": 36, "mood": "wild", "friends": [{"name": "B", "age": 1}]}',
            Person("Ada", 36, Mood.WILD, [Person("B", 1)]),
        ),
        (Point, '{"x": 1}', Point(1)),
        (Entry, '{"key": "a"}', {"key": "a"}),
        (Address, '{"street": "Main", "number": 1}', Address(street="Main", number=1)),
        (SCHEMA, '{"name": "Rome", "people": 3}', {"name": "Rome", "people": 3}),
        (list[Point], '{"value": [{"x": 1}, {"x": 2}]}', [Point(1), Point(2)]),
        (Literal["yes", "no"], '{"value": "no"}', "no"),
        (Point | None, '{"value": null}', None),
        (Person, '```json\n{"name": "Ada", "age": 36}\n```', Person("Ada", 36)),
        (Person, ' \n{"name": "Ada", "age": 36}\n', Person("Ada", 36)),
    ],
    ids=lambda each: getattr(each, "__name__", None) if isinstance(each, type) else None,
)
async def test_an_answer_of_the_shape_is_the_value(wanted: Any, reply: str, value: Any) -> None:
    assert await ask(wanted, reply) == value


@pytest.mark.parametrize(
    ("wanted", "reply", "path", "problem"),
    [
        (Person, "Ada, 36", "$", "not JSON"),
        (Person, "", "$", "not JSON"),
        (Person, '{"name": "Ada", "age": 36} That is all.', "$", "not JSON"),
        (Person, '{"name": "Ada", "age": NaN}', "$", "NaN"),
        (Person, "[" * 100_000, "$", "not JSON"),
        (SCHEMA, '{"name": ' + "[" * 900 + "]" * 900 + "}", "$.name", "must be string"),
        (Person, '{"name": "Ada", "age": "old"}', "$.age", "Expected `int`, got `str`"),
        (Person, '{"name": "A", "age": 1, "friends": [{"name": 2}]}', "$.friends[0].name", "str"),
        (Person, '{"name": "A", "age": 1, "mood": "odd"}', "$.mood", "odd"),
        (Person, '["Ada", 36]', "$", "Expected `object`"),
        (Point, '{"y": 1}', "$", "missing required field `x`"),
        (Entry, '{"key": "a", "value": "b"}', "$.value", "int"),
        (Address, '{"street": "Main", "number": 0}', "$.number", "greater than or equal to 1"),
        (Address, '{"street": "Main"}', "$.number", "required"),
        (SCHEMA, '{"name": "Rome", "people": -1}', "$.people", "at least 0"),
        (list[Point], '{"value": [{"x": "a"}]}', "$.value[0].x", "int"),
    ],
    ids=lambda each: getattr(each, "__name__", None) if isinstance(each, type) else None,
)
async def test_an_answer_of_another_shape_names_the_place_and_the_problem(
    wanted: Any, reply: str, path: str, problem: str
) -> None:
    with pytest.raises(OutputError) as caught:
        await ask(wanted, *[reply] * 4)
    details = caught.value.details
    assert details["path"] == path
    assert problem in details["problem"]
    assert path in str(caught.value)
    assert details["text"] == reply.strip()


async def test_bad_bad_good_takes_three_requests_and_tells_what_was_wrong() -> None:
    provider = script("What?", '{"name": "Ada"}', '{"name": "Ada", "age": 36}')
    response = await generate_text(provider.model(), "Who?", system="Be brief.", output=Person)
    assert response.output == Person("Ada", 36)
    assert len(provider.requests) == 3
    roles = [message.role for message in response.messages]
    assert roles == ["assistant", "user", "assistant", "user", "assistant"]
    assert response.message is response.messages[-1]
    first, second, third = provider.requests
    assert second.messages == (*first.messages, *response.messages[:2])
    assert third.messages == (*first.messages, *response.messages[:4])
    assert "not JSON" in second.messages[-1].text
    assert "missing required field `age`" in third.messages[-1].text
    assert {request.system for request in provider.requests} == {"Be brief."}
    spent = sum((Usage(output=len(m.text) // 4) for m in response.messages[::2]), Usage())
    assert response.usage.output == spent.output


async def test_a_model_is_corrected_three_times_and_no_more() -> None:
    provider = ScriptedProvider(lambda _: "never")
    with pytest.raises(OutputError) as caught:
        await generate_text(provider.model(), "Who?", output=Person)
    assert len(provider.requests) == 4
    assert caught.value.details["attempts"] == 4
    assert caught.value.details["usage"].output > 0


@pytest.mark.parametrize(
    ("reason", "problem"), [("length", "was cut off"), ("refusal", "refused to answer")]
)
async def test_what_was_cut_off_or_refused_is_not_corrected(reason: Any, problem: str) -> None:
    provider = script([Stop(reason), '{"name": "Ada", "age": 36}'], "never")
    with pytest.raises(OutputError, match=problem):
        await generate_text(provider.model(), "Who?", output=Person)
    assert len(provider.requests) == 1


async def test_a_failing_correction_raises_what_it_failed_with() -> None:
    provider = script("bad", [Fail(OverloadedError("busy"))])
    with pytest.raises(OverloadedError):
        await generate_text(
            provider.model(), "Who?", output=Person, retry=RetryPolicy(max_retries=0)
        )


async def test_a_tool_use_comes_before_the_answer() -> None:
    provider = script([Call("look")])
    response = await generate_text(
        provider.model(), "Who?", tools=[Tool(name="look")], output=Person
    )
    assert (response.stop_reason, response.output) == ("tool_use", None)


async def test_a_stream_shows_the_first_answer_and_response_corrects_it() -> None:
    provider = script("bad", '{"name": "Ada", "age": 36}')
    async with stream_text(provider.model(), "Who?", output=Person) as stream:
        words = [event.text async for event in stream if isinstance(event, TextDelta)]
        assert words == ["bad"]
        assert len(provider.requests) == 1
        assert (await stream.response()).output == Person("Ada", 36)
        assert (await stream.response()).output == Person("Ada", 36)
    assert len(provider.requests) == 2


async def test_a_stream_left_early_is_not_corrected() -> None:
    provider = script("bad", "never")
    stream = stream_text(provider.model(), "Who?", output=Person)
    async with stream:
        pass
    assert (await stream.response()).stop_reason == "cancelled"
    assert provider.requests == []


async def test_a_correction_goes_to_a_fallback_when_the_model_fails() -> None:
    first = ScriptedProvider(["bad", [Fail(OverloadedError("busy"))]], name="first")
    second = ScriptedProvider(['{"name": "Ada", "age": 36}'], name="second")
    response = await generate_text(
        first.model(),
        "Who?",
        output=Person,
        fallbacks=[second.model()],
        retry=RetryPolicy(max_retries=0),
    )
    assert (response.output, response.model) == (Person("Ada", 36), "second/script")


async def test_the_shape_reaches_the_provider() -> None:
    provider = script('{"name": "Rome"}')
    await generate_text(provider.model(), "Go", output=SCHEMA)
    assert provider.requests[0].output == OutputFormat(name="City", schema=SCHEMA)
    assert output_of(list[Point]).format.name == "list"
    assert output_of(pydantic.create_model("Größe[int]", x=(int, ...))).format.name == "Gr__e_int_"


async def test_a_model_known_to_lack_native_output_is_told_in_words() -> None:
    provider = ScriptedProvider(lambda _: '{"x": 1}', name="openai")
    catalog = Catalog()
    for name, native in (("gpt-4", False), ("gpt-4o", True), ("unheard-of", True)):
        model = Model(provider, name, catalog)
        await generate_text(model, [Message.user("Go")], output=Point)
        shape = provider.requests[-1].output
        assert shape is not None
        assert shape.native is native


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        (object(), "output"),
        (pytest, "output"),
        ({"type": "array", "items": {}}, "type object"),
        ({"type": "object", "patternProperties": {}}, "patternProperties"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}, "refers to nothing"),
        ({"type": "object", "properties": {"a": {"type": "text"}}}, "no type 'text'"),
        ({"type": "object", "properties": {"a": 3}}, "int"),
        ({"type": "object", "properties": {"a": {"pattern": "("}}}, "output"),
    ],
)
def test_a_shape_that_cannot_be_asked_for_is_refused_at_once(wanted: Any, complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        stream_text("demo/chat", "Hi", output=wanted)


def test_pydantic_is_not_imported_for_others() -> None:
    program = (
        "import sys, msgspec\n"
        "from omni_tui.llm.output import output_of\n"
        "output_of(msgspec.defstruct('A', [('x', int)]))\n"
        "sys.exit('pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
