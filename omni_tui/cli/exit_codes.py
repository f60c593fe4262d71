"""How the program ends, for scripts."""

from __future__ import annotations

from omni_tui.core.errors import (
    AmbiguousIdError,
    AuthError,
    CatalogError,
    ConfigError,
    MaxStepsReachedError,
    NotFoundError,
    OmniError,
    OutputError,
    ProviderError,
    SessionLockedError,
    UnknownModelError,
)

DONE = 0
RUN_FAILED = 1
USAGE = 2
LIMIT_REACHED = 3
TOOL_DENIED = 4
PROVIDER_FAILED = 5
KEY_REFUSED = 6
NO_SESSION = 7
INTERRUPTED = 130
TERMINATED = 143
HANGUP = 129

_CODES: tuple[tuple[type[OmniError], int], ...] = (
    (ConfigError, USAGE),
    (UnknownModelError, USAGE),
    (AuthError, KEY_REFUSED),
    (OutputError, RUN_FAILED),
    (ProviderError, PROVIDER_FAILED),
    (CatalogError, PROVIDER_FAILED),
    (NotFoundError, NO_SESSION),
    (AmbiguousIdError, NO_SESSION),
    (SessionLockedError, NO_SESSION),
    (MaxStepsReachedError, LIMIT_REACHED),
)


def exit_code(error: OmniError) -> int:
    """The exit code an error ends the program with."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), RUN_FAILED)
