"""The options a session has of its own: checked when they are chosen, forgiven when they are read.

They are kept as JSON values by the names of the fields of `Options`, and only those that were
chosen: what the set-up says of the others may change between two starts.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from omni_tui.llm.providers.base import Options

log = logging.getLogger(__name__)


def choose(before: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What to keep when `chosen` comes to what was chosen before; `UNSET` takes a field out.

    Raises `TypeError` for a name that is no field of `Options`, `ValueError` for a wrong value.
    """
    kept = dict(before)
    for name, value in chosen.items():
        if name not in Options.__struct_fields__:
            raise TypeError(f"there is no option {name}")
        if value is msgspec.UNSET:
            kept.pop(name, None)
        else:
            kept[name] = msgspec.to_builtins(_read(name, value))
    return kept


def overlay(options: Options, kept: Mapping[str, Any]) -> Options:
    """`options` with what was kept over them.

    What this version does not know or cannot read is left out: another one may have stored it.
    """
    read: dict[str, Any] = {}
    for name in kept.keys() & set(Options.__struct_fields__):
        try:
            read[name] = _read(name, kept[name])
        except ValueError as error:
            log.warning("the stored option %s is left out: %s", name, error)
    return msgspec.structs.replace(options, **read)


def _read(name: str, value: Any) -> Any:
    try:
        return getattr(msgspec.convert({name: value}, Options), name)
    except msgspec.ValidationError as error:
        raise ValueError(f"{name}: {error}") from None
