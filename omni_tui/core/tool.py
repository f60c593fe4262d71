"""Tools: a name, a JSON Schema and a handler, made by hand or from a function."""

from __future__ import annotations

import asyncio
import inspect
import re
import typing
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias, overload

import msgspec

from omni_tui.core.errors import ToolError
from omni_tui.core.usage import Usage


@dataclass(kw_only=True)
class ToolContext:
    """What a running tool knows of its surroundings."""

    cwd: Path = field(default_factory=Path.cwd)
    """The working folder; relative paths start here."""
    allowed_paths: tuple[Path, ...] = ()
    """Folders a file tool may touch; empty means the working folder alone."""
    session_id: str | None = None
    tool_use_id: str = ""
    timeout: float | None = None
    """Seconds the executor grants, so that a tool can stop by itself with its partial output."""
    emit: Callable[[str], None] = lambda _text: None
    """Shows a piece of output while the tool runs; the model gets only the returned text."""
    add_usage: Callable[[Usage], None] = lambda _usage: None
    """Counts what the tool itself had a model do."""
    ask: Callable[[Any], Awaitable[Any]] | None = None
    """Puts a sub-agent's question to whoever answers for this agent; its time does not count."""
    depth: int = 0
    """How many agents stand above the one that runs the tool."""
    private: dict[str, Any] = field(default_factory=dict)
    """Scratch that the tools of one agent, or of one session, share; never stored."""


class ToolReply(msgspec.Struct, frozen=True, kw_only=True):
    """A tool's answer with facts for a person beside the text for the model."""

    text: str
    data: dict[str, Any] | None = None
    is_error: bool = False


_ARGS = re.compile(r"^(?:Args|Arguments):[ ]*\n", re.MULTILINE)
_ITEM = re.compile(r"\*{0,2}(\w+)(?: *\([^)]*\))? *: *(.*)")

Handler: TypeAlias = Callable[[dict[str, Any], ToolContext], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool a model may use.

    `handler` gets the arguments and a `ToolContext`; it returns text, a `ToolReply`, or anything
    JSON can hold, and raises `ToolError` (or any exception) to tell the model what went wrong. A
    tool without a handler ends the turn: the caller answers it.
    """

    name: str
    description: str = ""
    input_schema: dict[str, Any] = field(
        default_factory=lambda: {"type": "object", "properties": {}}
    )
    handler: Handler | None = None
    read_only: bool = False
    """Changes nothing outside the conversation, so that running it twice is harmless."""
    timeout: float | None = None
    """Seconds; `None` takes the agent's `tool_timeout`."""
    asks_person: bool = False
    """Answered by a person: the agent pauses instead of running it."""
    strict: bool = False
    """Have the provider hold the model to the schema, where the API can and the schema allows it;
    every argument must then be given, and the model is told the defaults."""


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    read_only: bool = False,
    timeout: float | None = None,
    strict: bool = False,
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    read_only: bool = False,
    timeout: float | None = None,
    strict: bool = False,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a `Tool` from a function: annotations give the schema, the docstring the descriptions.

    A parameter annotated `ToolContext` is filled in and hidden from the model. Synchronous
    functions run in a thread. An `Args:` section in the docstring describes the parameters.

    Raises `TypeError` when a parameter has no annotation, is variadic or positional-only, or has a
    type without a JSON form.
    """

    def make(function: Callable[..., Any]) -> Tool:
        params, context_name = _parameters(function)
        summary, notes = _docstring(function)
        schema = _schema(params, notes)
        return Tool(
            name=name or function.__name__,
            description=description if description is not None else summary,
            input_schema=schema,
            handler=_handler(function, params, context_name),
            read_only=read_only,
            timeout=timeout,
            strict=strict,
        )

    return make if function is None else make(function)


def _parameters(function: Callable[..., Any]) -> tuple[type[msgspec.Struct], str | None]:
    name = function.__name__
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(f"{name}: {error}; a tool's types are defined in its module") from None
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    context_name = None
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{name}: a tool takes no *{parameter.name}")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise TypeError(f"{name}: {parameter.name!r} is positional-only, arguments have names")
        if parameter.name not in hints:
            raise TypeError(f"{name}: parameter {parameter.name!r} needs an annotation")
        hint = hints[parameter.name]
        if hint is ToolContext:
            context_name = parameter.name
            continue
        if parameter.default is None:
            hint = hint | None
        _require_schema(name, parameter.name, hint)
        default = () if parameter.default is parameter.empty else (parameter.default,)
        fields.append((parameter.name, hint, *default))
    struct = msgspec.defstruct("Arguments", fields, kw_only=True, forbid_unknown_fields=True)
    return struct, context_name


def _require_schema(function: str, parameter: str, hint: Any) -> None:
    try:
        msgspec.json.schema(hint)
    except TypeError as error:
        reason = str(error).splitlines()[-1]
        raise TypeError(f"{function}: parameter {parameter!r} has no JSON form: {reason}") from None


def _schema(params: type[msgspec.Struct], notes: dict[str, str]) -> dict[str, Any]:
    (reference,), definitions = msgspec.json.schema_components(
        (params,), ref_template="#/$defs/{name}"
    )
    schema = dict(definitions.pop(reference["$ref"].rsplit("/", 1)[-1]))
    schema.pop("title", None)
    for key, note in notes.items():
        if key in schema.get("properties", {}):
            schema["properties"][key].setdefault("description", note)
    if definitions:
        schema["$defs"] = definitions
    return schema


def _docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """The description, and what the `Args:` section says of each parameter."""
    text = inspect.getdoc(function) or ""
    found = _ARGS.search(text)
    if found is None:
        return text.strip(), {}
    notes: dict[str, str] = {}
    current, margin = "", None
    for line in text[found.end() :].splitlines():
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        margin = indent if margin is None else margin
        item = _ITEM.match(line.strip()) if indent == margin else None
        if item:
            current = item[1]
            notes[current] = item[2]
        elif indent > margin and current:
            notes[current] = f"{notes[current]} {line.strip()}".strip()
        else:
            break
    return text[: found.start()].strip(), notes


def _handler(
    function: Callable[..., Any], params: type[msgspec.Struct], context_name: str | None
) -> Handler:
    is_async = inspect.iscoroutinefunction(function)

    async def handler(arguments: dict[str, Any], context: ToolContext) -> Any:
        checked = convert_arguments(arguments, params)
        values = {name: getattr(checked, name) for name in params.__struct_fields__}
        if context_name:
            values[context_name] = context if is_async else _for_thread(context)
        if is_async:
            return await function(**values)
        return await asyncio.to_thread(function, **values)

    return handler


def _for_thread(context: ToolContext) -> ToolContext:
    """The same context, whose `emit` may be called off the event loop."""
    loop, emit = asyncio.get_running_loop(), context.emit
    return replace(context, emit=lambda text: _call_soon(loop, emit, text))


def _call_soon(loop: asyncio.AbstractEventLoop, emit: Callable[[str], None], text: str) -> None:
    with suppress(RuntimeError):  # the loop is gone: nobody is left to be shown anything
        loop.call_soon_threadsafe(emit, text)


def convert_arguments(arguments: dict[str, Any], params: type[Any]) -> Any:
    """Check a model's arguments against a type; raises `ToolError` that names the wrong one."""
    try:
        return msgspec.convert(arguments, params, strict=False)
    except msgspec.ValidationError as error:
        raise ToolError(f"Bad arguments: {error}") from None
