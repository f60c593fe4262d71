"""Our errors as errors of the protocol: a message and what to do next, never a traceback."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from acp import RequestError

from omni_tui.core.errors import (
    AttachmentError,
    BusyError,
    ConfigError,
    NotFoundError,
    OmniError,
    UnknownModelError,
    UnsupportedModalityError,
)
from omni_tui.core.safe_text import safe

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

_INVALID_REQUEST, _INVALID_PARAMS, _FAILED, _NOT_FOUND = -32600, -32602, -32603, -32002
_CODES: tuple[tuple[type[OmniError], int], ...] = (
    (NotFoundError, _NOT_FOUND),
    (BusyError, _INVALID_REQUEST),
    (AttachmentError, _INVALID_PARAMS),
    (UnsupportedModalityError, _INVALID_PARAMS),
    (UnknownModelError, _INVALID_PARAMS),
    (ConfigError, _INVALID_PARAMS),
)


def fault(error: OmniError) -> RequestError:
    """The error an editor shows; `data` names its kind.

    A missing key is no `auth_required`: that would have the editor offer a login we do not have.
    """
    code = next((code for kind, code in _CODES if isinstance(error, kind)), _FAILED)
    return RequestError(code, safe(str(error)), {"type": type(error).__name__})


def bad_params(words: str) -> RequestError:
    """The error for arguments that make no sense."""
    return RequestError(_INVALID_PARAMS, safe(words))


def with_faults(handler: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """A handler of requests whatever goes wrong in which reaches the editor as an error."""

    @functools.wraps(handler)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await handler(*args, **kwargs)
        except OmniError as error:
            raise fault(error) from None
        except RequestError:
            raise
        except ConnectionError:
            raise RequestError(_FAILED, "The client has left") from None
        except Exception as error:
            log.exception("a request failed")
            raise RequestError(_FAILED, f"omni-tui failed: {type(error).__name__}") from None

    return wrapper
