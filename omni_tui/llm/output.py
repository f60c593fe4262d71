"""Structured output: what a caller asks for, read from a model's answer and checked."""

from __future__ import annotations

import json
import re
import sys
from abc import ABC, abstractmethod
from typing import Any

import msgspec

from omni_tui.core.errors import OutputError
from omni_tui.core.stream import Response
from omni_tui.llm.json_schema import problem_in, require_checkable
from omni_tui.llm.providers.base import OutputFormat
from omni_tui.llm.schema import drop_nulls, schema_of, strict_schema, with_root

MAX_CORRECTIONS = 3
"""Further requests when an answer does not fit, each telling the model what was wrong."""

_FENCE = re.compile(r"```\w*\s*\n(.*)\n\s*```", re.DOTALL)
_AT = re.compile(r"(.*) - at `(\$.*)`", re.DOTALL)


class Output(ABC):
    """A shape to ask for, and the reader of answers that should have it."""

    def __init__(self, name: str, schema: dict[str, Any]) -> None:
        self._schema = schema
        self.format = OutputFormat(
            name=re.sub(r"[^\w-]|[^\x00-\x7f]", "_", name)[:64], schema=schema
        )

    def read(self, response: Response) -> Any:
        """The value in an answer; raises `OutputError` when there is none of this shape."""
        text = response.text.strip()
        fenced = _FENCE.fullmatch(text)
        if response.stop_reason == "length":
            raise _error("$", "the answer was cut off", text, hint="raise max_tokens")
        if response.stop_reason == "refusal":
            raise _error("$", "the model refused to answer", text, hint="ask differently")
        try:
            value = json.loads(fenced[1] if fenced else text, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise _error("$", f"this is not JSON: {error}", text) from None
        try:
            return self._convert(drop_nulls(value, self._schema))
        except _MisfitError as misfit:
            raise _error(misfit.path, misfit.problem, text) from None
        except RecursionError:
            raise _error("$", "it is nested too deeply", text) from None

    @abstractmethod
    def _convert(self, value: Any) -> Any:
        """The result for a JSON value; raises `_MisfitError`."""


class _MisfitError(Exception):
    def __init__(self, path: str, problem: str) -> None:
        super().__init__(problem)
        self.path = path
        self.problem = problem


class _TypedOutput(Output):
    """Any type msgspec knows. What is not an object travels inside one."""

    def __init__(self, type_: Any) -> None:
        schema = schema_of(type_)
        root = with_root(schema)
        self._is_wrapped = root.get("type") != "object"
        self._type = msgspec.defstruct("Answer", [("value", type_)]) if self._is_wrapped else type_
        if self._is_wrapped:
            schema = schema_of(self._type)
        super().__init__(getattr(type_, "__name__", "answer"), schema)

    def _convert(self, value: Any) -> Any:
        try:
            made: Any = msgspec.convert(value, self._type, str_keys=True)
        except msgspec.ValidationError as error:
            at = _AT.fullmatch(str(error))
            raise _MisfitError(*((at[2], at[1]) if at else ("$", str(error)))) from None
        return made.value if self._is_wrapped else made


class _PydanticOutput(Output):
    """A pydantic model."""

    def __init__(self, model: Any, invalid: Any) -> None:
        self._model = model
        self._invalid = invalid
        super().__init__(model.__name__, model.model_json_schema())

    def _convert(self, value: Any) -> Any:
        try:
            return self._model.model_validate_json(json.dumps(value))
        except self._invalid as error:
            first = error.errors()[0]
            steps = (f"[{at}]" if isinstance(at, int) else f".{at}" for at in first["loc"])
            raise _MisfitError("$" + "".join(steps), first["msg"]) from None


class _SchemaOutput(Output):
    """A JSON Schema; the result is plain JSON data."""

    def __init__(self, schema: dict[str, Any]) -> None:
        try:
            require_checkable(schema)
        except (ValueError, TypeError, AttributeError, re.error) as error:
            raise TypeError(f"output: {error}") from None
        if with_root(schema).get("type") != "object":
            raise TypeError("output: the root of the schema must have the type object")
        super().__init__(str(schema.get("title") or "answer"), schema)

    def _convert(self, value: Any) -> Any:
        problem = problem_in(value, self._schema)
        if problem is not None:
            raise _MisfitError(*problem)
        return value


def output_of(wanted: Any) -> Output:
    """The shape for `wanted`: a type, a pydantic model or a JSON Schema.

    Raises `TypeError` when no JSON Schema can be made of it, or it says what cannot be checked.
    """
    if isinstance(wanted, dict):
        return _SchemaOutput(wanted)
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(wanted, type) and issubclass(wanted, pydantic.BaseModel):
        return _PydanticOutput(wanted, pydantic.ValidationError)
    try:
        return _TypedOutput(wanted)
    except TypeError as error:
        raise TypeError(f"output: {error}") from None


def correction(error: OutputError) -> str:
    """What to tell a model whose answer did not fit."""
    return (
        f"Your answer does not fit the schema: at {error.details['path']}:"
        f" {error.details['problem']}.\nAnswer again with the corrected JSON, and nothing else."
    )


def instruction(format: OutputFormat) -> str:
    """The words that ask for a shape where an API has no field for it."""
    schema = json.dumps(strict_schema(format.schema, add_null=True) or format.schema)
    return (
        "Answer with one JSON object that fits this JSON Schema, and nothing else: no other words,"
        f" no code fence.\n{schema}"
    )


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _error(path: str, problem: str, text: str, *, hint: str | None = None) -> OutputError:
    return OutputError(
        f"The answer does not have the shape asked for: at {path}: {problem}",
        hint=hint,
        path=path,
        problem=problem,
        text=text,
    )
