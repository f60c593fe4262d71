"""`--schema FILE`: the shape an answer must have."""

from __future__ import annotations

import json
from pathlib import Path

from omni_tui.core.errors import ConfigError
from omni_tui.llm.output import Output, output_of

HINT = "write a JSON Schema whose root is an object"


def read_schema(file: Path) -> Output:
    """The shape a JSON Schema file asks for.

    Raises `ConfigError`, which names the file, when it cannot be read or says what cannot be
    checked.
    """
    try:
        schema = json.loads(file.read_bytes(), parse_constant=_refuse)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: this is not JSON: {error}", hint=HINT) from None
    if not isinstance(schema, dict):
        raise ConfigError(f"{file}: this is not a JSON object", hint=HINT)
    try:
        return output_of(schema)
    except TypeError as error:
        raise ConfigError(f"{file}: {str(error).removeprefix('output: ')}", hint=HINT) from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")
