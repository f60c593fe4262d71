"""Schemas of types, the strict form providers want, and the check of values."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omni_tui.llm.json_schema import problem_in, require_checkable
from omni_tui.llm.schema import drop_nulls, resolve, schema_of, strict_schema, with_root


class Leaf(msgspec.Struct, tag=True):
    note: str = "none"


class Node(msgspec.Struct, tag=True):
    """A node."""

    count: Annotated[int, msgspec.Meta(ge=1, description="How many")]
    children: list[Node | Leaf] = []
    kind: Literal["a", "b"] = "a"
    label: str | None = None


class Loose(TypedDict):
    name: str
    size: NotRequired[int]


@dataclasses.dataclass
class Pair:
    left: Loose
    right: Loose | None = None


def test_the_strict_form_closes_objects_and_requires_all() -> None:
    strict = strict_schema(schema_of(Node))
    assert strict is not None
    node = {key: value for key, value in strict.items() if key != "$defs"}
    for each in (node, strict["$defs"]["Node"]):
        each["properties"]["children"]["items"]["anyOf"].sort(key=str)  # msgspec keeps no order
    assert node == {
        "title": "Node",
        "description": "A node.",
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": ["Node"]},
            "count": {"type": "integer", "description": "How many (minimum: 1)"},
            "children": {
                "type": "array",
                "items": {"anyOf": [{"$ref": "#/$defs/Leaf"}, {"$ref": "#/$defs/Node"}]},
                "description": "(default: [])",
            },
            "kind": {"type": "string", "enum": ["a", "b"], "description": '(default: "a")'},
            "label": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["type", "count", "children", "kind", "label"],
        "additionalProperties": False,
    }
    assert strict["$defs"]["Node"] == node
    assert strict["$defs"]["Leaf"]["required"] == ["type", "note"]


def test_what_may_be_left_out_without_a_default_may_be_null_where_that_is_wanted() -> None:
    assert strict_schema(schema_of(Loose)) is None
    strict = strict_schema(schema_of(Loose), add_null=True)
    assert strict is not None
    assert strict["properties"]["size"] == {"anyOf": [{"type": "integer"}, {"type": "null"}]}


def test_a_reference_with_words_beside_it_keeps_both() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A", "description": "The a."}},
        "required": ["a"],
        "$defs": {"A": {"const": 7}},
    }
    strict = strict_schema(schema)
    assert strict is not None
    assert strict["properties"]["a"] == {
        "description": "The a.",
        "anyOf": [{"$ref": "#/$defs/A"}],
    }
    assert strict["$defs"]["A"] == {"type": "integer", "enum": [7]}


@pytest.mark.parametrize(
    "property_",
    [
        {},
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {}, "additionalProperties": True},
        {"type": "array"},
        {"type": "array", "prefixItems": [{"type": "string"}], "items": False},
        {"allOf": [{"type": "string"}, {"minLength": 1}]},
        {"type": ["array", "null"]},
        {"enum": [{"a": 1}]},
        {"type": "thing"},
        {"anyOf": [{"type": "string"}, {}]},
    ],
)
def test_what_has_no_strict_form_is_left_as_it_is(property_: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"a": property_}, "required": ["a"]}
    assert strict_schema(schema) is None
    assert strict_schema({"type": "array", "items": {"type": "string"}}) is None


def test_a_schema_is_not_changed_by_reading_it() -> None:
    schema = schema_of(Node)
    before = msgspec.json.encode(schema)
    strict_schema(schema, add_null=True)
    with_root(schema)
    assert msgspec.json.encode(schema) == before


def test_references_are_followed() -> None:
    schema = {"$defs": {"a/b": {"type": "string"}, "c": {"$ref": "#/$defs/a~1b"}}}
    assert resolve(schema, "#/$defs/a~1b") == {"type": "string"}
    assert with_root({**schema, "$ref": "#/$defs/c"})["type"] == "string"
    assert resolve(schema, "#") is schema
    for nothing in ("#/$defs/x", "#/$defs/c/$ref"):
        with pytest.raises((LookupError, TypeError)):
            resolve(schema, nothing)


def test_nulls_that_stand_for_nothing_are_dropped_and_others_stay() -> None:
    value = {
        "left": {"name": "a", "size": None},
        "right": {"name": None, "size": None},
        "other": None,
    }
    assert drop_nulls(value, schema_of(Pair)) == {
        "left": {"name": "a"},
        "right": {"name": None},
        "other": None,
    }
    assert drop_nulls({"left": {"name": "a"}, "right": None}, schema_of(Pair))["right"] is None
    nested = {"type": "Node", "count": 1, "children": [{"type": "Leaf", "note": None}]}
    assert drop_nulls(nested, schema_of(Node))["children"] == [{"type": "Leaf"}]


@pytest.mark.parametrize(
    ("schema", "good", "bad", "problem"),
    [
        ({"type": "string"}, "a", 1, ("$", "must be string, not number")),
        ({"type": "integer"}, 2.0, 2.5, ("$", "must be integer, not number")),
        ({"type": "integer"}, 2, True, ("$", "must be integer, not boolean")),
        ({"type": "number"}, 1, "1", ("$", "must be number, not string")),
        ({"type": "integer"}, 0, float("inf"), ("$", "must be integer, not number")),
        ({"type": ["string", "null"]}, None, [], ("$", "must be string or null, not array")),
        ({"enum": [1, "a"]}, 1.0, True, ("$", 'must be one of 1, "a"')),
        ({"const": {"a": [1]}}, {"a": [1.0]}, {"a": []}, ("$", 'must be {"a": [1]}')),
        ({"minimum": 1}, 1, 0.5, ("$", "must be at least 1")),
        ({"exclusiveMaximum": 3}, 2, 3, ("$", "must be less than 3")),
        ({"multipleOf": 0.1}, 0.3, 0.35, ("$", "must be a multiple of 0.1")),
        ({"minLength": 2}, "éé", "é", ("$", "must have at least 2 characters")),
        ({"pattern": "^a+$"}, "aa", "b", ("$", "must match ^a+$")),
        ({"maxItems": 1}, [1], [1, 2], ("$", "must have at most 1 items")),
        ({"uniqueItems": True}, [1, True], [1, 1.0], ("$", "must have no item twice")),
        ({"required": ["a"]}, {"a": 1}, {}, ("$", "lacks 'a'")),
        (
            {"properties": {"a": {}}, "additionalProperties": False},
            {"a": 1},
            {"b": 1},
            ("$", "has 'b', which is not allowed"),
        ),
        (
            {"additionalProperties": {"type": "string"}},
            {"x": "a"},
            {"x": 1},
            ("$.x", "must be string, not number"),
        ),
        (
            {"items": {"properties": {"a": {"type": "null"}}}},
            [{"a": None}],
            [{}, {"a": 1}],
            ("$[1].a", "must be null, not number"),
        ),
        (
            {"prefixItems": [{"type": "string"}], "items": False},
            ["a"],
            ["a", 1],
            ("$[1]", "is not allowed here"),
        ),
        (
            {"anyOf": [{"type": "null"}, {"properties": {"a": {"type": "string"}}}]},
            {"a": "b"},
            {"a": 1},
            ("$.a", "must be string, not number"),
        ),
        ({"oneOf": [{"minimum": 1}, {"maximum": 5}]}, 9, 3, ("$", "fits more than one")),
        ({"allOf": [{"minimum": 1}, {"maximum": 5}]}, 3, 9, ("$", "must be at most 5")),
        ({"not": {"type": "string"}}, 1, "a", ("$", "has a form that is not allowed")),
        (
            {
                "$ref": "#/$defs/T",
                "$defs": {"T": {"properties": {"t": {"$ref": "#/$defs/T"}}, "type": "object"}},
            },
            {"t": {"t": {}}},
            {"t": {"t": 1}},
            ("$.t.t", "must be object, not number"),
        ),
    ],
)
def test_values_are_checked(
    schema: dict[str, Any], good: Any, bad: Any, problem: tuple[str, str]
) -> None:
    require_checkable(schema)
    assert problem_in(good, schema) is None
    found = problem_in(bad, schema)
    assert found is not None
    assert found[0] == problem[0]
    assert found[1].startswith(problem[1])


def test_a_reference_to_itself_comes_to_an_end() -> None:
    problem = problem_in(1, {"$ref": "#"})
    assert problem is not None
    assert "deep" in problem[1]


@pytest.mark.parametrize(
    "schema",
    [
        {"if": {}},
        {"properties": {"a": {"unevaluatedProperties": False}}},
        {"items": {"anyOf": [{"dependentRequired": {}}]}},
        {"$defs": {"a": {"contains": {}}}},
        {"$ref": "https://example.com/a.json"},
        {"type": "any"},
    ],
)
def test_keywords_that_would_not_be_checked_are_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"not supported|refers to nothing|no type"):
        require_checkable(schema)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"properties": []}, "'properties' must be an object"),
        ({"items": {"anyOf": []}}, "'anyOf' must be a list with something in it"),
        ({"enum": 5}, "'enum' must be a list"),
        ({"required": "name"}, "'required' must be a list of names"),
        ({"minimum": "1"}, "'minimum' must be a number"),
        ({"multipleOf": 0}, "'multipleOf' must be a number above 0"),
        ({"maxLength": -1}, "'maxLength' must be a count"),
        ({"uniqueItems": "no"}, "'uniqueItems' must be true or false"),
        ({"type": []}, "'type' must be the name of a type"),
        ({"pattern": "("}, r"the pattern '\(': "),
        ({"not": 5}, "a schema is int"),
        ({"$ref": "#"}, "'#' refers to itself"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "refers to itself"),
    ],
)
def test_schemas_that_say_nothing_that_makes_sense_are_refused(
    schema: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        require_checkable(schema)


names = st.text("abc", min_size=1, max_size=3)
leaves: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers() | st.text(max_size=3)


@given(
    given_=st.dictionaries(names, leaves, max_size=4),
    required=st.sets(names, max_size=2),
)
def test_checking_agrees_with_msgspec(given_: dict[str, Any], required: set[str]) -> None:
    fields = [
        (name, int) if name in required else (name, int, 0) for name in sorted(required | {"a"})
    ]
    struct = msgspec.defstruct("S", fields, kw_only=True)
    try:
        msgspec.convert(given_, struct)
        fits = True
    except msgspec.ValidationError:
        fits = False
    small = {k: v for k, v in given_.items() if not isinstance(v, int) or abs(v) < 2**63}
    if small == given_:
        assert (problem_in(given_, schema_of(struct)) is None) is fits
