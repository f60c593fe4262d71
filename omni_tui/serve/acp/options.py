"""What a person may choose for a session at the editor: mode, model, and how much it thinks."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any

import msgspec
from acp import schema

from omni_tui.core.safe_text import safe_line
from omni_tui.llm.models import ProviderRegistry
from omni_tui.llm.offers import Offer
from omni_tui.llm.providers.base import THINKING_LEVELS
from omni_tui.serve.acp.faults import bad_params
from omni_tui.session.session import Session
from omni_tui.tools.permissions import Mode

MODE, MODEL, THINKING = "mode", "model", "thinking"
DEFAULT = "default"
"""Stands for what the settings say, or the model itself."""

_MODES: MappingProxyType[Mode, tuple[str, str]] = MappingProxyType(
    {
        "ask": ("Ask", "Reading is free; changing files and running commands is asked"),
        "auto-edit": ("Auto-edit", "Files in the folder change unasked; commands are asked"),
        "plan": ("Plan", "Only reading"),
        "yolo": ("Yolo", "Nothing is asked; deny rules still hold"),
    }
)


def modes(session: Session) -> schema.SessionModeState | None:
    """The approval modes; `None` for a session without permissions."""
    if session.permissions is None:
        return None
    return schema.SessionModeState(
        current_mode_id=session.permissions.mode,
        available_modes=[
            schema.SessionMode(id=id, name=name, description=description)
            for id, (name, description) in _MODES.items()
        ],
    )


def options(
    session: Session, registry: ProviderRegistry, offers: Iterable[Offer]
) -> list[schema.SessionConfigOptionSelect | schema.SessionConfigOptionBoolean]:
    """Everything there is to choose, with what is chosen."""
    made: list[schema.SessionConfigOptionSelect | schema.SessionConfigOptionBoolean] = []
    if session.permissions is not None:
        choices = [_choice(id, name, about) for id, (name, about) in _MODES.items()]
        made.append(_select(MODE, "Approval mode", session.permissions.mode, choices, MODE))
    current = str(session.model)
    ids = dict.fromkeys([*(offer.id for offer in offers), current])
    made.append(_select(MODEL, "Model", current, [_choice(id, id) for id in ids], MODEL))
    info = registry.catalog.get(current) if registry.catalog.is_loaded else None
    if info is not None and info.reasoning:
        own = session.options.thinking_level if THINKING in session.record.options else None
        usual = session.setup.options.thinking_level
        choices = [_choice(DEFAULT, f"Default ({usual})" if usual else "Default")]
        choices += [_choice(level, level.capitalize()) for level in THINKING_LEVELS]
        made.append(_select(THINKING, "Thinking", own or DEFAULT, choices, "thought_level"))
    return made


def choose(session: Session, registry: ProviderRegistry, option: str, value: Any) -> None:
    """Use another value from now on: a model from the next prompt on, a mode at once.

    Raises `RequestError` for an option or a value there is none of, `UnknownModelError` for a
    model.
    """
    if option == MODE and value in _MODES and session.permissions is not None:
        session.set_mode(value)
    elif option == MODEL and isinstance(value, str):
        session.set_model(registry.resolve(value))
    elif option == THINKING and value == DEFAULT:
        session.set_options(thinking=msgspec.UNSET)
    elif option == THINKING and value in THINKING_LEVELS:
        session.set_options(thinking=value)
    else:
        raise bad_params(f"{safe_line(option, 60)} cannot be {safe_line(str(value), 60)!r}")


def _choice(value: str, name: str, about: str | None = None) -> schema.SessionConfigSelectOption:
    return schema.SessionConfigSelectOption(value=value, name=name, description=about)


def _select(
    id: str,
    name: str,
    current: str,
    choices: list[schema.SessionConfigSelectOption],
    category: Any,
) -> schema.SessionConfigOptionSelect:
    return schema.SessionConfigOptionSelect(
        type="select",
        id=id,
        name=name,
        current_value=current,
        options=choices,
        category=category,
    )
