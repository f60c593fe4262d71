"""Checks a JSON value against a JSON Schema: the part of the standard that structured output uses.

Keywords that would narrow a value but are not known here are refused when the schema is read, never
passed over: a value that passes does fit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from omni_tui.llm.schema import resolve

Problem: TypeAlias = tuple[str, str]
"""Where (`$.age`), and what is wrong there."""

_ANNOTATIONS = frozenset(
    [
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "format",
        "discriminator",
        "$schema",
        "$id",
        "$comment",
        "$defs",
        "definitions",
    ]
)
_APPLICATORS = frozenset(
    [
        "$ref",
        "properties",
        "additionalProperties",
        "items",
        "prefixItems",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
    ]
)
_MAX_DEPTH = 200


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: int | float) -> bool:
    return isinstance(value, int) or value.is_integer()


_IS_TYPE: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": _is_number,
    "integer": lambda value: _is_number(value) and _is_whole(value),
}

_LIMITS: dict[str, tuple[Callable[[Any], bool], Callable[[Any, Any], bool], str]] = {
    "minimum": (_is_number, lambda value, limit: value >= limit, "must be at least {}"),
    "maximum": (_is_number, lambda value, limit: value <= limit, "must be at most {}"),
    "exclusiveMinimum": (_is_number, lambda value, limit: value > limit, "must be more than {}"),
    "exclusiveMaximum": (_is_number, lambda value, limit: value < limit, "must be less than {}"),
    "multipleOf": (
        _is_number,
        lambda value, unit: abs(value / unit - round(value / unit)) < 1e-9,
        "must be a multiple of {}",
    ),
    "minLength": (
        _IS_TYPE["string"],
        lambda value, limit: len(value) >= limit,
        "must have at least {} characters",
    ),
    "maxLength": (
        _IS_TYPE["string"],
        lambda value, limit: len(value) <= limit,
        "must have at most {} characters",
    ),
    "pattern": (
        _IS_TYPE["string"],
        lambda value, pattern: re.search(pattern, value) is not None,
        "must match {}",
    ),
    "minItems": (
        _IS_TYPE["array"],
        lambda value, limit: len(value) >= limit,
        "must have at least {} items",
    ),
    "maxItems": (
        _IS_TYPE["array"],
        lambda value, limit: len(value) <= limit,
        "must have at most {} items",
    ),
    "uniqueItems": (
        _IS_TYPE["array"],
        lambda value, wanted: not wanted or len({_key(each) for each in value}) == len(value),
        "must have no item twice",
    ),
    "minProperties": (
        _IS_TYPE["object"],
        lambda value, limit: len(value) >= limit,
        "must have at least {} properties",
    ),
    "maxProperties": (
        _IS_TYPE["object"],
        lambda value, limit: len(value) <= limit,
        "must have at most {} properties",
    ),
}
_KNOWN = _ANNOTATIONS | _APPLICATORS | _LIMITS.keys() | {"type", "enum", "const", "required"}


_WORDS_OF: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (
    (("properties", "$defs", "definitions"), _IS_TYPE["object"], "an object"),
    (
        ("anyOf", "oneOf", "allOf", "enum"),
        lambda value: _is_list(value) and bool(value),
        "a list with something in it",
    ),
    (("prefixItems",), lambda value: _is_list(value), "a list"),
    (("required",), lambda value: _is_list(value, str), "a list of names"),
    (("uniqueItems",), _IS_TYPE["boolean"], "true or false"),
    (("$ref", "pattern", "title", "description"), _IS_TYPE["string"], "a string"),
    (("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number, "a number"),
    (("multipleOf",), lambda value: _is_number(value) and value > 0, "a number above 0"),
    (
        ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
        lambda value: _IS_TYPE["integer"](value) and value >= 0,
        "a count",
    ),
    (
        ("type",),
        lambda value: isinstance(value, str) or (_is_list(value, str) and bool(value)),
        "the name of a type, or a list of them",
    ),
)
"""What the value of a keyword must be."""


def _is_list(value: Any, of: type = object) -> bool:
    return isinstance(value, list) and all(isinstance(each, of) for each in value)


def require_checkable(schema: Mapping[str, Any]) -> None:
    """Raise `ValueError` that names what in `schema` cannot be checked, or refers to nothing."""
    for node in _nodes(schema):
        unknown = sorted(set(node) - _KNOWN)
        if unknown:
            raise ValueError(f"the keyword {unknown[0]!r} is not supported")
        kinds = node.get("type", [])
        for kind in [kinds] if isinstance(kinds, str) else kinds:
            if kind not in _IS_TYPE:
                raise ValueError(f"there is no type {kind!r}")
        if "$ref" in node:
            _require_end(node, schema)
        if "pattern" in node:
            try:
                re.compile(node["pattern"])
            except re.error as error:
                raise ValueError(f"the pattern {node['pattern']!r}: {error}") from None


def _require_words(node: Mapping[str, Any]) -> None:
    for keys, fits, words in _WORDS_OF:
        for key in keys:
            if key in node and not fits(node[key]):
                raise ValueError(f"{key!r} must be {words}")


def _require_end(node: Mapping[str, Any], root: Mapping[str, Any]) -> None:
    """Follow references of references to something that is none."""
    seen = set()
    while "$ref" in node:
        reference = node["$ref"]
        if reference in seen:
            raise ValueError(f"{reference!r} refers to itself")
        seen.add(reference)
        try:
            node = resolve(root, reference)
        except (LookupError, TypeError, AttributeError):
            raise ValueError(f"{reference!r} refers to nothing") from None


def problem_in(value: Any, schema: Mapping[str, Any]) -> Problem | None:
    """The first thing wrong with `value`, `None` when it fits."""
    return next(_problems(value, schema, schema, "$", 0), None)


def _nodes(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Every schema within a schema."""
    stack = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, bool):
            continue
        if not isinstance(node, Mapping):
            raise ValueError(f"a schema is {type(node).__name__}, not an object")
        _require_words(node)
        yield node
        for key in ("properties", "$defs", "definitions"):
            stack.extend(node.get(key, {}).values())
        for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            stack.extend(node.get(key, ()))
        stack.extend(node[key] for key in ("additionalProperties", "items", "not") if key in node)


def _problems(
    value: Any, node: Any, root: Mapping[str, Any], path: str, depth: int
) -> Iterator[Problem]:
    if node is True or depth > _MAX_DEPTH:
        if node is not True:
            yield path, "is nested too deeply"
        return
    if node is False:
        yield path, "is not allowed here"
        return
    if "$ref" in node:
        yield from _problems(value, resolve(root, node["$ref"]), root, path, depth + 1)
    yield from _wrong_kind(value, node, path)
    for key, (applies, holds, words) in _LIMITS.items():
        if key in node and applies(value) and not holds(value, node[key]):
            yield path, words.format(node[key])
    yield from _wrong_variant(value, node, root, path, depth)
    if isinstance(value, dict):
        yield from _wrong_object(value, node, root, path, depth)
    elif isinstance(value, list):
        first = node.get("prefixItems", ())
        for place, item in enumerate(value):
            each = first[place] if place < len(first) else node.get("items", True)
            yield from _problems(item, each, root, f"{path}[{place}]", depth + 1)


def _wrong_kind(value: Any, node: Mapping[str, Any], path: str) -> Iterator[Problem]:
    kinds = node.get("type")
    if kinds is not None:
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if not any(_IS_TYPE[kind](value) for kind in kinds):
            yield path, f"must be {' or '.join(kinds)}, not {_kind(value)}"
    if "enum" in node and all(_key(value) != _key(each) for each in node["enum"]):
        yield path, f"must be one of {', '.join(json.dumps(each) for each in node['enum'])}"
    if "const" in node and _key(value) != _key(node["const"]):
        yield path, f"must be {json.dumps(node['const'])}"


def _wrong_variant(
    value: Any, node: Mapping[str, Any], root: Mapping[str, Any], path: str, depth: int
) -> Iterator[Problem]:
    for each in node.get("allOf", ()):
        yield from _problems(value, each, root, path, depth + 1)
    for key, most in (("anyOf", None), ("oneOf", 1)):
        if key not in node:
            continue
        found = [next(_problems(value, each, root, path, depth + 1), None) for each in node[key]]
        fitting = found.count(None)
        if fitting == 0:
            # The variant that got furthest into the value is the one that was meant.
            yield max((each for each in found if each is not None), key=lambda each: len(each[0]))
        elif most is not None and fitting > most:
            yield path, "fits more than one of the forms, and must fit one"
    if "not" in node and next(_problems(value, node["not"], root, path, depth + 1), None) is None:
        yield path, "has a form that is not allowed"


def _wrong_object(
    value: dict[str, Any], node: Mapping[str, Any], root: Mapping[str, Any], path: str, depth: int
) -> Iterator[Problem]:
    for name in node.get("required", ()):
        if name not in value:
            yield path, f"lacks {name!r}"
    properties = node.get("properties", {})
    others = node.get("additionalProperties", True)
    for name, item in value.items():
        if name not in properties and others is False:
            yield path, f"has {name!r}, which is not allowed"
        else:
            each = properties.get(name, others)
            yield from _problems(item, each, root, f"{path}.{name}", depth + 1)


def _kind(value: Any) -> str:
    return next(name for name, fits in _IS_TYPE.items() if fits(value))


def _key(value: Any) -> str:
    """Equal for equal JSON values: `1` and `1.0` are, `1` and `true` are not."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    """The value with every whole number an integer."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
