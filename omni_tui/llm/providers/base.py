"""What every provider offers: one request in, normalised stream events out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, get_args, runtime_checkable

import msgspec

from omni_tui.core.errors import RequestError, UnknownOptionError
from omni_tui.core.messages import Message, ToolUse
from omni_tui.core.stream import StreamEvent
from omni_tui.core.tool import Tool

if TYPE_CHECKING:
    from omni_tui.llm.catalog import Catalog
    from omni_tui.llm.model_info import ModelInfo

ThinkingLevel: TypeAlias = Literal["off", "low", "medium", "high", "xhigh", "max"]
THINKING_LEVELS: tuple[ThinkingLevel, ...] = get_args(ThinkingLevel)
"""From the least to the most."""
CacheHint: TypeAlias = Literal["short", "long"]

MAX_NESTING = 100
MAX_ARGUMENT_CHARS = 1_048_576

THINKING_BUDGETS: Mapping[ThinkingLevel, int] = MappingProxyType(
    {"low": 1024, "medium": 4096, "high": 16_384, "xhigh": 24_576, "max": 32_768}
)
"""Tokens a level may think for, where a provider wants a number."""


class Options(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How to ask. `None` leaves the choice to the provider.

    Raises `ValueError` for a limit, a budget or a timeout that is none.
    """

    max_tokens: int | None = None
    """The longest answer, thinking not counted where the provider keeps the two apart."""
    temperature: float | None = None
    thinking: ThinkingLevel | int | None = None
    """How much to think: a level, or a budget in tokens (0 is `off`). Providers that know only one
    of the two get the nearest."""
    timeout: float = 300.0
    """Seconds for the whole request."""
    cache: CacheHint | None = "short"
    """How long the provider should keep the prompt for the next request to reuse: some minutes, or
    an hour and more. A hint; `None` marks nothing."""
    tool_choice: str | None = None
    """`auto`, `none`, `required`, or the name of the one tool to use; holds for each request."""
    parallel_tool_calls: bool | None = None
    """Whether one message may hold several tool uses."""
    extra: dict[str, Any] = {}
    """More fields of the request body, by the provider's own names, such as `{"top_p": 0.9}`. Only
    those its API is known to take, and they win over the fields above."""

    def __post_init__(self) -> None:
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError("max_tokens must be at least 1")
        if isinstance(self.thinking, int) and self.thinking < 0:
            raise ValueError("a thinking budget must not be negative")
        if not self.timeout > 0:
            raise ValueError("timeout must be more than 0 seconds")

    @property
    def thinking_level(self) -> ThinkingLevel | None:
        """`thinking` as a level: of a budget, the highest one that fits into it."""
        if not isinstance(self.thinking, int):
            return self.thinking
        if self.thinking == 0:
            return "off"
        fitting = [level for level, most in THINKING_BUDGETS.items() if most <= self.thinking]
        return fitting[-1] if fitting else "low"


class OutputFormat(msgspec.Struct, frozen=True, kw_only=True):
    """The shape an answer must have."""

    name: str
    """Letters, digits, `_` and `-`, at most 64."""
    schema: dict[str, Any]
    """A JSON Schema whose root is an object."""
    native: bool = True
    """Whether the model is held to the shape by its provider, where the API has a field for it;
    otherwise it is told of the shape in words."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One step: everything a stateless model needs."""

    model: str
    """The provider's own name of the model."""
    messages: tuple[Message, ...]
    system: str | None = None
    tools: tuple[Tool, ...] = ()
    options: Options = Options()
    output: OutputFormat | None = None


@runtime_checkable
class Provider(Protocol):
    """An endpoint that answers requests."""

    name: str
    """The part of a model string before the first slash."""

    def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        """Answer `request`: block events, then one `Done` or `Failed`.

        Faults of the provider arrive as `Failed`, never as an exception. Closing the iterator (or
        cancelling the task that reads it) closes the connection at once.
        """
        ...

    def prepare(self) -> None:
        """Import what the first request needs. Blocking: call it in a thread, early."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class Model(msgspec.Struct, frozen=True):
    """A model bound to the provider that serves it; `str()` gives `provider/name`."""

    provider: Provider
    name: str
    catalog: Catalog | None = None
    """Where `info` is looked up; a model from a `ProviderRegistry` has one."""

    def __str__(self) -> str:
        return f"{self.provider.name}/{self.name}"

    @property
    def info(self) -> ModelInfo | None:
        """What is known of the model, `None` when nothing is.

        The first look-up reads the catalogue from disk (some milliseconds); `await catalog.load()`
        does that off the event loop.
        """
        return self.catalog.get(str(self)) if self.catalog is not None else None


def add_extra(
    body: dict[str, Any], options: Options, *, allowed: frozenset[str], api: str
) -> dict[str, Any]:
    """`body` with `options.extra` in it; objects are joined, anything else is replaced.

    Raises `UnknownOptionError` for names that `api` does not take.
    """
    unknown = sorted(set(options.extra) - allowed)
    if unknown:
        raise UnknownOptionError(
            f"The {api} API takes no {', '.join(map(repr, unknown))}",
            hint=f"it takes {', '.join(sorted(allowed))}; anything else goes into a provider's"
            " extra_body",
            keys=unknown,
            allowed=sorted(allowed),
        )
    for name, value in options.extra.items():
        before = body.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            value = {**before, **value}
        body[name] = value
    return body


def named_tool(request: Request) -> str | None:
    """The tool that `tool_choice` names; `None` for `auto`, `none`, `required` and no choice.

    Raises `RequestError` when the request has no such tool.
    """
    choice = request.options.tool_choice
    if choice in (None, "auto", "none", "required"):
        return None
    names = [tool.name for tool in request.tools]
    if choice not in names:
        raise RequestError(
            f"tool_choice: there is no tool {choice!r}",
            hint=f"choose auto, none, required{''.join(f', {name}' for name in names)}",
        )
    return choice


def finish_tool_use(
    id: str,
    name: str,
    arguments: str,
    *,
    signature: str | None = None,
    signed_by: str | None = None,
) -> ToolUse:
    """The tool use for accumulated argument text.

    Text that is not a JSON object, is nested deeper than 100 or longer than 1 MiB gives a use
    marked `invalid`, which no executor runs: the SDKs would pass broken arguments off as `{}`.
    """
    problem = None
    value: Any = {}
    if len(arguments) > MAX_ARGUMENT_CHARS:
        problem = arguments[:1000]
    elif arguments.strip():
        try:
            value = json.loads(arguments, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            problem = arguments
        else:
            if not isinstance(value, dict) or _depth(value) > MAX_NESTING:
                problem = arguments
    if problem is not None:
        value = {}
    return ToolUse(
        id=id, name=name, input=value, signature=signature, signed_by=signed_by, invalid=problem
    )


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _depth(value: Any) -> int:
    deepest, stack = 0, [(value, 1)]
    while stack:
        item, depth = stack.pop()
        deepest = max(deepest, depth)
        children = (
            item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        )
        stack.extend((child, depth + 1) for child in children if isinstance(child, dict | list))
    return deepest
