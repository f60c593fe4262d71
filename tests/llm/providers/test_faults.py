"""Error bodies of every shape, keys in messages, and waits that providers ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from omni_tui.core.errors import (
    AuthError,
    BrokenStreamError,
    ContextLengthError,
    OverloadedError,
    ProviderError,
    RateLimitError,
    RequestError,
)
from omni_tui.llm.providers.faults import MAX_MESSAGE, Origin, ReportedError, redact, to_error

ORIGIN = Origin(
    provider="groq",
    model="llama-4",
    base_url="https://me:secret@api.groq.com/openai/v1",
    key_env=("GROQ_API_KEY",),
    secrets=("s3cr3t-value",),
)


class Refused(Exception):
    """Carries what the SDKs' status errors carry."""

    def __init__(self, status: int, body: Any = None, headers: dict[str, str] | None = None):
        super().__init__("refused")
        self.status_code = status
        self.body = body
        self.response = type("Response", (), {"headers": headers or {}})()


def error(fault: BaseException, *, answered: bool = False) -> ProviderError:
    return to_error(fault, ORIGIN, answered=answered)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no such thing", "type": "x"}},
        {"type": "error", "error": {"type": "x", "message": "no such thing"}},
        {"message": "no such thing"},
        {"error": "no such thing"},
        {"detail": "no such thing"},
        [{"error": {"message": "no such thing", "status": "X"}}],
        "no such thing",
    ],
)
def test_the_words_of_a_provider_are_found_wherever_they_are(body: Any) -> None:
    assert error(Refused(400, body)).message == "groq: no such thing"


@pytest.mark.parametrize("body", [None, {}, [], 7, {"error": None}, "<html>x</html>", ""])
def test_without_words_the_status_speaks(body: Any) -> None:
    assert error(Refused(400, body)).message == "groq answered HTTP 400"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"type": "overloaded_error", "message": "x"}, OverloadedError),
        ({"type": "rate_limit_error", "message": "x"}, RateLimitError),
        ({"code": "rate_limit_exceeded", "message": "x"}, RateLimitError),
        ({"type": "authentication_error", "message": "x"}, AuthError),
        ({"type": "invalid_request_error", "message": "x"}, RequestError),
        ({"code": "context_length_exceeded", "message": "x"}, ContextLengthError),
        ({"message": "Your input exceeds the context window"}, ContextLengthError),
        ({"code": 502, "message": "x"}, OverloadedError),
        ({"code": 429, "message": "x"}, RateLimitError),
        ({"code": "server_error"}, OverloadedError),
        ({"status": "RESOURCE_EXHAUSTED", "message": "x"}, RateLimitError),
        ({"code": 429, "status": "UNAVAILABLE", "message": "x"}, RateLimitError),
        ({"status": "UNAVAILABLE", "message": "x"}, OverloadedError),
        ({"status": "INTERNAL", "message": "x"}, OverloadedError),
        ({"status": "PERMISSION_DENIED", "message": "x"}, AuthError),
        ({"status": "INVALID_ARGUMENT", "message": "x"}, RequestError),
        ({"code": "never_heard_of", "message": "x"}, OverloadedError),
        ({}, OverloadedError),
        ("x", OverloadedError),
    ],
)
def test_error_events_are_told_apart_by_their_words(body: Any, kind: type[ProviderError]) -> None:
    assert type(error(ReportedError(body), answered=True)) is kind


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 8192 tokens",
        "prompt is too long: 200001 tokens > 200000 maximum",
        "the request exceeds the available context size",
        "Input is too long for requested model.",
        "Please reduce the length: too many tokens",
    ],
)
def test_conversations_that_are_too_long_are_recognised(said: str) -> None:
    assert type(error(Refused(400, {"message": said}))) is ContextLengthError
    assert type(error(Refused(401, {"message": said}))) is AuthError


def test_hints_name_what_to_look_at() -> None:
    assert error(Refused(401)).hint == "check GROQ_API_KEY"
    assert "llama-4" in (error(Refused(403)).hint or "")
    assert error(Refused(404)).hint == "does api.groq.com serve a model named 'llama-4'?"
    assert "balance" in (error(Refused(402)).hint or "")


def test_no_quota_is_not_worth_a_retry() -> None:
    fault = error(Refused(429, {"error": {"code": "insufficient_quota", "message": "x"}}))
    assert isinstance(fault, RateLimitError)
    assert not fault.retryable
    assert error(Refused(429)).retryable


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "9" * 5000}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "5, 7"}, None),
        ({"retry-after": "Wed, 99 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 -2300"}, None),
        ({"retry-after": "-inf", "retry-after-ms": "x"}, None),
        ({}, None),
    ],
)
def test_waits_that_are_asked_for(headers: dict[str, str], seconds: float | None) -> None:
    assert error(Refused(429, None, headers)).details.get("retry_after") == seconds
    assert error(Refused(503, None, headers)).details.get("retry_after") == seconds


@pytest.mark.parametrize(
    ("details", "seconds"),
    [
        ([{"@type": "x"}, {"retryDelay": "34.5s"}], 34.5),
        ([{"retryDelay": "34"}], None),
        ([{"retryDelay": 34}, 3, None], None),
        ([{"retryDelay": f"{'9' * 400}s"}], None),
        ("34s", None),
        (None, None),
    ],
)
def test_a_wait_google_asks_for_among_the_details(details: Any, seconds: float | None) -> None:
    body = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": details}}
    for sent in (body, [body]):
        assert error(Refused(429, sent)).details.get("retry_after") == seconds
    assert error(Refused(429, body, {"retry-after": "2"})).details["retry_after"] == 2.0


def test_a_wait_until_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    wait = error(Refused(429, None, {"retry-after": date})).details["retry_after"]
    assert 3000 < wait <= 3600


def test_the_request_id_is_kept_for_a_report() -> None:
    assert error(Refused(500, None, {"request-id": "r1"})).details["request_id"] == "r1"
    assert error(Refused(500, None, {"x-request-id": "r2"})).details["request_id"] == "r2"


def test_keys_are_taken_out() -> None:
    said = "bad s3cr3t-value, sk-ant-api03-abcdefgh, AIzaSyA1234567890abcdefghij, Bearer abc.def"
    assert redact(said, ORIGIN.secrets) == "bad [key], [key], [key], [key]"
    shown = error(Refused(400, {"message": said})).message
    assert shown == "groq: bad [key], [key], [key], [key]"
    assert "secret" not in ORIGIN.host


def test_long_and_many_lined_words_are_cut_to_one_line() -> None:
    message = error(Refused(400, {"message": "word\n" * 10_000})).message
    assert "\n" not in message
    assert len(message) <= MAX_MESSAGE + len("groq: ")


def test_nonsense_in_the_stream_is_a_broken_stream() -> None:
    for fault in (ValueError("x"), IndexError(), AssertionError(), TypeError("x"), KeyError("x")):
        assert type(error(fault, answered=True)) is BrokenStreamError
        assert type(error(fault)) is RequestError
    assert isinstance(error(RecursionError(), answered=True), BrokenStreamError)


def test_our_own_errors_pass_unchanged() -> None:
    own = RateLimitError("x")
    assert error(own) is own
