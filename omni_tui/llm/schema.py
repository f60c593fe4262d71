"""JSON Schemas for models: made from Python types, and in the strict form some providers want."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

_CARRIED = ("description", "title")
_HANDLED = frozenset(
    [
        "description",
        "title",
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "oneOf",
        "allOf",
        "default",
        "discriminator",
        "$ref",
        "$defs",
        "definitions",
        "$schema",
        "$id",
        "examples",
    ]
)
_TYPES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}
_NULL = {"type": "null"}


class _NotStrictError(Exception):
    """The schema allows what the strict form cannot say."""


def schema_of(type_: Any) -> dict[str, Any]:
    """The JSON Schema of a type msgspec knows: Struct, dataclass, TypedDict, list, union and so on.

    Raises `TypeError` when the type has no JSON form.
    """
    (root,), definitions = msgspec.json.schema_components((type_,), ref_template="#/$defs/{name}")
    return {**root, "$defs": definitions} if definitions else root


def with_root(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`schema` with what its root refers to in the place of the reference."""
    root = dict(schema)
    while isinstance(root.get("$ref"), str):
        root = {**resolve(schema, root.pop("$ref")), **root}
    return root


def resolve(root: Mapping[str, Any], reference: str) -> dict[str, Any]:
    """What `reference` (`#/$defs/Name`) stands for; raises `LookupError` when there is nothing."""
    found: Any = root
    for step in reference.removeprefix("#").strip("/").split("/") if reference != "#" else ():
        found = found[step.replace("~1", "/").replace("~0", "~")]
    if not isinstance(found, dict):
        raise LookupError(f"{reference} is no schema")
    return found


def strict_schema(schema: Mapping[str, Any], *, add_null: bool = False) -> dict[str, Any] | None:
    """The form in which a provider can hold a model to `schema`, or `None` when there is none.

    Objects are closed and all their properties required. One that was optional must then be given
    (its default goes into the description) or, without a default and with `add_null`, may be null.
    Limits such as `minimum` go into the description: providers refuse them. There is no strict form
    for objects with free keys, for values of any type, and for tuples.
    """
    root = with_root(schema)
    try:
        made = _strict(root, add_null)
        if made.get("type") != "object":
            return None
        definitions = schema.get("$defs") or schema.get("definitions")
        if definitions:
            key = "$defs" if "$defs" in schema else "definitions"
            made[key] = {name: _strict(each, add_null) for name, each in definitions.items()}
    except (_NotStrictError, LookupError, TypeError, AttributeError):
        return None
    return made


def _strict(node: dict[str, Any], add_null: bool) -> dict[str, Any]:
    out: dict[str, Any] = {key: node[key] for key in _CARRIED if key in node}
    notes = [
        f"{key}: {json.dumps(value)}"
        for key, value in node.items()
        if key not in _HANDLED or (key == "default" and value is not None)
    ]
    if notes:
        out["description"] = " ".join(
            part for part in (out.get("description"), f"({', '.join(notes)})") if part
        )
    variants = node.get("anyOf") or node.get("oneOf")
    if "$ref" in node:
        reference = {"$ref": node["$ref"]}
        out = {**out, "anyOf": [reference]} if out else reference
    elif variants:
        out["anyOf"] = [_strict(variant, add_null) for variant in variants]
    elif "allOf" in node:
        (only,) = node["allOf"] if len(node["allOf"]) == 1 else (None,)
        if only is None:
            raise _NotStrictError
        out = {**_strict(only, add_null), **out}
    elif "const" in node or "enum" in node:
        values = [node["const"]] if "const" in node else list(node["enum"])
        types = list(dict.fromkeys(_TYPES[type(value)] for value in values))
        out |= {"type": types[0] if len(types) == 1 else types, "enum": values}
    else:
        out |= _typed(node, add_null)
    return out


def _typed(node: dict[str, Any], add_null: bool) -> dict[str, Any]:
    match node.get("type"):
        case "object":
            return _object(node, add_null)
        case "array":
            if not node.get("items") or "prefixItems" in node:
                raise _NotStrictError
            return {"type": "array", "items": _strict(node["items"], add_null)}
        case "string" | "integer" | "number" | "boolean" | "null" as plain:
            return {"type": plain}
        case list(kinds) if kinds and not {"object", "array"} & set(kinds):
            return {"type": kinds}
    raise _NotStrictError


def _object(node: dict[str, Any], add_null: bool) -> dict[str, Any]:
    if "properties" not in node or node.get("additionalProperties", False) is not False:
        raise _NotStrictError
    properties = {}
    for name, each in node["properties"].items():
        made = _strict(each, add_null)
        if name not in node.get("required", ()) and "default" not in each and not _nullable(each):
            if not add_null:
                raise _NotStrictError
            made = {"anyOf": [made, _NULL]}
        properties[name] = made
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _nullable(node: Mapping[str, Any]) -> bool:
    kind = node.get("type")
    return (
        kind == "null"
        or (isinstance(kind, list) and "null" in kind)
        or None in node.get("enum", ())
        or any(_nullable(variant) for variant in node.get("anyOf") or node.get("oneOf") or ())
    )


def drop_nulls(value: Any, schema: Mapping[str, Any]) -> Any:
    """`value` without the nulls that stand for properties left out, as `add_null` lets a model say.

    A null stays where `schema` allows it or requires the property.
    """
    return _drop(value, schema, schema)


def _drop(value: Any, node: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    while isinstance(node.get("$ref"), str):
        node = resolve(root, node["$ref"])
    for variant in node.get("anyOf") or node.get("oneOf") or ():
        value = _drop(value, variant, root)
    if isinstance(value, list) and isinstance(node.get("items"), dict):
        return [_drop(item, node["items"], root) for item in value]
    properties = node.get("properties")
    if not isinstance(value, dict) or not properties or not _fits(value, properties):
        return value
    required = node.get("required", ())
    return {
        name: _drop(item, properties[name], root) if name in properties else item
        for name, item in value.items()
        if item is not None
        or name not in properties
        or name in required
        or _nullable(properties[name])
    }


def _fits(value: Mapping[str, Any], properties: Mapping[str, Any]) -> bool:
    """Whether the tags of `value` are those of this variant of a union."""
    return all(
        name not in value or value[name] in each["enum"]
        for name, each in properties.items()
        if isinstance(each, dict) and "enum" in each and None not in each["enum"]
    )
