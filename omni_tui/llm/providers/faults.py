"""Turns whatever goes wrong with a request into one typed error with a hint, free of keys.

Nothing of an SDK is imported here: their exceptions are told apart by what they carry.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from omni_tui.core.errors import (
    AuthError,
    BrokenStreamError,
    ConnectionFailedError,
    ContextLengthError,
    OverloadedError,
    ProviderError,
    RateLimitError,
    RequestError,
)

MAX_MESSAGE = 500

_KEY_SHAPES = re.compile(r"\b(?:sk|pk|gsk|xai|fw|or)[-_][\w*.-]{8,}|\bAIza[\w-]{20,}|Bearer\s+\S+")
_MASKED = re.compile(r"\S*\*{3,}\S*")
"""A key as providers repeat it; elsewhere it may be a rule of Markdown."""
_TOO_LONG = re.compile(
    r"context.?length|context.?window|maximum context|context.?size|prompt is too long"
    r"|input is too long|too many (?:input )?tokens"
    r"|exceeds? the (?:available|maximum) (?:context|token)",
    re.IGNORECASE,
)
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")
_NO_QUOTA = ("insufficient_quota", "billing_error", "billing_hard_limit_reached")
_STATUS_OF_WORD = {
    "overloaded_error": 529,
    "overloaded": 529,
    "api_error": 500,
    "server_error": 500,
    "internal_error": 500,
    "internal_server_error": 500,
    "timeout_error": 408,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "billing_error": 402,
    "not_found_error": 404,
    "model_not_found": 404,
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "request_too_large": 413,
    "resource_exhausted": 429,
    "unavailable": 503,
    "internal": 500,
    "deadline_exceeded": 504,
    "unauthenticated": 401,
    "permission_denied": 403,
    "invalid_argument": 400,
}


class ReportedError(Exception):
    """An error object a provider sent in the middle of a stream."""

    def __init__(self, body: Any) -> None:
        super().__init__("the provider reported an error")
        self.body = body


@dataclass(frozen=True)
class Origin:
    """Where a request went: names for messages, and the secrets to keep out of them."""

    provider: str
    model: str = ""
    base_url: str | None = None
    key_env: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        """The host and port, without user and password."""
        return urlsplit(self.base_url or "").netloc.rpartition("@")[2] or self.provider


def redact(text: str, secrets: tuple[str, ...] = ()) -> str:
    """`text` with keys taken out: the given ones, and all that look like one."""
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "[key]")
    return _KEY_SHAPES.sub("[key]", text)


def to_error(error: BaseException, origin: Origin, *, answered: bool) -> ProviderError:
    """The typed error for an exception.

    `answered` says whether the provider had begun to answer: a lost connection is then a broken
    stream rather than an unreachable provider.
    """
    if isinstance(error, ProviderError):
        return error
    status = getattr(error, "status_code", None)
    body = getattr(error, "body", None)
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    if isinstance(status, int) and status >= 300:
        return _from_status(status, body, headers, origin)
    if body is not None:
        return _from_body(body, headers, origin)
    return _from_transport(error, origin, answered=answered)


def page_instead_of_stream(origin: Origin) -> BrokenStreamError:
    """The error for an HTML page where a stream should be: a captive portal or a wrong address."""
    return BrokenStreamError(
        f"{origin.provider} answered with a web page instead of a stream",
        hint=f"check the address {origin.host} and whether this network wants a log-in",
    )


def answer_instead_of_stream(body: bytes, origin: Origin) -> Exception | None:
    """The fault for a whole answer where a stream should be; `None` when `body` says nothing."""
    if body.lstrip()[:1] == b"<":
        return page_instead_of_stream(origin)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    fields = _fields(value)
    if any(fields.get(name) for name in ("message", "detail", "code")):
        return ReportedError(value)
    return BrokenStreamError(
        f"{origin.provider} answered at once instead of streaming",
        hint=f"does {origin.host} stream?",
    )


def out_of_time(origin: Origin, seconds: float) -> BrokenStreamError:
    """The error for a request that used all its time; not retryable, the limit was the caller's."""
    error = BrokenStreamError(
        f"{origin.provider} did not finish within {seconds:g} s",
        hint="raise the timeout, or ask for less at once",
        timeout=seconds,
    )
    error.retryable = False
    return error


def _from_body(body: Any, headers: Mapping[str, str], origin: Origin) -> ProviderError:
    """An error event inside a stream: its words stand in for the status code."""
    fields = _fields(body)
    for word in (fields.get("code"), fields.get("type"), fields.get("status")):
        if isinstance(word, int) and 300 <= word < 600:
            return _from_status(word, body, headers, origin)
        if isinstance(word, str) and word.lower() in _STATUS_OF_WORD:
            return _from_status(_STATUS_OF_WORD[word.lower()], body, headers, origin)
    if _TOO_LONG.search(_words(fields)):
        return _from_status(400, body, headers, origin)
    said = _message(body, origin)
    return OverloadedError(
        f"{origin.provider} reported an error{': ' + said if said else ''}", hint="try again"
    )


def _from_status(
    status: int, body: Any, headers: Mapping[str, str], origin: Origin
) -> ProviderError:
    fields = _fields(body)
    said = _message(body, origin)
    message = f"{origin.provider}: {said}" if said else f"{origin.provider} answered HTTP {status}"
    keys = " or ".join(origin.key_env) or "the key"
    details: dict[str, Any] = {"status": status}
    request_id = headers.get("request-id") or headers.get("x-request-id")
    if request_id:
        details["request_id"] = request_id
    if status in (401, 403):
        hint = f"check {keys}" if status == 401 else f"may the key in {keys} use {origin.model}?"
        return AuthError(message, hint=hint, **details)
    if status == 429:
        return _rate_limit(message, fields, headers, details)
    if status in (408, 409) or status >= 500:
        retry_after = _retry_after(headers)
        if retry_after is not None:
            details["retry_after"] = retry_after
        return OverloadedError(message, hint="try again in a moment", **details)
    if status in (400, 413, 422) and _TOO_LONG.search(_words(fields)):
        return ContextLengthError(
            message,
            hint="compact the conversation, or pick a model with a larger window",
            **details,
        )
    return RequestError(message, hint=_request_hint(status, origin), **details)


def _rate_limit(
    message: str, fields: Mapping[str, Any], headers: Mapping[str, str], details: dict[str, Any]
) -> RateLimitError:
    if fields.get("code") in _NO_QUOTA or fields.get("type") in _NO_QUOTA:
        error = RateLimitError(message, hint="check the plan and billing of this key", **details)
        error.retryable = False
        return error
    retry_after = _retry_after(headers)
    if retry_after is None:
        retry_after = _retry_delay(fields)
    if retry_after is not None:
        details["retry_after"] = retry_after
    wait = f"wait {retry_after:g} s" if retry_after else "wait a moment"
    return RateLimitError(message, hint=f"{wait}, or pick another model", **details)


def _request_hint(status: int, origin: Origin) -> str | None:
    if status == 404:
        return f"does {origin.host} serve a model named {origin.model!r}?"
    if status == 402:
        return "check the balance of this account"
    if status == 413:
        return "remove attachments, or compact the conversation"
    return None


def _from_transport(error: BaseException, origin: Origin, *, answered: bool) -> ProviderError:
    import httpx2

    cause: BaseException = error
    while cause.__cause__ is not None and not isinstance(cause, httpx2.RequestError):
        cause = cause.__cause__
    kind = type(cause).__name__
    if isinstance(cause, httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        return RequestError(
            f"{origin.provider}: the address is no http(s) URL", hint="check base_url", kind=kind
        )
    if isinstance(cause, httpx2.TransportError | OSError):
        if answered:
            silent = isinstance(cause, httpx2.TimeoutException)
            return BrokenStreamError(
                f"{origin.provider} {'fell silent' if silent else 'dropped the connection'}"
                " in the middle of the answer",
                hint="try again",
                kind=kind,
            )
        return ConnectionFailedError(
            f"{origin.provider} could not be reached at {origin.host}",
            hint="check the network, and that the server is running",
            kind=kind,
        )
    said = _one_line(str(cause), origin)
    if answered or isinstance(cause, httpx2.DecodingError):
        return BrokenStreamError(
            f"{origin.provider} sent an answer that makes no sense ({kind}: {said})",
            hint="try again",
            kind=kind,
        )
    return RequestError(
        f"The request to {origin.provider} could not be sent ({kind}: {said})", kind=kind
    )


def _fields(body: Any) -> Mapping[str, Any]:
    """The error object within a body, whatever it is wrapped in."""
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        if isinstance(inner, Mapping):
            return inner
        return {"message": inner}
    return {"message": body} if isinstance(body, str) else {}


def _words(fields: Mapping[str, Any]) -> str:
    return " ".join(_said(fields.get(key)) for key in ("message", "code", "type", "detail"))


def _said(value: Any) -> str:
    """A field of an error as text, whatever it holds."""
    try:
        return str(value or "")
    except RecursionError:
        return ""


def _message(body: Any, origin: Origin) -> str:
    fields = _fields(body)
    text = _said(fields.get("message") or fields.get("detail"))
    if text.lstrip()[:1] == "<":
        return ""
    return _one_line(text, origin)


def _one_line(text: str, origin: Origin) -> str:
    text = redact(" ".join(text[: MAX_MESSAGE * 4].split()), origin.secrets)
    text = _MASKED.sub("[key]", text)
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


def _retry_delay(fields: Mapping[str, Any]) -> float | None:
    """Seconds to wait, as Google says it: among the details of the error, not in a header."""
    details = fields.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, Mapping) else None
        found = _SECONDS.fullmatch(delay) if isinstance(delay, str) else None
        if found is not None:
            return float(found[1])
    return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, as the provider said."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            try:
                moment = parsedate_to_datetime(value).astimezone(UTC)
            except (ValueError, OverflowError):
                continue
            seconds = (moment - datetime.now(UTC)).total_seconds()
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None
