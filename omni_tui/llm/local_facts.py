"""What servers on this machine say of their models, each in its own words. Pure: no I/O."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from omni_tui.llm.model_info import ModelInfo

_NUM_CTX = re.compile(r"^num_ctx\s+(\d+)\s*$", re.MULTILINE)


def from_listing(id: str, row: dict[str, Any]) -> ModelInfo:
    """What a row of `/v1/models` says; vLLM and SGLang state the window there."""
    return ModelInfo(id=id, context=_count(row.get("max_model_len")))


def from_ollama(known: ModelInfo, shown: Any, running: Any) -> ModelInfo | None:
    """`known` with what `/api/show` and `/api/ps` say; `None` for a model that writes no text.

    A window that is in use counts, else the one the model was set to, else the largest it can have.
    """
    shown = _object(shown)
    abilities = _list(shown.get("capabilities"))
    if abilities and "completion" not in abilities:
        return None
    name = known.id.partition("/")[2]
    in_use = [
        _count(row.get("context_length"))
        for row in map(_object, _list(_object(running).get("models")))
        if name in (row.get("name"), row.get("model"))
    ]
    parameters = shown.get("parameters")
    set_to = _NUM_CTX.search(parameters) if isinstance(parameters, str) else None
    facts = _object(shown.get("model_info"))
    kind = facts.get("general.architecture")
    windows = (*in_use, int(set_to[1]) if set_to else None, facts.get(f"{kind}.context_length"))
    return _with(
        known,
        context=next((window for window in map(_count, windows) if window), None),
        sees=("vision" in abilities) if abilities else None,
        tools="tools" in abilities,
        reasoning="thinking" in abilities,
    )


def from_llamacpp(known: ModelInfo, props: Any) -> ModelInfo:
    """`known` with what `/props` says of the one model a server was started with."""
    props = _object(props)
    settings = _object(props.get("default_generation_settings"))
    senses = _object(props.get("modalities"))
    abilities = _object(props.get("chat_template_caps"))
    return _with(
        known,
        context=_count(settings.get("n_ctx")),
        sees=senses["vision"] is True if "vision" in senses else None,
        tools=abilities.get("supports_tools") is True,
    )


def from_lmstudio(known: ModelInfo, listed: Any) -> ModelInfo | None:
    """`known` with what `/api/v0/models` says; `None` for a model that writes no text."""
    name = known.id.partition("/")[2]
    rows = map(_object, _list(_object(listed).get("data")))
    row = next((row for row in rows if row.get("id") == name), {})
    kind = row.get("type")
    if kind == "embeddings":
        return None
    loaded, largest = row.get("loaded_context_length"), row.get("max_context_length")
    return _with(
        known,
        context=_count(loaded) or _count(largest),
        sees={"vlm": True, "llm": False}.get(str(kind)),
        tools="tool_use" in _list(row.get("capabilities")),
    )


def _with(
    known: ModelInfo,
    *,
    context: int | None,
    sees: bool | None,
    tools: bool = False,
    reasoning: bool = False,
) -> ModelInfo:
    """`known` with what is said; an ability nobody speaks of stays unknown, not absent."""
    inputs = known.inputs
    if sees is not None:
        inputs = ("text", "image") if sees else ("text",)
    return msgspec.structs.replace(
        known,
        context=context or known.context,
        inputs=inputs,
        tools=tools or known.tools,
        reasoning=reasoning or known.reasoning,
    )


def _count(value: Any) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53
    return value if is_count else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
